"""Hugging Face image-classification sets, as the library itself writes them."""

import pytest
from photos import encoded, load, paths, photo, png

from apt_jax.data.check import check
from apt_jax.data.scan import scan
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


def test_near_copies_of_a_single_split_stay_together(tmp_path, capsys):
    photos = [photo(number) for number in range(12)]
    images = [encoded(one, "jpeg") for one in photos]
    images += [encoded(photos[0], "jpeg", quality=60)]
    columns = {"picture": [{"bytes": i, "path": None} for i in images]}
    columns["species"] = [n % 2 for n in range(len(images))]
    one = datasets.Dataset.from_dict(columns, features=datasets.Features(FEATURES))
    root = saved(tmp_path / "owls", train=one)
    for seed in range(5):
        splits = load("folder", root, seed=seed).splits
        sides = [
            {"train/0000000", "train/0000012"} & {*paths(i)} for i in splits.values()
        ]
        assert sorted(map(len, sides)) == [0, 0, 2]
    assert "2 images are near copies or of one burst" in capsys.readouterr().err


def test_a_column_may_say_what_stays_together(tmp_path):
    one = made(12, nest=datasets.Value("int32"))
    nests = [n // 4 for n in range(12)]
    one = one.remove_columns("nest").add_column("nest", nests)
    root = saved(tmp_path / "owls", train=one)
    dataset = load("folder", root, group="nest")
    sides = [
        {nests[int(path.partition("/")[2])] for path in paths(items)}
        for items in dataset.splits.values()
    ]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 3
    test = made(2, first=20)  # given splits are not divided, whatever columns they have
    given = load(
        "folder", saved(tmp_path / "given", train=one, test=test), group="nest"
    )
    assert len(given.test) == 2
    some = one.remove_columns("nest").add_column("nest", [None, *nests[1:]])
    with pytest.raises(
        UserError, match=r"nest has no value for 1 images \(train/0000000"
    ):
        load("folder", saved(tmp_path / "some", train=some), group="nest")
    with pytest.raises(
        UserError, match=r"columns are nest, species; name one of them, or"
    ):
        load("folder", root, group="nests")


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


def test_what_is_not_stored_is_told_and_no_traceback(tmp_path, capsys):
    rows = {
        "picture": [
            None,
            {"bytes": b"", "path": None},
            *({"bytes": png(n), "path": None} for n in range(8)),
        ],
        "species": [n % 2 for n in range(10)],
    }
    features = datasets.Features(FEATURES)
    one = datasets.Dataset.from_dict(rows, features=features)
    root = saved(tmp_path / "owls", train=one, test=made(2, first=20))
    dataset = load("folder", root)
    with pytest.raises(
        UserError, match=r"0000000: no picture is stored; train/0000001: empty file"
    ):
        scan(dataset)
    rows["species"][2] = None
    one = datasets.Dataset.from_dict(rows, features=features)
    root = saved(tmp_path / "wrens", train=one, test=made(2, first=20))
    with pytest.raises(UserError, match=r"no class \(train/0000002\)"):
        check(load("folder", root), 1)
    with pytest.raises(UserError, match=r"1 images have no label \(train/0000002\)"):
        load("folder", saved(tmp_path / "single", train=one))


def test_one_of_several_columns_has_to_be_named(tmp_path):
    kinds = {"genus": datasets.ClassLabel(names=["Tyto", "Troglodytes"])}
    root = saved(tmp_path / "owls", train=made(4, **kinds), test=made(2, **kinds))
    with pytest.raises(UserError, match=r"kind ClassLabel are \['species', 'genus'\]"):
        load("folder", root)
    assert load("hub", root, label="genus").classes == ("Tyto", "Troglodytes")


def test_an_error_of_many_lines_is_told_in_one(monkeypatch):
    def refused(*arguments):
        raise ConnectionError("no network\n  tried 5 times")

    monkeypatch.setattr(datasets, "load_dataset", refused)
    with pytest.raises(UserError, match=r"ConnectionError: no network tried 5 times\)"):
        load("folder", "hf:owls/barn")


def test_what_cannot_be_loaded_is_told(tmp_path):
    with pytest.raises(UserError, match=r"cannot load hf:.*check the name"):
        load("folder", f"hf:{tmp_path / 'absent'}")
    root = saved(tmp_path / "owls", here=made(4), there=made(2))
    with pytest.raises(UserError, match=r"splits are here, there"):
        load("folder", root)
