"""Stanford Cars: 196 models by make, model and year, with the official split.

Krause et al. 2013. The authors' site is gone; what circulates has their files:

    cars_train/00001.jpg ...    cars_test/00001.jpg ...
    cars_meta.mat               class_names
    cars_train_annos.mat        annotations: fname, class from 1
    cars_test_annos_withlabels.mat

the .mat files in devkit/ or beside it. CoOp's few-shot split is another: source `coop`.
"""

import dataclasses
from typing import ClassVar

from apt_jax.data.dataset import Item
from apt_jax.data.published.downloads import Download, places
from apt_jax.data.published.lists import variables
from apt_jax.data.published.official import Official
from apt_jax.data.roots import reader, require_images

SITE = "http://ai.stanford.edu/~jkrause/car196"
GONE = "gone; find a copy"
DOWNLOADS = {
    "train": Download(f"{SITE}/cars_train.tgz", marker="cars_train/", advice=GONE),
    "test": Download(f"{SITE}/cars_test.tgz", marker="cars_test/", advice=GONE),
    "names": Download(
        f"{SITE}/car_devkit.tgz", marker="cars_meta.mat", top="devkit", advice=GONE
    ),
    "train labels": Download(
        f"{SITE}/car_devkit.tgz",
        marker="cars_train_annos.mat",
        top="devkit",
        advice=GONE,
    ),
    "test labels": Download(
        f"{SITE}/cars_test_annos_withlabels.mat",
        marker="cars_test_annos_withlabels.mat",
        top="car_devkit/devkit",  # beside the kit's lists, if not beside the kit
        advice=GONE,
    ),
}
ANNOTATIONS = {
    "train": ("train labels", "cars_train_annos.mat"),
    "test": ("test labels", "cars_test_annos_withlabels.mat"),
}


@dataclasses.dataclass(frozen=True)
class StanfordCars(Official):
    """Stanford Cars below a root, archives unpacked or not."""

    usual_name: ClassVar[str] = "stanford_cars"
    images: ClassVar = {"train + val": 8144, "test": 8041}

    def find(self) -> dict:
        found = places(self.root, "Stanford Cars", DOWNLOADS, "cars196")
        (names,) = variables(found["names"] / "cars_meta.mat", "class_names")
        items = {}
        for side, (place, file) in ANNOTATIONS.items():
            (rows,) = variables(found[place] / file, "annotations")
            items[side] = tuple(
                Item(f"cars_{side}/{row['fname']}", int(row["class"]) - 1)
                for row in rows
            )
            paths = [item.path for item in items[side]]
            require_images(found[side], paths, self.on_error)
        readers = {f"cars_{side}": reader(found[side]) for side in ANNOTATIONS}
        return {
            "classes": tuple(map(str, names)),
            **items,
            "read": lambda item: readers[item.path.split("/")[0]](item),
        }
