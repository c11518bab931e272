"""The base of the sources that read authors' own files, whose splits are official.

Images are counted: an archive that was half downloaded, or a class folder that lost its
files, shows in the number of images of a split.
"""

import collections
import hashlib
from collections.abc import Mapping
from typing import ClassVar

from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.listing import listed
from apt_jax.data.roots import note
from apt_jax.data.source import Source
from apt_jax.errors import UserError
from apt_jax.words import counted

HELD_OUT = 10  # one of as many images
FEWEST = 3  # classes that are named


class Official(Source):
    """A published data set; a source says what its files list, and how many there are."""

    # Images by split, as published; of the named ones in all, as "train + val".
    images: ClassVar[Mapping[str, int]]

    def find(self) -> dict:
        """What the files list: the parts of `dataset`, but its name.

        Where there is no "val", a tenth of "train" is held out.
        """
        raise NotImplementedError

    def load(self, seed: int) -> Dataset:
        del seed  # the splits are official
        found = self.find()
        if "val" not in found:
            found |= without_a_tenth(found["train"])
        dataset = self.dataset(**found)
        if faults := list(differences(dataset, self.images)):
            told = f"{dataset.name} is not as published: {'; '.join(faults)}"
            if self.on_error == "stop":
                raise UserError(
                    f"{told}; download or unpack it again, or go on with what is there "
                    "by `on_error`=skip"
                )
            note(told)
        return dataset


def without_a_tenth(items) -> dict[str, tuple[Item, ...]]:
    """{"train": ..., "val": ...}, both in the order of `items`.

    VPT (Jia et al. 2022, arXiv:2203.12119) holds out a random tenth of its fine-grained
    sets, rounded up; which images those were cannot be had any more. Here the tenth with
    the lowest MD5 of its path is held out: the same for every seed and on every machine,
    and of the published size (600, 2,393, 1,200 and 815 images of CUB, NABirds, Dogs and
    Cars).
    """
    ranked = sorted(items, key=lambda item: hashlib.md5(item.path.encode()).digest())
    held_out = set(ranked[: -(-len(ranked) // HELD_OUT)])
    return {
        "train": tuple(item for item in items if item not in held_out),
        "val": tuple(item for item in items if item in held_out),
    }


def differences(dataset, published: Mapping[str, int]):
    """A sentence for each split that has more or fewer images than were published."""
    for names, count in published.items():
        items = [item for name in names.split(" + ") for item in dataset.splits[name]]
        if len(items) != count:
            yield (
                f"{names} has {counted(len(items), 'image')} and not {count:,} (fewest of "
                f"{_fewest(dataset, items)})"
            )


def _fewest(dataset, items) -> str:
    counts = collections.Counter(item.label for item in items)
    labels = sorted(range(len(dataset.classes)), key=lambda label: counts[label])
    named = [
        f"{dataset.classes[label]!r}: {counts[label]}" for label in labels[:FEWEST]
    ]
    return listed(named)
