"""A data set: class names, labelled images of three splits, and a way to read them."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class Item:
    """One labelled image. Place and label make it; what is found out comes with it."""

    path: str  # relative to the data set's root, "/" between folders; unique
    label: int
    sha256: str = dataclasses.field(default="", compare=False)  # of the file's bytes
    # Equal for images that belong together: copies, one burst, one value of a column.
    group: str = dataclasses.field(default="", compare=False)


class Picture(NamedTuple):
    """An image to be read: known by its bytes, wherever they are."""

    sha256: str
    path: str  # how messages call it
    read: Callable[[], bytes]


def label_array(items) -> np.ndarray:
    """[n] int32 labels."""
    return np.array([item.label for item in items], np.int32)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What every source in `data.SOURCES` returns."""

    name: str
    classes: tuple[str, ...]  # raw names, in label order
    train: tuple[Item, ...]
    val: tuple[Item, ...]  # may be empty
    test: tuple[Item, ...]
    templates: tuple[str, ...]  # prompts, each with {} for the class name
    read: Callable[[Item], bytes]  # the image file's bytes; raises OSError
    descriptions: tuple[tuple[str, ...], ...] = ()  # texts of each class, or no entries
    sparse: bool = False  # whether it is as it should be that classes lack images
    # Further test splits by name, of other pictures of the same classes or some of them.
    shifted: dict[str, tuple[Item, ...]] = dataclasses.field(default_factory=dict)

    @property
    def texts(self) -> tuple:
        """Class names, templates and descriptions: all that makes prompts."""
        return self.classes, self.templates, self.descriptions

    @property
    def splits(self) -> dict[str, tuple[Item, ...]]:
        return {"train": self.train, "val": self.val, "test": self.test, **self.shifted}

    @property
    def items(self) -> list[Item]:
        """The images of all splits."""
        return [item for of_split in self.splits.values() for item in of_split]

    def pictures(self, items) -> list[Picture]:
        """The pictures of items, which `data.scan` has hashed."""
        if unknown := [item.path for item in items if not item.sha256]:
            raise ValueError(f"{unknown[0]} has no hash; scan the data set first")
        return [
            Picture(item.sha256, item.path, functools.partial(self.read, item))
            for item in items
        ]

    def with_splits(self, splits) -> "Dataset":
        """The data set with other items in `splits`."""
        own = {split: splits[split] for split in SPLITS}
        shifted = {split: splits[split] for split in splits if split not in own}
        return dataclasses.replace(self, **own, shifted=shifted)
