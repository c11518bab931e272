"""Stanford Dogs: 120 breeds, from ImageNet.

Khosla et al. 2011. `Images/n02085620-Chihuahua/*.jpg`; train_list.mat and test_list.mat
hold `file_list`, paths below Images/, and `labels` from 1. Folder names are the class
names; CLIP reads what follows the first hyphen. The images are ImageNet's: a ViT that was
trained there has seen the test images.
"""

import re

from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.published import counts
from apt_jax.data.published.downloads import Download, places
from apt_jax.data.published.matlab import variables
from apt_jax.data.published.originals.held_out import without_a_tenth
from apt_jax.data.roots import reader, require_images
from apt_jax.data.templates import templates_of

IMAGES = {"train + val": 12_000, "test": 8_580}
SITE = "http://vision.stanford.edu/aditya86/ImageNetDogs"
DOWNLOADS = {
    "images": Download(f"{SITE}/images.tar", marker="Images/"),
    "lists": Download(f"{SITE}/lists.tar", marker="train_list.mat"),
}


def load(config, seed: int) -> Dataset:
    """Stanford Dogs below `config.root`: images.tar and lists.tar, unpacked or not."""
    del seed  # the split is the official one
    found = places(config.root, "Stanford Dogs", DOWNLOADS, "stanford_dogs")
    images = found["images"]
    names, items = {}, {}
    for side in ("train", "test"):
        files, labels = variables(
            found["lists"] / f"{side}_list.mat", "file_list", "labels"
        )
        rows = list(zip(map(str, files), labels.astype(int) - 1, strict=True))
        names |= {label: path.partition("/")[0] for path, label in rows}
        items[side] = tuple(Item(f"Images/{path}", int(label)) for path, label in rows)
    require_images(
        images, [i.path for of in items.values() for i in of], config.on_error
    )
    name = config.name or "stanford_dogs"
    dataset = Dataset(
        name=name,
        classes=tuple(re.sub(r"^n\d+-", "", names[label]) for label in sorted(names)),
        **without_a_tenth(items["train"]),
        test=items["test"],
        templates=templates_of(name, config.templates),
        read=reader(images),
    )
    counts.require(dataset, IMAGES, config.on_error)
    return dataset
