"""Stanford Dogs: 120 breeds, from ImageNet.

Khosla et al. 2011. `Images/n02085620-Chihuahua/*.jpg`; train_list.mat and test_list.mat
hold `file_list`, paths below Images/, and `labels` from 1. Folder names are the class
names; CLIP reads what follows the first hyphen. The images are ImageNet's: a ViT that was
trained there has seen the test images.
"""

import dataclasses
import re
from typing import ClassVar

from apt_jax.data.dataset import Item
from apt_jax.data.published.downloads import Download, places
from apt_jax.data.published.lists import variables
from apt_jax.data.published.official import Official

SITE = "http://vision.stanford.edu/aditya86/ImageNetDogs"
DOWNLOADS = {
    "images": Download(f"{SITE}/images.tar", marker="Images/"),
    "lists": Download(f"{SITE}/lists.tar", marker="train_list.mat"),
}


@dataclasses.dataclass(frozen=True)
class StanfordDogs(Official):
    """Stanford Dogs below a root: images.tar and lists.tar, unpacked or not."""

    usual_name: ClassVar[str] = "stanford_dogs"
    images: ClassVar = {"train + val": 12_000, "test": 8_580}

    def find(self) -> dict:
        found = places(self.root, "Stanford Dogs", DOWNLOADS, "stanford_dogs")
        names, items = {}, {}
        for side in ("train", "test"):
            file = found["lists"] / f"{side}_list.mat"
            files, labels = variables(file, "file_list", "labels")
            rows = list(zip(map(str, files), labels.tolist(), strict=True))
            names |= {label: path.partition("/")[0] for path, label in rows}
            items[side] = tuple(
                Item(f"Images/{path}", int(label) - 1) for path, label in rows
            )
        breeds = (re.sub(r"^n\d+-", "", names[label]) for label in sorted(names))
        return {
            "classes": tuple(breeds),
            **items,
            "root": found["images"],
        }
