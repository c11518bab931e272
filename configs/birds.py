"""CUB-200-2011, 200 kinds of birds: one of the four data sets of the method's paper.

    python train.py --config configs/birds.py --config.data.root=DATA

DATA holds CUB_200_2011.tgz, or what it unpacks to. The test split is the official one; of
the official training images a fixed tenth is for validation, since there is none. The
same as TFDS prepared it: --config.data.source=tfds --config.data.name=caltech_birds2011.

Published for CLIP ViT-B/16, 16 shots, this split: nothing that was at hand. Ours on real
CLIP weights has not been measured. The default run, 16 shots in 10 views and the centre
crop, and 5,794 test images, is 40,994 passes of the tower: some 68 minutes at ten a second
(two CPU cores), once.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="cub")
    c.data.name = "cub"
    c.data.root = "cub"
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
