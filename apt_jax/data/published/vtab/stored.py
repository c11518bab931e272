"""What a reader finds of a task: the records of each TFDS split, none read yet."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from apt_jax.data.roots import require_images

Read = Callable[[int], bytes]  # from a record's place to its image file's bytes


@dataclasses.dataclass(frozen=True)
class Records:
    """The records of one TFDS split, in the order of the archive."""

    keys: Sequence[int | str | bytes]  # what TFDS sorts by
    labels: Sequence[int | str]  # one a key: the label, or its TFDS name
    # From the places that will be read, and data.on_error, to the function that reads
    # them. It is called from several threads.
    open: Callable[[Sequence[int], str], Read]


def ready(read: Read) -> Callable[[Sequence[int], str], Read]:
    """`Records.open` of records that need no opening: `read` gives any of them."""
    return lambda places, on_error: read


def files(
    folder: Path, paths: Sequence[str], read: Callable[[Path], bytes] = Path.read_bytes
) -> Callable[[Sequence[int], str], Read]:
    """`Records.open` of image files, a path below `folder` for each record."""

    def open_files(places, on_error):
        require_images(folder, [paths[place] for place in places], on_error)
        return lambda place: read(folder / paths[place])

    return open_files


def portable(pixels: np.ndarray) -> bytes:
    """A PPM of [H, W, 3] uint8 pixels, or a PGM of [H, W] greys.

    Netpbm is the size and then the pixels as they are. Compressed formats differ with the
    version of the library that writes them, and the SHA-256 of the file is the image's
    name in caches, split.json and random views.
    """
    height, width = pixels.shape[:2]
    kind = "P6" if pixels.ndim == 3 else "P5"
    return f"{kind}\n{width} {height}\n255\n".encode() + pixels.tobytes()
