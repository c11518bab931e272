"""Files in, labelled images out: sources, the few-shot sampler, templates, decoding."""

from apt_jax.data import coop, own, synthetic, tfds, vtab
from apt_jax.data.check import check
from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.naming import renamed
from apt_jax.data.originals import (
    birds,
    fgvc_aircraft,
    imagenet,
    oxford_flowers102,
    stanford_cars,
    stanford_dogs,
)
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
    "aircraft": fgvc_aircraft.load,
    "coop": coop.load,
    "cub": birds.cub,
    "flowers102": oxford_flowers102.load,
    "folder": own.load,
    "hub": own.load,
    "imagenet": imagenet.load,
    "nabirds": birds.nabirds,
    "stanford_cars": stanford_cars.load,
    "stanford_dogs": stanford_dogs.load,
    "synthetic": synthetic.load,
    "table": own.load,
    "tfds": tfds.load,
    "vtab": vtab.load,
}

# Anybody's own photographs, which are looked at before the seed divides them.
OWN = tuple(own.KINDS)

# Sources that draw their pictures from the seed: a path is another picture at each.
DRAWN = ("synthetic",)

DEFAULTS = {
    "source": "folder",
    "root": "",  # the folder of the images; of "folder" also a table or a set of the hub
    "name": "",  # chooses the templates; by default the folder's name
    "split_file": "",  # of source "coop"
    "class_names": "",  # a YAML file; by default classes.yaml in the root or beside it
    "classes": "all",  # or "base", "new": half of the classes (data.base_new)
    "templates": (),  # prompts with {} for the class name; by default the data set's
    # What a seeded split keeps on one side: "auto" near-identical pictures, "none" only
    # files with the same bytes; of a table or a set of the hub, the name of a column.
    "group": "auto",
    "on_error": "stop",  # or "skip": drop unreadable images and say how many
}

# Fields that only one source has.
OWN_DEFAULTS = {
    "aircraft": fgvc_aircraft.DEFAULTS,
    "hub": own.hub.DEFAULTS,
    "imagenet": imagenet.DEFAULTS,
    "synthetic": synthetic.DEFAULTS,
    "tfds": tfds.DEFAULTS,
    "vtab": vtab.DEFAULTS,
}


def load(config, *, seed: int, look_at=None, validation: bool = True) -> Dataset:
    """The data set that `config` (the `data` part of a configuration) names.

    Who has looked at the images, or remembers looks, gives a `looks.look_at` that does.
    Without `validation` no share of one's own photographs is cut off for it.

    Raises:
        UserError: if the source is unknown or its files are not as they should be.
    """
    source = config.source
    if source not in SOURCES:
        raise UserError(
            f"unknown data.source {source!r}; choose one of {sorted(SOURCES)}"
        )
    given = {}
    if source in OWN:
        given = {"validation": validation} | ({"look_at": look_at} if look_at else {})
    dataset = SOURCES[source](config, seed, **given)
    return renamed(dataset, config.class_names, config.root)
