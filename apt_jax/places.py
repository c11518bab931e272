"""Where files are: a path is a hint, and what is on no disk is a name, such as a hub's."""

import os
from collections.abc import Sequence
from pathlib import Path

from apt_jax.errors import UserError
from apt_jax.files import telling

# What an interrupted fit leaves in its folder.
CHECKPOINTS = ("checkpoints.json", "checkpoints", "metrics.jsonl", "lock")


def whole(place: str) -> str:
    """A path from the root, if there is something; else the name that it is."""
    path = os.path.expanduser(place)
    return os.path.abspath(path) if os.path.exists(path) else place


def folder_of(place, holds: str) -> Path:
    """The folder that somebody names, with "~" replaced; `holds` says what it is for.

    Raises:
        UserError: for what cannot be the name of a folder.
    """
    if not isinstance(place, str | os.PathLike) or not os.fspath(place):
        raise UserError(f"{place!r} is not a folder; name the folder of {holds}")
    return Path(place).expanduser()


def require_own(folder: Path, names: Sequence[str], holds: str):
    """Refuses to write `holds` among files of others, such as photographs.

    The files that it writes begin with one of the `names`. A folder that has the first of
    them is its own, whatever else is in it.
    """
    if not folder.is_dir():
        return
    with telling("read", folder):
        found = sorted(os.listdir(folder))
    own = (".", *names)
    others = [name for name in found if not name.startswith(own)]
    if others and names[0] not in found:
        raise UserError(
            f"{folder} holds other files ({others[0]}); name a folder of its own for "
            f"{holds}"
        )


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
