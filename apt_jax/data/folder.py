"""A folder of photographs: a folder a class.

    ROOT/train/CLASS/*   ROOT/test/CLASS/*   (ROOT/val/CLASS/*)      splits given
    ROOT/CLASS/*                                                     split by the seed

The seeded split is stratified: of each class 50 % train, 20 % val, 30 % test (CoOp's
proportions), at least one of train and test. What belongs together stays on one side, so
that no copy of a training image is a test image: with `data.group` "auto" near copies and
bursts of a class, with "none" files with the same bytes only. A class without any is
divided alike by both. In the given layout a file with the bytes of one in another split
is an error, and of near copies a note tells.

Everything in a class folder that is not hidden counts as an image; `scan` says which are
none.
"""

import os
from pathlib import Path
from typing import NamedTuple

from apt_jax.data.copies import content_keys
from apt_jax.data.dataset import SPLITS, Dataset, Item
from apt_jax.data.drawn import GROUPS, drawn, refuse_or_drop
from apt_jax.data.groups import partners
from apt_jax.data.listing import listed
from apt_jax.data.looks import look_at
from apt_jax.data.naming import FILE as NAMES
from apt_jax.data.roots import entries, note, reader, require_folder
from apt_jax.data.templates import templates_of
from apt_jax.errors import UserError

LAYOUTS = "ROOT/train/CLASS/* and ROOT/test/CLASS/*, or ROOT/CLASS/*"


class Found(NamedTuple):
    """What a folder holds, by its layout."""

    paths: dict[str, dict[str, list[str]]]  # by split ("" for all) and class
    unread: list[str]  # what is in no place for images, a line each

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted(set().union(*self.paths.values())))

    @property
    def splits(self) -> dict[str, list[Item]]:
        label_of = {name: label for label, name in enumerate(self.classes)}
        return {
            split: [
                Item(path, label_of[name])
                for name, paths in by_class.items()
                for path in paths
            ]
            for split, by_class in self.paths.items()
        }

    @property
    def items(self) -> list[Item]:
        return [item for items in self.splits.values() for item in items]


def load(config, seed: int, look_at=look_at) -> Dataset:
    """The photographs below `config.root`.

    Who has looked at them already gives a `look_at` that remembers.
    """
    root = require_folder(config.root, f"your photographs as {LAYOUTS}")
    if config.group not in GROUPS:
        raise UserError(
            f"data.group={config.group}: a folder has no columns; choose one of "
            f"{', '.join(GROUPS)}"
        )
    found = find(root)
    for line in found.unread:
        note(line)

    def looks():  # only when what costs nothing has been checked
        grouped = config.group == "auto"
        return look_at(reader(root), found.items)[0] if grouped else {}

    split = _drawn if "" in found.paths else _given
    name = config.name or root.resolve().name
    return Dataset(
        name=name,
        classes=found.classes,
        **split(root, found, looks, seed, config.on_error),
        templates=templates_of(name, config.templates),
        read=reader(root),
    )


def find(root: Path) -> Found:
    """The files of each split and class.

    Raises:
        UserError: if the folder is laid out in another way.
    """
    if not any(_folders(root / split) for split in ("train", "test")):
        paths, unread = _paths_by_class(root, "")
        return Found({"": paths}, unread)
    for split in ("train", "test"):
        if not os.path.isdir(root / split):
            raise UserError(f"{root} has no folder {split}; the layouts are {LAYOUTS}")
    present = [split for split in SPLITS if os.path.isdir(root / split)]
    unread = []
    if unused := [name for name in entries(root) if name not in (*present, NAMES)]:
        unread = [
            f"{root}: not read: {listed(unused)} (splits are train, val and test)"
        ]
    by_split = {}
    for split in present:
        by_split[split], loose = _paths_by_class(root, split)
        unread += loose
    return Found(by_split, unread)


def _given(root, found, looks, seed, on_error):
    """The splits of the layout with train/ and test/."""
    del seed  # nothing is left to chance
    splits = {split: [] for split in SPLITS} | found.splits
    kept = _apart(root, splits, on_error)
    _tell_of_near_copies(kept, looks())
    return kept


def _apart(root, splits, on_error):
    """The splits without copies of what is in a split nearer to the test."""
    keys = content_keys(
        root, [item.path for items in splits.values() for item in items]
    )
    kept, copies, nearer = {}, {}, {}
    for split in ("test", "val", "train"):
        for item in splits[split]:
            if original := nearer.get(keys[item.path]):
                copies[item.path] = original
        kept[split] = tuple(item for item in splits[split] if item.path not in copies)
        nearer |= {keys[item.path]: item.path for item in kept[split]}
    if copies:
        pairs = listed(f"{copy} = {original}" for copy, original in copies.items())
        refuse_or_drop(
            f"{len(copies)} images are byte-identical copies across splits ({pairs})",
            on_error,
        )
    return kept


def _tell_of_near_copies(splits, looks):
    """Notes images that look like one in a split nearer to the test."""
    ranks = {split: rank for rank, split in enumerate(("test", "val", "train"))}
    placed = [(item, ranks[split]) for split in splits for item in splits[split]]
    sides = {item.path: rank for item, rank in placed}
    labels = {item.path: item.label for item, _ in placed}
    if alike := partners(sides, labels, looks):
        pairs = listed(f"{path} ~ {other}" for path, other in alike.items())
        note(
            f"{len(alike)} images of train or val are near copies, or of one burst, with "
            f"images of a split nearer to the test ({pairs}); the splits are given and "
            "stay: remove them for figures that owe nothing to them"
        )


def _drawn(root, found, looks, seed, on_error):
    """The seeded split of the layout with classes only."""
    (by_class,) = found.paths.values()
    return drawn(root, by_class, found.classes, looks, seed, on_error)


def _paths_by_class(root: Path, split: str) -> tuple[dict[str, list[str]], list[str]]:
    """What is in each class folder, relative to the root and sorted; what is in none."""
    below = root / split
    names = _folders(below)
    found = {
        name: [
            f"{split}/{name}/{file}".removeprefix("/") for file in entries(below / name)
        ]
        for name in names
    }
    paths = [path for paths in found.values() for path in paths]
    if not names or (paths and all(os.path.isdir(root / path) for path in paths)):
        raise UserError(
            f"{below} has no folders of images; the layouts are {LAYOUTS}, with the "
            "class names as folder names"
        )
    if loose := [name for name in entries(below) if name not in (*found, NAMES)]:
        return found, [f"{below}: not read, in no class folder: {listed(loose)}"]
    return found, []


def _folders(path: Path) -> list[str]:
    """Names of the folders in `path`, if it is one."""
    if not os.path.isdir(path):
        return []
    return [name for name in entries(path) if os.path.isdir(path / name)]
