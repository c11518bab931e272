"""A fine-grained data set of our own, drawn when it is read: aircraft that do not exist.

Pictures are made from (seed, split, variant, number), so nothing is stored and the same
configuration always gives the same bytes.
"""

import dataclasses
import functools
import io
from typing import ClassVar

import numpy as np
from PIL import Image

from apt_jax.data.dataset import SPLITS, Dataset, Item
from apt_jax.data.source import Source
from apt_jax.data.synthetic.scene import render
from apt_jax.data.synthetic.variants import VARIANTS
from apt_jax.data.templates import templates_of
from apt_jax.fields import SHARE, at_least, field

NAMES = tuple(variant.name for variant in VARIANTS)
# Sequences of chance that other uses of the generator must not touch: the small CLIP of
# the package was trained on pictures of another one (`pretraining`).
FEW_SHOT_STREAM = 0


@dataclasses.dataclass(frozen=True)
class Synthetic(Source):
    """The aircraft, so many of each; the seed chooses the pictures."""

    size: int = field(64, "side of a picture in pixels", at_least(8))
    variance: float = field(
        0.5, "strength of pose, livery, light, background and blur", SHARE
    )
    train_images: int = field(32, "training images of each variant", at_least(1))
    val_images: int = field(10, "validation images of each variant", at_least(0))
    test_images: int = field(25, "test images of each variant", at_least(1))

    usual_name: ClassVar[str] = "synthetic"
    drawn: ClassVar[bool] = True

    def load(self, seed: int) -> Dataset:
        counts = (self.train_images, self.val_images, self.test_images)
        splits = {
            split: tuple(
                Item(f"{split}/{variant.name}/{number:04d}.png", label)
                for label, variant in enumerate(VARIANTS)
                for number in range(count)
            )
            for split, count in zip(SPLITS, counts, strict=True)
        }
        return Dataset(
            name=self.called,
            classes=NAMES,
            **splits,
            templates=templates_of(self.usual_name, self.templates),
            read=functools.partial(
                draw, seed=seed, variance=self.variance, size=self.size
            ),
        )


def draw(item: Item, *, seed: int, variance: float, size: int) -> bytes:
    """The PNG file of one picture: what its path says, whatever labels are counted from."""
    split, name, file = item.path.split("/")
    which, number = NAMES.index(name), int(file.removesuffix(".png"))
    chance = [FEW_SHOT_STREAM, seed, SPLITS.index(split), which, number]
    pixels = render(VARIANTS[which], np.random.default_rng(chance), variance, size)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format="png")
    return data.getvalue()
