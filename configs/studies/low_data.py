"""VPT against VAPT at 1, 10, 30, 50 and 100 % of the training images.

    python -m apt_jax grid --config configs/studies/low_data.py --workdir runs/low_data

The sample-efficiency figure of VAPT (arXiv:2501.18936), on the drawn aircraft: 24 variants
with 32 training images each, three seeds, prompts of 10 vectors in every block of the small
CLIP. A share is drawn class by class, and those of a seed are nested (data.few_shot); of
1 %, 8 images, 16 classes see none. `sets` says how many training images there are
(--config.sets.synthetic.train_images=100), `shots` which shares: 0 is all.

Published recipes but for the epochs, 15 in place of 100 at every share, crops of at least
half of a picture in place of 0.77, and 10 samples in place of 30: under 15 minutes on two
quiet CPU cores. With fewer images 15 epochs are fewer steps, as in the paper. The class
texts are the head. With the papers' linear head (--config.methods=vpt_linear,vapt_linear) a
class without an image is never named.
"""

from apt_jax.grid import study

PROMPTS = 10


def vpt(**changes):
    return {
        "method": {"name": "vpt", "form": "original", "prompts": PROMPTS, **changes}
    }


def vapt(**changes):
    return {"method": {"name": "vapt", "prompts": PROMPTS, **changes}}


def get_config(arg=None):
    c = study.default()
    c.methods = ("vpt", "vapt")
    c.variants = {
        "vpt": vpt(),
        "vapt": vapt(),
        "vpt_linear": vpt(head="linear"),
        "vapt_linear": vapt(head="linear"),
    }
    c.groups = {"Prompts that are functions of the image": ("vpt", "vapt")}
    c.datasets = ("synthetic",)
    c.sets = {"synthetic": {"source": "synthetic", "train_images": 32}}
    c.shots, c.seeds = (0.01, 0.1, 0.3, 0.5, 0), (1, 2, 3)
    c.train.epochs = 15
    c.eval.samples = 10
    c.clip.checkpoint = "tiny"
    c.clip.dtype = "float32"
    c.augment.area = 0.5  # of a picture this small, a crop of 8 % shows nothing
    return c
