"""Fine-grained sets in the files their authors publish, made small, in the same layout."""

import tarfile

import numpy as np
import pytest
from photos import load, paths, write
from scipy import io

from apt_jax.data.dataset import Item
from apt_jax.data.originals.held_out import without_a_tenth
from apt_jax.errors import UserError


def pack(folder, name, archive):
    """The folder `name` as an archive in its place."""
    with tarfile.open(folder / archive, "w:gz") as file:
        file.add(folder / name, name)
    for path in sorted((folder / name).rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (folder / name).rmdir()


CUB_IMAGES = [f"00{c}.Kind_{c}/{c}_{n}.jpg" for c in (1, 2) for n in range(20)]


@pytest.fixture
def cub(tmp_path):
    """20 images of each of two species, the last five of each for the test."""
    lists = {
        "classes.txt": ["1 001.Black_footed_Albatross", "2 002.Groove_billed_Ani"],
        "images.txt": [f"{n} {path}" for n, path in enumerate(CUB_IMAGES, 1)],
        "image_class_labels.txt": [f"{n} {1 + (n > 20)}" for n in range(1, 41)],
        "train_test_split.txt": [f"{n} {int((n - 1) % 20 < 15)}" for n in range(1, 41)],
    }
    files = {name: "\n".join(rows).encode() + b"\n" for name, rows in lists.items()}
    images = {f"images/{path}": number for number, path in enumerate(CUB_IMAGES)}
    write(tmp_path / "CUB_200_2011", files | images)
    return tmp_path


@pytest.mark.parametrize("packed", [False, True])
def test_cub_has_its_official_test_and_a_tenth_held_out(cub, packed):
    if packed:
        pack(cub, "CUB_200_2011", "CUB_200_2011.tgz")
    dataset = load("cub", cub)
    assert dataset.classes == ("Black_footed_Albatross", "Groove_billed_Ani")
    assert dataset.templates == ("a photo of a {}, a type of bird.",)
    assert dataset.name == "cub"
    test = [f"images/{path}" for n, path in enumerate(CUB_IMAGES) if n % 20 >= 15]
    assert paths(dataset.test) == test
    assert [item.label for item in dataset.test] == [0] * 5 + [1] * 5
    assert (len(dataset.train), len(dataset.val)) == (27, 3)
    assert load("cub", cub, seed=2).splits == dataset.splits
    assert dataset.read(dataset.test[0])


def test_nabirds_counts_only_the_categories_that_have_images(tmp_path):
    uuids = [f"{n:08x}-21dc-4d0c-bfe1-4cae3c85c829" for n in range(6)]
    kinds = [295, 1010, 817, 295, 817, 1010]
    images = [
        f"{k:04d}/{u.replace('-', '')}.jpg" for k, u in zip(kinds, uuids, strict=True)
    ]
    names = {
        "0": "Ducks, Geese, and Swans",
        "295": "Common Eider (Adult male)",
        "817": "Oak Titmouse",
        "1010": "Dark-eyed Junco (Slate-colored)",
    }
    lists = {
        "classes.txt": [f"{number} {name}" for number, name in names.items()],
        "images.txt": [" ".join(row) for row in zip(uuids, images, strict=True)],
        "image_class_labels.txt": [
            f"{u} {k}" for u, k in zip(uuids, kinds, strict=True)
        ],
        "train_test_split.txt": [f"{u} {int(n < 3)}" for n, u in enumerate(uuids)],
    }
    files = {name: "\n".join(rows).encode() for name, rows in lists.items()}
    pictures = {f"images/{path}": number for number, path in enumerate(images)}
    write(tmp_path / "nabirds", files | pictures)
    dataset = load("nabirds", tmp_path)
    assert dataset.classes == tuple(names.values())[1:]
    labels = {item.path.split("/")[1]: item.label for item in dataset.test}
    assert labels == {"0295": 0, "0817": 1, "1010": 2}
    assert len(dataset.train) + len(dataset.val) == 3
    (tmp_path / "nabirds/image_class_labels.txt").write_text(f"{uuids[0]} 295\n")
    with pytest.raises(UserError, match=r"list different images .*unpack the archive"):
        load("nabirds", tmp_path)


def cells(texts):
    """A cell array of strings, as MATLAB saves it."""
    array = np.empty((len(texts), 1), object)
    array[:, 0] = texts
    return array


def test_dogs_are_read_from_their_lists(tmp_path):
    breeds = [
        "n02085620-Chihuahua",
        "n02113186-Cardigan",
        "n02116738-African_hunting_dog",
    ]
    files = [f"{b}/{b.split('-')[0]}_{n}.jpg" for b in breeds for n in range(12)]
    write(tmp_path / "Images", {path: number for number, path in enumerate(files)})
    for side, chosen in (("train", lambda n: n < 10), ("test", lambda n: n >= 10)):
        listed = [path for at, path in enumerate(files) if chosen(at % 12)]
        labels = [[breeds.index(path.split("/")[0]) + 1] for path in listed]
        io.savemat(
            tmp_path / f"{side}_list.mat",
            {"file_list": cells(listed), "labels": np.array(labels, np.uint8)},
        )
    dataset = load("stanford_dogs", tmp_path)
    assert dataset.classes == ("Chihuahua", "Cardigan", "African_hunting_dog")
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (27, 3, 6)
    assert [item.label for item in dataset.test] == [0, 0, 1, 1, 2, 2]
    assert dataset.test[0].path == f"Images/{files[10]}"
    (tmp_path / "test_list.mat").write_bytes(b"half")
    with pytest.raises(
        UserError, match=r"cannot read .*test_list\.mat .*download it again"
    ):
        load("stanford_dogs", tmp_path)


def test_cars_are_read_from_the_devkit(tmp_path):
    names = ["AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012"]
    kinds = {"train": [1, 2] * 5, "test": [2, 1]}
    for side, of_side in kinds.items():
        images = {
            f"{n:05d}.jpg": 100 * len(of_side) + n for n in range(1, len(of_side) + 1)
        }
        write(tmp_path / f"cars_{side}", images)
        kind = [("bbox_x1", "O"), ("class", "O"), ("fname", "O")]
        rows = [(1, c, f"{n:05d}.jpg") for n, c in enumerate(of_side, 1)]
        name = "train_annos" if side == "train" else "test_annos_withlabels"
        place = "devkit" if side == "train" else "."
        (tmp_path / place).mkdir(exist_ok=True)
        io.savemat(
            tmp_path / place / f"cars_{name}.mat",
            {"annotations": np.array(rows, kind)[None]},
        )
    io.savemat(tmp_path / "devkit/cars_meta.mat", {"class_names": cells(names).T})
    dataset = load("stanford_cars", tmp_path)
    assert dataset.classes == tuple(names)
    assert [(i.path, i.label) for i in dataset.test] == [
        ("cars_test/00001.jpg", 1),
        ("cars_test/00002.jpg", 0),
    ]
    assert (len(dataset.train), len(dataset.val)) == (9, 1)
    read = {dataset.read(item) for items in dataset.splits.values() for item in items}
    assert len(read) == 12


def test_flowers_have_their_small_training_and_large_test_split(tmp_path):
    labels = np.array([[1, 1, 2, 2, 102, 102, 1]], np.uint8)
    write(tmp_path / "jpg", {f"image_{n:05d}.jpg": n for n in range(1, 8)})
    io.savemat(tmp_path / "imagelabels.mat", {"labels": labels})
    ids = {"trnid": [[1, 3]], "valid": [[5]], "tstid": [[7, 2, 4, 6]]}
    io.savemat(tmp_path / "setid.mat", {name: np.array(n) for name, n in ids.items()})
    dataset = load("flowers102", tmp_path)
    assert len(dataset.classes) == 102
    assert (dataset.classes[0], dataset.classes[101]) == (
        "pink primrose",
        "blackberry lily",
    )
    assert [(i.path, i.label) for i in dataset.test] == [
        ("jpg/image_00007.jpg", 0),
        ("jpg/image_00002.jpg", 0),
        ("jpg/image_00004.jpg", 1),
        ("jpg/image_00006.jpg", 101),
    ]
    assert paths(dataset.val) == ["jpg/image_00005.jpg"]
    io.savemat(tmp_path / "setid.mat", {"trnid": [[9]], "valid": [[5]], "tstid": [[7]]})
    with pytest.raises(UserError, match=r"images without a label \(9\)"):
        load("flowers102", tmp_path)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("cub", "CUB_200_2011.tgz; get it from https://data.caltech.edu"),
        ("nabirds", "nabirds.tar.gz; get it from https://dl.allaboutbirds.org"),
        ("stanford_dogs", "images.tar or lists.tar; get them from http://vision"),
        ("stanford_cars", "cars_train.tgz or cars_test.tgz or car_devkit.tgz"),
        ("flowers102", "102flowers.tgz; get it from https://www.robots.ox.ac.uk"),
    ],
)
def test_what_is_missing_is_named_with_its_source(tmp_path, source, named):
    with pytest.raises(UserError, match=f"holds no .*{named}"):
        load(source, tmp_path)


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
