"""EuroSAT, 10 kinds of land from above, in CoOp's split.

    python train.py --config configs/eurosat.py --config.data.root=DATA/eurosat

DATA/eurosat holds 2750/ and split_zhou_EuroSAT.json, as CoOp lays them out;
docs/datasets.md says where from. TFDS has no test split of it:
--config.data.source=tfds needs slices.

Published for CLIP ViT-B/16, 16 shots, this split: PLOT++ 92.00 % (its README), GDA 89.19 %
(its logs). Ours on real CLIP weights has not been measured. The default run, 16 shots in 10
views and the centre crop, and 8,100 test images, is 9,860 passes of the tower: some 16
minutes at ten a second (two CPU cores), once.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="coop")
    c.data.name = "eurosat"
    c.data.root = "eurosat"
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
