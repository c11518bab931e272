r"""VPT, VAPT and full fine-tuning, hyper-parameters chosen on validation as they were.

    python -m apt_jax grid --config configs/studies/visual_prompts.py --workdir DIR

Both in the form of their authors (prompts after CLS, a linear head, 100 epochs of SGD with
a warm cosine), all training images, and the grid of VPT (arXiv:2203.12119, VAPT's too):
each of its 40 pairs is trained on the training images and judged on the validation split
by its last epoch; then the best one trains on both and is judged on the test split, once.
Their figure is the row "one pass". Rates are given for batches of 256 and scale with the
batch, here 64; another one is the argument: configs/studies/visual_prompts.py:128.

Full fine-tuning, their baseline, has a grid of its own, four rates of AdamW and nothing
else, so it is a study of its own: configs/studies/visual_prompts.py:full, or :full,128, in
another --workdir; all that is said below holds for it too. (VPT's code takes batches of
384 and warms up for 5 epochs; here they are as for the prompts.)

Without other fields it is the drawn aircraft and the small CLIP, whose head here is a
linear one all the same. On a CPU the whole search takes days; this much of it takes under
ten minutes on two cores, and the trials that it leaves serve a wider one:

    --config.search.train.learning_rate=2.5,0.25 --config.search.train.weight_decay=0.001 \
    --config.sets.synthetic.train_images=4 --config.sets.synthetic.val_images=2 \
    --config.train.epochs=20 --config.seeds=1

VTAB-1k, DATA with a folder of archives a task (configs/vtab.py names them all):

    python -m apt_jax grid --config configs/studies/visual_prompts.py --workdir DIR \
        --config.clip.checkpoint=google/vit-base-patch16-224-in21k \
        --config.datasets=svhn,dtd --config.data.root=DATA --config.seeds=42,44,82,100,800

(Here each seed searches for itself; the authors searched with one.) The fine-grained sets
of VPT (cub, nabirds, flowers102, stanford_dogs, stanford_cars) choose on validation,
train no further on it, and crop at random, at least 0.77 of the area as their recipe says:

        --config.search_refit=train --config.augment.views=10
"""

import re

from apt_jax.data.published.vtab.tasks import TASKS
from apt_jax.errors import UserError
from apt_jax.grid import study

BATCH = 64
RATES = (50, 25, 10, 5, 2.5, 1, 0.5, 0.25, 0.1, 0.05)  # for batches of 256
FINE_GRAINED = ("cub", "nabirds", "flowers102", "stanford_dogs", "stanford_cars")
DECAYS = (0.01, 0.001, 0.0001, 0.0)


# Of full fine-tuning in VPT's code, for batches of 256 too.
RATES_OF_ALL = (5e-3, 1e-3, 5e-4, 1e-4)


def asked(arg):
    """Whether the whole tower is tuned, and the batch: "full", "128" or "full,128"."""
    found = re.fullmatch(r"(full)?,?([1-9]\d*)?", arg or "")
    if found is None:
        raise UserError(
            f"no study {arg!r} of visual prompts; write visual_prompts.py:full, "
            "visual_prompts.py:128 for another batch, or visual_prompts.py:full,128"
        )
    return bool(found[1]), int(found[2] or BATCH)


def get_config(arg=None):
    full, batch = asked(arg)
    c = study.default()
    c.methods = ("fine_tune",) if full else ("vpt", "vapt")
    of_vpt = {"form": "original", "head": "linear", "prompts": 10, "drop_prompt": 0.1}
    c.variants = {
        "vpt": {"method": {"name": "vpt"} | of_vpt},
        "vapt": {"method": {"name": "vapt", "head": "linear", "prompts": 10}},
        "fine_tune": {"method": {"name": "fine_tune", "head": "linear"}},
    }
    rates = RATES_OF_ALL if full else RATES
    scaled = {"learning_rate": tuple(rate * batch / 256 for rate in rates)}
    c.search = {"train": scaled if full else scaled | {"weight_decay": DECAYS}}
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
