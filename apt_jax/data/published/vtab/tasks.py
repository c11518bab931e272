"""The 19 tasks of VTAB-1k: what they are read from, and which records they use.

Zhai et al. 2019, arXiv:1910.04867; google-research/task_adaptation. A task's records are
those of a builder of TensorFlow Datasets 4.9.10. `train`, `val` and `test` are parts of a
TFDS split in stored order, from one per cent to another, rounded down; of train the first
800 are used, of val the first 200, of test all. Sizes are those of the published data.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

from apt_jax.data.published.downloads import Download
from apt_jax.data.published.originals import oxford_flowers102
from apt_jax.data.published.vtab import (
    arrays,
    folders,
    hdf5,
    names,
    retinopathy,
    scenes,
    tfrecords,
)
from apt_jax.data.published.vtab.stored import Records
from apt_jax.errors import require_known

TRAIN, VAL = 800, 200  # images used


class Part(NamedTuple):
    """A part of a TFDS split, in stored order."""

    split: str
    start: int = 0  # per cent
    stop: int = 100


@dataclasses.dataclass(frozen=True)
class Task:
    """A row of the table."""

    builder: str  # of TFDS
    downloads: Mapping[str, Download]
    records: Callable[[dict], dict[str, Records]]  # from the folder of each download
    # TFDS's names in label order, or a function that finds them in the folders.
    names: tuple[str, ...] | Callable[[dict], tuple[str, ...]]
    parts: Mapping[str, Part]  # of train, val and test
    test_size: int
    readable: Callable[[str], str] = str  # from a TFDS name to the class name


def task_of(name: str) -> Task:
    """The task of that name.

    Raises:
        UserError: if there is none.
    """
    require_known("VTAB task (`name`)", name, TASKS)
    return TASKS[name]


# Where the parts lie in most builders: all three splits given, or a tenth or two of the
# training images held out for validation, or all parts cut from one split.
GIVEN = {"train": Part("train"), "val": Part("validation"), "test": Part("test")}
TENTH = {"train": Part("train", 0, 90), "val": Part("train", 90), "test": Part("test")}
FIFTH = {"train": Part("train", 0, 80), "val": Part("train", 80), "test": Part("test")}
TWO_FIFTHS = {
    "train": Part("train", 0, 60),
    "val": Part("train", 60, 80),
    "test": Part("train", 80),
}

CALTECH = (
    "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip?download=1"
)
VGG = "https://www.robots.ox.ac.uk/~vgg/data"
TORONTO = "https://www.cs.toronto.edu/~kriz"
SVHN = "http://ufldl.stanford.edu/housenumbers"
NYU = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small"
ZENODO = "https://zenodo.org/record/2546921/files"
KITTI = "https://s3.eu-central-1.amazonaws.com/avg-kitti"
KAGGLE = "https://www.kaggle.com/c/diabetic-retinopathy-detection/data"
SOLUTION = (
    "https://storage.googleapis.com/kaggle-forum-message-attachments/90528/2877/"
    "retinopathy_solution.csv"
)
DSPRITES = "https://github.com/deepmind/dsprites-dataset"


def _gzipped(place, file):
    return Download(f"{place}/{file}.gz", marker=file)


def _dsprites(ending):
    file = f"{hdf5.DSPRITES}{ending}"
    return Download(f"{DSPRITES}/blob/master/{file}?raw=true", marker=file)


CLEVR_TASK = Task(
    builder="clevr",
    downloads={
        "scenes": Download(
            "https://dl.fbaipublicfiles.com/clevr/CLEVR_v1.0.zip",
            marker="scenes/CLEVR_train_scenes.json",
            top="CLEVR_v1.0",
        )
    },
    records=scenes.clevr_count,
    names=names.COUNTS,
    parts=TENTH | {"test": Part("validation")},  # TFDS's test has no scenes
    test_size=15_000,
)

DSPRITES_TASK = Task(
    builder="dsprites",
    downloads={
        "images": dataclasses.replace(_dsprites(".hdf5"), instead=_dsprites(".npz"))
    },
    records=hdf5.dsprites_location,
    names=names.LOCATIONS,
    parts={
        "train": Part("train", 0, 80),
        "val": Part("train", 80, 90),
        "test": Part("train", 90),
    },
    test_size=73_728,
)

NORB_TASK = Task(
    builder="smallnorb",
    downloads={
        f"{split} {kind}": _gzipped(NYU, arrays.NORB_FILES[split].format(kind))
        for split in arrays.SPLITS
        for kind in ("dat", "info")
    },
    records=arrays.smallnorb_azimuth,
    names=names.AZIMUTHS,
    parts={
        "train": Part("train"),
        "val": Part("test", 0, 50),
        "test": Part("test", 50),
    },
    test_size=12_150,
)

TASKS = {
    "caltech101": Task(
        builder="caltech101",
        downloads={
            "images": Download(
                CALTECH,
                marker="accordion/",
                top="101_ObjectCategories",
                name="101_ObjectCategories.tar.gz",
                inside=Download(
                    CALTECH, marker="101_ObjectCategories.tar.gz", top="caltech-101"
                ),
            )
        },
        records=folders.caltech101,
        names=names.listed_in("image_classification/caltech101_labels.txt"),
        parts=TENTH,
        test_size=6_084,
    ),
    "cifar100": Task(
        builder="cifar100",
        downloads={
            "images": Download(
                f"{TORONTO}/cifar-100-binary.tar.gz",
                marker="train.bin",
                top="cifar-100-binary",
                instead=Download(
                    f"{TORONTO}/cifar-100-python.tar.gz",
                    marker="train",
                    top="cifar-100-python",
                ),
            )
        },
        records=arrays.cifar100,
        names=arrays.cifar100_names,
        parts=TENTH,
        test_size=10_000,
    ),
    "clevr_count": CLEVR_TASK,
    "clevr_distance": dataclasses.replace(
        CLEVR_TASK, records=scenes.clevr_distance, names=names.DEPTHS
    ),
    "diabetic_retinopathy": Task(
        builder="diabetic_retinopathy_detection",
        downloads={
            split: Download(
                KAGGLE,
                marker="*.jpeg",
                top=split,
                name=f"{split}.zip",
                advice=f"join its parts: cat {split}.zip.0* > {split}.zip",
            )
            for split in ("train", "test")
        }
        | {
            "trainLabels.csv": Download(
                KAGGLE, marker="trainLabels.csv", name="trainLabels.csv.zip"
            ),
            "retinopathy_solution.csv": Download(
                SOLUTION, marker="retinopathy_solution.csv"
            ),
        },
        records=retinopathy.diabetic_retinopathy,
        names=names.RETINOPATHIES,
        parts=GIVEN,
        test_size=42_670,
    ),
    "dmlab": Task(
        builder="dmlab",
        downloads={
            "records": Download(
                "https://storage.googleapis.com/dmlab-vtab/dmlab.tar.gz",
                marker="dmlab-train.tfrecord*",
            )
        },
        records=tfrecords.dmlab,
        names=names.DMLAB,
        parts=GIVEN,
        test_size=22_735,
    ),
    "dsprites_location": DSPRITES_TASK,
    "dsprites_orientation": dataclasses.replace(
        DSPRITES_TASK, records=hdf5.dsprites_orientation, names=names.ORIENTATIONS
    ),
    "dtd": Task(
        builder="dtd",
        downloads={
            "images": Download(
                f"{VGG}/dtd/download/dtd-r1.0.1.tar.gz",
                marker="labels/train1.txt",
                top="dtd",
            )
        },
        records=folders.dtd,
        names=names.listed_in("image_classification/dtd_key_attributes.txt"),
        parts=GIVEN,
        test_size=1_880,
    ),
    "eurosat": Task(
        builder="eurosat",
        downloads={
            "images": Download(
                "http://madm.dfki.de/files/sentinel/EuroSAT.zip",
                marker="AnnualCrop/",
                top="2750",
                instead=Download(
                    "https://zenodo.org/records/7711810/files/EuroSAT_RGB.zip",
                    marker="AnnualCrop/",
                    top="EuroSAT_RGB",
                ),
            )
        },
        records=folders.eurosat,
        names=tuple(names.EUROSAT),
        readable=names.EUROSAT.get,
        parts=TWO_FIFTHS,
        test_size=5_400,
    ),
    "kitti_distance": Task(
        builder="kitti",
        downloads={
            "images": Download(
                f"{KITTI}/data_object_image_2.zip", marker="training/image_2/"
            ),
            "labels": Download(
                f"{KITTI}/data_object_label_2.zip", marker="training/label_2/"
            ),
            "drives": Download(
                f"{KITTI}/devkit_object.zip", marker="mapping/train_rand.txt"
            ),
        },
        records=scenes.kitti_distance,
        names=names.VEHICLES,
        parts=GIVEN,
        test_size=711,
    ),
    "oxford_flowers102": Task(
        builder="oxford_flowers102",
        downloads=oxford_flowers102.DOWNLOADS,
        records=folders.flowers,
        names=oxford_flowers102.NAMES,
        parts=GIVEN,
        test_size=6_149,
    ),
    "oxford_iiit_pet": Task(
        builder="oxford_iiit_pet",
        downloads={
            "images": Download(
                "https://thor.robots.ox.ac.uk/~vgg/data/pets/images.tar.gz",
                marker="*.jpg",
                top="images",
            ),
            "lists": Download(
                "https://thor.robots.ox.ac.uk/~vgg/data/pets/annotations.tar.gz",
                marker="trainval.txt",
                top="annotations",
            ),
        },
        records=folders.pets,
        names=names.PETS,
        parts=FIFTH,
        test_size=3_669,
    ),
    "patch_camelyon": Task(
        builder="patch_camelyon",
        downloads={
            f"{name} {kind}": _gzipped(ZENODO, hdf5.CAMELYON_FILE.format(name, kind))
            for name in hdf5.CAMELYON_NAMES.values()
            for kind in ("x", "y")
        },
        records=hdf5.patch_camelyon,
        names=names.TISSUES,
        parts=GIVEN,
        test_size=32_768,
    ),
    "resisc45": Task(
        builder="resisc45",
        downloads={
            "images": Download(
                "https://1drv.ms/u/s!AmgKYzARBl5ca3HNaHIlzp_IXjs",
                marker="airplane/",
                top="NWPU-RESISC45",
                name="NWPU-RESISC45.rar",
                advice="unpack it: unrar x NWPU-RESISC45.rar",
            )
        },
        records=folders.resisc45,
        names=names.RESISC45,
        parts=TWO_FIFTHS,
        test_size=6_300,
    ),
    "smallnorb_azimuth": NORB_TASK,
    "smallnorb_elevation": dataclasses.replace(
        NORB_TASK, records=arrays.smallnorb_elevation, names=names.ELEVATIONS
    ),
    "sun397": Task(
        builder="sun397",
        downloads={
            "images": Download(
                "https://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz",
                marker="a/abbey/",
                top="SUN397",
            )
        },
        records=folders.sun397,
        names=names.listed_in("image_classification/sun397_labels.txt"),
        readable=names.scene,
        parts=GIVEN,
        test_size=21_750,
    ),
    "svhn": Task(
        builder="svhn_cropped",
        downloads={
            split: Download(f"{SVHN}/{split}_32x32.mat", marker=f"{split}_32x32.mat")
            for split in ("train", "test")
        },
        records=arrays.svhn,
        names=names.DIGITS,
        parts=TENTH,
        test_size=26_032,
    ),
}
