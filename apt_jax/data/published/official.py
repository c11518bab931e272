"""The base of the sources that read authors' own files: official splits, images counted."""

from collections.abc import Mapping
from typing import ClassVar

from apt_jax.data.dataset import Dataset
from apt_jax.data.published import counts
from apt_jax.data.source import Source


class Official(Source):
    """A published data set; a source says what its files list, and how many there are."""

    images: ClassVar[Mapping[str, int]]  # as published; see `counts.require`

    def find(self) -> dict:
        """What the files list: the parts of a `Dataset` but name and templates."""
        raise NotImplementedError

    def load(self, seed: int) -> Dataset:
        del seed  # the splits are official
        dataset = self.dataset(**self.find())
        counts.require(dataset, self.images, self.on_error)
        return dataset
