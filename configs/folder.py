"""Your own photographs: a folder, a table, or a set of the Hugging Face hub.

    python -m apt_jax inspect PHOTOS
    python train.py --config configs/folder.py --config.data.root=PHOTOS --workdir runs/mine

PHOTOS is one of

- a folder with train/CLASS/* and test/CLASS/* (and, if you have it, val/CLASS/*), or just
  CLASS/*, of which the seed keeps 30 % to test;
- a table that ends in .csv, .tsv or .parquet, with the columns path, label and, if you
  have it, split;
- hf:OWNER/NAME, or a folder that `datasets` saved (pip install -r requirements-hub.txt).

Class names are what CLIP reads: make them words, or give them words and descriptions in a
classes.yaml (docs/datasets.md). All labelled images are used; `--config.shots=16` draws 16
a class.
"""

from apt_jax import config


def get_config(arg=None):
    c = config.default(method="apt", source="folder")
    c.clip.checkpoint = "openai/clip-vit-base-patch16"
    return c
