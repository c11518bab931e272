"""Hugging Face image-classification sets, as the library itself writes them."""

import pytest
from photos import load, paths, png

from apt_jax.data.check import check
from apt_jax.errors import UserError

datasets = pytest.importorskip(
    "datasets", reason="NOT CHECKED: no datasets (pip install -r requirements-hub.txt)"
)
FEATURES = {
    "picture": datasets.Image(),
    "species": datasets.ClassLabel(names=["barn owl", "wren"]),
}


def made(count, first=0, **features):
    features = datasets.Features(FEATURES | features)
    columns = {
        "picture": [{"bytes": png(first + n), "path": None} for n in range(count)],
        "species": [n % 2 for n in range(count)],
    }
    columns |= dict.fromkeys(features.keys() - columns.keys(), columns["species"])
    return datasets.Dataset.from_dict(columns, features=features)


def saved(folder, **splits):
    datasets.disable_progress_bars()
    datasets.DatasetDict(splits).save_to_disk(folder)
    return folder


def test_a_saved_set_is_read_as_it_is(tmp_path):
    root = saved(tmp_path / "owls", train=made(6), test=made(2, first=10))
    dataset = load("folder", root)
    assert dataset.classes == ("barn owl", "wren")
    assert dataset.name == "owls"
    assert [item.label for item in dataset.train] == [0, 1, 0, 1, 0, 1]
    assert paths(dataset.test) == ["test/0000000", "test/0000001"]
    assert [dataset.read(item) for item in dataset.test] == [png(10), png(11)]
    assert dataset.splits == load("hub", root).splits


def test_files_in_the_layout_of_the_hub_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    for split, count in (("train", 4), ("validation", 2)):
        file = tmp_path / f"birds/data/{split}-00000-of-00001.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        made(count, first=count * 10).to_parquet(file)
    dataset = load("folder", f"hf:{tmp_path / 'birds'}")
    assert (dataset.name, len(dataset.train), len(dataset.val)) == ("birds", 4, 0)
    assert dataset.read(dataset.test[1]) == png(21)


def test_a_single_split_is_divided_by_the_seed_copies_together(tmp_path):
    twice = datasets.concatenate_datasets([made(10), made(10)])
    dataset = load("folder", saved(tmp_path / "owls", train=twice))
    assert check(dataset, 1) == []
    assert sum(map(len, dataset.splits.values())) == 20
    sides = [set(map(dataset.read, items)) for items in dataset.splits.values()]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 10


def test_images_without_a_label_are_refused(tmp_path):
    hidden = made(2).map(lambda row: {"species": -1})
    root = saved(tmp_path / "owls", train=made(4), test=hidden)
    with pytest.raises(UserError, match=r"no class \(test/0000000, test/0000001\)"):
        check(load("folder", root), 1)
    both = datasets.concatenate_datasets([made(6), hidden])
    with pytest.raises(
        UserError, match=r"2 images have no label \(train/0000006, train"
    ):
        load("folder", saved(tmp_path / "single", train=both))


def test_one_of_several_columns_has_to_be_named(tmp_path):
    kinds = {"genus": datasets.ClassLabel(names=["Tyto", "Troglodytes"])}
    root = saved(tmp_path / "owls", train=made(4, **kinds), test=made(2, **kinds))
    with pytest.raises(UserError, match=r"kind ClassLabel are \['species', 'genus'\]"):
        load("folder", root)
    assert load("hub", root, label="genus").classes == ("Tyto", "Troglodytes")


def test_what_cannot_be_loaded_is_told(tmp_path):
    with pytest.raises(UserError, match=r"cannot load hf:.*check the name"):
        load("folder", f"hf:{tmp_path / 'absent'}")
    root = saved(tmp_path / "owls", here=made(4), there=made(2))
    with pytest.raises(UserError, match=r"splits are here, there"):
        load("folder", root)
