"""A folder of photographs: a folder a class.

    ROOT/train/CLASS/*   ROOT/test/CLASS/*   (ROOT/val/CLASS/*)      splits given
    ROOT/CLASS/*                                                     split by the seed

Everything in a class folder that is not hidden counts as an image; `scan` says which are
none.
"""

import os
from pathlib import Path

from apt_jax.data.dataset import SPLITS, Item
from apt_jax.data.listing import listed
from apt_jax.data.naming import FILE as NAMES
from apt_jax.data.own.copies import content_keys
from apt_jax.data.own.found import Found
from apt_jax.data.own.groups import GROUPS
from apt_jax.data.roots import entries, reader, require_folder
from apt_jax.errors import UserError

LAYOUTS = "ROOT/train/CLASS/* and ROOT/test/CLASS/*, or ROOT/CLASS/*"


def find(config) -> Found:
    """The files below `config.root`, by split and class.

    Raises:
        UserError: if the folder is laid out in another way.
    """
    root = require_folder(config.root, f"your photographs as {LAYOUTS}")
    if config.group not in GROUPS:
        raise UserError(
            f"data.group={config.group}: a folder has no columns; choose one of "
            f"{', '.join(GROUPS)}"
        )
    paths, unread = _paths(root)
    classes = tuple(sorted(set().union(*paths.values())))
    label_of = {name: label for label, name in enumerate(classes)}
    return Found(
        name=root.resolve().name,
        layout="ROOT/CLASS/*" if "" in paths else "ROOT/train/CLASS/* and so on",
        classes=classes,
        splits={
            split: [
                Item(path, label_of[name])
                for name, of_class in by_class.items()
                for path in of_class
            ]
            for split, by_class in paths.items()
        },
        read=reader(root),
        keys=lambda paths: content_keys(root, paths),
        unread=tuple(unread),
    )


def _paths(root: Path) -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    """Paths by split ("" for all) and class; and what is in no place for images."""
    if not any(_folders(root / split) for split in ("train", "test")):
        paths, unread = _paths_by_class(root, "")
        return {"": paths}, unread
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
    return by_split, unread


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
