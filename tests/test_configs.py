"""Every configuration of a data set reads it in the layout of its authors, made small."""

import re
from pathlib import Path

import originals
import pytest
import vtab_archives
from photos import write, write_split

from apt_jax import config, data
from apt_jax.errors import UserError
from apt_jax.grid import study

CONFIGS = Path(__file__).parents[1] / "configs"
# Of CoOp's sets: the folder of images in data.root, the split file, how paths begin.
COOP = {
    "caltech101": ("101_ObjectCategories", "Caltech101", "{0}/image_{1:04d}.jpg"),
    "cars": ("", "StanfordCars", "cars_train/{0}{1:05d}.jpg"),
    "dtd": ("images", "DescribableTextures", "{0}/{0}_{1:04d}.jpg"),
    "eurosat": ("2750", "EuroSAT", "{0}/{0}_{1}.jpg"),
    "flowers": ("jpg", "OxfordFlowers", "image_{0}{1:05d}.jpg"),
    "food101": ("images", "Food101", "{0}/{1}.jpg"),
    "pets": ("images", "OxfordPets", "{0}_{1}.jpg"),
    "sun397": ("SUN397", "SUN397", "a/{0}/sun_{1}.jpg"),
    "ucf101": ("UCF-101-midframes", "UCF101", "{0}/v_{0}_g01_c0{1}.jpg"),
}
ORIGINALS = {
    "aircraft": (originals.fgvc_aircraft, "fgvc_aircraft", "aircraft"),
    "birds": (originals.cub, "cub", "bird"),
    "dogs": (originals.stanford_dogs, "stanford_dogs", "dog"),
    "nabirds": (originals.nabirds, "nabirds", "bird"),
}
FGVC = {
    "cub": originals.cub,
    "nabirds": originals.nabirds,
    "flowers102": originals.flowers102,
    "stanford_dogs": originals.stanford_dogs,
    "stanford_cars": originals.stanford_cars,
}
OWN = {"quickstart", "coop", "folder"}  # of no data set that others publish

pytestmark = pytest.mark.usefixtures("small_archives")


def loaded(name, root):
    """What the configuration file `name` reads at `root`."""
    c = config.load(str(CONFIGS / name))
    c.data.root = str(root)
    return c, data.load(config.source_of(c), seed=1)


def test_every_configuration_is_tested_here():
    named = COOP.keys() | ORIGINALS.keys() | {"fgvc", "imagenet", "vtab"} | OWN
    assert {file.stem for file in CONFIGS.glob("*.py")} == named


@pytest.mark.parametrize("name", sorted(COOP))
def test_coops_sets_are_read_in_coops_layout(tmp_path, name):
    folder, split, pattern = COOP[name]
    classes = ("abbey", "zebra")
    path = lambda label, n: pattern.format(classes[label], n)  # noqa: E731
    rows = {
        "train": [
            [path(label, n), label, classes[label]] for label in (1, 0) for n in (1, 2)
        ],
        "val": [[path(label, 3), label, classes[label]] for label in (0, 1)],
        "test": [[path(label, 4), label, classes[label]] for label in (0, 1)],
    }
    listed = [row[0] for of_split in rows.values() for row in of_split]
    write(tmp_path / folder, {file: number for number, file in enumerate(listed)})
    write_split(tmp_path / f"split_zhou_{split}.json", rows)
    c, dataset = loaded(f"{name}.py", tmp_path)
    assert [item.path for item in dataset.train] == listed[:4]
    assert [item.label for item in dataset.train] == [1, 1, 0, 0]
    assert data.check(dataset, 1) == []
    assert dataset.name == c.data.name == data.templates.known_name(split)
    assert dataset.read(dataset.test[1])


@pytest.mark.parametrize("name", sorted(ORIGINALS))
def test_originals_are_read_as_published(tmp_path, name):
    write_original, known, word = ORIGINALS[name]
    write_original(tmp_path)
    c, dataset = loaded(f"{name}.py", tmp_path)
    assert dataset.name == c.data.name == known
    assert word in dataset.templates[0]
    assert data.check(dataset, 1) == []


@pytest.mark.parametrize("name", sorted(FGVC))
def test_the_five_fine_grained_sets_come_with_a_plain_vit(tmp_path, name):
    FGVC[name](tmp_path)
    c, dataset = loaded(f"fgvc.py:dataset={name}", tmp_path)
    assert dataset.val
    assert (c.method.name, c.method.head, c.shots) == ("vapt", "linear", 0)
    assert c.clip.checkpoint == "google/vit-base-patch16-224-in21k"


def test_imagenet_comes_with_its_four_shifts(tmp_path):
    originals.imagenet(tmp_path)
    _, dataset = loaded("imagenet.py", tmp_path / "imagenet")
    assert list(dataset.shifted) == [
        f"imagenet_{name}" for name in ("v2", "sketch", "a", "r")
    ]


def test_a_task_of_vtab_is_read_from_its_archives(tmp_path):
    vtab_archives.svhn(tmp_path)
    _, dataset = loaded("vtab.py:task=svhn", tmp_path)
    assert dataset.classes == tuple("0123456789")
    with pytest.raises(UserError, match=r"no task 'swhn'; did you mean svhn\?"):
        config.load(str(CONFIGS / "vtab.py:task=swhn"))
    with pytest.raises(
        UserError, match=r"no dataset ''; write CONFIG\.py:dataset=NAME"
    ):
        config.load(str(CONFIGS / "fgvc.py"))


def test_every_docstring_has_its_command_and_what_to_expect():
    for file in sorted(CONFIGS.glob("*.py")):
        text = file.read_text().partition('"""')[2].partition('"""')[0]
        assert re.search(rf"python train\.py --config configs/{file.name}", text), file
        if file.stem not in OWN:
            assert "Published" in text, file
            assert "two CPU" in text, file


@pytest.mark.slow
def test_all_of_them_run_through_the_grid():
    given = study.load(str(CONFIGS / "studies/benchmarks.py"))
    given.data.root = "DATA"
    for cell in study.cells(given):
        assert cell.config.data.root.startswith("DATA/")
        own = config.load(str(CONFIGS / f"{cell.dataset}.py")).data
        assert cell.config.data.source == own.source
    search = study.load(
        str(CONFIGS / "studies/visual_prompts.py"),
        [("datasets", "svhn,cub,stanford_cars")],
    )
    sources = {cell.dataset: cell.config.data.source for cell in study.cells(search)}
    assert sources == {"svhn": "vtab", "cub": "cub", "stanford_cars": "stanford_cars"}
