r"""Any data set in CoOp's layout: a split file and a folder of images.

    python train.py --config configs/coop.py --config.data.root=FOLDER

FOLDER holds split_zhou_NAME.json and the images as CoOp lays them out. Elsewhere both are
named:

    python train.py --config configs/coop.py --config.data.root=IMAGES \
        --config.data.split_file=split_zhou_Caltech101.json --config.data.name=caltech101

`data.name` chooses the prompt template (docs/datasets.md has the names).
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="coop")
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
