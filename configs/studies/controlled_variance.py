"""What adaptive prompts gain over static ones as the variance within classes grows.

    python -m apt_jax study controlled --config configs/studies/controlled_variance.py

The drawn aircraft at five strengths of pose, light, livery and background, four labelled
images a class, three seeds: twelve minutes of one CPU core (docs/results.md has what came
out). A grid of a data set a level, whose cells are in cells/ as those of any grid. Recipes
are the methods' own; fields of `train` and `augment` change them for all, those of
`method` are of the configured method alone.
"""

from ml_collections import ConfigDict

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="synthetic")
    c.clip.checkpoint = "tiny"
    c.clip.dtype = "float32"
    c.shots = 4
    c.augment.area = 0.5  # of a picture this small, a crop of 8 % shows nothing
    c.data.train_images, c.data.val_images = 8, 1  # no more than the shots need
    c.study = ConfigDict(
        {
            "levels": 5,  # of data.variance, from 0 to 1
            "seeds": 3,
            "rivals": ("coop",),  # beside zero-shot CLIP
            "permutations": 999,
        }
    )
    return c
