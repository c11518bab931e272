"""Facts about files, remembered by content: a line each, in a file beside the features.

Appended in one write, so that runs side by side lose nothing of each other's. A line that
a crash cut short is for its reader to see through.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from apt_jax.files import telling

REMEDY = "set `cache_dir` to a folder of yours, or to nothing for no cache"


def read_lines(path: Path | None) -> list[str]:
    """The lines there are; none without a file.

    Raises:
        UserError: if there is one that cannot be read.
    """
    if path is None:
        return []
    with (
        telling("read", path, REMEDY),
        contextlib.suppress(FileNotFoundError, NotADirectoryError),
    ):
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    return []


def add_lines(path: Path | None, lines: Iterable[str]):
    """Adds lines at the end; nowhere without a path.

    Raises:
        UserError: if the file cannot be written.
    """
    lines = list(lines)
    if path is None or not lines:
        return
    text = "\n" + "\n".join(lines) + "\n"
    with telling("write", path, REMEDY):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab", buffering=0) as file:
            file.write(text.encode())
