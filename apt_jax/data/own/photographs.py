"""The base of the sources of one's own photographs: what is found, then its splits."""

from typing import ClassVar

from apt_jax.data.dataset import Dataset
from apt_jax.data.listing import listed
from apt_jax.data.own.found import Found
from apt_jax.data.own.labels import NO_LABEL
from apt_jax.data.own.looks import look_at
from apt_jax.data.own.split import refuse_or_drop, split
from apt_jax.data.roots import note
from apt_jax.data.source import Source
from apt_jax.words import counted


class Photographs(Source):
    """A folder, a table, a set of the hub: they differ in `find`."""

    own: ClassVar[bool] = True

    def find(self) -> Found:
        """What is at the root.

        Raises:
            UserError: if it is not laid out as it should be.
        """
        raise NotImplementedError

    def load(self, seed: int, look_at=look_at, validation: bool = True) -> Dataset:
        """The photographs, divided as they are or by the seed.

        Who has looked at them already gives a `look_at` that remembers. Without
        `validation` the seed cuts no share off for it.

        Raises:
            UserError: as `find` and `split.split`; for what has no label, unless
                `on_error` drops it.
        """
        found = self.find()
        if odd := [item.path for item in found.items if item.label == NO_LABEL]:
            images = counted(len(odd), "image has", "images have")
            refuse_or_drop(f"{images} no label ({listed(odd)})", self.on_error)
            found = found.without(odd)
        for line in found.unread:
            note(line)
        options = {"group": self.group, "on_error": self.on_error}
        splits = split(found, seed, look_at, validation=validation, **options)
        return self.dataset(classes=found.classes, **splits, read=found.read)
