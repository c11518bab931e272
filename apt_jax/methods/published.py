"""What a paper sets by data set, beside its general recipe.

A method lists it in `by_data_set`, by the names in `data.templates`; `EVERY` stands for
all of them. It holds under `protocol=as_published` alone, and only where nobody has set
the field himself. Inside the shots the general recipe holds, whatever the data set.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

EVERY = "every data set"
NOTHING = MappingProxyType({})


class Published(NamedTuple):
    """What a paper sets on a data set."""

    templates: tuple[str, ...] = ()  # in place of the data set's own
    train: Mapping[str, Any] = NOTHING  # fields of the recipe
    method: Mapping[str, Any] = NOTHING  # the method's own fields that are left open
    search: Any = None  # where the method searches there, in terms of its own


def published_on(by_data_set: Mapping[str, Published], data_set: str) -> Published:
    """What holds on a data set: what is set there, then what is set on every one.

    Nothing for the name "", which stands for no published protocol.
    """
    if not data_set:
        return Published()
    everywhere = by_data_set.get(EVERY, Published())
    there = by_data_set.get(data_set, Published())
    return Published(
        there.templates or everywhere.templates,
        {**everywhere.train, **there.train},
        {**everywhere.method, **there.method},
        everywhere.search if there.search is None else there.search,
    )
