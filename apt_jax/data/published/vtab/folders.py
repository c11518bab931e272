"""Tasks whose images lie in folders, with lists beside them or without.

    caltech101          101_ObjectCategories/<Class>/image_0001.jpg
    dtd                 dtd/images/<class>/<class>_0001.jpg, dtd/labels/train1.txt, ...
    oxford_iiit_pet     images/<Breed>_1.jpg, annotations/trainval.txt, test.txt
    oxford_flowers102   jpg/image_00001.jpg, imagelabels.mat, setid.mat
    sun397              SUN397/a/abbey/sun_<id>.jpg; the split is TFDS's own
    eurosat             2750/<Class>/<Class>_1.jpg
    resisc45            NWPU-RESISC45/<class>/<class>_001.jpg

Keys and splits are those of TFDS 4.9.10. Where it stores other bytes than the archive has,
we give the archive's: TFDS shrinks SUN397 to 120,000 pixels an image and encodes it anew,
as it does with twelve damaged files of the pets.
"""

import os

import numpy as np

from apt_jax.data.published.lists import broken, intact, lines, package_file
from apt_jax.data.published.originals import oxford_flowers102
from apt_jax.data.published.vtab.stored import Records, files
from apt_jax.data.roots import entries
from apt_jax.words import counted

CALTECH_SEED, CALTECH_TRAIN = 1234, 30  # of the draw, and images of a class drawn
# The file that TFDS leaves out, because decoders do not agree on it.
SUN397_LEFT_OUT = "/t/track/outdoor/sun_aophkoiosslinihb.jpg"
SUN397_LISTS = {"train": "tr", "validation": "va", "test": "te"}
# The first of ten divisions.
DTD_LISTS = {"train": "train1", "validation": "val1", "test": "test1"}
PET_LISTS = {"train": "trainval", "test": "test"}


def caltech101(places) -> dict[str, Records]:
    """Of each class 30 files drawn for training; the others are the test.

    TFDS draws over a folder's files, those that are no .jpg too, in the order in which
    the file system lists them, class after class in that order. No archive keeps it, so
    we sort: the images drawn may differ from published ones, the rule does not.
    """
    folder = places["images"]
    generator = np.random.RandomState(CALTECH_SEED)
    keys = {"train": [], "test": []}
    for name in _folders(folder):
        there = entries(folder / name)
        if len(there) < CALTECH_TRAIN:
            count = counted(len(there), "file")
            raise broken(folder / name, f"{count}, and {CALTECH_TRAIN} are drawn")
        drawn = set(generator.choice(there, CALTECH_TRAIN, replace=False))
        for file in there:
            if file.endswith(".jpg"):
                split = "train" if file in drawn else "test"
                keys[split].append(f"{name}/{file}")
    return _labelled(folder, keys, lambda key: key.split("/")[0].lower())


def dtd(places) -> dict[str, Records]:
    """The first of the ten official divisions; a key is a line of its lists."""
    folder = places["images"]
    keys = {
        split: lines(folder / f"labels/{name}.txt") for split, name in DTD_LISTS.items()
    }
    return _labelled(folder / "images", keys, lambda key: key.split("/")[0])


def flowers(places) -> dict[str, Records]:
    """The three official sets; a key is the file's name."""
    found = {}
    for split, items in oxford_flowers102.official(places).items():
        keys = [item.path for item in items]
        labels = [item.label for item in items]
        name = "validation" if split == "val" else split
        found[name] = Records(keys, labels, files(places["images"], keys))
    return found


def pets(places) -> dict[str, Records]:
    """The official lists, whose lines are: image, breed from 1, species, number."""
    found = {}
    for split, name in PET_LISTS.items():
        path = places["lists"] / f"{name}.txt"
        rows = [line.split() for line in lines(path)]
        with intact(path, ValueError):
            labels = [int(breed) - 1 for _, breed, _, _ in rows]
        keys = [f"{row[0]}.jpg" for row in rows]
        found[split] = Records(keys, labels, files(places["images"], keys))
    return found


def sun397(places) -> dict[str, Records]:
    """TFDS's random 70/10/20 % of all images, whose lists are in its package.

    Of the 397 classes 88 have none of the first 800 training images.
    """
    keys = {
        split: lines(package_file(f"image_classification/sun397_tfds_{name}.txt"))
        for split, name in SUN397_LISTS.items()
    }
    keys["train"] = [key for key in keys["train"] if key != SUN397_LEFT_OUT]
    return _labelled(places["images"], keys, lambda key: key.rpartition("/")[0])


def eurosat(places) -> dict[str, Records]:
    """All images, of which TFDS makes one split; a file's name says its class."""
    paths = _below(places["images"])
    labels = [os.path.basename(path).split("_")[0] for path in paths]
    return _one_split(places["images"], paths, labels)


def resisc45(places) -> dict[str, Records]:
    """All images, of which TFDS makes one split; the folder is the class."""
    paths = [path for path in _below(places["images"]) if path.endswith(".jpg")]
    return _one_split(places["images"], paths, [path.split("/")[0] for path in paths])


def _labelled(folder, keys, label_of):
    """The records of each split, whose keys are their paths and hold the label."""
    return {
        split: Records(
            of,
            [label_of(key) for key in of],
            files(folder, [key.removeprefix("/") for key in of]),
        )
        for split, of in keys.items()
    }


def _one_split(folder, paths, labels):
    keys = [f"{label}_{os.path.basename(p)}" for label, p in zip(labels, paths)]
    return {"train": Records(keys, labels, files(folder, paths))}


def _folders(folder):
    return [name for name in entries(folder) if (folder / name).is_dir()]


def _below(folder):
    """What is in the folders of a folder, relative to it."""
    return [
        f"{name}/{file}" for name in _folders(folder) for file in entries(folder / name)
    ]
