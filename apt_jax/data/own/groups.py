"""Photographs that belong together: the same bytes, near copies, one burst.

A picture that was trained on tells nothing when a near copy of it is tested, so a split
keeps them on one side. Near copies are `near_copies`, bursts are `bursts`; both link, so
that a group may be a chain. Byte-identical files are one thing here, whatever they show.
"""

import collections
import hashlib
import itertools
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from apt_jax.data.dataset import Item
from apt_jax.data.own.bursts import burst_pairs
from apt_jax.data.own.looks import Look
from apt_jax.data.own.near_copies import connected, near_pairs
from apt_jax.files import sha256_of_file

GROUPS = ("auto", "none")  # values of data.group that name no column


def content_keys(root: Path, paths) -> dict[str, str]:
    """A key for each path; two are equal if and only if the files' bytes are.

    What cannot be a copy, because no other file has its size, is not read.
    Empty files and those that cannot be read are like no other: `scan` reports them.
    """
    keys = {path: f"path {path}" for path in paths}
    by_size = collections.defaultdict(list)
    for path in paths:
        if os.path.isfile(root / path):
            by_size[os.path.getsize(root / path)].append(path)
    by_size.pop(0, None)
    for alike in by_size.values():
        if len(alike) > 1:
            keys |= {path: _key(path, sha256_of_file, root / path) for path in alike}
    return keys


def keys_of_content(read, paths) -> dict[str, str]:
    """A key for each path, equal where the bytes are: all are read, by `Found.read`."""

    def sha256(path):
        return hashlib.sha256(read(Item(path, 0))).hexdigest()

    return {path: _key(path, sha256, path) for path in paths}


def _key(path, sha256, place) -> str:
    try:
        return sha256(place)
    except OSError:
        return f"path {path}"


def groups_of(
    found: dict[str, list[str]], keys: dict[str, str], looks: dict[str, Look]
) -> dict[str, str]:
    """A key for each path; equal for those of a class that belong together.

    Args:
        found: paths by class.
        keys: equal where the bytes are (`content_keys`).
        looks: what is known of the images; paths without a look are like no other.
    """
    groups = {}
    for paths in found.values():
        firsts = {}  # one path for all files of the same bytes
        for path in paths:
            firsts.setdefault(keys[path], path)
        labels = linked([looks.get(path) for path in firsts.values()])
        names = list(firsts)
        named = {key: names[label] for key, label in zip(firsts, _first(labels))}
        groups |= {path: named[keys[path]] for path in paths}
    return groups


def joined(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """A key for each path of `other`; equal for paths that either joins, or a chain."""
    paths = list(other)
    pairs = []
    for groups in (one, other):
        firsts = {}
        for place, path in enumerate(paths):
            pairs.append((firsts.setdefault(groups[path], place), place))
    labels = connected(len(paths), [tuple(np.array(pairs, int).reshape(-1, 2).T)])
    first = _first(labels)
    return {path: paths[first[place]] for place, path in enumerate(paths)}


def linked(looks: Iterable[Look | None]) -> np.ndarray:
    """[n] labels, equal for photographs that are near copies or of one burst."""
    looks = list(looks)
    near = near_pairs([one and one.hash for one in looks])
    bursts = burst_pairs([one and one.shot for one in looks])
    return connected(len(looks), itertools.chain(near, [bursts]))


def partners(
    sides: dict[str, int], labels: dict[str, int], looks: dict[str, Look]
) -> dict[str, str]:
    """For each path that has one, a path it belongs with on a side of a lower number.

    Near copies count whatever their classes (`labels`), bursts within a class.
    """
    paths = [path for path in sides if path in looks]
    side = np.array([sides[path] for path in paths], int)
    found = {}
    for i, j in _pairs(paths, labels, looks):
        i, j = np.where(side[i] > side[j], (i, j), (j, i))
        apart = side[i] > side[j]
        _, firsts = np.unique(i[apart], return_index=True)
        for far, near in zip(i[apart][firsts], j[apart][firsts]):
            found.setdefault(paths[far], paths[near])
    return found


def _pairs(paths, labels, looks):
    yield from near_pairs([looks[path].hash for path in paths])
    by_label = collections.defaultdict(list)
    for place, path in enumerate(paths):
        by_label[labels[path]].append(place)
    for places in by_label.values():
        i, j = burst_pairs([looks[paths[place]].shot for place in places])
        yield np.array(places)[i], np.array(places)[j]


def _first(labels):
    """For each label the place where it is first seen."""
    _, firsts, of = np.unique(labels, return_index=True, return_inverse=True)
    return firsts[of]
