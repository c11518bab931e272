r"""APT beside CoOp, VPT and others on the eleven data sets of CoOp, and on the birds.

    python -m apt_jax grid --config configs/studies/benchmarks.py --workdir DIR \
        --config.data.root=DATA

DATA holds the folders of CoOp's layout (caltech-101, oxford_pets, ..., imagenet) and cub;
each set is as its own file in configs/ says. Narrow it with --config.datasets=dtd,eurosat
--config.methods=apt,coop --config.shots=16. All other methods may be named too; those
that read pixels, VPT among them, and CoOp with many classes want a GPU. APT's paper has
four of the sets (docs/questions.md).
"""

from pathlib import Path

from apt_jax import config
from apt_jax.grid import study

FILES = (
    "caltech101",
    "pets",
    "cars",
    "flowers",
    "food101",
    "aircraft",
    "sun397",
    "dtd",
    "eurosat",
    "ucf101",
    "imagenet",
    "birds",
)


def get_config(arg=None):
    c = study.default()
    c.methods = (
        "zero_shot",
        "coop",
        "vpt",
        "tip_adapter",
        "gda",
        "linear_probe",
        "apt",
    )
    folder = Path(__file__).parents[1]
    files = {name: config.load(str(folder / f"{name}.py")) for name in FILES}
    c.sets = {name: file.data.to_dict() for name, file in files.items()}
    c.datasets = FILES
    c.shots, c.seeds = (1, 2, 4, 8, 16), (1, 2, 3)
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
