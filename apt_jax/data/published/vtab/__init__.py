"""VTAB-1k without TensorFlow: 19 tasks, read from the archives as their authors publish.

800 images to train on and 200 to validate on, "the first" of a split as TensorFlow Datasets
stores it, and the test split (Zhai et al. 2019, arXiv:1910.04867). `tasks` is the table of
what is read and which records are used. An image is named by TFDS split and key:
`train/CLEVR_train_000000.png`.

Image files are given as they are in the archive. What the archives hold as arrays is given
as PPM or PGM files. `data.refit` is VTAB's last step: train on all 1,000 images.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import ClassVar

from apt_jax.data.dataset import Item
from apt_jax.data.published import downloads
from apt_jax.data.published.official import Official
from apt_jax.data.published.vtab.tasks import TRAIN, VAL, task_of
from apt_jax.fields import field


@dataclasses.dataclass(frozen=True)
class VTAB(Official):
    """The task `name`, from its archives in the root."""

    refit: bool = field(False, "train on the validation images too")

    usual_name: ClassVar[str] = "vtab"

    @property
    def images(self):
        """Of the splits, as the task has them."""
        used = {"train": TRAIN, "val": VAL}
        if self.refit:
            used = {"train + val": TRAIN + VAL}
        return used | {"test": task_of(self.name).test_size}

    def find(self) -> dict:
        task = task_of(self.name)
        places = downloads.places(self.root, self.name, task.downloads, task.builder)
        names = task.names(places) if callable(task.names) else task.names
        records = task.records(places)
        chosen = _chosen(task, records)
        items = _items(chosen, records, names)
        splits = {part: tuple(map(items.get, chosen[part])) for part in chosen}
        if self.refit:
            splits |= {"train": splits["train"] + splits["val"], "val": ()}
        return {
            "classes": tuple(map(task.readable, names)),
            **splits,
            "read": _reader(items, records, self.on_error),
            "sparse": True,  # 1,000 images of 397 scenes leave some out
        }


def _chosen(task, records) -> dict[str, list[tuple[str, int]]]:
    """(TFDS split, place) of the records of train, val and test, in stored order."""
    used = {part.split for part in task.parts.values()}
    order = {split: tfds_order(split, records[split].keys) for split in used}
    most = {"train": TRAIN, "val": VAL, "test": None}
    chosen = {}
    for name, part in task.parts.items():
        stored = order[part.split]
        start, stop = (
            len(stored) * percent // 100 for percent in (part.start, part.stop)
        )
        places = stored[start:stop][: most[name]]
        chosen[name] = [(part.split, place) for place in places]
    return chosen


def tfds_order(split: str, keys: Sequence[int | str | bytes]) -> list[int]:
    """The places of `keys`, in the order in which TFDS stores the records of `split`.

    Ascending md5 of the split's name followed by the record's key, over all files of the
    split (tensorflow_datasets/core/hashing.py and shuffle.py, version 4.9.10). A key is a
    number, in decimal digits; text, in UTF-8 with "/" for "\\"; or bytes as they are.
    """

    def digest(place):
        key = keys[place]
        if not isinstance(key, bytes):
            key = str(key).replace("\\", "/").encode()
        return hashlib.md5(split.encode() + key).digest()

    return sorted(range(len(keys)), key=digest)


def _items(chosen, records, names) -> dict[tuple[str, int], Item]:
    """The item of each record that is used; a name that is none of `names` is -1."""
    labels = {name: label for label, name in enumerate(names)}
    items = {}
    for split, place in (record for part in chosen.values() for record in part):
        given = records[split].labels[place]
        label = labels.get(given, -1) if isinstance(given, str) else int(given)
        items[split, place] = Item(
            f"{split}/{_text(records[split].keys[place])}", label
        )
    return items


def _text(key):
    text = key.decode(errors="replace") if isinstance(key, bytes) else str(key)
    return text.removeprefix("/")


def _reader(items, records, on_error):
    """Reads an item's image file; only those records are opened that are used."""
    record_of = {item.path: record for record, item in items.items()}
    opened = {
        used: records[used].open(
            [place for split, place in items if split == used], on_error
        )
        for used in {split for split, _ in items}
    }

    def read(item) -> bytes:
        split, place = record_of[item.path]
        return opened[split](place)

    return read
