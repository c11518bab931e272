"""Prepared TFDS data read without TensorFlow: order, slices, and what is refused."""

import json
import subprocess
import sys

import pytest
from photos import load, paths, png
from prepared import prepare, rows

from apt_jax.config import run_name
from apt_jax.data.check import check
from apt_jax.data.scan import scan
from apt_jax.errors import UserError

# Keys 0 .. 19 of split "train" in the order of TFDS's md5 rule.
STORED = [6, 16, 19, 12, 14, 18, 5, 13, 15, 4, 10, 17, 0, 8, 3, 1, 9, 7, 11, 2]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("tfds")
    prepare(root, {"train": rows(20), "test": rows(6, first=100)})
    return root


def toy(root, name="toy", **fields):
    return load("tfds", root, name=name, **fields)


def test_records_keep_the_stored_order_and_bytes(root):
    dataset = toy(root)
    assert dataset.classes == ("a/b", "c d")
    assert dataset.name == "toy"
    assert [item.label for item in dataset.train] == [key % 2 for key in STORED]
    assert paths(dataset.train[:2]) == ["train/0000000", "train/0000001"]
    assert [dataset.read(item) for item in dataset.train] == list(map(png, STORED))
    assert dataset.val == ()
    assert len(dataset.test) == 6


def test_images_can_be_read_from_threads(root):
    assert len({item.sha256 for item in scan(toy(root)).items}) == 26


def test_slices_name_the_same_records_as_the_whole(root):
    whole = toy(root)
    part = toy(
        root,
        train_split="train[:8]+train[12:16]",
        val_split="train[80%:]",
        test_split="test[50%:]",
    )
    assert part.train == whole.train[:8] + whole.train[12:16]
    assert part.val == whole.train[16:]
    assert part.test == whole.test[3:]


def test_slices_that_share_records_are_refused(root):
    with pytest.raises(UserError, match=r"in train and test \(train/0000004\)"):
        check(toy(root, train_split="train[:5]", test_split="train[4:6]"), 1)
    with pytest.raises(UserError, match=r"twice in train \(train/0000000\)"):
        check(toy(root, train_split="train[:1]+train[:2]"), 1)
    with pytest.raises(UserError, match=r"no slice 'trian.*train \(20\), test \(6\)"):
        toy(root, train_split="trian[:5]")


def test_validation_is_the_test_where_there_is_no_other(tmp_path, capsys):
    prepare(tmp_path, {"train": rows(4), "validation": rows(4, first=10)})
    dataset = toy(tmp_path)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (4, 0, 4)
    assert "validation is the test" in capsys.readouterr().err


def test_a_single_split_has_to_be_sliced(tmp_path):
    prepare(tmp_path, {"train": rows(4)})
    with pytest.raises(UserError, match=r"no split for test.*`test_split`=SLICES"):
        toy(tmp_path)
    sliced = toy(tmp_path, train_split="train[:2]", test_split="train[2:]")
    assert len(sliced.test) == 2


def test_the_newest_version_and_the_config_asked_for_are_read(tmp_path):
    splits = {"train": rows(2), "test": rows(2)}
    for version in ("2.0.0", "10.0.0", "9.1.0"):
        prepare(tmp_path, splits, version=version)
    assert toy(tmp_path).read
    with pytest.raises(
        UserError, match=r"version 3\.\* of toy.*2\.0\.0, 9\.1\.0, 10\.0\.0"
    ):
        toy(tmp_path, name="toy:3.*")
    prepare(tmp_path, splits, name="sized", config="small")
    assert toy(tmp_path, name="sized").name == "sized"
    prepare(tmp_path, {"train": rows(8), "test": rows(2)}, name="sized", config="large")
    with pytest.raises(UserError, match=r"several configs.*sized/large, sized/small"):
        toy(tmp_path, name="sized")
    large = toy(tmp_path, name="sized/large:1.*.*")
    assert (large.name, len(large.train)) == ("sized", 8)


def test_a_version_that_is_not_whole_is_none(tmp_path):
    prepare(tmp_path, {"train": rows(2), "test": rows(2)}, version="1.0.0")
    (tmp_path / "toy/1.0.10").mkdir()
    assert toy(tmp_path).read
    (tmp_path / "food101/2.0.0").mkdir(parents=True)
    with pytest.raises(UserError, match="no prepared data set food101 below"):
        toy(tmp_path, name="food101")


def test_a_root_may_be_the_folder_of_a_version(root):
    assert len(toy(root / "toy/1.0.0", name="").train) == 20
    assert toy(root / "toy/1.0.0", name="dtd").templates == ("{} texture.",)


def test_what_is_not_prepared_is_told_how(root):
    with pytest.raises(
        UserError, match=r"python -m apt_jax prepare food101 --data_dir="
    ):
        toy(root, name="food101")
    with pytest.raises(UserError, match=r"data\.name is empty"):
        toy(root, name="")


def test_another_format_is_told_the_command_that_prepares_anew(tmp_path):
    folder = prepare(tmp_path, {"train": rows(2)}, name="sized", config="small")
    for file in folder.glob("*.array_record*"):
        file.unlink()
    (folder / "sized-train.tfrecord-00000-of-00001").touch()
    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(
        json.dumps(info | {"fileFormat": "tfrecord"})
    )
    command = f"python -m apt_jax prepare sized/small --data_dir={tmp_path}"
    with pytest.raises(UserError, match=f"format tfrecord.*{command}"):
        toy(tmp_path, name="sized")


def test_missing_and_damaged_files_are_named(tmp_path):
    folder = prepare(tmp_path, {"train": rows(20), "test": rows(2)})
    (train,) = folder.glob("*train*")
    train.write_bytes(train.read_bytes()[:1500])
    with pytest.raises(UserError, match=r"of train .*damaged"):
        toy(tmp_path)
    train.unlink()
    with pytest.raises(UserError, match=r"1 of 2 files .*toy-train\.array_record"):
        toy(tmp_path)
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(UserError, match=r"cannot read .*prepare it again"):
        toy(tmp_path)


def test_features_that_are_no_picture_or_label_are_refused(root):
    with pytest.raises(UserError, match=r"'picture' is no Image.*one of \['image'\]"):
        toy(root, image="picture")
    with pytest.raises(UserError, match=r"'file_name' is no ClassLabel.*\['label'\]"):
        toy(root, label="file_name")


def test_records_without_a_label_are_refused(tmp_path):
    prepare(tmp_path, {"train": rows(2), "test": [(0, -1, png(1))]})
    with pytest.raises(UserError, match=r"no class \(test/0000000\)"):
        check(toy(tmp_path), 1)


def test_a_run_of_a_config_has_a_plain_directory_name():
    from apt_jax import config

    given = config.default(source="tfds")
    given.data.name = "eurosat/rgb:2.0.0"
    assert run_name(given) == "eurosat-rgb-2.0.0-apt-16shot-seed1"


def test_no_tensorflow_is_loaded(root):
    program = (
        "import sys; sys.path.insert(0, 'tests'); from photos import load\n"
        f"load('tfds', {str(root)!r}, name='toy')\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
