"""A Hugging Face `datasets` set for image classification: of the hub, or from disk.

`data.root` is `hf:OWNER/NAME[:CONFIG]`, downloaded once; `hf:FOLDER` with files as a hub
repository has them; or a folder that `save_to_disk` wrote. Images are the bytes that are
stored, and an image is named by split and place: `train/0000012`. The label is a
ClassLabel, or a column of texts, numbers or truth values. With one split only, the
seed divides it; `data.group` may name a column. Needs requirements-hub.txt.
"""

import dataclasses
import os
from pathlib import Path

from apt_jax.data.dataset import SPLITS, Item
from apt_jax.data.given_splits import usual
from apt_jax.data.listing import listed
from apt_jax.data.own.found import Found
from apt_jax.data.own.groups import GROUPS
from apt_jax.data.own.labels import NO_LABEL, as_text, class_names, with_labelled_test
from apt_jax.data.own.photographs import Photographs
from apt_jax.errors import UserError, with_type
from apt_jax.fields import field
from apt_jax.words import counted

PREFIX = "hf:"
PLAIN = ("string", "large_string", "int", "uint", "bool", "float")  # dtypes
LISTS = ("List", "LargeList", "Sequence")  # kinds of columns
USUAL_LABELS = ("label", "labels", "class", "category", "target")  # of columns
MARKS = ("dataset_dict.json", "state.json")  # what `save_to_disk` leaves


@dataclasses.dataclass(frozen=True)
class Hub(Photographs):
    """A set of the hub, or from disk."""

    image: str = field(
        "", "the column with the picture; empty = the only one of its kind"
    )
    label: str = field(
        "", "the column with the class; empty = the only one of its kind"
    )

    @property
    def called(self):
        """By the set's name without its owner, or the folder's."""
        name = self.root.removeprefix(PREFIX).partition(":")[0]
        return self.name or os.path.basename(name.rstrip("/"))

    def find(self) -> Found:
        """The images that are stored, and their labels.

        Raises:
            UserError: if they cannot be had; for columns and splits that are not clear.
        """
        sets = _opened(self.root)
        import datasets  # `_opened` tells who has none

        features = {}
        for one in sets.values():
            features |= one.features
        image = _column(features, "Image", self.image, "image")
        label = _label_column(features, self.label)
        _require_column(features.keys() - {image}, self.group)
        stored = datasets.Image(decode=False)
        raw = {split: one.cast_column(image, stored) for split, one in sets.items()}

        def read(item) -> bytes:
            split, _, place = item.path.partition("/")
            found = raw[split][int(place)][image] or {"bytes": None, "path": None}
            if found["bytes"] is not None:
                return found["bytes"]
            if found["path"] is None:
                raise OSError("no picture is stored")
            return Path(found["path"]).read_bytes()

        classes, labels = _labels(sets, label, features[label])
        return Found(
            layout="a set of the hub",
            classes=classes,
            splits=_splits(labels),
            read=read,
            groups=None if self.group in GROUPS else _groups(sets, self.group),
            published=True,
        )


def is_hub(root: str) -> bool:
    """Whether a root names a set of the hub, or is a folder of `save_to_disk`."""
    folder = Path(root).expanduser()
    saved = any((folder / mark).is_file() for mark in MARKS)
    return root.startswith(PREFIX) or (bool(root) and saved)


def _opened(root) -> dict:
    """The stored splits by name."""
    try:
        import datasets
    except ModuleNotFoundError:
        raise UserError(
            "data sets of the Hugging Face hub need the package `datasets`; pip install "
            "-r requirements-hub.txt"
        ) from None
    try:
        if root.startswith(PREFIX):
            name, _, config = root.removeprefix(PREFIX).partition(":")
            opened = datasets.load_dataset(name, config or None)
        else:
            opened = datasets.load_from_disk(str(Path(root).expanduser()))
    except Exception as error:  # of the network, of the hub, of the files: all kinds
        raise UserError(
            f"cannot load {root} ({with_type(error)}); check the name (a set of the hub "
            f"is {PREFIX}OWNER/NAME[:CONFIG]) and the network"
        ) from None
    if isinstance(opened, datasets.DatasetDict):
        return dict(opened)
    return {str(opened.split or "train"): opened}


