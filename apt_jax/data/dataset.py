"""A data set: class names, labelled images of three splits, and a way to read them."""

import dataclasses
from collections.abc import Callable

SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class Item:
    """One labelled image."""

    path: str  # relative to the data set's root, "/" between folders; unique
    label: int


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
    descriptions: tuple[
        tuple[str, ...], ...
    ] = ()  # texts of each class, or none at all

    @property
    def texts(self) -> tuple:
        """Class names, templates and descriptions: all that makes prompts."""
        return self.classes, self.templates, self.descriptions

    @property
    def splits(self) -> dict[str, tuple[Item, ...]]:
        return {"train": self.train, "val": self.val, "test": self.test}
