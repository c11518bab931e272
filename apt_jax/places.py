"""Where files are: a path is a hint, and what is on no disk is a name, such as a hub's."""

import os
from collections.abc import Sequence

from apt_jax.errors import UserError


def whole(place: str) -> str:
    """A path from the root, if there is something; else the name that it is."""
    path = os.path.expanduser(place)
    return os.path.abspath(path) if os.path.exists(path) else place


def first_there(places: Sequence[str]) -> str:
    """The first of these places where something is; the very first if nothing is."""
    there = (place for place in places if os.path.exists(os.path.expanduser(place)))
    return next(there, places[0])


def require_there(place: str, named: str):
    """Refuses a path where nothing is any more; `named` is the argument that it was."""
    if os.path.isabs(place) and not os.path.exists(place):
        raise UserError(
            f"there is no {place} any more; say where it is now with {named}=PLACE"
        )
