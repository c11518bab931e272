"""Somebody's photographs as a data set: what is found, what counts of it, three splits.

What has no label, what is no image, and the same bytes under two labels are an error, or
dropped. Then the splits are given or drawn.

The seed divides the images of each class (`division`) and takes nothing apart that belongs
together: files with the same bytes, near copies and bursts of a class (`groups`), and what
has the same value in the column that `data.group` names. All three link: a copy brings its
group along.

Given splits stay. A file with the bytes of one in another split is an error, or dropped
from the split that is farther from the test; of near copies a note tells.
"""

import collections
import dataclasses
from typing import ClassVar

from apt_jax.data.dataset import SPLITS, Dataset
from apt_jax.data.listing import listed
from apt_jax.data.own.division import divide
from apt_jax.data.own.found import Found
from apt_jax.data.own.groups import groups_of, joined, partners
from apt_jax.data.own.labels import NO_LABEL
from apt_jax.data.own.looks import look_at, tell_of_unused_bits
from apt_jax.data.roots import note
from apt_jax.data.scan import refuse_or_note
from apt_jax.data.source import Source
from apt_jax.errors import UserError
from apt_jax.words import counted, form

NEAREST_FIRST = ("test", "val", "train")
AS_THEY_COME = "`group`=none"


class Photographs(Source):
    """A folder, a table, a set of the hub: they differ in `find`."""

    own: ClassVar[bool] = True

    def find(self) -> Found:
        """What is at the root.

        Raises:
            UserError: if it is not laid out as it should be.
        """
        raise NotImplementedError

    def would_read(self, folder) -> bool:
        """Whether what is written into a folder would be photographs too."""
        return False

    def load(self, seed: int, look_at=look_at, validation: bool = True) -> Dataset:
        """The photographs, divided as they are or by the seed; each item has its group.

        Who has looked at them already gives a `look_at` that remembers. Without
        `validation` the seed cuts no share off for it.

        Raises:
            UserError: as `find`; for what has no label or is no image and for copies
                across classes or given splits, unless `on_error` drops them; for a
                class that cannot be divided.
        """
        found = self.find()
        if odd := [item.path for item in found.items if item.label == NO_LABEL]:
            images = counted(len(odd), "image has", "images have")
            self._refuse_or_drop(f"{images} no label ({listed(odd)})")
            found = found.those(lambda item: item.label != NO_LABEL)
        for line in found.unread:
            note(line)
        if found.published and not found.is_drawn:
            groups = found.groups or {}
            _tell_of_columns(found.splits, groups)
            splits = _grouped(found.splits, groups)
        else:
            splits = self._split(found, seed, look_at, validation)
        return self.dataset(classes=found.classes, **splits, read=found.read)

    def _split(self, found, seed, look_at, validation):
        looks, faults = look_at(found.read, found.items)
        tell_of_unused_bits(looks)
        if faults := found.faults | faults:
            refuse_or_note(faults, self.on_error)
        found = found.those(lambda item: item.path in looks)
        keys = {path: look.sha256 for path, look in looks.items()}
        found = self._without_contradictions(found, keys)
        near, column = self.group != "none", found.groups
        groups = groups_of(found.by_class, looks) if near else keys
        wide = joined(column, groups) if column else groups
        if found.is_drawn:
            _tell_of_groups(found.by_class, keys, groups)
            if column:
                _tell_of_links(column, wide)
            narrow = column or keys
            return divide(found.by_class, narrow, wide, seed, validation=validation)
        kept = self._apart(found.splits, keys)
        if near:
            _tell_of_near_copies(kept, looks)
        _tell_of_columns(kept, column or {})
        return _grouped(kept, wide)

    def _refuse_or_drop(self, what: str):
        """Says what is dropped; with `on_error` "stop" by raising `UserError`."""
        if self.on_error == "stop":
            raise UserError(f"{what}; remove them, or drop them with `on_error`=skip")
        note(f"dropped: {what}")

    def _without_contradictions(self, found, keys):
        """The pictures whose bytes occur under one label only."""
        labels = collections.defaultdict(set)
        for item in found.items:
            labels[keys[item.path]].add(item.label)
        odd = {i.path: None for i in found.items if len(labels[keys[i.path]]) > 1}
        if odd:
            self._refuse_or_drop(
                f"{counted(len(odd), 'image has', 'images have')} byte-identical copies "
                f"in another class ({listed(odd)})"
            )
        return found.those(lambda item: item.path not in odd)

    def _apart(self, splits, keys):
        """The splits without copies of what is in a split nearer to the test."""
        kept, copies, nearer = {}, {}, {}
        for name in NEAREST_FIRST:
            items = splits.get(name, [])
            for item in items:
                original = nearer.get(keys[item.path], item.path)
                if original != item.path:  # listed twice is for `check` to say
                    copies[item.path] = original
            kept[name] = [item for item in items if item.path not in copies]
            nearer |= {keys[item.path]: item.path for item in kept[name]}
        if copies:
            pairs = listed(f"{copy} = {original}" for copy, original in copies.items())
            self._refuse_or_drop(
                f"{counted(len(copies), 'image is', 'images are')} byte-identical copies "
                f"across splits ({pairs})"
            )
        return kept


def _grouped(splits, groups):
    """The splits, each item with its group, if there is one."""
    return {
        name: tuple(
            dataclasses.replace(item, group=groups.get(item.path, ""))
            for item in splits.get(name, [])
        )
        for name in SPLITS
    }


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
            f"({listed(apart)}); the splits are given and stay: fix the column split, or "
            "leave it out, and the seed keeps each group on one side"
        )


def _tell_of_near_copies(splits, looks):
    """Notes images that look like one in a split nearer to the test."""
    if alike := partners([splits[name] for name in NEAREST_FIRST], looks):
        pairs = listed(f"{path} ~ {other}" for path, other in alike.items())
        note(
            f"{counted(len(alike), 'image')} of train or val "
            f"{form(len(alike), 'is a near copy', 'are near copies')}, or of one burst, "
            f"with images of a split nearer to the test ({pairs}); the splits are given "
            "and stay: remove them for figures that owe nothing to them"
        )
