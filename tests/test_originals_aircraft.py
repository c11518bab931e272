"""FGVC-Aircraft as its archive unpacks."""

import tarfile

import originals
import pytest
from photos import load, paths, write

from apt_jax.errors import UserError

pytestmark = pytest.mark.usefixtures("small_sets")


@pytest.fixture
def archive(tmp_path):
    originals.fgvc_aircraft(tmp_path)
    return tmp_path / "fgvc-aircraft-2013b"


@pytest.mark.parametrize("place", [".", "data", ".."])
def test_the_archive_is_found_from_its_folder_its_data_or_its_parent(archive, place):
    dataset = load("aircraft", archive / place)
    assert dataset.classes == ("707-320", "F/A-18", "DC-9-30 long name")
    assert paths(dataset.train) == [f"images/000000{n}.jpg" for n in (2, 1, 3)]
    assert [item.label for item in dataset.train] == [1, 0, 2]
    assert [(item.path, item.label) for item in dataset.val] == [
        ("images/0000004.jpg", 1)
    ]
    assert [item.label for item in dataset.test] == [0, 1, 2]
    assert dataset.name == "fgvc_aircraft"
    assert dataset.templates == ("a photo of a {}, a type of aircraft.",)
    assert dataset.read(dataset.test[0])


def test_the_archive_itself_is_unpacked_once(archive):
    root = archive.parent / "downloads"
    root.mkdir()
    with tarfile.open(root / "fgvc-aircraft-2013b.tar.gz", "w:gz") as file:
        file.add(archive, "fgvc-aircraft-2013b")
    dataset = load("aircraft", root)
    assert paths(dataset.val) == ["images/0000004.jpg"]
    (root / "fgvc-aircraft-2013b.tar.gz").unlink()
    assert load("aircraft", root).splits == dataset.splits


def test_families_and_manufacturers_are_other_labels_of_the_same_images(archive):
    makers = {1: "Boeing", 2: "McDonnell Douglas", 3: "McDonnell Douglas", 4: "Boeing"}
    lists = {
        "images_manufacturer_train.txt": [1, 2, 3],
        "images_manufacturer_val.txt": [4],
        "images_manufacturer_test.txt": [1],
    }
    files = {
        name: "".join(f"{n:07d} {makers[n]}\n" for n in numbers).encode()
        for name, numbers in lists.items()
    }
    write(
        archive / "data",
        files | {"manufacturers.txt": b"Boeing\nMcDonnell Douglas\n"},
    )
    dataset = load("aircraft", archive, labels="manufacturer")
    assert dataset.classes == ("Boeing", "McDonnell Douglas")
    assert [item.label for item in dataset.train] == [0, 1, 1]
    with pytest.raises(
        UserError, match=r"labels='maker' must be 'variant', 'family' or"
    ):
        load("aircraft", archive, labels="maker")


def test_a_missing_list_is_named(archive):
    (archive / "data/images_variant_val.txt").unlink()
    with pytest.raises(UserError, match=r"images_variant_val\.txt \(No such file"):
        load("aircraft", archive)


def test_variants_that_are_in_no_list_are_named(archive):
    write(archive / "data", {"images_variant_val.txt": b"0000004 Zeppelin\n"})
    with pytest.raises(UserError, match=r"not in variants\.txt: 'Zeppelin'\)"):
        load("aircraft", archive)


def test_absent_images_are_counted_and_named(archive):
    (archive / "data/images/0000005.jpg").unlink()
    with pytest.raises(UserError, match=r"1 of 7 .*images/0000005\.jpg"):
        load("aircraft", archive)


def test_a_list_cannot_point_outside_the_archive(archive):
    write(archive / "data", {"images_variant_val.txt": b"../../../x F/A-18\n"})
    with pytest.raises(UserError, match=r"lie outside"):
        load("aircraft", archive)
