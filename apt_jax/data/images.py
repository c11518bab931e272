"""An image file to an upright RGB picture, whatever Pillow can read.

Orientation from EXIF is applied. Greys of 16 and 32 bits are scaled to 8, not clipped.
Alpha is dropped, as CLIP's own preprocessing does. Of an animation, the first frame.
"""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 178_956_970  # twice Pillow's own warning line; more is a decompression bomb

# Pillow's own limit would warn below ours and raise above it; the check below does both
# jobs before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


class ImageError(ValueError):
    """What is no readable image; the message is a short reason."""


def decode(data: bytes) -> Image.Image:
    """The picture in a file's bytes, mode RGB, upright.

    Raises:
        ImageError: if it is empty, no image, broken, or too large to be meant.
    """
    if not data:
        raise ImageError("empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is no fault of the pixels
            image = Image.open(io.BytesIO(data))
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise ImageError(
                    f"{width} x {height} pixels, over the limit of {MAX_PIXELS}"
                )
            image.load()
            return to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise ImageError("not an image") from None
    except ImageError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise ImageError(f"broken image ({error})") from None
    except Exception as error:  # Pillow's plugins raise what their parsers stumble on
        raise ImageError(f"broken image ({type(error).__name__}: {error})") from None


def to_rgb(image: Image.Image) -> Image.Image:
    """An 8-bit RGB picture of the same content."""
    if image.mode.startswith("I;16"):
        return _grey(np.asarray(image).astype(np.float64) / (2**16 - 1))
    if image.mode in ("I", "F"):
        return _grey(_unit_range(np.asarray(image).astype(np.float64)))
    if image.mode == "P":  # a palette with transparency converts in two steps
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    return image.convert("RGB")


def _unit_range(values):
    """32-bit values in [0, 1]: what is stored so is mostly 16-bit, 8-bit or a fraction."""
    top = values.max(initial=0)
    for full in (1, 2**8 - 1, 2**16 - 1, 2**32 - 1):
        if top <= full:
            return values / full
    return values / top


def _grey(fractions):
    levels = np.rint(np.clip(fractions, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(levels).convert("RGB")
