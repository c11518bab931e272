r"""VTAB-1k: 800 training and 200 validation images of one of 19 tasks, and all test images.

    python train.py --config configs/vtab.py:task=svhn --config.data.root=DATA

DATA holds the task's archives as its authors publish them, unpacked or not; the error
says which and where from, docs/datasets.md lists all. Which 800 and 200 images follows
TFDS's order of storage, without TensorFlow (data.published.vtab). VAPT with a linear head
on the plain ViT of the papers. They train on all 1,000 images in the end, with what the 200
chose (--config.data.refit=True is the former alone):

    python -m apt_jax grid --config configs/studies/visual_prompts.py --workdir DIR \
        --config.clip.checkpoint=google/vit-base-patch16-224-in21k \
        --config.datasets=svhn,dtd --config.data.root=DATA

Published, mean of the 19 tasks (VAPT's poster): full fine-tuning 65.57 %, VPT-deep 69.43 %,
VAPT 72.91 %, VFPT 73.20 %; by group (natural, specialized, structured) VAPT has 81.43,
85.13 and 59.34 %. Ours on these weights has not been measured: an epoch is 1,000 passes
forth and back, some five minutes on two CPU cores; use a GPU.
"""

from apt_jax import config
from apt_jax.data.published.vtab.tasks import TASKS


def get_config(arg=None):
    task = config.choice(arg, "task", tuple(TASKS))
    c = config.default(method="vapt", source="vtab")
    c.data.name = task
    c.data.root = task
    c.method.head = "linear"
    c.shots = 0
    c.augment.views = 0  # none, as the papers for these tasks
    c.clip.checkpoint = "google/vit-base-patch16-224-in21k"
    return c
