"""What a reader finds of a task: the records of each TFDS split, none read yet."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from apt_jax.data.roots import require_images
from apt_jax.errors import UserError

Read = Callable[[int], bytes]  # from a record's place to its image file's bytes


@dataclasses.dataclass(frozen=True)
class Records:
    """The records of one TFDS split, in the order of the archive."""

    keys: Sequence[int | str | bytes]  # what TFDS sorts by
    labels: Sequence[int | str]  # one a key: the label, or its TFDS name
    # From the places that will be read, and data.on_error, to the function that reads
    # them. It is called from several threads.
    open: Callable[[Sequence[int], str], Read]


def files(folder: Path, paths: Sequence[str]) -> Callable[[Sequence[int], str], Read]:
    """`Records.open` of image files, a path below `folder` for each record."""

    def open_files(places, on_error):
        require_images(folder, [paths[place] for place in places], on_error)
        return lambda place: (folder / paths[place]).read_bytes()

    return open_files


def lines(path: Path) -> list[str]:
    """The lines of a text file that came with the images, without empty ones.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise broken(path, getattr(error, "strerror", None) or "no UTF-8") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def broken(path: Path, reason) -> UserError:
    """The error for a file whose content is not as published."""
    reason = " ".join(str(reason).split()) or type(reason).__name__
    return UserError(
        f"{path} is damaged or no file of this data set ({reason}); download or unpack "
        "it again"
    )
