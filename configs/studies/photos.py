r"""Every method, 1, 4 and 16 shots, three seeds, on four sets of photographs.

    python -m apt_jax grid --config configs/studies/photos.py --workdir runs/photos \
        --config.data.root=PHOTOS --config.clip.checkpoint=CHECKPOINT

PHOTOS holds the unpacked images and the split files as `sets` below names them; other
places are --config.sets.eurosat.root=... and so on, absolute or relative to PHOTOS.

Narrow it with --config.datasets=...; methods that read cached features are quick enough for
--config.shots=2,8 too. Recipes are the published ones but for `SHORTENED`, made for a small
CLIP on two CPU cores (hours a set); on a GPU, take them out. CoOp has the 50 epochs that
its authors take for large sets at every number of shots.

Your own photographs are compared with own.py.

    --config configs/studies/photos.py:classes=many --config.datasets=caltech101

A hundred classes have ten times the images of ten an epoch: `OF_MANY` has fewer epochs.
"""

from apt_jax import config
from apt_jax.grid import study
from apt_jax.methods import METHODS

SHORTENED = {
    "coop": {"train": {"epochs": 50}},  # of 50, 100 or 200
    "vapt": {"train": {"epochs": 20}, "eval": {"samples": 10}},  # of 100, of 30
    "fine_tune": {"train": {"epochs": 10}},  # of 100
    "prompt_src": {"train": {"epochs": 10}},  # of 50
    "cocoop": {"train": {"epochs": 3}},  # of 10
    "clip_lora": {
        "method": {"steps": 10},  # of 500, for each shot
        "train": {"learning_rate": 2e-3},
        "eval": {"samples": 10},  # of 30
    },
}
OF_MANY = {
    "coop": {"train": {"epochs": 10}},
    "maple": {"train": {"epochs": 3}},  # of 5
    "vapt": {"train": {"epochs": 4}, "eval": {"samples": 4}},
    "prompt_src": {"train": {"epochs": 2}},
    "cocoop": {"train": {"epochs": 2}},
    "clip_lora": SHORTENED["clip_lora"] | {"eval": {"samples": 4}},
}
TIP_ADAPTER_F = {"method": {"name": "tip_adapter", "trained": True}}


def get_config(arg=None):
    classes = config.choice(arg or "few", "classes", ("few", "many"))
    c = study.default()
    c.methods = (*METHODS, "tip_adapter_f")
    recipes = SHORTENED | (OF_MANY if classes == "many" else {})
    c.variants = {**recipes, "tip_adapter_f": TIP_ADAPTER_F}
    c.datasets = ("caltech101", "oxford_flowers17", "imagewoof", "eurosat")
    c.sets = {
        "caltech101": {
            "source": "coop",
            "root": "caltech-101/101_ObjectCategories",
            "split_file": "splits/split_zhou_Caltech101.json",
        },
        "oxford_flowers17": {
            "source": "coop",
            "root": "oxford_flowers17/jpg",
            "split_file": "oxford_flowers17/split_seed1_OxfordFlowers17.json",
        },
        "imagewoof": {
            "source": "coop",
            "root": "imagewoof",
            "split_file": "imagewoof/split_seed1_Imagewoof.json",
        },
        "eurosat": {
            "source": "coop",
            "root": "eurosat/2750",
            "split_file": "eurosat/split_zhou_EuroSAT_subset.json",
        },
    }
    c.shots, c.seeds = (1, 4, 16), (1, 2, 3)
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    c.clip.dtype = "float32"  # "auto" measures, and may change with the machine's load
    return c