def _column(features, kind, given, field):
    fitting = [name for name, one in features.items() if type(one).__name__ == kind]
    return _one_of(fitting, kind, given, field)


def _one_of(fitting, kind, given, field):
    chosen = [name for name in fitting if name == given or not given]
    if len(chosen) != 1:
        raise UserError(
            f"the columns of kind {kind} are {fitting}; name one with `source`=hub "
            f"`{field}`=COLUMN"
        )
    return chosen[0]


def _label_column(features, given):
    """The column with the class: a ClassLabel, or else texts, numbers or truths."""
    kinds = {name: type(one).__name__ for name, one in features.items()}
    usual = [name for name in kinds if name.casefold() in USUAL_LABELS]
    for name in [given] if given else usual:
        if kinds.get(name) in LISTS:
            raise UserError(
                f"column {name} holds several labels an image, and an image has one class "
                "here; name a column with one label (`label`)"
            )
    if (
        "ClassLabel" in kinds.values()
        and kinds.get(given, "ClassLabel") == "ClassLabel"
    ):
        return _column(features, "ClassLabel", given, "label")
    plain = [name for name, one in features.items() if _is_plain(one)]
    fitting = [name for name in plain if name in usual] or plain
    return _one_of(plain if given else fitting, "label", given, "label")


def _is_plain(feature) -> bool:
    """Whether a column may hold class names: texts, numbers, truth values."""
    dtype = str(getattr(feature, "dtype", ""))
    return type(feature).__name__ == "Value" and dtype.startswith(PLAIN)


def _labels(sets, label, feature) -> tuple[tuple[str, ...], dict[str, list[int]]]:
    """Class names, and by split the label of each image."""
    cells = {
        split: one[label] if label in one.features else [None] * len(one)
        for split, one in sets.items()
    }
    if type(feature).__name__ == "ClassLabel":
        return tuple(feature.names), {
            split: [NO_LABEL if value is None else value for value in of_split]
            for split, of_split in cells.items()
        }
    texts = {split: _texts(of_split) for split, of_split in cells.items()}
    every = [text for of_split in texts.values() for text in of_split]
    classes = class_names(every, f"column {label}")
    place = {name: label for label, name in enumerate(classes)}
    return classes, {
        split: [place.get(text, NO_LABEL) for text in of_split]
        for split, of_split in texts.items()
    }


def _texts(cells) -> list[str]:
    """Labels as text; of a split that says -1 throughout, which hides them, nothing."""
    if all(value in (None, NO_LABEL) for value in cells):
        return [""] * len(cells)
    return list(map(as_text, cells))


def _require_column(columns, group):
    if group not in (*GROUPS, *columns):
        raise UserError(
            f"data.group={group}: the columns are {listed(sorted(columns))}; name one of "
            f"them, or {', '.join(GROUPS)}"
        )


def _path(split, place):
    return f"{split}/{place:07d}"


def _groups(sets, column) -> dict[str, str]:
    """The column's value for each path of the splits that have it."""
    found = {
        _path(split, place): value
        for split, one in sets.items()
        if column in one.features
        for place, value in enumerate(one[column])
    }
    if empty := [path for path, value in found.items() if value is None]:
        raise UserError(
            f"column {column} has no value for {counted(len(empty), 'image')} "
            f"({listed(empty)}); "
            "fill them in, or choose another `group`"
        )
    return {path: str(value) for path, value in found.items()}


def _splits(labels: dict[str, list[int]]) -> dict[str, list[Item]]:
    """The items of each split, of a single one under ""."""
    found = {
        split: [
            Item(_path(split, place), label) for place, label in enumerate(of_split)
        ]
        for split, of_split in labels.items()
    }
    names = usual(found)
    if names["train"] and names["test"]:
        return with_labelled_test(
            {split: found.get(names[split], []) for split in SPLITS}
        )
    if len(found) > 1:
        raise UserError(
            f"the splits are {', '.join(found)}; apt_jax reads train and test (or "
            "validation): save it with these names"
        )
    (items,) = found.values()
    return {"": items}
