"""Where an original stands below `data.root`: unpacked, or still in its archives."""

import os
from collections.abc import Sequence
from pathlib import Path

from apt_jax.data.archives import stem, unpack
from apt_jax.data.roots import require_folder
from apt_jax.errors import UserError


def opened(
    root: str, mark: str, places: Sequence[str], archives: Sequence[str], source: str
) -> Path:
    """The folder that holds the file or folder `mark`.

    It may be the root, one of `places` below it, or the same in archives that lie in the
    root: each of those is unpacked once, into a folder of its name beside it.

    Args:
        archives: the file names they are published under.
        source: where to get them, for the error.

    Raises:
        UserError: if `mark` is in none of these places.
    """
    folder = require_folder(root, f"{' and '.join(archives)}, unpacked or not")
    unpacked = [folder / stem(archive) for archive in archives]
    found = _found((folder, *unpacked), mark, places)
    if found is None:
        for archive, target in zip(archives, unpacked, strict=True):
            if os.path.isfile(folder / archive):
                unpack(folder / archive, target)
        found = _found(unpacked, mark, places)
    if found is None:
        raise UserError(
            f"{root} holds no {mark} (nor {', '.join(places)} below it) and no "
            f"{' or '.join(archives)}; get {'them' if len(archives) > 1 else 'it'} from "
            f"{source} and name the folder with --config.data.root"
        )
    return found


def _found(folders, mark, places):
    for folder in folders:
        for place in ("", *places):
            if os.path.exists(folder / place / mark):
                return folder / place
    return None
