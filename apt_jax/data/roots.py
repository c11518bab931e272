"""Image files below a root: found, kept inside it, read."""

import os
import sys
from pathlib import Path, PurePosixPath

from apt_jax.data import walk
from apt_jax.data.listing import listed
from apt_jax.errors import UserError
from apt_jax.files import telling
from apt_jax.names import printable
from apt_jax.options import for_reader
from apt_jax.words import counted, form


def require_folder(root, holds: str) -> Path:
    """`root` as a folder that is there; `holds` says what it should hold."""
    if not root:
        raise UserError(f"data.root is empty; name the folder with {holds}")
    folder = Path(root).expanduser()
    if os.path.isfile(folder):
        raise UserError(f"{root} is a file; unpack it and name the folder with {holds}")
    if not os.path.isdir(folder):
        raise UserError(f"no folder {root}; data.root names the folder with {holds}")
    return folder


def entries(folder: Path) -> list[str]:
    """Names of what is in a folder, sorted; without what no command reads (`walk`)."""
    with telling("read folder", folder, "change its permissions or `root`"):
        return walk.entries(folder)[0]


def require_images(root: Path, paths, on_error: str):
    """Refuses paths that leave the root, and paths where no file is.

    With `on_error` "skip", absent files are left for `scan` to drop, unless all are.
    """
    paths = list(paths)
    inside = _insides(root)
    if leaving := [path for path in paths if _leaves(root, path, inside)]:
        raise UserError(
            f"{len(leaving)} of {counted(len(paths), 'listed image')} "
            f"{form(len(paths), 'lies', 'lie')} outside {root} "
            f"({listed(leaving)}); list paths inside data.root, relative to it"
        )
    absent = [path for path in paths if not os.path.isfile(root / path)]
    if absent and (on_error == "stop" or len(absent) == len(paths)):
        raise UserError(
            f"{len(absent)} of {counted(len(paths), 'listed image')} "
            f"{form(len(paths), 'is', 'are')} not below {root} "
            f"({listed(absent)}); {_advice(root, absent)}"
        )


def reader(root: Path):
    """Reads an item's bytes from below `root`; raises OSError."""

    def read(item) -> bytes:
        return read_file(root / item.path)

    return read


def read_file(path: Path) -> bytes:
    """The bytes of a file; raises OSError for what is none."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError("not a file")  # reading a pipe or device might never end
    return path.read_bytes()


def note(text: str):
    """Says what is unusual but no fault, on standard error."""
    print(f"note: {printable(for_reader(text))}", file=sys.stderr)


def relative(root: Path, path: str) -> str:
    """A listed path with "/" between its parts, relative to the root if inside it."""
    pure = PurePosixPath(path.replace("\\", "/"))
    for folder in (os.path.abspath(root), os.path.realpath(root)):
        if pure.is_absolute() and pure.is_relative_to(folder):
            return pure.relative_to(folder).as_posix()
    return pure.as_posix()


def _leaves(root, path, insides):
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\0" in path:
        return True
    there = Path(os.path.realpath(root / path))
    return not any(there.is_relative_to(inside) for inside in insides)


def _insides(root) -> list[Path]:
    """The root, and where the files of a snapshot in the hub's cache really are."""
    inside = Path(os.path.realpath(root))
    caches = [
        one.parent for one in (inside, *inside.parents) if one.name == "snapshots"
    ]
    return [inside, *(cache / "blobs" for cache in caches)]


def _advice(root, absent):
    for below in entries(root):
        if os.path.isfile(root / below / absent[0]):
            return f"the first is in {root / below}: set `root` to it"
    return "check `root`, or unpack the archive again"
