"""Files in, labelled images out: sources, the few-shot sampler, templates, decoding."""

from apt_jax.data import aircraft, coop, folder, hub, synthetic, table, tfds
from apt_jax.data.check import check
from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.naming import renamed
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
    "hub": hub.load,
    "synthetic": synthetic.load,
    "table": table.load,
    "tfds": tfds.load,
}

# Sources that draw their pictures from the seed: a path is another picture at each.
DRAWN = ("synthetic",)

DEFAULTS = {
    "source": "folder",
    "root": "",  # the folder of the images; of "folder" also a table or a set of the hub
    "name": "",  # chooses the templates; by default the folder's name
    "split_file": "",  # of source "coop"
    "class_names": "",  # a YAML file; by default classes.yaml in the root, if there
    "classes": "all",  # or "base", "new": half of the classes (data.base_new)
    "templates": (),  # prompts with {} for the class name; by default the data set's
    # What a seeded split keeps on one side: "auto" near-identical pictures, "none" only
    # files with the same bytes; of a table, the name of a column.
    "group": "auto",
    "on_error": "stop",  # or "skip": drop unreadable images and say how many
}

# Fields that only one source has.
OWN_DEFAULTS = {
    "hub": hub.DEFAULTS,
    "synthetic": synthetic.DEFAULTS,
    "tfds": tfds.DEFAULTS,
}


def load(config, *, seed: int) -> Dataset:
    """The data set that `config` (the `data` part of a configuration) names.

    Raises:
        UserError: if the source is unknown or its files are not as they should be.
    """
    source = own_kind(config.root) if config.source == "folder" else config.source
    if source not in SOURCES:
        raise UserError(
            f"unknown data.source {source!r}; choose one of {sorted(SOURCES)}"
        )
    dataset = SOURCES[source](config, seed)
    return renamed(dataset, config.class_names, config.root)


def own_kind(root: str) -> str:
    """The source that reads somebody's own data at `root`: folder, table or hub."""
    if table.is_table(root):
        return "table"
    return "hub" if hub.is_hub(root) else "folder"
