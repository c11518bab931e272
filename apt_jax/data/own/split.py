"""The three splits of somebody's photographs: given with them, or drawn by the seed.

The seed divides the images of each class (`division`) and takes nothing apart that belongs
together: files with the same bytes, near copies and bursts of a class (`groups`), and what
has the same value in the column that `data.group` names. All three link: a copy brings its
group along.

Given splits stay. A file with the bytes of one in another split is an error, or dropped
from the split that is farther from the test; of near copies a note tells.

In both, the same bytes under two labels are an error, or dropped.
"""

import collections
import dataclasses

from apt_jax.data.dataset import SPLITS, Item
from apt_jax.data.listing import listed
from apt_jax.data.own.division import divide
from apt_jax.data.own.found import Found
from apt_jax.data.own.groups import groups_of, joined, partners
from apt_jax.data.own.looks import tell_of_unused_bits
from apt_jax.data.roots import note
from apt_jax.data.scan import refuse_or_note
from apt_jax.errors import UserError
from apt_jax.words import counted, form

NEAREST_FIRST = ("test", "val", "train")
AS_THEY_COME = "`group`=none"


def split(
    found: Found, seed: int, look_at, *, group: str, on_error: str, validation: bool
) -> dict[str, tuple[Item, ...]]:
    """The three splits, each item with its group.

    Args:
        found: all pictures, and what `group` keeps together if it names a column.
        look_at: tells what is known of images, as `looks.look_at` does.
        group: "none" where near copies may be taken apart.
        validation: whether the seed cuts a share off for validation.

    Raises:
        UserError: for what is no image, for copies across classes or given splits, if
            `on_error` is "stop"; and for a class that cannot be divided.
    """

    def looks():
        known, faults = look_at(found.read, found.items)
        tell_of_unused_bits(known)
        return ({} if group == "none" else known), faults

    if found.is_drawn:
        known, faults = looks()
        if faults := found.faults | faults:
            refuse_or_note(faults, on_error)
        return _drawn(found.without(faults), known, seed, on_error, validation)
    if found.faults:
        refuse_or_note(found.faults, on_error)
    if found.published:
        splits = {name: tuple(found.splits.get(name, ())) for name in SPLITS}
        _tell_of_columns(splits, found.groups or {})
        return _grouped(splits, found.groups or {})
    # Looks cost something: only when what costs nothing has been checked.
    return _given(found, dict if group == "none" else lambda: looks()[0], on_error)


def refuse_or_drop(what: str, on_error: str):
    """Says what is dropped; with "stop" by raising `UserError`."""
    if on_error == "stop":
        raise UserError(f"{what}; remove them, or drop them with `on_error`=skip")
    note(f"dropped: {what}")


def _drawn(found, looks, seed, on_error, validation):
    keys = found.keys([item.path for item in found.items])
    by_class = _by_class(_without_contradictions(found, keys, on_error))
    groups = groups_of(by_class, keys, looks)
    _tell_of_groups(by_class, keys, groups)
    narrow, wide = keys, groups
    if found.groups is not None:
        narrow, wide = found.groups, joined(found.groups, groups)
        _tell_of_links(narrow, wide)
    options = {"wider": wide, "validation": validation}
    return divide(by_class, found.classes, narrow, seed, **options)


def _given(found, looks, on_error):
    keys = found.keys([item.path for item in found.items])
    sound = _without_contradictions(found, keys, on_error)
    kept = _apart({name: sound.splits.get(name, []) for name in SPLITS}, keys, on_error)
    looks = looks()
    _tell_of_near_copies(kept, looks)
    groups = groups_of(_by_class(sound), keys, looks)
    if found.groups is not None:
        _tell_of_columns(kept, found.groups)
        groups = joined(found.groups, groups)
    return _grouped(kept, groups)


def _by_class(found):
    return {name: found.of_class(name) for name in found.classes}


