"""From somebody's own photographs to a data set: what is found, its labels, its splits."""

from typing import ClassVar

from apt_jax.data.dataset import SPLITS, Dataset
from apt_jax.data.listing import listed
from apt_jax.data.own.copies import refuse_or_drop
from apt_jax.data.own.drawn import drawn
from apt_jax.data.own.found import Found
from apt_jax.data.own.given import given, tell_of_groups
from apt_jax.data.own.labels import NO_LABEL
from apt_jax.data.own.looks import look_at, tell_of_unused_bits
from apt_jax.data.roots import note
from apt_jax.data.scan import refuse_or_note
from apt_jax.data.source import Source
from apt_jax.words import counted


class Photographs(Source):
    """The base of the sources of one's own photographs; they differ in `find`."""

    own: ClassVar[bool] = True

    def find(self) -> Found:
        """What is at the root.

        Raises:
            UserError: if it is not laid out as it should be.
        """
        raise NotImplementedError

    def load(self, seed: int, look_at=look_at, validation: bool = True) -> Dataset:
        """The photographs, as they are divided, or as the seed divides them.

        Who has looked at them already gives a `look_at` that remembers. Without
        `validation` the seed cuts no share off for it.

        Raises:
            UserError: as `find`; for what is no image, has no label, or is a copy in
                several classes or splits, unless `on_error` drops it; and for a class
                that cannot be divided.
        """
        found = _labelled(self.find(), self.on_error)
        for line in found.unread:
            note(line)
        splits = self._splits(found, seed, look_at, validation)
        return self.dataset(classes=found.classes, **splits, read=found.read)

    def _splits(self, found, seed, look_at, validation) -> dict[str, tuple]:
        """The three splits, as they are given or as the seed draws them."""

        def looks():
            known, faults = look_at(found.read, found.items)
            tell_of_unused_bits(known)
            return known, faults

        if found.is_drawn:
            known, faults = looks()
            if faults := found.faults | faults:
                refuse_or_note(faults, self.on_error)
            alike = {} if self.group == "none" else known
            return drawn(found.without(faults), alike, seed, self.on_error, validation)
        if found.faults:
            refuse_or_note(found.faults, self.on_error)
        if found.published:
            splits = {split: tuple(found.splits.get(split, ())) for split in SPLITS}
            tell_of_groups(splits, found.groups or {})
            return splits
        # Looks cost something: only when what costs nothing has been checked.
        alike = dict if self.group == "none" else (lambda: looks()[0])
        return given(found, alike, self.on_error)


def _labelled(found: Found, on_error: str) -> Found:
    """The pictures that have a label."""
    odd = [item.path for item in found.items if item.label == NO_LABEL]
    if not odd:
        return found
    images = counted(len(odd), "image has", "images have")
    refuse_or_drop(f"{images} no label ({listed(odd)})", on_error)
    return found.without(odd)
