"""Pixels as an image file of the same bytes wherever and whenever it is written.

Netpbm: a line that gives the size, then the pixels as they are. Compressed formats differ
with the version of the library that writes them, and the SHA-256 of the file is the
image's name in caches, split.json and random views.
"""

import numpy as np


def portable(pixels: np.ndarray) -> bytes:
    """A PPM of [H, W, 3] uint8 pixels, or a PGM of [H, W] greys."""
    height, width = pixels.shape[:2]
    kind = "P6" if pixels.ndim == 3 else "P5"
    return f"{kind}\n{width} {height}\n255\n".encode() + pixels.tobytes()
