"""Oxford Flowers, 102 kinds, in CoOp's split.

    python train.py --config configs/flowers.py --config.data.root=DATA/oxford_flowers

DATA/oxford_flowers holds jpg/ and split_zhou_OxfordFlowers.json, as CoOp lays them out;
docs/datasets.md says where from. The official split (1,020 training, 6,149 test images)
is another: configs/fgvc.py:dataset=flowers102.

Published for CLIP ViT-B/16, 16 shots, this split: PLOT++ 97.56 % (its README), GDA 97.92 %
(its logs). Ours on real CLIP weights has not been measured. The default run, 16 shots in 10
views and the centre crop, and 2,463 test images, is 20,415 passes of the tower: some 34
minutes at ten a second (two CPU cores), once.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="coop")
    c.data.name = "oxford_flowers"
    c.data.root = "oxford_flowers"
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
