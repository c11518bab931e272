"""Files in, labelled images out: sources, the few-shot sampler, templates, decoding."""

from apt_jax.arguments import plain
from apt_jax.data import own
from apt_jax.data.check import check
from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.naming import renamed
from apt_jax.data.published.coop import CoOp
from apt_jax.data.published.originals.birds import CUB, NABirds
from apt_jax.data.published.originals.fgvc_aircraft import Aircraft
from apt_jax.data.published.originals.imagenet import ImageNet
from apt_jax.data.published.originals.oxford_flowers102 import Flowers102
from apt_jax.data.published.originals.stanford_cars import StanfordCars
from apt_jax.data.published.originals.stanford_dogs import StanfordDogs
from apt_jax.data.published.tfds import TFDS
from apt_jax.data.published.vtab import VTAB
from apt_jax.data.source import Source
from apt_jax.data.synthetic import Synthetic
from apt_jax.errors import require_known
from apt_jax.fields import Field, fields_of, one_of

__all__ = [
    "SOURCES",
    "Dataset",
    "Item",
    "Source",
    "check",
    "fields",
    "load",
    "make",
]

SOURCES = {
    "aircraft": Aircraft,
    "coop": CoOp,
    "cub": CUB,
    "flowers102": Flowers102,
    "folder": own.Folder,
    "hub": own.Hub,
    "imagenet": ImageNet,
    "nabirds": NABirds,
    "stanford_cars": StanfordCars,
    "stanford_dogs": StanfordDogs,
    "synthetic": Synthetic,
    "table": own.Table,
    "tfds": TFDS,
    "vtab": VTAB,
}


def fields(source: str = "folder") -> dict[str, Field]:
    """What can be set of data from a source; raises `UserError` for unknown ones."""
    require_known("data.source", source, SOURCES)
    chosen = Field(source, "what kind of data it is", one_of(*SOURCES))
    return {"source": chosen, **fields_of(SOURCES[source])}


def make(source: str, **settings) -> Source:
    """The source `source`; raises `UserError` for unknown names, its fields' too."""
    require_known("data.source", source, SOURCES)
    for field in settings:
        require_known(f"field of {source}", field, fields_of(SOURCES[source]))
    return SOURCES[source](**{name: plain(x) for name, x in settings.items()})


def load(
    source: Source, *, seed: int, look_at=None, validation: bool = True
) -> Dataset:
    """The data set of a source, with the class names that somebody wrote for it.

    Args:
        look_at: takes the place of `looks.look_at` for a caller who remembers what was
            seen of one's own photographs.
        validation: whether a share of one's own photographs is cut off for validation.

    Raises:
        UserError: if the files of the source are not as they should be.
    """
    given = {}
    if source.own:
        given = {"validation": validation} | ({"look_at": look_at} if look_at else {})
    return renamed(source.load(seed, **given), source.class_names, source.root)
