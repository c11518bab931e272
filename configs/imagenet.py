"""ImageNet-1k, and one trained head on its four shifted test sets.

    python train.py --config configs/imagenet.py --config.data.root=DATA/imagenet

DATA/imagenet holds images/train, images/val and classnames.txt as CoOp lays them out, and
beside it imagenetv2, imagenet-sketch, imagenet-adversarial and imagenet-rendition
(docs/datasets.md; leave some out with --config.data.shifts="v2;sketch", or all with
--config.data.shifts=). Few shots of one seed are the same on every machine, because files
are taken in sorted order, but not those of CoOp, which takes them as the disk lists them.

Published for CLIP ViT-B/16, 16 shots, on the 50,000 validation images: PLOT++ 72.60 % (its
README), GDA 72.24 % (its logs); zero-shot with OpenAI's 80 prompts 68.35 %, and 61.88 % on
V2, 48.14 % on Sketch, 50.07 % on A, 77.67 % on R (LAION's CLIP_benchmark). Ours on real
CLIP weights has not been measured. Every run reads the files of all training images, to
name them by their content; the first decodes them too. Then 16 shots in 10 views and the
centre crop, and all test images are 324,389 passes of the tower: some 9 hours at ten a
second (two CPU cores), once.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="imagenet")
    c.data.name = "imagenet"
    c.data.root = "imagenet"
    c.data.shifts = ("v2", "sketch", "a", "r")
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
