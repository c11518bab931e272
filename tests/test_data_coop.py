"""CoOp's split files: kept as they are, refused where they cannot be right."""

import os
import tarfile

import pytest
from photos import load, paths, write, write_split

from apt_jax.data.check import check
from apt_jax.data.scan import scan
from apt_jax.errors import UserError

ROWS = {
    "train": [
        ["b/1.png", 1, "bee"],
        ["a/1.png", 0, "ant_hill"],
        ["a/0.png", 0, "ant_hill"],
    ],
    "val": [["a/2.png", 0, "ant_hill"]],
    "test": [["b/3.png", 1, "bee"], ["a/3.png", 0, "ant_hill"]],
}


@pytest.fixture
def root(tmp_path):
    listed = [row[0] for rows in ROWS.values() for row in rows]
    write(tmp_path / "images", {path: number for number, path in enumerate(listed)})
    return tmp_path / "images"


def coop(root, rows=None, name="split_zhou_Insects.json", **fields):
    split_file = write_split(root.parent / name, ROWS | (rows or {}))
    return load("coop", root, split_file=split_file, **fields)


def test_the_lists_keep_their_order_and_names_come_from_training(root):
    dataset = coop(root)
    assert dataset.classes == ("ant_hill", "bee")
    assert paths(dataset.train) == ["b/1.png", "a/1.png", "a/0.png"]
    assert [item.label for item in dataset.train] == [1, 0, 0]
    assert paths(dataset.val) == ["a/2.png"]
    assert paths(dataset.test) == ["b/3.png", "a/3.png"]
    assert dataset.name == "Insects"
    assert dataset.read(dataset.val[0]) == (root / "a/2.png").read_bytes()


def test_the_split_file_names_the_data_set_and_so_the_templates(root):
    pets = coop(root, name="split_zhou_OxfordPets.json")
    assert (pets.name, pets.templates) == (
        "oxford_pets",
        ("a photo of a {}, a type of pet.",),
    )
    part = coop(root, name="split_zhou_EuroSAT_subset.json")
    assert (part.name, part.templates) == (
        "eurosat",
        ("a centered satellite photo of {}.",),
    )


def test_windows_separators_become_slashes(root):
    assert paths(coop(root, {"val": [["a\\2.png", 0, "ant_hill"]]}).val) == ["a/2.png"]


@pytest.mark.parametrize("spelled", ["./a/1.png", "a//1.png", "a\\1.png"])
def test_another_spelling_of_a_training_image_is_no_other_image(root, spelled):
    with pytest.raises(UserError, match=r"in train and test \(a/1\.png\)"):
        check(coop(root, {"test": [[spelled, 0, "ant_hill"]]}), 1)


def test_absent_images_are_counted_and_the_first_ten_named(root):
    rows = [[f"a/absent{n}.png", 0, "ant_hill"] for n in range(12)]
    with pytest.raises(
        UserError, match=r"12 of 17 listed images are not below"
    ) as caught:
        coop(root, {"val": rows})
    assert "a/absent9.png and 2 more" in str(caught.value)
    assert "a/absent10.png" not in str(caught.value)


def test_absent_images_are_dropped_on_request_unless_all_are(root, capsys):
    (root / "a/2.png").unlink()
    kept = scan(coop(root, on_error="skip"), on_error="skip")
    assert kept.val == ()
    assert "1 No such file or directory (a/2.png" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"6 of 6 listed images"):
        coop(root.rename(root.parent / "pictures").parent, on_error="skip")


def test_a_root_one_level_too_high_is_told_where_the_images_are(root):
    with pytest.raises(UserError, match=r"first is in .*pictures: set `root`"):
        coop(root.rename(root.parent / "pictures").parent)


def test_in_coops_own_layout_the_root_holds_images_and_split_file(root):
    (root / "b/1.png").unlink()  # the first that is listed
    split_file = write_split(root.parent / "split_zhou_OxfordPets.json", ROWS)
    dataset = load("coop", root.parent, on_error="skip")
    assert dataset.name == "oxford_pets"
    assert dataset.read(dataset.val[0]) == (root / "a/2.png").read_bytes()
    write_split(root.parent / "split_mine.json", ROWS)
    with pytest.raises(UserError, match=r"several \(split_mine\.json, split_zhou_"):
        load("coop", root.parent)
    named = load("coop", root.parent, split_file=split_file, on_error="skip")
    assert named.splits == dataset.splits


