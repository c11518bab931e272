"""Every method, 1, 4 and 16 shots, three seeds, on the drawn aircraft.

    python -m apt_jax grid --config configs/studies/few_shot.py --workdir runs/few_shot

Needs no network and no files of your own. The same command goes on where it was stopped.
Narrow it with --config.methods=apt,coop --config.shots=1,4; a name in `methods` that
is no method stands in `variants`: a method's own fields, its training, anything that a
run's configuration has (apt_jax/grid/study.py).

Recipes are the published ones, but that all methods have crops of at least half of a
picture, as these are small, and that four methods with the image tower in the loop, which
would take hours, have what `SHORTENED` says. The fewer steps of CLIP-LoRA take ten times
its learning rate, chosen on validation images (4 shots, seed 1, 25 steps).

Your own photographs are compared with own.py. Given here, by --config.data.root, they get
what is meant for the aircraft: those crops, the shortened recipes and the small CLIP.
"""

from apt_jax.grid import study
from apt_jax.methods import METHODS

SHORTENED = {
    "vapt": {"train": {"epochs": 30}, "eval": {"samples": 10}},  # of 100, of 30
    "fine_tune": {"train": {"epochs": 15}},  # of 100
    "prompt_src": {
        # The small CLIP knows one phrase only, so the teacher reads that.
        "method": {"teacher": "task"},
        "train": {"epochs": 15},  # of 50
    },
    "clip_lora": {
        "method": {"steps": 15},  # of 500, for each shot
        "train": {"learning_rate": 2e-3},
        "eval": {"samples": 10},  # of 30
    },
}
TIP_ADAPTER_F = {"method": {"name": "tip_adapter", "trained": True}}


def get_config(arg=None):
    c = study.default()
    c.methods = (*METHODS, "tip_adapter_f")
    c.variants = {**SHORTENED, "tip_adapter_f": TIP_ADAPTER_F}
    c.datasets = ("synthetic",)
    c.sets = {"synthetic": {"source": "synthetic"}}
    c.shots, c.seeds = (1, 4, 16), (1, 2, 3)
    c.clip.checkpoint = "tiny"
    c.clip.dtype = "float32"
    c.augment.area = 0.5  # of a picture this small, a crop of 8 % shows nothing
    return c
