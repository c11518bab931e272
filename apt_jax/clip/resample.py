"""Pillow's resize of a picture, of a part of the result only: the same pixels.

A picture of 1 x 20000 pixels whose shorter side becomes 224 is one of 4,480,000 x 224
before the crop. Pillow resizes one axis after the other, each to uint8: pixel x of n that
were m is, with s = m / n, t = max(s, 1) and a filter f of support r,

    p_x = clip(round(sum_i w_i p_i)),    w_i ~ f((i + 1/2 - c) / t),    c = (x + 1/2) s

over the i whose centres are within r t of c, the weights rounded to 22 binary places.
Which axis comes first is Pillow 13's rule. Its own `box` would not do: it rounds its
corners to float32, and so gives other pixels.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

BILINEAR, BICUBIC = 2, 3  # Pillow's numbers
SUPPORT = {BILINEAR: 1.0, BICUBIC: 2.0}
PLACES = 2**22


class Stretch(NamedTuple):
    """Some neighbouring pixels of a resized axis, made of some of the original ones."""

    first: int  # original pixel that the first column of weights belongs to
    last: int  # one after that of the last
    weights: np.ndarray  # [pixels made, last - first] whole numbers: 1 is `PLACES`


def part(image: Image.Image, size, box, resample: int) -> np.ndarray:
    """[bottom - top, right - left, 3] uint8: `image.resize(size).crop(box)`."""
    (width, height), (left, top, right, bottom) = size, box
    x = stretch(image.width, width, left, right, resample)
    y = stretch(image.height, height, top, bottom, resample)
    pixels = np.asarray(image.crop((x.first, y.first, x.last, y.last)))
    if rows_first(image.size, size):
        return across(x.weights, weighed(y.weights, pixels))
    return weighed(y.weights, across(x.weights, pixels))


def rows_first(original, size) -> bool:
    """Whether Pillow resizes the height before the width."""
    (width, height), (new_width, new_height) = original, size
    return height > new_height and height - new_height > 2 * (width - new_width)


def across(weights, pixels) -> np.ndarray:
    """`weighed` along the width."""
    return weighed(weights, pixels.swapaxes(0, 1)).swapaxes(0, 1)


def stretch(length: int, size: int, start: int, stop: int, resample: int) -> Stretch:
    """Pixels start .. stop - 1 of an axis of `length` pixels that is resized to `size`."""
    scale = length / size
    widened = max(scale, 1.0)
    reach = SUPPORT[resample] * widened
    centres = (np.arange(start, stop) + 0.5) * scale
    lows = np.maximum((centres - reach + 0.5).astype(int), 0)
    highs = np.minimum((centres + reach + 0.5).astype(int), length)
    first, last = int(lows[0]), int(highs[-1])
    weights = np.zeros((stop - start, last - first))
    for row, centre, low, high in zip(weights, centres, lows, highs, strict=True):
        of = FILTERS[resample]((np.arange(low, high) - centre + 0.5) * (1 / widened))
        of /= np.add.accumulate(of)[-1]  # summed in order, as Pillow does
        row[low - first : high - first] = np.trunc(of * PLACES + np.copysign(0.5, of))
    return Stretch(first, last, weights)


def weighed(weights, pixels) -> np.ndarray:
    """[n, k, 3] uint8 of [m, k, 3] and [n, m]; exact: all numbers are whole, below 2^53."""
    summed = weights @ pixels.reshape(len(pixels), -1).astype(np.float64)
    levels = np.floor(summed / PLACES + 0.5)
    return np.clip(levels, 0, 255).astype(np.uint8).reshape(-1, *pixels.shape[1:])


def bilinear(x):
    return np.maximum(1 - np.abs(x), 0)


def bicubic(x):
    a, x = -0.5, np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


FILTERS = {BILINEAR: bilinear, BICUBIC: bicubic}
