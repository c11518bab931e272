"""The split files of CoOp: `split_zhou_<Name>.json` and a folder of images.

{"train": [[path, label, class name], ...], "val": [...], "test": [...]}. Paths are
relative to the root, or in CoOp's own layout to a folder in it, beside which the split
file lies:

    ROOT/split_zhou_Caltech101.json    ROOT/101_ObjectCategories/accordion/image_0001.jpg

Class names come from the training list. The order of the lists is kept: the few-shot
sampler depends on it.
"""

import dataclasses
import json
import os
import re
from pathlib import Path, PurePosixPath

from apt_jax.data.dataset import SPLITS, Dataset, Item
from apt_jax.data.listing import listed
from apt_jax.data.roots import relative, require_folder
from apt_jax.data.source import Source
from apt_jax.data.templates import known_name
from apt_jax.errors import UserError
from apt_jax.files import fits, telling
from apt_jax.words import counted

# Of the folders with images in CoOp's layout of its data sets.
FOLDERS = (
    "images",
    "101_ObjectCategories",
    "jpg",
    "SUN397",
    "2750",
    "UCF-101-midframes",
)
PROBED = 20  # paths that are looked for, to find out where all of them start
LAYOUT = (
    '{"train": [[path, label from 0, class name], ...], "val": [...], "test": [...]}'
)


@dataclasses.dataclass(frozen=True)
class CoOp(Source):
    """The data set that a split file lists below a root.

    By default that is the only split_*.json in the root.
    """

    @property
    def called(self):
        """By its split file."""
        return self.name or _listed_in(self._places()[1])

    def load(self, seed: int) -> Dataset:
        del seed  # the split is given
        folder, split_file = self._places()
        rows = read_split(split_file)
        root = _images(folder, rows)
        classes = class_names(rows)
        splits = {
            split: tuple(Item(relative(root, path), at) for path, at, _ in of_split)
            for split, of_split in rows.items()
        }
        return self.dataset(classes=classes, **splits, root=root)

    def _places(self):
        """The folder of the images, and the split file."""
        folder = require_folder(self.root, "the images that data.split_file lists")
        return folder, self.split_file or _only_split_file(folder)


def read_split(path) -> dict[str, list]:
    """The three lists of a split file.

    Raises:
        UserError: if it is missing, no JSON or of another layout.
    """
    with telling("read data.split_file", path, "check the path"):
        data = Path(path).expanduser().read_bytes()
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error}); download it again") from None
    if not fits(content, dict.fromkeys(SPLITS, list)):
        raise UserError(f"{path} is no CoOp split file; its layout is {LAYOUT}")
    odd = [
        f"{split}[{index}] = {row!r}"
        for split in SPLITS
        for index, row in enumerate(content[split])
        if not _is_triple(row)
    ]
    if odd:
        raise UserError(
            f"{path} has {counted(len(odd), 'entry that is', 'entries that are')} no "
            f"[path, label from 0, class name] ({listed(odd)}); fix them"
        )
    return {split: content[split] for split in SPLITS}


def _only_split_file(folder) -> Path:
    found = sorted(folder.glob("split_*.json"))
    if len(found) != 1:
        there = f"several ({listed(file.name for file in found)})" if found else "none"
        raise UserError(
            f"data.split_file is empty, and of split_*.json {folder} holds {there}; name "
            "one with `split_file`"
        )
    return found[0]


def _images(folder, rows) -> Path:
    """Where the listed paths start: the root, or one of the usual folders in it."""
    paths = [one_spelling(path) for of_split in rows.values() for path, *_ in of_split]

    def found(place):
        return sum(os.path.isfile(place / path) for path in paths[:PROBED])

    return max([folder, *(folder / name for name in FOLDERS)], key=found)


def class_names(rows) -> tuple[str, ...]:
    """Class names in label order, from the training list.

    Raises:
        UserError: if labels lack training images or have more than one name.
    """
    names = {}
    for _, label, name in rows["train"]:
        names.setdefault(label, name)
    used = {label for of_split in rows.values() for _, label, _ in of_split}
    faults = []
    # Labels count without gaps, so of n labels the highest is n - 1.
    if untrained := sorted((used | set(range(len(used)))) - names.keys()):
        faults.append(
            f"labels without training images: {listed(map(str, untrained))} (labels "
            "count from 0 without gaps)"
        )
    named = {
        f"{label} is {name!r} and {names[label]!r}": None
        for of_split in rows.values()
        for _, label, name in of_split
        if names.get(label, name) != name
    }
    if named:
        faults.append(f"labels of more than one name: {listed(named)}")
    if faults:
        raise UserError(f"{'; '.join(faults)}; fix data.split_file")
    return tuple(names[label] for label in range(len(names)))


def one_spelling(path: str) -> str:
    """A path with "/" between its parts, whether written so, with "\\" or with "./"."""
    return PurePosixPath(path.replace("\\", "/")).as_posix()


def _is_triple(row):
    return (
        isinstance(row, list)
        and [type(part) for part in row] == [str, int, str]
        and row[1] >= 0
    )


def _listed_in(split_file):
    """The data set in a file name such as split_zhou_EuroSAT_subset.json."""
    stem = re.sub(r"^split_[a-z0-9]+_|_subset$", "", Path(split_file).stem)
    return known_name(stem)
