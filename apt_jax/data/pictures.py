"""What a person hands over as images, one or many of any of these.

    "a.jpg", Path("a.jpg")              a file, or all photographs below a folder
    b"...", open("a.jpg", "rb")         an image file's bytes, or where they are read
    PIL.Image.open("a.jpg")             a picture
    uint8 arrays                        [H, W], [H, W, C] or, of many, [n, H, W, C], where
                                        C is 1 to 4: grey, grey and alpha, RGB, RGBA

A file object is read from where it stands, from its start if it stands at its end, and it
stays open.
"""

import io
import os
from collections.abc import Iterable, Mapping, Set
from pathlib import Path

import numpy as np
from PIL import Image

from apt_jax.data.images import ImageError, decode, to_rgb
from apt_jax.data.roots import note, read_file
from apt_jax.data.walk import told, walk
from apt_jax.errors import one_line

PATHS, BYTES = (str, os.PathLike), (bytes, bytearray, memoryview)
SINGLE = (*PATHS, *BYTES, Image.Image, np.ndarray, Mapping, Set)
CHANNELS = (1, 2, 3, 4)
KINDS = "paths, PIL images, bytes, files and uint8 arrays are images"


def one_by_one(images) -> list:
    """The single images among what is handed over, in order."""
    images = _unboxed(images)
    many = images if _is_many(images) else [images]
    return [one for image in many for one in _spread(_unboxed(image))]


def paths_of(place) -> list[str]:
    """A path itself, or those of all files below a folder, in the order of a walk.

    Folders that may not be read are among them: reading them says why. What is left out
    is told on standard error.
    """
    if not os.path.isdir(place):
        return [os.fsdecode(place)]
    found = walk(Path(place))
    names = sorted((*found.files, *found.faults), key=lambda name: name.split("/"))
    told_of_it = told(found.left_out) + ([] if names else ["no files in it"])
    for line in told_of_it:
        note(f"{os.fsdecode(place)}: {line}")
    return [str(Path(place) / name) for name in names]


def picture(image) -> Image.Image:
    """The RGB picture of a single image.

    Raises:
        ValueError, OSError: if there is none; they say why.
    """
    found = _picture(image)
    if 0 in found.size:
        raise ImageError("no pixels")
    return found


def name_of(image, place: int) -> str:
    """What to call a single image in messages: its path, or its place among the others."""
    return os.fsdecode(image) if isinstance(image, PATHS) else f"image {place}"


def _picture(image):
    if isinstance(image, PATHS):
        return decode(_file(image))
    if isinstance(image, BYTES):
        return decode(bytes(image))
    if isinstance(image, Image.Image):
        return _converted(image)
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if hasattr(image, "read"):
        return decode(_stream(image))
    what = "None" if image is None else type(image).__name__
    raise ImageError(f"{what} is no image; {KINDS}")


def _unboxed(images):
    """Arrays of other packages as NumPy's; arrays of names, or of nothing, as lists."""
    if isinstance(images, (*PATHS, *BYTES, Image.Image)):
        return images
    if hasattr(images, "__array__"):
        images = np.asarray(images)
        if images.ndim and (images.dtype.kind in "OUT" or images.shape == (0,)):
            return images.tolist()
    return images


def _is_many(images):
    single = isinstance(images, SINGLE) or hasattr(images, "read")
    return isinstance(images, Iterable) and not single


def _spread(image):
    if isinstance(image, PATHS):
        return paths_of(image)
    if isinstance(image, np.ndarray) and image.ndim == 4:
        return list(image)
    return [image]


def _file(path):
    if os.path.isdir(path):
        os.listdir(path)  # raises why it may not be read
    return read_file(Path(path))


def _stream(file):
    if isinstance(file, io.TextIOBase):
        raise ImageError('a file opened as text; open it with "rb"')
    try:
        data = file.read()
        if not data and hasattr(file, "seekable") and file.seekable():
            file.seek(0)
            data = file.read()
    except (OSError, ValueError) as error:  # closed, or not open for reading
        raise ImageError(f"a file that cannot be read ({one_line(error)})") from None
    return data


def _converted(image):
    try:
        return to_rgb(image)
    except ImageError:
        raise
    except Exception as error:  # Pillow opens lazily: here its readers stumble
        raise ImageError(f"broken image ({one_line(error)})") from None


def _of_array(array):
    if array.dtype != np.uint8:
        raise ImageError(f"an array of {array.dtype}; give uint8, from 0 to 255")
    pixels = array if array.ndim == 3 else array[..., None]
    if pixels.ndim != 3 or pixels.shape[-1] not in CHANNELS:
        raise ImageError(
            f"an array {list(array.shape)}; give [H, W] or [H, W, C] with C from 1 to 4"
        )
    grey = pixels.shape[-1] == 1
    return to_rgb(Image.fromarray(pixels[..., 0] if grey else pixels))
