"""Stanford Cars: 196 models by make, model and year, with the official split.

Krause et al. 2013. The authors' site is gone; what circulates has their files:

    cars_train/00001.jpg ...    cars_test/00001.jpg ...
    cars_meta.mat               class_names
    cars_train_annos.mat        annotations: fname, class from 1
    cars_test_annos_withlabels.mat

the .mat files in devkit/ or beside it. CoOp's few-shot split is another: source `coop`.
"""

from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.originals.held_out import without_a_tenth
from apt_jax.data.originals.matlab import variables
from apt_jax.data.originals.place import opened
from apt_jax.data.roots import reader, require_images
from apt_jax.data.templates import templates_of

SOURCE = "a copy of the data set (the authors' site is gone)"
ANNOTATIONS = {
    "train": "cars_train_annos.mat",
    "test": "cars_test_annos_withlabels.mat",
}


def load(config, seed: int) -> Dataset:
    """Stanford Cars below `config.root`, archives unpacked or not."""
    del seed  # the split is the official one
    archives = ("cars_train.tgz", "cars_test.tgz", "car_devkit.tgz")

    def file(mark, *places):
        return opened(config.root, mark, places, archives, SOURCE) / mark

    kits = ("devkit", "car_devkit/devkit")
    (names,) = variables(file("cars_meta.mat", *kits), "class_names")
    folders = {side: file(f"cars_{side}", f"cars_{side}") for side in ANNOTATIONS}
    items = {}
    for side, name in ANNOTATIONS.items():
        (rows,) = variables(file(name, *kits), "annotations")
        items[side] = tuple(
            Item(f"cars_{side}/{row['fname']}", int(row["class"]) - 1) for row in rows
        )
        require_images(
            folders[side].parent, [item.path for item in items[side]], config.on_error
        )
    readers = {side: reader(folder.parent) for side, folder in folders.items()}
    name = config.name or "stanford_cars"
    return Dataset(
        name=name,
        classes=tuple(map(str, names)),
        **without_a_tenth(items["train"]),
        test=items["test"],
        templates=templates_of(name, config.templates),
        read=lambda item: readers[item.path.split("/")[0].removeprefix("cars_")](item),
    )
