"""Image files below a root: found, kept inside it, read."""

from pathlib import Path, PurePosixPath

from apt_jax.errors import UserError

SHOWN = 10


def require_folder(root, holds: str) -> Path:
    """`root` as a folder that is there; `holds` says what it should hold."""
    if not root:
        raise UserError(f"data.root is empty; name the folder with {holds}")
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise UserError(f"no folder {root}; data.root names the folder with {holds}")
    return folder


def require_images(root: Path, paths):
    """Refuses paths that leave the root, then paths where no file is."""
    leaving = [path for path in paths if _leaves(root, path)]
    if leaving:
        raise UserError(
            f"{len(leaving)} listed paths leave {root} ({_first(leaving)}); list paths "
            "relative to data.root, inside it"
        )
    absent = [path for path in paths if not (root / path).is_file()]
    if absent:
        raise UserError(
            f"{len(absent)} of {len(paths)} listed images are not below {root} "
            f"({_first(absent)}); check --config.data.root, or unpack the archive again"
        )


def reader(root: Path):
    """Reads an item's bytes from below `root`."""
    return lambda item: (root / item.path).read_bytes()


def _leaves(root, path):
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        return True
    return not (root / path).resolve().is_relative_to(root.resolve())


def _first(paths):
    listed = ", ".join(paths[:SHOWN])
    return listed + (" ..." if len(paths) > SHOWN else "")
