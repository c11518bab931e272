"""A copy of a published data set that lacks images is refused by its reader."""

import shutil

import originals
import pytest
import vtab_archives
from photos import load

from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.published import official
from apt_jax.errors import UserError

READERS = {
    "aircraft": (originals.fgvc_aircraft, r"train has 3 images and not 3,334"),
    "cub": (originals.cub, r"train \+ val has 30 images and not 5,994"),
    "nabirds": (originals.nabirds, r"train \+ val has 20 images and not 23,929"),
    "flowers102": (originals.flowers102, r"test has 4 images and not 6,149"),
    "stanford_dogs": (originals.stanford_dogs, r"train \+ val has 30 .* not 12,000"),
    "stanford_cars": (originals.stanford_cars, r"test has 2 images and not 8,041"),
}


@pytest.fixture
def any_archive(monkeypatch):
    """Archives that a test makes are smaller than the published ones of their names."""
    from apt_jax.data.published import downloads

    monkeypatch.setattr(downloads, "known_sizes", lambda builder: {})


@pytest.mark.parametrize("source", READERS)
def test_every_reader_of_originals_knows_the_published_number(
    tmp_path, any_archive, source, capsys
):
    make, message = READERS[source]
    make(tmp_path)
    with pytest.raises(UserError, match=message):
        load(source, tmp_path)
    load(source, tmp_path, on_error="skip")
    assert "is not as published" in capsys.readouterr().err


@pytest.mark.parametrize("shift", ["v2", "sketch", "a", "r"])
def test_imagenet_and_its_shifted_sets_are_counted(tmp_path, shift):
    originals.imagenet(tmp_path)
    with pytest.raises(UserError, match="train has 9 images and not 1,281,167") as told:
        load("imagenet", tmp_path / "imagenet", shifts=(shift,))
    assert f"imagenet_{shift} has" in str(told.value)


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cifar100", r"test has 20 images and not 10,000 \(fewest of "),
        ("dtd", r"has 9 images and not 800"),
    ],
)
def test_tasks_of_vtab_are_counted(tmp_path, any_archive, name, message, refit):
    getattr(vtab_archives, name)(tmp_path)
    if name == "dtd" and refit:
        message = r"train \+ val has \d+ images and not 1,000"
    with pytest.raises(UserError, match=message):
        load("vtab", tmp_path, name=name, refit=refit)


def test_a_class_folder_that_lost_its_images_is_named(tmp_path, any_archive):
    originals.imagenet(tmp_path)
    folder = tmp_path / "imagenet/images/val/n03773504"
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(UserError, match=r"test has 2 images .*'missile': 0"):
        load("imagenet", tmp_path / "imagenet")


def test_what_is_whole_is_not_told():
    items = [Item(str(n), n % 2) for n in range(6)]
    splits = {"train": items[:3], "val": items[3:4], "test": items[4:]}
    dataset = Dataset("ants", ("a", "b"), **splits, templates=(), read=None)
    assert not [*official.differences(dataset, {"train + val": 4, "test": 2})]
    (told,) = official.differences(dataset, {"train": 3, "val": 2, "test": 2})
    assert told == "val has 1 image and not 2 (fewest of 'a': 0, 'b': 1)"
