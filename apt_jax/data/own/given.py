"""Splits that are given with the pictures: what of them would flatter the test.

The same bytes under two labels are an error, or dropped. A file with the bytes of one in
another split is an error, or dropped from the split that is farther from the test; of near
copies a note tells.
"""

import collections

from apt_jax.data.dataset import SPLITS, Item
from apt_jax.data.listing import listed
from apt_jax.data.own.copies import refuse_or_drop, without_contradictions
from apt_jax.data.own.found import Found
from apt_jax.data.own.groups import partners
from apt_jax.data.roots import note
from apt_jax.words import counted, form

NEAREST_FIRST = ("test", "val", "train")


def given(found: Found, looks, on_error: str) -> dict[str, tuple[Item, ...]]:
    """The three splits.

    Args:
        looks: gives what is known of the images (`looks.look_at`), by path.

    Raises:
        UserError: for copies across splits or classes, if `on_error` is "stop".
    """
    keys = found.keys([item.path for item in found.items])
    sound = without_contradictions(found, keys, on_error).splits
    splits = {split: sound.get(split, []) for split in SPLITS}
    kept = _apart(splits, keys, on_error)
    _tell_of_near_copies(kept, looks())
    tell_of_groups(kept, found.groups or {})
    return kept


def _apart(splits, keys, on_error):
    """The splits without copies of what is in a split nearer to the test."""
    kept, copies, nearer = {}, {}, {}
    for split in NEAREST_FIRST:
        for item in splits[split]:
            original = nearer.get(keys[item.path], item.path)
            if original != item.path:  # listed twice is for `check` to say
                copies[item.path] = original
        kept[split] = tuple(item for item in splits[split] if item.path not in copies)
        nearer |= {keys[item.path]: item.path for item in kept[split]}
    if copies:
        pairs = listed(f"{copy} = {original}" for copy, original in copies.items())
        refuse_or_drop(
            f"{counted(len(copies), 'image is', 'images are')} byte-identical copies "
            f"across splits ({pairs})",
            on_error,
        )
    return kept


def tell_of_groups(splits, groups: dict[str, str]):
    """Notes groups of the column data.group that lie on both sides of the test."""
    sides = collections.defaultdict(set)
    for split, items in splits.items():
        for item in items:
            if item.path in groups:
                sides[groups[item.path]].add(split)
    if apart := [group for group, of in sides.items() if "test" in of and len(of) > 1]:
        note(
            f"{counted(len(apart), 'group')} of the column data.group "
            f"{form(len(apart), 'lies', 'lie')} in the test and in another split "
            f"({listed(apart)}); the splits are given and stay: mend the column split, or "
            "leave it out, and the seed keeps each group on one side"
        )


def _tell_of_near_copies(splits, looks):
    """Notes images that look like one in a split nearer to the test."""
    ranks = {split: rank for rank, split in enumerate(NEAREST_FIRST)}
    placed = [(item, ranks[split]) for split in splits for item in splits[split]]
    sides = {item.path: rank for item, rank in placed}
    labels = {item.path: item.label for item, _ in placed}
    if alike := partners(sides, labels, looks):
        pairs = listed(f"{path} ~ {other}" for path, other in alike.items())
        note(
            f"{counted(len(alike), 'image')} of train or val "
            f"{form(len(alike), 'is a near copy', 'are near copies')}, or of one burst, "
            f"with images of a split nearer to the test ({pairs}); the splits are given "
            "and stay: remove them for figures that owe nothing to them"
        )
