"""SUN397, 397 kinds of scenes, in CoOp's split.

    python train.py --config configs/sun397.py --config.data.root=DATA/sun397

DATA/sun397 holds SUN397/ and split_zhou_SUN397.json, as CoOp lays them out;
docs/datasets.md says where from. 37 GB. VTAB and TFDS have another split.

Published for CLIP ViT-B/16, 16 shots, this split: PLOT++ 76.03 % (its README), GDA 75.87 %
(its logs). Ours on real CLIP weights has not been measured. The default run, 16 shots in 10
views and the centre crop, and 19,850 test images, is 89,722 passes of the tower: some 2
hours at ten a second (two CPU cores), once.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="coop")
    c.data.name = "sun397"
    c.data.root = "sun397"
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