@pytest.mark.parametrize(
    "path",
    [
        "../secret.png",
        "a/../../secret.png",
        "..\\secret.png",
        "/secret.png",
        "a/../a/2.png",
        "a\0b",
    ],
)
def test_paths_that_leave_the_root_are_refused(root, path):
    write(root.parent, {"secret.png": 1})
    with pytest.raises(UserError, match=r"1 of 6 listed images lie outside") as caught:
        coop(root, {"val": [[path, 0, "ant_hill"]]})
    assert "\0" not in str(caught.value)


def test_links_that_leave_the_root_are_refused_and_others_followed(root):
    write(root.parent, {"secret.png": 1})
    os.symlink(root.parent / "secret.png", root / "a/out.png")
    os.symlink(root / "a/2.png", root / "a/in.png")
    assert coop(root, {"val": [["a/in.png", 0, "ant_hill"]]}).val
    with pytest.raises(UserError, match=r"lie outside .*a/out\.png"):
        coop(root, {"val": [["a/out.png", 0, "ant_hill"]]})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            {"test": [["a/3.png", 0, "bee"]]},
            r"more than one name: 0 is 'bee' and 'ant_hill'",
        ),
        ({"test": [["a/3.png", 7, "bee"]]}, r"without training images: 2, 7"),
        ({"train": [["a/1.png", 10**9, "x"]]}, r"without training images: 0, 1"),
        ({"test": [["a/3.png", 0, "ant_hill"]] * 2}, r"twice in test \(a/3\.png\)"),
        ({"test": [["b/1.png", 1, "bee"]]}, r"in train and test \(b/1\.png\)"),
        ({"val": [["a/1.png", 0, "ant_hill"]]}, r"in train and val \(a/1\.png\)"),
        ({"val": [["a/2.png", "0", "ant_hill"]]}, r"1 entry .*val\[0\]"),
        ({"val": [["a/2.png", True, "bee"], ["a/2.png", -1, "bee"], []]}, r"3 entries"),
        ({"test": {}}, r"is no CoOp split file; its layout is"),
    ],
)
def test_a_split_file_that_cannot_be_right_is_refused(root, rows, message):
    with pytest.raises(UserError, match=message):
        check(coop(root, rows), 1)


def test_validation_and_test_may_be_one_list(root):
    dataset = coop(root, {"val": ROWS["test"]})
    assert dataset.val == dataset.test


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"is no JSON"),
        (b"\xff\xfe", r"is no JSON"),
        (b"[" * 100_000, r"is no JSON"),
        (b'{"train": [["\xff", 0, "a"]], "val": [], "test": []}', r"is no JSON"),
        (b"[]", r"is no CoOp split file"),
        (b'{"train": [], "test": []}', r"is no CoOp split file"),
    ],
)
def test_a_file_that_is_no_split_file_is_refused(root, content, message):
    (root.parent / "odd.json").write_bytes(content)
    with pytest.raises(UserError, match=message):
        load("coop", root, split_file=str(root.parent / "odd.json"))


def test_a_missing_split_file_is_named(root):
    with pytest.raises(
        UserError, match=r"is empty, and of split_\*\.json .* none; name"
    ):
        load("coop", root)
    with pytest.raises(UserError, match=r"cannot read .*absent\.json \(No such file"):
        load("coop", root, split_file="absent.json")


REAL = {
    "oxford_flowers17": (
        "jpg",
        "split_seed1_OxfordFlowers17.json",
        17,
        (680, 272, 408),
    ),
    "imagewoof": ("", "split_seed1_Imagewoof.json", 10, (1290, 510, 1000)),
}


@pytest.mark.parametrize("name", REAL)
def test_real_photographs_load_and_scan_to_their_published_hashes(
    shared, tmp_path, name
):
    below, split_file, count, sizes = REAL[name]
    source = shared / "data" / name
    with tarfile.open(source / f"{name}.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    root = tmp_path / name / below
    dataset = load("coop", root, split_file=str(source / split_file))
    assert dataset.name == name
    assert len(dataset.classes) == count
    assert tuple(map(len, dataset.splits.values())) == sizes
    assert check(dataset, 16) == []
    scanned = scan(dataset)
    assert scanned == dataset
    lines = (source / "files.sha256").read_text().splitlines()
    published = {path: sha256 for sha256, path in (line.split("  ") for line in lines)}
    prefix = f"{name}/{below}".rstrip("/")
    hashes = {f"{prefix}/{item.path}": item.sha256 for item in scanned.items}
    assert hashes == published
