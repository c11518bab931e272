"""Oxford Pets, 37 breeds of cats and dogs.

    python train.py --config configs/pets.py --config.data.root=DATA/oxford_pets

DATA/oxford_pets holds images/ and split_zhou_OxfordPets.json, as CoOp lays them out;
docs/datasets.md says where from. The test split is the official one. Zero-shot CLIP
ViT-B/16 with OpenAI's prompt ensemble has 88.93 % on it (LAION's CLIP_benchmark).

Published for CLIP ViT-B/16, 16 shots, this split: PLOT++ 93.59 % (its README), GDA 93.73 %
(its logs). Ours on real CLIP weights has not been measured. The default run, 16 shots in 10
views and the centre crop, and 3,669 test images, is 10,181 passes of the tower: some 17
minutes at ten a second (two CPU cores), once.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="coop")
    c.data.name = "oxford_pets"
    c.data.root = "oxford_pets"
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
