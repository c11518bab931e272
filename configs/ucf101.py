"""UCF101, 101 actions, the middle frame of each clip.

    python train.py --config configs/ucf101.py --config.data.root=DATA/ucf101

DATA/ucf101 holds UCF-101-midframes/ and split_zhou_UCF101.json, as CoOp lays them out;
docs/datasets.md says where from. The frames are CoOp's; TFDS has none.

Published for CLIP ViT-B/16, 16 shots, this split: PLOT++ 85.34 % (its README), GDA 84.09 %
(its logs). Ours on real CLIP weights has not been measured. The default run, 16 shots in 10
views and the centre crop, and 3,783 test images, is 21,559 passes of the tower: some 36
minutes at ten a second (two CPU cores), once.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="coop")
    c.data.name = "ucf101"
    c.data.root = "ucf101"
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
