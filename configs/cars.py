"""Stanford Cars, 196 models, in CoOp's split.

    python train.py --config configs/cars.py --config.data.root=DATA/stanford_cars

DATA/stanford_cars holds cars_train/, cars_test/ and split_zhou_StanfordCars.json, as
CoOp lays them out; docs/datasets.md says where from. The test split is the official
one. Zero-shot CLIP ViT-B/16 with OpenAI's prompt ensemble has 64.46 % on it (LAION's
CLIP_benchmark). The authors' site is gone; copies have the same files.

Published for CLIP ViT-B/16, 16 shots, this split: PLOT++ 84.55 % (its README), GDA 82.63 %
(its logs). Ours on real CLIP weights has not been measured. The default run, 16 shots in 10
views and the centre crop, and 8,041 test images, is 42,537 passes of the tower: some 71
minutes at ten a second (two CPU cores), once.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="coop")
    c.data.name = "stanford_cars"
    c.data.root = "stanford_cars"
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
