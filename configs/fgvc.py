r"""The five fine-grained sets of VPT and VAPT, on the plain ViT that both papers adapt.

    python train.py --config configs/fgvc.py:dataset=cub --config.data.root=DATA

`dataset` is cub, nabirds, flowers102, stanford_dogs or stanford_cars, each in its authors'
files and with their test split. VPT held out a random tenth of the training images for
validation; its lists cannot be had any more, so another tenth of the same size is held
out here (data.published.official). All training images, VAPT, 224 pixels.

The search over learning rates and decays that both papers make, here for two sets:

    python -m apt_jax grid --config configs/studies/visual_prompts.py --workdir DIR \
        --config.clip.checkpoint=google/vit-base-patch16-224-in21k \
        --config.datasets=cub,stanford_dogs --config.data.root=DATA \
        --config.search_refit=train --config.augment.views=10

Published, mean over the five sets (VAPT's poster): full fine-tuning 88.54 %, VPT-deep
89.11 %, VAPT 89.58 %, selected on validation. Ours on these weights has not been
measured: both read pixels, so an epoch of CUB is 5,394 passes forth and back, some half
an hour on two CPU cores; use a GPU.
"""

from apt_jax import config

DATASETS = ("cub", "nabirds", "flowers102", "stanford_dogs", "stanford_cars")


def get_config(arg=None):
    source = config.choice(arg, "dataset", DATASETS)
    c = config.default(method="vapt", source=source)
    c.data.name = source
    c.data.root = source
    c.method.head = "linear"
    c.shots = 0
    c.clip.checkpoint = "google/vit-base-patch16-224-in21k"
    return c