def _grouped(splits, groups):
    """The splits, each item with its group, if there is one."""
    return {
        name: tuple(
            dataclasses.replace(item, group=groups.get(item.path, "")) for item in items
        )
        for name, items in splits.items()
    }


def _without_contradictions(found, keys, on_error):
    """The pictures whose bytes occur under one label only."""
    labels = collections.defaultdict(set)
    for item in found.items:
        labels[keys[item.path]].add(item.label)
    odd = dict.fromkeys(i.path for i in found.items if len(labels[keys[i.path]]) > 1)
    if odd:
        refuse_or_drop(
            f"{counted(len(odd), 'image has', 'images have')} byte-identical copies in "
            f"another class ({listed(odd)})",
            on_error,
        )
    return found.without(odd)


def _apart(splits, keys, on_error):
    """The splits without copies of what is in a split nearer to the test."""
    kept, copies, nearer = {}, {}, {}
    for name in NEAREST_FIRST:
        for item in splits[name]:
            original = nearer.get(keys[item.path], item.path)
            if original != item.path:  # listed twice is for `check` to say
                copies[item.path] = original
        kept[name] = tuple(item for item in splits[name] if item.path not in copies)
        nearer |= {keys[item.path]: item.path for item in kept[name]}
    if copies:
        pairs = listed(f"{copy} = {original}" for copy, original in copies.items())
        refuse_or_drop(
            f"{counted(len(copies), 'image is', 'images are')} byte-identical copies "
            f"across splits ({pairs})",
            on_error,
        )
    return kept


def _tell_of_groups(by_class, keys, groups):
    """Notes what stays together though the bytes differ.

    Raises:
        UserError: if a whole class would have to.
    """
    whole = [
        name
        for name, paths in by_class.items()
        if len({groups[path] for path in paths}) == 1 < len({keys[p] for p in paths})
    ]
    if whole:
        raise UserError(
            f"all images of {listed(map(repr, whole))} are near copies or one burst and "
            "stay on one side of the split, so that none is left to test or to train; add "
            f"others, or divide them as they come with {AS_THEY_COME}"
        )
    sizes = collections.Counter(
        group for _, group in {(keys[path], group) for path, group in groups.items()}
    )
    if together := [size for size in sizes.values() if size > 1]:
        note(
            f"{sum(together)} images are near copies or of one burst, "
            f"{counted(len(together), 'group')} that "
            f"{form(len(together), 'stays', 'stay')} on one side of the split (python -m "
            f"apt_jax inspect names them; {AS_THEY_COME} divides them as they come)"
        )


def _tell_of_links(column, wide):
    """Notes groups of the column that copies make one."""
    values = collections.defaultdict(set)
    for path, group in wide.items():
        values[group].add(column[path])
    if linked := [sorted(found) for found in values.values() if len(found) > 1]:
        note(
            "copies or near copies link groups of the column data.group, which stay "
            f"together: {listed((' = '.join(one) for one in linked), separator='; ')}"
        )


def _tell_of_columns(splits, groups: dict[str, str]):
    """Notes groups of the column data.group that lie on both sides of the test."""
    sides = collections.defaultdict(set)
    for name, items in splits.items():
        for item in items:
            if item.path in groups:
                sides[groups[item.path]].add(name)
    if apart := [group for group, of in sides.items() if "test" in of and len(of) > 1]:
        note(
            f"{counted(len(apart), 'group')} of the column data.group "
            f"{form(len(apart), 'lies', 'lie')} in the test and in another split "
            f"({listed(apart)}); the splits are given and stay: mend the column split, or "
            "leave it out, and the seed keeps each group on one side"
        )


def _tell_of_near_copies(splits, looks):
    """Notes images that look like one in a split nearer to the test."""
    ranks = {name: rank for rank, name in enumerate(NEAREST_FIRST)}
    placed = [(item, ranks[name]) for name in splits for item in splits[name]]
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
