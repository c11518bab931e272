"""Food-101, 101 dishes, in CoOp's split.

    python train.py --config configs/food101.py --config.data.root=DATA/food-101

DATA/food-101 holds images/ and split_zhou_Food101.json, as CoOp lays them out;
docs/datasets.md says where from. The training images hold wrong labels on purpose,
which few shots may hit; CoOp's test split is not the official one.

Published for CLIP ViT-B/16, 16 shots, this split: PLOT++ 87.11 % (its README), GDA 87.27 %
(its logs). Ours on real CLIP weights has not been measured. The default run, 16 shots in 10
views and the centre crop, and 30,300 test images, is 48,076 passes of the tower: some 80
minutes at ten a second (two CPU cores), once.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="coop")
    c.data.name = "food101"
    c.data.root = "food-101"
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
