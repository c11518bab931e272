"""One real data set through every kind of source: the same shots, the same features."""

import csv
import os
import tarfile

import numpy as np
import pytest
from photos import load
from prepared import prepare

from apt_jax.clip import checkpoint
from apt_jax.data.few_shot import few_shot
from apt_jax.data.published.coop import read_split
from apt_jax.data.scan import scan
from apt_jax.features.encoder import Encoder
from apt_jax.features.reads import EMBEDDING

SHOTS, SEED = 1, 1


@pytest.fixture(scope="module")
def caltech(shared, tmp_path_factory):
    """(images, split file, rows) of the official split."""
    root = tmp_path_factory.mktemp("caltech")
    with tarfile.open(shared / "data/caltech-101/caltech-101.tar") as file:
        file.extractall(root, filter="data")
    split_file = shared / "data/splits/split_zhou_Caltech101.json"
    return root / "caltech-101/101_ObjectCategories", split_file, read_split(split_file)


def names_file(rows, path):
    """classes.yaml: what CoOp calls the folders, such as face for Faces."""
    words = {row[0].split("/")[0]: row[2] for row in rows["train"]}
    path.write_text("".join(f"{folder}: {word}\n" for folder, word in words.items()))
    return path


def as_folder(images, rows, root):
    """ROOT/SPLIT/CLASS/*.jpg, files named so that their order is that of the list."""
    for split, of_split in rows.items():
        for place, (path, _, _) in enumerate(of_split):
            target = root / split / path.split("/")[0] / f"{place:05d}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(images / path, target)
    names_file(rows, root / "classes.yaml")
    return root


def as_table(images, rows):
    file = images / "table.csv"
    with open(file, "w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["path", "label", "split"])
        for split, of_split in rows.items():
            writer.writerows(
                [path, path.split("/")[0], split] for path, _, _ in of_split
            )
    return file


def as_tfds(images, rows, names, root):
    splits = {
        split: [
            (place, label, (images / path).read_bytes())
            for place, (path, label, _) in enumerate(of_split)
        ]
        for split, of_split in rows.items()
    }
    splits["validation"] = splits.pop("val")
    prepare(root, splits, name="caltech", names=names, in_order=True)


@pytest.mark.slow
def test_caltech_is_the_same_as_split_file_folder_table_and_tfds(caltech, tmp_path):
    images, split_file, rows = caltech
    coop = load("coop", images, split_file=str(split_file))
    as_tfds(images, rows, coop.classes, tmp_path / "tfds")
    words = str(names_file(rows, tmp_path / "names.yaml"))
    others = {
        "folder": load(
            "folder", as_folder(images, rows, tmp_path / "folder"), group="none"
        ),
        "table": load("table", as_table(images, rows), class_names=words),
        "tfds": load("tfds", tmp_path / "tfds", name="caltech"),
    }
    clip = checkpoint.load("tiny", dtype="float32")

    def drawn(dataset):
        """Hashes and labels of the shots, and the embeddings of their centre crops."""
        sizes = [len(items) for items in dataset.splits.values()]
        assert sizes == [4128, 1649, 2465]
        assert dataset.classes == coop.classes
        shots, _ = few_shot(dataset, SHOTS, SEED)
        shots = scan(dataset.with_splits({"train": shots, "val": (), "test": ()})).train
        features = Encoder(clip).encode(dataset.pictures(shots), EMBEDDING)
        listed = [(item.sha256, item.label) for item in shots]
        return listed, features.stored["embedding"], features.contents

    shots, embeddings, contents = drawn(coop)
    assert len(shots) == 100
    for name, dataset in others.items():
        of_other, same, alike = drawn(dataset)
        assert of_other == shots, name
        np.testing.assert_array_equal(same, embeddings)
        np.testing.assert_array_equal(alike, contents)
