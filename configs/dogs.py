"""Stanford Dogs, 120 breeds, with the official split.

    python train.py --config configs/dogs.py --config.data.root=DATA

DATA holds images.tar and lists.tar, or what they unpack to. Of the official training
images a fixed tenth is for validation. As TFDS prepared it: --config.data.source=tfds
--config.data.name=stanford_dogs, with a classes.yaml, because TFDS's names begin with
ImageNet's numbers.

Published for CLIP ViT-B/16, 16 shots, this split: nothing that was at hand. Ours on real
CLIP weights has not been measured. The default run, 16 shots in 10 views and the centre
crop, and 8,580 test images, is 29,700 passes of the tower: some 50 minutes at ten a second
(two CPU cores), once.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="stanford_dogs")
    c.data.name = "stanford_dogs"
    c.data.root = "stanford_dogs"
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
