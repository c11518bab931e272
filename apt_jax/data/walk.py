"""A walk through a folder of photographs: the same rules for every command.

Hidden entries and what systems leave behind are left out; links are followed, and a link
that leads back to where the walk came from is left out too. What is left out is counted
and said (`told`). A folder that may not be read is a fault, as a broken image is.
"""

import os
from pathlib import Path
from typing import NamedTuple

from apt_jax.data.listing import listed

# What file managers, archives and notebooks leave in folders, in small letters.
OF_SYSTEMS = (
    "__macosx",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
)
HIDDEN, SYSTEM, LEADS_BACK = "hidden", "made by a system", "a link that leads back"


class Walk(NamedTuple):
    """Paths relative to the folder, "/" between their parts."""

    files: list[str]  # folder by folder, sorted; pipes and dead links among them
    left_out: dict[str, str]  # path to reason; of a folder, for all that is in it
    faults: dict[str, str]  # folders that may not be read, and why


def walk(folder: Path) -> Walk:
    """All files below a folder."""
    found, folder = Walk([], {}, {}), Path(folder)
    above = tuple(map(os.path.realpath, folder.absolute().parents))
    _descend(folder, "", above, found)
    return found


def entries(folder: Path) -> tuple[list[str], dict[str, str]]:
    """What is in a folder, sorted; and why other entries are left out.

    Raises:
        OSError: if it may not be read.
    """
    names = sorted(os.listdir(folder))
    left_out = {name: why for name in names if (why := why_left_out(name))}
    return [name for name in names if name not in left_out], left_out


def why_left_out(name: str) -> str:
    """Why no walk reads an entry of this name; empty for what is read."""
    if name.startswith("."):
        return HIDDEN
    return SYSTEM if name.casefold() in OF_SYSTEMS else ""


def told(left_out: dict[str, str]) -> list[str]:
    """A line for each reason: how many, and the first of them."""
    reasons = dict.fromkeys(left_out.values())
    return [
        f"left out {len(paths)} ({reason}): {listed(paths)}"
        for reason in reasons
        if (paths := [path for path, why in left_out.items() if why == reason])
    ]


def _descend(folder, prefix, came_from, found):
    here = os.path.realpath(folder)
    if here in came_from:
        found.left_out[prefix.rstrip("/")] = LEADS_BACK
        return
    try:
        names, left_out = entries(folder)
    except OSError as error:
        found.faults[prefix.rstrip("/")] = error.strerror or str(error)
        return
    found.left_out.update({prefix + name: why for name, why in left_out.items()})
    for name in names:
        if os.path.isdir(folder / name):
            _descend(folder / name, f"{prefix}{name}/", (*came_from, here), found)
        else:
            found.files.append(prefix + name)
