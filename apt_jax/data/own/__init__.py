"""Anybody's own photographs: a folder, a table, or a set in the hub's format.

Each kind is a file with `find(config) -> Found`; what is found is divided here. Without
given splits the seed divides, stratified: of each class 50 % train, 20 % val, 30 % test
(CoOp's proportions), at least one of train and test (`drawn`). What belongs together stays
on one side, so that no copy of a training image is a test image: with `data.group` "auto"
near copies and bursts of a class, with "none" files with the same bytes only, else what
has the same value in the column of that name. A class without any is divided alike by all.
"""

from apt_jax.data.dataset import SPLITS, Dataset
from apt_jax.data.own import folder, hub, table
from apt_jax.data.own.drawn import drawn
from apt_jax.data.own.found import Found
from apt_jax.data.own.given import given
from apt_jax.data.own.looks import look_at
from apt_jax.data.roots import note
from apt_jax.data.templates import templates_of

KINDS = {"folder": folder.find, "table": table.find, "hub": hub.find}


def find(config) -> Found:
    """What is at `config.root`: of source "folder" a table or a set of the hub too.

    Raises:
        UserError: if it is not laid out as it should be.
    """
    kind = config.source
    if kind == "folder" and table.is_table(config.root):
        kind = "table"
    elif kind == "folder" and hub.is_hub(config.root):
        kind = "hub"
    return KINDS[kind](config)


def load(config, seed: int, look_at=look_at) -> Dataset:
    """The photographs at `config.root`.

    Who has looked at them already gives a `look_at` that remembers.

    Raises:
        UserError: as `find`; for copies in several classes or splits, unless
            `config.on_error` drops them; and for a class that cannot be divided.
    """
    found = find(config)
    for line in found.unread:
        note(line)

    def looks():  # only when what costs nothing has been checked
        return look_at(found.read, found.items)[0] if config.group == "auto" else {}

    if found.is_drawn:
        splits = drawn(found, looks, seed, config.on_error)
    elif found.published:
        splits = {split: tuple(found.splits.get(split, ())) for split in SPLITS}
    else:
        splits = given(found, looks, config.on_error)
    name = config.name or found.name
    return Dataset(
        name=name,
        classes=found.classes,
        **splits,
        templates=templates_of(name, config.templates),
        read=found.read,
    )
