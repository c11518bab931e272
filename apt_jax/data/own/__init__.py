"""Anybody's own photographs: a folder, a table, or a set in the hub's format.

Each kind is a file with `find(config) -> Found`; what is found is divided here. Files that
are no images and images without a label are found first, so that they change no split.
Without given splits the seed divides, stratified: of each class 30 % test, 20 % val where
somebody reads it, the rest train (`division`). What belongs together stays on one side, so
that no copy of a training image is a test image: files with the same bytes; with
`data.group` "auto" near copies and bursts of a class too; and where it names a column, what
has the same value in it. A class without any is divided alike by all.
"""

from apt_jax.data.dataset import SPLITS, Dataset
from apt_jax.data.listing import listed
from apt_jax.data.own import folder, hub, table
from apt_jax.data.own.copies import refuse_or_drop
from apt_jax.data.own.drawn import drawn
from apt_jax.data.own.found import Found
from apt_jax.data.own.given import given, tell_of_groups
from apt_jax.data.own.labels import NO_LABEL
from apt_jax.data.own.looks import look_at, tell_of_unused_bits
from apt_jax.data.roots import note
from apt_jax.data.scan import refuse_or_note
from apt_jax.data.templates import templates_of
from apt_jax.words import counted

KINDS = {"folder": folder.find, "table": table.find, "hub": hub.find}
NAMES = {"folder": folder.name_of, "table": table.name_of, "hub": hub.name_of}


def find(config) -> Found:
    """What is at `config.root`: of source "folder" a table or a set of the hub too.

    Raises:
        UserError: if it is not laid out as it should be.
    """
    return KINDS[_kind(config)](config)


def name_of(config) -> str:
    """What the photographs at `config.root` are called, before anything is read."""
    return config.name or NAMES[_kind(config)](config.root)


def holds_photographs(root: str) -> bool:
    """Whether a root is a table, a set of the hub, or a folder of pictures, by names.

    Raises:
        UserError: if nothing is there.
    """
    return table.is_table(root) or hub.is_hub(root) or folder.holds_pictures(root)


def _kind(config):
    kind = config.source
    if kind == "folder" and table.is_table(config.root):
        return "table"
    if kind == "folder" and hub.is_hub(config.root):
        return "hub"
    return kind


def load(config, seed: int, look_at=look_at, validation: bool = True) -> Dataset:
    """The photographs at `config.root`.

    Who has looked at them already gives a `look_at` that remembers. Without `validation`
    the seed cuts no share off for it.

    Raises:
        UserError: as `find`; for what is no image, has no label, or is a copy in several
            classes or splits, unless `config.on_error` drops it; and for a class that
            cannot be divided.
    """
    found = _labelled(find(config), config.on_error)
    for line in found.unread:
        note(line)
    name = config.name or found.name
    return Dataset(
        name=name,
        classes=found.classes,
        **_splits(found, config, seed, look_at, validation),
        templates=templates_of(name, config.templates),
        read=found.read,
    )


def _splits(found, config, seed, look_at, validation) -> dict[str, tuple]:
    """The three splits, as they are given or as the seed draws them."""

    def looks():
        known, faults = look_at(found.read, found.items)
        tell_of_unused_bits(known)
        return known, faults

    if found.is_drawn:
        known, faults = looks()
        if faults := found.faults | faults:
            refuse_or_note(faults, config.on_error)
        alike = {} if config.group == "none" else known
        return drawn(found.without(faults), alike, seed, config.on_error, validation)
    if found.faults:
        refuse_or_note(found.faults, config.on_error)
    if found.published:
        splits = {split: tuple(found.splits.get(split, ())) for split in SPLITS}
        tell_of_groups(splits, found.groups or {})
        return splits
    # Looks cost something: only when what costs nothing has been checked.
    alike = dict if config.group == "none" else (lambda: looks()[0])
    return given(found, alike, config.on_error)


def _labelled(found: Found, on_error: str) -> Found:
    """The pictures that have a label."""
    odd = [item.path for item in found.items if item.label == NO_LABEL]
    if not odd:
        return found
    images = counted(len(odd), "image has", "images have")
    refuse_or_drop(f"{images} no label ({listed(odd)})", on_error)
    return found.without(odd)
