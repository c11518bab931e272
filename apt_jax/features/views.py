"""Views of an image: the centre crop the tower was evaluated with, or random crops.

A random view is the training transform of CoOp and its followers: a crop of a random
share of the area, at least `area` (0.08 in CoOp, 0.5 in Tip-Adapter), with an aspect
ratio log-uniform in 3/4 .. 4/3, resized to the tower's size by the filter of its
preprocessing (CLIP's is bicubic), and flipped half of the time. View v of an image comes
from the image's own bytes, `area` and v alone: whatever set, seed or method reads it, it
is the same, so it is encoded once. The spread over seeds leaves crops out.
"""

import dataclasses
import hashlib
import math
from typing import NamedTuple

import numpy as np
from PIL import Image

LOG_RATIO = (math.log(3 / 4), math.log(4 / 3))
MOST_VIEWS = 20_000  # of usual ones in all, so that thousands of images take no hours
TRIES = 10  # random boxes that may stick out of the image before the centre is taken


class View(NamedTuple):
    """One view of an image: its centre crop, or a random one."""

    area: float | None = None  # of a random crop at least, as a share of the image
    number: int = 0


CENTRE_CROP = View()


@dataclasses.dataclass(frozen=True)
class Views:
    """How many random views of each image; 0 = the centre crop in their place."""

    count: int = 0
    area: float = 0.08  # of a crop at least, as a share of the image

    @property
    def each(self) -> tuple[View, ...]:
        """The views, in their order."""
        return tuple(View(self.area, v) for v in range(self.count)) or (CENTRE_CROP,)

    def set_to(self, count: int | None, area: float | None, *, images: int) -> "Views":
        """These, but for what is set; their usual number falls where images are many."""
        if count is None:
            most = max(1, MOST_VIEWS // max(images, 1))
            count = min(self.count, most)
        return Views(count, self.area if area is None else area)


CENTRE = Views()  # the centre crop alone


def make_view(image: Image.Image, sha256: str, view: View, pixels) -> np.ndarray:
    """[S, S, 3] uint8 view of an RGB image; `pixels` is the tower's preprocessing."""
    if view == CENTRE_CROP:
        return pixels.centre_crop(image)
    generator = np.random.default_rng([*bytes.fromhex(sha256), view.number])
    return random_view(image, generator, pixels, view.area)


def random_view(image, generator, pixels, least_area) -> np.ndarray:
    """[S, S, 3] uint8: one random resized crop, flipped half of the time."""
    box = random_box(image.size, generator, least_area)
    flip = generator.random() < 0.5
    if box is None:
        view = Image.fromarray(pixels.centre_crop(image))
    else:
        size = (pixels.size, pixels.size)
        view = image.crop(box).resize(size, pixels.resample)
    if flip:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(view)


def random_box(size, generator, least_area):
    """(left, top, right, bottom) inside an image of `size`; None if none was found."""
    width, height = size
    for _ in range(TRIES):
        area = width * height * generator.uniform(least_area, 1)
        ratio = math.exp(generator.uniform(*LOG_RATIO))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left = int(generator.integers(width - w + 1))
            top = int(generator.integers(height - h + 1))
            return left, top, left + w, top + h
    return None


def content(crop: np.ndarray) -> np.ndarray:
    """[2] uint32 that name what the tower sees: a hash of a crop's pixels.

    Of the pixels and not of the file, so that the same picture as a path, a Pillow
    image or an array draws the same dropout masks.
    """
    digest = hashlib.sha256(repr(crop.shape).encode() + crop.tobytes()).digest()
    return np.frombuffer(digest[:8], "<u4").astype(np.uint32)
