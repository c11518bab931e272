"""What is found of somebody's own photographs before any of them is divided."""

import dataclasses
import functools
from collections.abc import Callable

from apt_jax.data.dataset import Item


@dataclasses.dataclass(frozen=True)
class Found:
    """Pictures and their classes, from a folder, a table or a set of the hub."""

    layout: str  # in words
    classes: tuple[str, ...]
    splits: dict[str, list[Item]]  # by split, or all under "", for the seed to divide
    read: Callable[[Item], bytes]  # raises OSError
    groups: dict[str, str] | None = None  # the column that data.group names, by path
    published: bool = False  # given splits are somebody else's: not to be judged here
    unread: tuple[str, ...] = ()  # what is in no place for images, a line each
    faults: dict[str, str] = dataclasses.field(default_factory=dict)  # unread folders

    def those(self, kept: Callable[[Item], bool]) -> "Found":
        """The same with the pictures that are `kept`."""
        splits = {
            name: list(filter(kept, items)) for name, items in self.splits.items()
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
    def by_class(self) -> dict[str, list[str]]:
        """Paths by class, of all splits; without those whose label is no class."""
        found = {name: [] for name in self.classes}
        for item in self.items:
            if (name := self.class_of(item)) is not None:
                found[name].append(item.path)
        return found

    def class_of(self, item: Item) -> str | None:
        """The name of its class; None for a label that is no class."""
        is_class = 0 <= item.label < len(self.classes)
        return self.classes[item.label] if is_class else None
