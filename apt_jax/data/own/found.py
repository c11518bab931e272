"""What is found of somebody's own photographs before any of them is divided."""

import dataclasses
import functools
from collections.abc import Callable

from apt_jax.data.dataset import Item


@dataclasses.dataclass(frozen=True)
class Found:
    """Pictures and their classes, from a folder, a table or a set of the hub."""

    name: str  # the data set's, if the configuration gives none
    layout: str  # in words
    classes: tuple[str, ...]
    splits: dict[str, list[Item]]  # by split, or all under "", for the seed to divide
    read: Callable[[Item], bytes]  # raises OSError
    keys: Callable[[list[str]], dict[str, str]]  # equal for paths with equal bytes
    groups: dict[str, str] | None = None  # the column that data.group names, by path
    published: bool = False  # given splits are somebody else's: not to be judged here
    unread: tuple[str, ...] = ()  # what is in no place for images, a line each
    faults: dict[str, str] = dataclasses.field(default_factory=dict)  # unread folders

    def without(self, paths) -> "Found":
        """The same without some of the pictures."""
        left_out = set(paths)
        splits = {
            split: [item for item in items if item.path not in left_out]
            for split, items in self.splits.items()
        }
        return dataclasses.replace(self, splits=splits)

    @property
    def is_drawn(self) -> bool:
        """Whether the seed divides the pictures."""
        return "" in self.splits

    @property
    def items(self) -> list[Item]:
        return [item for items in self.splits.values() for item in items]

    @functools.cached_property
    def by_class(self) -> dict[str, dict[str, list[str]]]:
        """Paths by split and class; without those whose label is no class."""
        found = {split: {name: [] for name in self.classes} for split in self.splits}
        for split, items in self.splits.items():
            for item in items:
                if (name := self.class_of(item)) is not None:
                    found[split][name].append(item.path)
        return found

    def class_of(self, item: Item) -> str | None:
        """The name of its class; None for a label that is no class."""
        is_class = 0 <= item.label < len(self.classes)
        return self.classes[item.label] if is_class else None

    def of_class(self, name: str) -> list[str]:
        """The paths of a class in all splits."""
        return [path for by_class in self.by_class.values() for path in by_class[name]]
