"""Describable Textures, 47 kinds, in CoOp's split.

    python train.py --config configs/dtd.py --config.data.root=DATA/dtd

DATA/dtd holds images/ and split_zhou_DescribableTextures.json, as CoOp lays them out;
docs/datasets.md says where from. TFDS and VTAB have the authors' first fold instead.

Published for CLIP ViT-B/16, 16 shots, this split: PLOT++ 71.43 % (its README), GDA 71.26 %
(its logs). Ours on real CLIP weights has not been measured. The default run, 16 shots in 10
views and the centre crop, and 1,692 test images, is 9,964 passes of the tower: some 17
minutes at ten a second (two CPU cores), once.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="coop")
    c.data.name = "dtd"
    c.data.root = "dtd"
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
