"""Your own photographs: a folder a class.

    python train.py --config configs/folder.py --config.data.root=PHOTOS --workdir runs/mine

PHOTOS holds train/CLASS/* and test/CLASS/* (and, if you have it, val/CLASS/*), or just
CLASS/*, which is split by the seed. The folder's names are the class names CLIP reads:
make them words. `--config.shots=0` uses all training images.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="folder")
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
