r"""VPT against VAPT under their own protocol: rate and decay chosen on validation.

    python -m apt_jax.grid --config configs/studies/visual_prompts.py --workdir DIR

Both in the form of their authors (prompts after CLS, a linear head, 100 epochs of SGD with
a warm cosine), all training images, and the grid of VPT (arXiv:2203.12119, VAPT's too):
each of its 40 pairs is trained on the training images and judged on the validation split
by its last epoch; then the best one trains on both and is judged on the test split, once.
Their figure is the row "one pass". Rates are given for batches of 256 and scale with the
batch, here 64; another one is the argument: configs/studies/visual_prompts.py:128.

Without other fields it is the drawn aircraft and the small CLIP, whose head here is a
linear one all the same. On a CPU the whole search takes days; this much of it takes under
ten minutes on two cores, and the trials that it leaves serve a wider one:

    --config.search.train.learning_rate=2.5,0.25 --config.search.train.weight_decay=0.001 \
    --config.sets.synthetic.train_images=4 --config.sets.synthetic.val_images=2 \
    --config.train.epochs=20 --config.seeds=1

VTAB-1k, DATA with a folder of archives a task (configs/vtab.py names them all):

    python -m apt_jax.grid --config configs/studies/visual_prompts.py --workdir DIR \
        --config.clip.checkpoint=google/vit-base-patch16-224-in21k \
        --config.datasets=svhn,dtd --config.data.root=DATA --config.seeds=42,44,82,100,800

(Here each seed searches for itself; the authors searched with one.) The fine-grained sets
of VPT (cub, nabirds, flowers102, stanford_dogs, stanford_cars) choose on validation,
train no further on it, and crop at random, at least 0.77 of the area as their recipe says:

        --config.search_refit=train --config.augment.views=10
"""

from apt_jax.data.vtab.tasks import TASKS
from apt_jax.grid import study

BATCH = 64
RATES = (50, 25, 10, 5, 2.5, 1, 0.5, 0.25, 0.1, 0.05)  # for batches of 256
FINE_GRAINED = ("cub", "nabirds", "flowers102", "stanford_dogs", "stanford_cars")
DECAYS = (0.01, 0.001, 0.0001, 0.0)


def get_config(arg=None):
    batch = int(arg or BATCH)
    c = study.default()
    c.methods = ("vpt", "vapt")
    of_vpt = {"form": "original", "head": "linear", "prompts": 10, "drop_prompt": 0.1}
    c.variants = {
        "vpt": {"method": {"name": "vpt"} | of_vpt},
        "vapt": {"method": {"name": "vapt", "head": "linear", "prompts": 10}},
    }
    c.search = {
        "train": {
            "learning_rate": tuple(rate * batch / 256 for rate in RATES),
            "weight_decay": DECAYS,
        }
    }
    c.search_refit = "train+val"
    c.train.batch_size = batch
    c.datasets = ("synthetic",)
    c.sets = {
        "synthetic": {"source": "synthetic"},
        **{name: {"source": "vtab", "root": name} for name in TASKS},
        **{name: {"source": name, "root": name} for name in FINE_GRAINED},
    }
    c.shots, c.seeds = (0,), (1, 2, 3)
    c.clip.checkpoint = "tiny"
    c.clip.dtype = "float32"
    c.augment.views = 0  # none, as for VTAB-1k
    c.eval.samples = 8  # each is a pass through the tower
    return c
