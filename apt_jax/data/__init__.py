"""Files in, labelled images out: sources, the few-shot sampler, templates, decoding."""

import dataclasses

from apt_jax.data import own, synthetic
from apt_jax.data.check import check
from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.naming import renamed
from apt_jax.data.published import coop, tfds, vtab
from apt_jax.data.published.originals import (
    birds,
    fgvc_aircraft,
    imagenet,
    oxford_flowers102,
    stanford_cars,
    stanford_dogs,
)
from apt_jax.data.templates import PROMPTS
from apt_jax.errors import require_known
from apt_jax.fields import Field, Rule, one_of

__all__ = [
    "DRAWN",
    "FIELDS",
    "OWN_FIELDS",
    "SOURCES",
    "Dataset",
    "Item",
    "check",
    "fields",
    "load",
    "name_of",
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

# What data is called that is given no name; of the other sources the source itself.
NAMES = {
    **dict.fromkeys(OWN, own.name_of),
    "aircraft": lambda config: config.name or fgvc_aircraft.NAME,
    "coop": coop.name_of,
    "flowers102": lambda config: config.name or oxford_flowers102.NAME,
    "tfds": tfds.name_of,
}

# Sources that draw their pictures from the seed: a path is another picture at each.
DRAWN = ("synthetic",)

FIELDS = {
    "source": Field("folder", "what kind of data it is", one_of(*SOURCES)),
    "root": Field(
        "", 'the folder of the images; of "folder" also a table or a set of the hub'
    ),
    "name": Field("", "chooses the templates; empty = the folder's name"),
    "split_file": Field("", "the lists of images, of source coop"),
    "class_names": Field(
        "",
        "a YAML file of readable names; empty = classes.yaml in the root or beside it",
    ),
    "classes": Field(
        "all",
        "all classes or half of them (data.base_new)",
        one_of("all", "base", "new"),
    ),
    "templates": Field(
        (), "prompts with {} for the class name; empty = the data set's", PROMPTS
    ),
    "group": Field(
        "auto",
        "what a seeded split keeps on one side: auto = near-identical pictures, none = "
        "only files with the same bytes",
        Rule(bool, "'auto', 'none' or, of a table or a set of the hub, a column"),
    ),
    "on_error": Field(
        "stop",
        "skip = drop what cannot be read or has no label, and copies, and say how many",
        one_of("stop", "skip"),
    ),
}

# Fields that only one source has.
OWN_FIELDS = {
    "aircraft": fgvc_aircraft.FIELDS,
    "hub": own.hub.FIELDS,
    "imagenet": imagenet.FIELDS,
    "synthetic": synthetic.FIELDS,
    "tfds": tfds.FIELDS,
    "vtab": vtab.FIELDS,
}


def fields(source: str) -> dict[str, Field]:
    """What can be set of data from a source; raises `UserError` for unknown ones."""
    require_known("data.source", source, SOURCES)
    chosen = dataclasses.replace(FIELDS["source"], default=source)
    return FIELDS | OWN_FIELDS.get(source, {}) | {"source": chosen}


def name_of(config) -> str:
    """What the data set of `config` is called, before it is read.

    Raises:
        UserError: where its files should tell, and are not there.
    """
    if config.source in NAMES:
        return NAMES[config.source](config)
    return config.name or config.source


def load(config, *, seed: int, look_at=None, validation: bool = True) -> Dataset:
    """The data set that `config` (the `data` part of a configuration) names.

    Who has looked at the images, or remembers looks, gives a `looks.look_at` that does.
    Without `validation` no share of one's own photographs is cut off for it.

    Raises:
        UserError: if the source is unknown or its files are not as they should be.
    """
    source = config.source
    require_known("data.source", source, SOURCES)
    given = {}
    if source in OWN:
        given = {"validation": validation} | ({"look_at": look_at} if look_at else {})
    dataset = SOURCES[source](config, seed, **given)
    return renamed(dataset, config.class_names, config.root)
