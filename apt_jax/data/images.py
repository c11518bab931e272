"""An image file to an upright RGB picture, in any of the formats that are read.

Orientation from EXIF is applied. Greys of 16 and 32 bits are scaled to 8, not clipped.
What is transparent becomes white. Of an animation, the first frame.
"""

import threading
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from apt_jax.data.formats import TO_JPEG, is_raw, open_picture, told, unread
from apt_jax.errors import one_line

# Pillow's own bound between a large photograph and a decompression bomb. It is checked
# here too, because Pillow's can be switched off for the whole process.
MAX_PIXELS = 178_956_970
MAX_SIDE = 2**20  # pixels; longer ones cost memory in every resize

# Of modes that do not tell their range: what Pillow's readers of these formats fill.
FULL_RANGE = {"PNG": 2**16 - 1, "PPM": 2**16 - 1}
USUAL_RANGES = (1, 2**8 - 1, 2**16 - 1, 2**32 - 1)
OF_16_BITS = np.rint(np.arange(2**16) / (2**16 - 1) * 255).astype(np.uint8)
STRIP = 2**22  # pixels of a picture that are turned into fractions at a time
# The brightest of 255 levels that 16 bits show of which only so many are used.
BRIGHTEST = {10: 4, 12: 16, 14: 64}


class ImageError(ValueError):
    """What is no readable image; the message is a short reason."""


def decode(data: bytes) -> Image.Image:
    """The picture in a file's bytes, mode RGB, upright. Safe to call from threads.

    Raises:
        ImageError: if it is empty, no image, broken, or too large to be meant.
    """
    if not data:
        raise ImageError("empty file")
    try:
        with quiet:
            return to_rgb(opened(data))
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"more than {MAX_PIXELS} pixels") from None
    except Exception as error:  # Pillow's plugins raise what their parsers stumble on
        broken = f"broken image ({one_line(error)})"
        is_none = isinstance(error, UnidentifiedImageError)
        raise ImageError(
            unread(data) or ("not an image" if is_none else broken)
        ) from None


def opened(data: bytes) -> Image.Image:
    """The picture in a file's bytes, not decoded yet; to be called inside `quiet`.

    Raises:
        ImageError: if it is too large to be meant, or a raw photograph.
        Exception: what Pillow's plugins raise if it is none.
    """
    image = open_picture(data)
    _require_size(*image.size)
    if is_raw(data, image):
        raise ImageError(told("a raw photograph", TO_JPEG))
    return image


def to_rgb(image: Image.Image) -> Image.Image:
    """An upright 8-bit RGB picture of the same content.

    Raises:
        ImageError: for greys that are no finite numbers.
    """
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        return Image.fromarray(OF_16_BITS[np.asarray(upright)]).convert("RGB")
    if upright.mode in ("I", "F"):
        full = FULL_RANGE.get(image.format) if upright.mode == "I" else None
        return Image.fromarray(_levels(np.asarray(upright), full)).convert("RGB")
    if upright.has_transparency_data:
        return _over_white(upright)
    return upright.convert("RGB")


def _over_white(image):
    """What shows through is white, as in `transformers`' preprocessing."""
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _require_size(width, height):
    if width * height > MAX_PIXELS:
        raise ImageError(f"more than {MAX_PIXELS} pixels ({width} x {height})")
    if max(width, height) > MAX_SIDE:
        raise ImageError(f"a side of more than {MAX_SIDE} pixels ({width} x {height})")


def _levels(values, full=None):
    """[H, W] uint8: of the range `full`, else of the smallest usual one that holds all."""
    low, high = values.min(initial=0), values.max(initial=0)
    if not np.isfinite([low, high]).all():
        raise ImageError("greys that are no finite numbers")
    low, high = min(float(low), 0.0), float(high)
    if low == 0:  # signed: no usual range
        fitting = (usual for usual in USUAL_RANGES if high <= usual)
        high = full or next(fitting, high)
    levels = np.empty(values.shape, np.uint8)
    rows = max(1, STRIP // max(values.shape[1], 1))
    for top in range(0, len(values), rows):
        fractions = (values[top : top + rows].astype(np.float64) - low) / (high - low)
        levels[top : top + rows] = np.rint(fractions * 255)
    return levels


def has_16_bits(image: Image.Image) -> bool:
    """Whether an opened file, not decoded yet, holds 16 bits a channel."""
    return image.mode.startswith("I;16") or ";16" in str(image.tile)


def bits_of(picture: Image.Image) -> int | None:
    """How many of 16 bits a picture made of them uses at most; None for (nearly) all."""
    brightest = max(high for _, high in picture.getextrema())
    return next((bits for bits, most in BRIGHTEST.items() if brightest <= most), None)


class _Quiet:
    """Silences Pillow's warnings while any thread is inside.

    Odd metadata is no fault of the pixels. `warnings.catch_warnings` by itself is not
    for threads: two that overlap restore each other's filters and silence the process.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self):
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *error):
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(*error)


quiet = _Quiet()
