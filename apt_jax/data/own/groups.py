"""Photographs that belong together: the same bytes, near copies, one burst.

A picture that was trained on tells nothing when a near copy of it is tested, so a split
keeps them on one side. Near copies are `near_copies`, bursts are `bursts`; all link, so
that a group may be a chain.
"""

import collections
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from apt_jax.data.dataset import Item
from apt_jax.data.own.bursts import burst_pairs
from apt_jax.data.own.looks import Look
from apt_jax.data.own.near_copies import near_pairs

GROUPS = ("auto", "none")  # values of data.group that name no column

Pairs = tuple[np.ndarray, np.ndarray]  # arrays i, j of places


def groups_of(found: dict[str, list[str]], looks: dict[str, Look]) -> dict[str, str]:
    """A key for each path: the hash of one of those of its class that it belongs with.

    Args:
        found: paths by class.
        looks: what is known of the images.
    """
    groups = {}
    for name, paths in found.items():
        seen = [looks[path] for path in paths]
        same = same_pairs(look.sha256 for look in seen)
        pairs = [same, *alike_pairs(seen, [name] * len(seen))]
        for group in linked(paths, pairs):
            groups |= dict.fromkeys(group, looks[group[0]].sha256)
    return groups


def joined(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """A key for each path of `other`; equal for paths that either joins, or a chain."""
    paths = list(other)
    pairs = [same_pairs(keys[path] for path in paths) for keys in (one, other)]
    return {path: other[group[0]] for group in linked(paths, pairs) for path in group}


def partners(
    splits: Iterable[Sequence[Item]], looks: dict[str, Look]
) -> dict[str, str]:
    """For each path that has one, a path it belongs with in an earlier one of the splits.

    Near copies count whatever their classes, bursts within a class.
    """
    placed = {
        item.path: (side, item.label)
        for side, items in enumerate(splits)
        for item in items
    }
    paths, seen = list(placed), [looks[path] for path in placed]
    side = np.array([side for side, _ in placed.values()], int)
    found = {}
    for i, j in alike_pairs(seen, [label for _, label in placed.values()]):
        i, j = np.where(side[i] > side[j], (i, j), (j, i))
        apart = side[i] > side[j]
        _, firsts = np.unique(i[apart], return_index=True)
        for far, near in zip(i[apart][firsts], j[apart][firsts]):
            found.setdefault(paths[far], paths[near])
    return found


def alike_pairs(looks: Sequence[Look], classes: Sequence) -> Iterator[Pairs]:
    """Yields pairs of near copies whatever their classes, and of bursts within a class."""
    yield from near_pairs(look.hash for look in looks)
    yield burst_pairs([look.shot for look in looks], classes)


def same_pairs(values: Iterable) -> Pairs:
    """Each place with the first that has the same value."""
    first = {}
    firsts = [first.setdefault(value, place) for place, value in enumerate(values)]
    return np.array(firsts, int), np.arange(len(firsts))


def linked(paths: Sequence[str], pairs: Iterable[Pairs]) -> list[list[str]]:
    """The paths in groups, as pairs link them, over others too."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    labels, shape = np.arange(len(paths)), (len(paths), len(paths))
    for i, j in pairs:
        if len(i):
            links = (np.ones(len(i), bool), (labels[i], labels[j]))
            graph = coo_array(links, shape=shape)
            labels = connected_components(graph, directed=False)[1][labels]
    groups = collections.defaultdict(list)
    for path, label in zip(paths, labels.tolist(), strict=True):
        groups[label].append(path)
    return list(groups.values())
