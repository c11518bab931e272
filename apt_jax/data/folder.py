"""A folder of photographs: a folder a class.

    ROOT/train/CLASS/*   ROOT/test/CLASS/*   (ROOT/val/CLASS/*)      splits given
    ROOT/CLASS/*                                                     split by the seed

The seeded split is stratified: of each class 50 % train, 20 % val, 30 % test (CoOp's
proportions), at least one of train and test. Files with the same bytes stay together, so
that no copy of a training image is a test image; in the given layout such a copy is an
error. Every file that is not hidden counts as an image; `scan` says which are none.
"""

import collections
import hashlib
import random
from pathlib import Path

from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.roots import reader, require_folder
from apt_jax.data.templates import templates_of
from apt_jax.errors import UserError

LAYOUTS = "ROOT/train/CLASS/* and ROOT/test/CLASS/*, or ROOT/CLASS/*"
TRAIN, VAL = 0.5, 0.2  # shares of a class; the rest is test
SHOWN = 10


def folder(config, seed: int) -> Dataset:
    """The photographs below `config.root`."""
    root = require_folder(config.root, f"your photographs as {LAYOUTS}")
    if (root / "train").is_dir():
        classes, splits = _given(root, config.on_error)
    else:
        classes, splits = _drawn(root, seed)
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
    if not (root / "test").is_dir():
        raise UserError(f"{root} has train/ but no test/; the layout is {LAYOUTS}")
    splits = [name for name in ("train", "val", "test") if (root / name).is_dir()]
    found = {split: _images_by_class(root, root / split) for split in splits}
    classes = tuple(sorted(set().union(*found.values())))
    labels = {name: label for label, name in enumerate(classes)}
    items = {
        split: tuple(
            Item(path, labels[name])
            for name, paths in sorted(of_split.items())
            for path in paths
        )
        for split, of_split in found.items()
    }
    items.setdefault("val", ())
    items["train"] = _apart(root, items["train"], items["test"], on_error)
    return classes, items


def _apart(root, train, test, on_error):
    """The training images that are no byte-identical copies of test images."""
    tested = collections.defaultdict(list)
    for item in test:
        tested[_digest(root, item.path)].append(item.path)
    copies = {
        item.path: tested[digest][0]
        for item in train
        if (digest := _digest(root, item.path)) in tested
    }
    if copies and on_error == "stop":
        listed = ", ".join(f"{a} = {b}" for a, b in list(copies.items())[:SHOWN])
        raise UserError(
            f"{len(copies)} training images are copies of test images ({listed}); "
            "remove them, or drop them from training with --config.data.on_error=skip"
        )
    return tuple(item for item in train if item.path not in copies)


def _drawn(root, seed):
    """Class names and a seeded, stratified split of the layout with classes only."""
    found = _images_by_class(root, root)
    classes = tuple(sorted(found))
    generator = random.Random(seed)
    splits = {"train": [], "val": [], "test": []}
    for label, name in enumerate(classes):
        groups = _groups_of_copies(root, found[name])
        generator.shuffle(groups)
        for split, paths in _shares(groups).items():
            splits[split] += [Item(path, label) for path in sorted(paths)]
    return classes, {split: tuple(items) for split, items in splits.items()}


def _shares(groups):
    """Groups of copies dealt to the splits until each has its share of images."""
    count = sum(map(len, groups))
    test = max(1, round(count * (1 - TRAIN - VAL)))
    val = min(round(count * VAL), max(0, count - test - 1))
    dealt = {"test": [], "val": [], "train": []}
    for group in groups:
        if len(dealt["test"]) < test and len(groups) > 1:
            dealt["test"] += group
        elif len(dealt["val"]) < val:
            dealt["val"] += group
        else:
            dealt["train"] += group
    return dealt


def _groups_of_copies(root, paths):
    """Paths grouped by the bytes of their files."""
    groups = collections.defaultdict(list)
    for path in paths:
        groups[_digest(root, path)].append(path)
    return list(groups.values())


def _digest(root, path):
    try:
        return hashlib.sha256((root / path).read_bytes()).digest()
    except OSError:
        return path  # `scan` reports what cannot be read


def _images_by_class(root: Path, below: Path) -> dict[str, list[str]]:
    """Files of each class folder, relative to the root, in sorted order."""
    folders = [f for f in sorted(below.iterdir()) if f.is_dir() and not _hidden(f)]
    if not folders:
        raise UserError(
            f"{below} has no class folders; the layout is {LAYOUTS}, with the class "
            "names as folder names"
        )
    return {
        folder.name: [
            file.relative_to(root).as_posix()
            for file in sorted(folder.rglob("*"))
            if file.is_file() and not _hidden(file)
        ]
        for folder in folders
    }


def _hidden(path):
    return path.name.startswith(".")
