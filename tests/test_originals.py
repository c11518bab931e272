"""Fine-grained sets in the files their authors publish, made small, in the same layout."""

import tarfile

import originals
import pytest
from photos import load, paths
from scipy import io

from apt_jax.data.dataset import Item
from apt_jax.data.published import downloads
from apt_jax.data.published.downloads import known_sizes
from apt_jax.data.published.official import without_a_tenth
from apt_jax.errors import UserError

pytestmark = pytest.mark.usefixtures("small_archives")


def pack(folder, name, archive):
    """The folder `name` as an archive in its place."""
    with tarfile.open(folder / archive, "w:gz") as file:
        file.add(folder / name, name)
    for path in sorted((folder / name).rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (folder / name).rmdir()


@pytest.mark.parametrize("packed", [False, True])
def test_cub_has_its_official_test_and_a_tenth_held_out(tmp_path, packed):
    originals.cub(tmp_path)
    if packed:
        pack(tmp_path, "CUB_200_2011", "CUB_200_2011.tgz")
    dataset = load("cub", tmp_path)
    assert dataset.classes == ("Black_footed_Albatross", "Groove_billed_Ani")
    assert dataset.templates == ("a photo of a {}, a type of bird.",)
    assert dataset.name == "cub"
    test = [
        f"images/{path}" for n, path in enumerate(originals.CUB_IMAGES) if n % 20 >= 15
    ]
    assert paths(dataset.test) == test
    assert [item.label for item in dataset.test] == [0] * 5 + [1] * 5
    assert (len(dataset.train), len(dataset.val)) == (27, 3)
    assert load("cub", tmp_path, seed=2).splits == dataset.splits
    assert dataset.read(dataset.test[0])


def test_nabirds_counts_only_the_categories_that_have_images(tmp_path):
    originals.nabirds(tmp_path)
    dataset = load("nabirds", tmp_path)
    assert dataset.classes == tuple(originals.NABIRDS.values())[1:]
    labels = {item.path.split("/")[1]: item.label for item in dataset.test}
    assert labels == {"0295": 0, "0817": 1, "1010": 2}
    sizes = [len(items) for items in dataset.splits.values()]
    assert sizes == [18, 2, 10]
    lists = tmp_path / "nabirds/image_class_labels.txt"
    lists.write_text(lists.read_text().partition("\n")[0])
    with pytest.raises(
        UserError, match=r"labels\.txt .*other images than .*or unpack it"
    ):
        load("nabirds", tmp_path)


def test_dogs_are_read_from_their_lists(tmp_path):
    originals.stanford_dogs(tmp_path)
    dataset = load("stanford_dogs", tmp_path)
    assert dataset.classes == ("Chihuahua", "Cardigan", "African_hunting_dog")
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (27, 3, 6)
    assert [item.label for item in dataset.test] == [0, 0, 1, 1, 2, 2]
    assert dataset.test[0].path == f"Images/{originals.BREEDS[0]}/n02085620_10.jpg"
    (tmp_path / "test_list.mat").write_bytes(b"half")
    with pytest.raises(
        UserError, match=r"test_list\.mat is damaged .*download or unpack it again"
    ):
        load("stanford_dogs", tmp_path)


def test_cars_are_read_from_the_devkit(tmp_path):
    originals.stanford_cars(tmp_path)
    dataset = load("stanford_cars", tmp_path)
    assert dataset.classes == originals.CARS
    assert [(i.path, i.label) for i in dataset.test] == [
        ("cars_test/00001.jpg", 1),
        ("cars_test/00002.jpg", 0),
    ]
    assert (len(dataset.train), len(dataset.val)) == (9, 1)
    read = {dataset.read(item) for items in dataset.splits.values() for item in items}
    assert len(read) == 12


@pytest.mark.parametrize("place", ["devkit", "car_devkit/devkit", "."])
def test_cars_may_have_their_lists_anywhere_the_kit_may_be(tmp_path, place):
    originals.stanford_cars(tmp_path)
    name = "cars_test_annos_withlabels.mat"
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    if place.startswith("car_devkit"):
        for file in (tmp_path / "devkit").iterdir():
            file.rename(tmp_path / place / file.name)
    (tmp_path / name).rename(tmp_path / place / name)
    assert len(load("stanford_cars", tmp_path).test) == 2
    (tmp_path / place / name).unlink()
    with pytest.raises(UserError, match=r"read from: cars_test_annos_withl[^,]*; down"):
        load("stanford_cars", tmp_path)


@pytest.mark.parametrize("name", ["cars_meta.mat", "cars_train_annos.mat"])
def test_a_list_of_the_kit_of_cars_may_lie_beside_the_kit(tmp_path, name):
    originals.stanford_cars(tmp_path)
    (tmp_path / "devkit" / name).rename(tmp_path / name)
    assert len(load("stanford_cars", tmp_path).test) == 2


def test_flowers_have_their_small_training_and_large_test_split(tmp_path):
    originals.flowers102(tmp_path)
    dataset = load("flowers102", tmp_path)
    assert len(dataset.classes) == 102
    assert (dataset.classes[0], dataset.classes[101]) == (
        "pink primrose",
        "blackberry lily",
    )
    assert [(i.path, i.label) for i in dataset.test] == [
        ("image_00007.jpg", 0),
        ("image_00002.jpg", 0),
        ("image_00004.jpg", 1),
        ("image_00006.jpg", 101),
    ]
    assert paths(dataset.val) == ["image_00005.jpg"]
    io.savemat(tmp_path / "setid.mat", {"trnid": [[9]], "valid": [[5]], "tstid": [[7]]})
    with pytest.raises(UserError, match=r"images without a label: 9\)"):
        load("flowers102", tmp_path)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("cub", r"CUB-200-2011 is read from: CUB_200_2011\.tgz \(https://data\.calt"),
        ("nabirds", r"nabirds\.tar\.gz \(https://dl\.allaboutbirds\S+; a form asks"),
        ("stanford_dogs", r"images\.tar \(http://vision\S+\), lists\.tar \("),
        (
            "stanford_cars",
            r"cars_train\.tgz \(.* cars_test_annos_withlabels\.mat \(.*gone",
        ),
        ("flowers102", r"102flowers\.tgz \(https://www\.robots\.ox\.ac\.uk"),
        ("aircraft", r"fgvc-aircraft-2013b\.tar\.gz \(https://www\.robots"),
    ],
)
def test_what_is_missing_is_named_with_its_source(tmp_path, source, named):
    with pytest.raises(UserError, match=rf"lacks what .*{named}.*; download it there"):
        load(source, tmp_path)


def test_an_archive_that_is_not_whole_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "known_sizes", known_sizes)
    originals.cub(tmp_path)
    pack(tmp_path, "CUB_200_2011", "CUB_200_2011.tgz")
    with pytest.raises(UserError, match=r"bytes, published are 1150585339; download"):
        load("cub", tmp_path)


@pytest.mark.parametrize(
    ("count", "held_out"),
    [(5994, 600), (23929, 2393), (12000, 1200), (8144, 815)],  # as VPT published
)
def test_as_many_are_held_out_as_published_and_always_the_same(count, held_out):
    items = [Item(f"images/{number}.jpg", 0) for number in range(count)]
    splits = without_a_tenth(items)
    assert len(splits["val"]) == held_out
    assert len(splits["train"]) == count - held_out
    assert {*splits["train"], *splits["val"]} == set(items)
    again = without_a_tenth(items[::-1])
    assert set(again["val"]) == set(splits["val"])
