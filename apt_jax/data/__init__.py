"""Files in, labelled images out: sources, the few-shot sampler, templates, decoding."""

from apt_jax.data import aircraft, coop, folder, synthetic, tfds
from apt_jax.data.check import check
from apt_jax.data.dataset import Dataset, Item
from apt_jax.errors import UserError

__all__ = [
    "DEFAULTS",
    "DRAWN",
    "OWN_DEFAULTS",
    "SOURCES",
    "Dataset",
    "Item",
    "check",
    "load",
]

SOURCES = {
    "aircraft": aircraft.load,
    "coop": coop.load,
    "folder": folder.load,
    "synthetic": synthetic.load,
    "tfds": tfds.load,
}

# Sources that draw their pictures from the seed: a path is another picture at each.
DRAWN = ("synthetic",)

DEFAULTS = {
    "source": "folder",
    "root": "",  # the folder of the images
    "name": "",  # chooses the templates; by default the folder's name
    "split_file": "",  # of source "coop"
    "classes": "all",  # or "base", "new": half of the classes (data.base_new)
    "templates": (),  # prompts with {} for the class name; by default the data set's
    "on_error": "stop",  # or "skip": drop unreadable images and say how many
}

# Fields that only one source has.
OWN_DEFAULTS = {"synthetic": synthetic.DEFAULTS, "tfds": tfds.DEFAULTS}


def load(config, *, seed: int) -> Dataset:
    """The data set that `config` (the `data` part of a configuration) names.

    Raises:
        UserError: if the source is unknown or its files are not as they should be.
    """
    if config.source not in SOURCES:
        raise UserError(
            f"unknown data.source {config.source!r}; choose one of {sorted(SOURCES)}"
        )
    return SOURCES[config.source](config, seed)
