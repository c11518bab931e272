"""A folder of photographs: a folder a class.

    ROOT/train/CLASS/*   ROOT/test/CLASS/*   (ROOT/val/CLASS/*)      splits given
    ROOT/CLASS/*                                                     split by the seed

The seeded split is stratified: of each class 50 % train, 20 % val, 30 % test (CoOp's
proportions), at least one of train and test. Files with the same bytes stay on one
side, so that no copy of a training image is a test image; in the given layout such a
copy is an error. Everything in a class folder that is not hidden counts as an image;
`scan` says which are none.
"""

import collections
import os
from pathlib import Path

from apt_jax.data.copies import content_keys
from apt_jax.data.dataset import SPLITS, Dataset, Item
from apt_jax.data.division import divide
from apt_jax.data.listing import listed
from apt_jax.data.naming import FILE as NAMES
from apt_jax.data.roots import entries, note, reader, require_folder
from apt_jax.data.templates import templates_of
from apt_jax.errors import UserError

LAYOUTS = "ROOT/train/CLASS/* and ROOT/test/CLASS/*, or ROOT/CLASS/*"


def load(config, seed: int) -> Dataset:
    """The photographs below `config.root`."""
    root = require_folder(config.root, f"your photographs as {LAYOUTS}")
    if any(_folders(root / split) for split in ("train", "test")):
        classes, splits = _given(root, config.on_error)
    else:
        classes, splits = _drawn(root, seed, config.on_error)
    name = config.name or root.resolve().name
    return Dataset(
        name=name,
        classes=classes,
        **splits,
        templates=templates_of(name, config.templates),
        read=reader(root),
    )


def _given(root, on_error):
    """Class names and splits of the layout with train/ and test/."""
    for split in ("train", "test"):
        if not os.path.isdir(root / split):
            raise UserError(f"{root} has no folder {split}; the layouts are {LAYOUTS}")
    present = [split for split in SPLITS if os.path.isdir(root / split)]
    if unused := [name for name in entries(root) if name not in (*present, NAMES)]:
        note(f"{root}: not read: {listed(unused)} (splits are train, val and test)")
    found = {split: _paths_by_class(root, split) for split in present}
    classes = tuple(sorted(set().union(*found.values())))
    splits = {
        split: [
            Item(path, label)
            for label, name in enumerate(classes)
            for path in found.get(split, {}).get(name, ())
        ]
        for split in SPLITS
    }
    return classes, _apart(root, splits, on_error)


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
        _refuse_or_drop(
            f"{len(copies)} images are byte-identical copies across splits ({pairs})",
            on_error,
        )
    return kept


def _drawn(root, seed, on_error):
    """Class names and a seeded, stratified split of the layout with classes only."""
    found = _paths_by_class(root, "")
    classes = tuple(sorted(found))
    keys = content_keys(root, [path for paths in found.values() for path in paths])
    contradictions = _contradictions(found, keys)
    if contradictions:
        _refuse_or_drop(
            f"{len(contradictions)} images have byte-identical copies in another class "
            f"({listed(contradictions)})",
            on_error,
        )
    alone = {
        name: [path for path in paths if path not in contradictions]
        for name, paths in found.items()
    }
    return classes, divide(alone, classes, keys, seed)


def _contradictions(found, keys):
    """Paths whose bytes occur under more than one class."""
    classes = collections.defaultdict(set)
    for name, paths in found.items():
        for path in paths:
            classes[keys[path]].add(name)
    return [
        path
        for paths in found.values()
        for path in paths
        if len(classes[keys[path]]) > 1
    ]


def _refuse_or_drop(what, on_error):
    if on_error == "stop":
        raise UserError(
            f"{what}; remove them, or drop them with --config.data.on_error=skip"
        )
    note(f"dropped: {what}")


def _paths_by_class(root: Path, split: str) -> dict[str, list[str]]:
    """What is in each class folder, relative to the root, in sorted order."""
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
        note(f"{below}: not read, in no class folder: {listed(loose)}")
    return found


def _folders(path: Path) -> list[str]:
    """Names of the folders in `path`, if it is one."""
    if not os.path.isdir(path):
        return []
    return [name for name in entries(path) if os.path.isdir(path / name)]
