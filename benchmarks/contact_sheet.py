"""The picture in the README: a variant of each family as `variance` goes from 0 to 1.

python -m benchmarks.contact_sheet docs/aircraft.png
"""

import sys

import numpy as np
from PIL import Image

from apt_jax.data.synthetic.scene import render
from apt_jax.data.synthetic.variants import VARIANTS

SIZE = 128
VARIANCES = (0.0, 0.0, 0.25, 0.5, 0.5, 0.75, 1.0, 1.0)


def main(path: str):
    shown = [variant for variant in VARIANTS if variant.name.endswith("20")]
    rows = [
        np.concatenate(
            [
                render(variant, np.random.default_rng([row, column]), variance, SIZE)
                for column, variance in enumerate(VARIANCES)
            ],
            axis=1,
        )
        for row, variant in enumerate(shown)
    ]
    Image.fromarray(np.concatenate(rows)).quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
