r"""How far a data set's classes lie apart in CLIP's eyes, against how far they spread.

    python -m apt_jax study variance --config configs/studies/variance.py \
        [--config.data.source=folder --config.data.root=PHOTOS]

Of the drawn aircraft unless another source is named. To compare data sets, give them as
many images of each class: `--config.study.per_class=10`.
"""

from ml_collections import ConfigDict

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="zero_shot", source="synthetic")
    c.clip.checkpoint = "tiny"
    c.clip.dtype = "float32"
    c.study = ConfigDict(
        {
            "split": "test",
            "per_class": 0,  # images of each class, drawn by the seed; 0 = all
            "permutations": 999,
        }
    )
    return c
