"""CUB-200-2011 and NABirds, which come in one layout.

Wah et al. 2011 (CUB: 200 species); Van Horn et al. 2015 (NABirds: 555 categories of 404
species, split by plumage). Four lists with the same ids:

    classes.txt             CLASS NAME          of NABirds also the groups above
    images.txt              IMAGE PATH          below images/
    image_class_labels.txt  IMAGE CLASS
    train_test_split.txt    IMAGE 1 or 0        1 is train

Labels count the classes that have images, in the order of their ids. The names of CUB's
classes are "001.Black_footed_Albatross"; CLIP reads what follows the point.
"""

import dataclasses
import re
from typing import ClassVar

from apt_jax.data.dataset import Item
from apt_jax.data.listing import listed
from apt_jax.data.published.downloads import Download, places
from apt_jax.data.published.lists import broken, table
from apt_jax.data.published.official import Official

LISTS = (
    "classes.txt",
    "images.txt",
    "image_class_labels.txt",
    "train_test_split.txt",
)


class _Birds(Official):
    """Either, below a root."""

    title: ClassVar[str]
    archive: ClassVar[Download]
    builder: ClassVar[str] = ""  # of TFDS

    def find(self) -> dict:
        archives = {"all": self.archive}
        folder = places(self.root, self.title, archives, self.builder)["all"]
        names, images, classes, sides = (table(folder / file) for file in LISTS)
        _require_equal_ids(folder, images, classes, sides)
        used = sorted(set(classes.values()), key=lambda number: (len(number), number))
        if unnamed := [number for number in used if number not in names]:
            raise broken(folder / LISTS[0], f"no names of classes {listed(unnamed)}")
        label_of = {number: label for label, number in enumerate(used)}
        items = {
            side: tuple(
                Item(f"images/{path}", label_of[classes[image]])
                for image, path in images.items()
                if sides[image] == side
            )
            for side in ("1", "0")
        }
        return {
            "classes": tuple(re.sub(r"^\d+\.", "", names[number]) for number in used),
            "train": items["1"],
            "test": items["0"],
            "root": folder,
        }


@dataclasses.dataclass(frozen=True)
class CUB(_Birds):
    usual_name: ClassVar[str] = "cub"
    title: ClassVar[str] = "CUB-200-2011"
    archive: ClassVar[Download] = Download(
        "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz?download=1",
        marker=LISTS[-1],
        top="CUB_200_2011",
    )
    builder: ClassVar[str] = "caltech_birds2011"
    images: ClassVar = {"train + val": 5994, "test": 5794}


@dataclasses.dataclass(frozen=True)
class NABirds(_Birds):
    usual_name: ClassVar[str] = "nabirds"
    title: ClassVar[str] = "NABirds"
    archive: ClassVar[Download] = Download(
        "https://dl.allaboutbirds.org/nabirds",
        marker=LISTS[-1],
        top="nabirds",
        name="nabirds.tar.gz",
        advice="a form asks for a name first",
    )
    images: ClassVar = {"train + val": 23_929, "test": 24_633}


def _require_equal_ids(folder, images, classes, sides):
    for file, found in ((LISTS[2], classes), (LISTS[3], sides)):
        if odd := images.keys() ^ found.keys():
            others = f"other images than in {LISTS[1]}: {listed(sorted(odd))}"
            raise broken(folder / file, others)
    if odd := sorted({*sides.values()} - {"0", "1"}):
        raise broken(folder / LISTS[3], f"sides other than 0 and 1: {listed(odd)}")
