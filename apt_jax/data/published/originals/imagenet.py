"""ImageNet-1k, and the shifted test sets of the same classes, in CoOp's layout.

    imagenet/images/{train,val}/n01440764/*      or without images/
    imagenet/classnames.txt                      lines "n01440764 tench"

Russakovsky et al. 2015, arXiv:1409.0575. Labels count the folder names in sorted order. As
in CoOp, validation and test are both the 50,000 validation images. The list of names is
CLIP's, in which two come twice; the second of each gets a word of WordNet's for it.

Beside it, where `data.shifts` names them (a trained head is judged on each, among the
classes that it has):

    v2      imagenetv2/imagenetv2-matched-frequency-format-val/LABEL/*     arXiv:1902.10811
    sketch  imagenet-sketch/images/n01440764/*                             arXiv:1905.13549
    a       imagenet-adversarial/imagenet-a/n01440764/*     (200 classes)  arXiv:1907.07174
    r       imagenet-rendition/imagenet-r/n01440764/*       (200 classes)  arXiv:2006.16241
"""

import collections
import dataclasses
import os
from typing import ClassVar

from apt_jax.data.dataset import Item
from apt_jax.data.listing import listed
from apt_jax.data.published.lists import broken, table
from apt_jax.data.published.official import Official
from apt_jax.data.roots import entries, reader, require_folder
from apt_jax.errors import UserError
from apt_jax.fields import field, some_of

SHIFTS = {
    "v2": "imagenetv2/imagenetv2-matched-frequency-format-val",
    "sketch": "imagenet-sketch/images",
    "a": "imagenet-adversarial/imagenet-a",
    "r": "imagenet-rendition/imagenet-r",
}
IMAGES = {
    "train": 1_281_167,
    "test": 50_000,
    "imagenet_v2": 10_000,
    "imagenet_sketch": 50_889,
    "imagenet_a": 7_500,
    "imagenet_r": 30_000,
}
NAMES = "classnames.txt"
# The second class of a name that CLIP's list has twice.
SECOND = {"n04008634": "projectile", "n04356056": "dark glasses"}


@dataclasses.dataclass(frozen=True)
class ImageNet(Official):
    """ImageNet at a root, its shifted sets beside it."""

    shifts: tuple[str, ...] = field(
        (), "shifted test sets to judge on too", some_of(*SHIFTS)
    )

    usual_name: ClassVar[str] = "imagenet"

    @property
    def images(self):
        """Of the splits that are read."""
        there = ("train", "test", *(f"imagenet_{name}" for name in self.shifts))
        return {split: count for split, count in IMAGES.items() if split in there}

    def find(self) -> dict:
        holds = f"ImageNet: images/train, images/val and {NAMES}"
        # Its name begins the paths: the shifted sets lie beside it.
        root = require_folder(self.root, holds).resolve()
        images = root / "images" if os.path.isdir(root / "images/train") else root
        numbers = _folders(images / "train")
        label_of = {number: label for label, number in enumerate(numbers)}
        train, test = (
            _items(images / split, root, label_of) for split in ("train", "val")
        )
        return {
            "train": train,
            "val": test,
            "test": test,
            "shifted": self._shifted(root, label_of),
            "classes": _names(root, numbers),
            "read": reader(root.parent),
        }

    def _shifted(self, root, label_of) -> dict[str, tuple[Item, ...]]:
        by_label = {str(label): label for label in label_of.values()}
        return {
            f"imagenet_{name}": _items(
                root.parent / SHIFTS[name], root, by_label if name == "v2" else label_of
            )
            for name in filter(None, self.shifts)
        }


def _folders(folder) -> list[str]:
    """Names of the class folders in a folder, sorted."""
    if not os.path.isdir(folder):
        raise UserError(
            f"there is no {folder}; lay ImageNet out as docs/datasets.md says, or fix "
            "`root` and `shifts`"
        )
    return [name for name in entries(folder) if os.path.isdir(folder / name)]


def _items(folder, root, label_of) -> tuple[Item, ...]:
    """The images of each class folder; paths start beside the root."""
    folders = _folders(folder)
    if unknown := [name for name in folders if name not in label_of]:
        raise broken(folder, f"no class of the training images: {listed(unknown)}")
    above = folder.relative_to(root.parent).as_posix()
    return tuple(
        Item(f"{above}/{name}/{file}", label_of[name])
        for name in folders
        for file in entries(folder / name)
    )


def _names(root, numbers) -> tuple[str, ...]:
    names = table(root / NAMES)
    if missing := [number for number in numbers if number not in names]:
        raise UserError(
            f"{root / NAMES} has no names for {listed(missing)}; its lines are "
            '"n01440764 tench"'
        )
    count = collections.Counter(names[number] for number in numbers)
    return tuple(
        SECOND.get(number, names[number]) if count[names[number]] > 1 else names[number]
        for number in numbers
    )
