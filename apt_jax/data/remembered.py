"""Facts about files, remembered by content: a line each, in a file beside the features.

Appended in one write, so that runs side by side lose nothing of each other's. A line that
a crash cut short is for its reader to see through.
"""

from collections.abc import Iterable
from pathlib import Path

from apt_jax.errors import UserError


def read_lines(path: Path | None) -> list[str]:
    """The lines there are; none without a file.

    Raises:
        UserError: if there is one that cannot be read.
    """
    if path is None:
        return []
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _refused("read", path, error) from None


def add_lines(path: Path | None, lines: Iterable[str]):
    """Adds lines at the end; nowhere without a path.

    Raises:
        UserError: if the file cannot be written.
    """
    lines = list(lines)
    if path is None or not lines:
        return
    text = "\n" + "\n".join(lines) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab", buffering=0) as file:
            file.write(text.encode())
    except OSError as error:
        raise _refused("write", path, error) from None


def _refused(what, path, error):
    return UserError(
        f"cannot {what} {path} ({error.strerror}); set `cache_dir` to a "
        "folder of yours, or to nothing for no cache"
    )
