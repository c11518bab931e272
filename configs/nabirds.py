"""NABirds, 555 kinds of North American birds, males, females and young apart.

    python train.py --config configs/nabirds.py --config.data.root=DATA

DATA holds nabirds.tar.gz, or what it unpacks to; a form stands before the download
(docs/datasets.md). Of the official training images a fixed tenth is for validation.

Published for CLIP ViT-B/16, 16 shots, this split: nothing that was at hand. Ours on real
CLIP weights has not been measured. The default run, 16 shots in 10 views and the centre
crop, and 24,633 test images, is 122,313 passes of the tower: some 3 hours at ten a second
(two CPU cores), once.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="nabirds")
    c.data.name = "nabirds"
    c.data.root = "nabirds"
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
