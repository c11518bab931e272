"""Hugging Face image-classification sets, as the library itself writes them."""

import gc

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
        UserError, match=r"nest has no value for 1 image \(train/0000000"
    ):
        load("folder", saved(tmp_path / "some", train=some), group="nest")
    with pytest.raises(
        UserError, match=r"columns are nest, species; name one of them, or"
    ):
        load("folder", root, group="nests")


def test_images_without_a_label_are_refused(tmp_path):
    hidden = made(2).map(lambda row: {"species": -1})
    root = saved(tmp_path / "owls", train=made(4), test=hidden)
    with pytest.raises(UserError, match=r"no label \(test/0000000, test/0000001\)"):
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
    with pytest.raises(UserError, match=r"no label \(train/0000002\)"):
        check(load("folder", root), 1)
    with pytest.raises(UserError, match=r"1 image has no label \(train/0000002\)"):
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


def of_values(labels, kind, first=0):
    """A set whose labels are plain values."""
    features = {"image": datasets.Image(), "label": datasets.Value(kind)}
    images = [{"bytes": png(first + n), "path": None} for n in range(len(labels))]
    return datasets.Dataset.from_dict(
        {"image": images, "label": labels}, features=datasets.Features(features)
    )


@pytest.mark.parametrize(
    ("kind", "labels", "classes"),
    [
        ("string", ["wren", "owl", "wren", "owl"], ("owl", "wren")),
        ("large_string", ["wren", "owl", "wren", "owl"], ("owl", "wren")),
        ("int64", [10, 2, 10, 2], ("2", "10")),
        ("int8", [-1, 1, -1, 1], ("-1", "1")),
        ("bool", [True, False, True, False], ("False", "True")),
        ("float64", [10.0, 2.0, 10.0, 2.0], ("2", "10")),
    ],
)
def test_labels_may_be_texts_numbers_or_truths(tmp_path, kind, labels, classes):
    test = of_values(labels, kind, first=10)
    root = saved(tmp_path / "birds", train=of_values(labels, kind), test=test)
    dataset = load("folder", root)
    assert dataset.classes == classes
    told = [classes[item.label] for item in dataset.train]
    assert told == [str(one).removesuffix(".0") for one in labels]
    assert check(dataset, 1) == []


@pytest.mark.parametrize("hidden", [-1, None])
def test_hidden_labels_of_a_test_leave_validation_to_judge(tmp_path, hidden, capsys):
    test = made(2, first=30).map(lambda row: {"species": -1})
    root = saved(tmp_path / "a", train=made(4), validation=made(2, first=20), test=test)
    assert paths(load("folder", root).test) == [
        "validation/0000000",
        "validation/0000001",
    ]
    plain = [of_values([0, 1], "int64", n) for n in (40, 50)]
    test = of_values([hidden] * 3, "int64", 60)
    sets = {"train": plain[0], "validation": plain[1], "test": test}
    assert load("folder", saved(tmp_path / "b", **sets)).classes == ("0", "1")
    assert capsys.readouterr().err.count("labels of the test are hidden") == 2


def test_a_test_without_the_column_of_labels_is_hidden_too(tmp_path):
    test = made(2, first=30).remove_columns("species")
    root = saved(tmp_path / "a", train=made(4), validation=made(2, first=20), test=test)
    assert len(load("folder", root).test) == 2


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # `datasets` leaves files open
def test_an_imagefolder_with_metadata_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    for split, first in (("train", 0), ("test", 10)):
        folder = tmp_path / "birds" / split
        folder.mkdir(parents=True)
        for number in range(4):
            (folder / f"{number}.png").write_bytes(png(first + number))
        lines = [
            f"{number}.png,{'owl' if number % 2 else 'wren'}" for number in range(4)
        ]
        (folder / "metadata.csv").write_text("file_name,label\n" + "\n".join(lines))
    datasets.disable_progress_bars()
    dataset = load("folder", f"hf:{tmp_path / 'birds'}")
    assert dataset.classes == ("owl", "wren")
    assert [dataset.read(item) for item in dataset.test] == [
        png(n) for n in range(10, 14)
    ]
    gc.collect()


def test_several_labels_an_image_are_refused_with_a_sentence(tmp_path):
    features = {
        "image": datasets.Image(),
        "label": datasets.List(datasets.ClassLabel(names=["owl", "wren"])),
    }
    images = [{"bytes": png(n), "path": None} for n in range(2)]
    one = datasets.Dataset.from_dict(
        {"image": images, "label": [[0], [0, 1]]}, features=datasets.Features(features)
    )
    root = saved(tmp_path / "birds", train=one, test=one)
    with pytest.raises(UserError, match="column label holds several labels an image"):
        load("folder", root)
    with pytest.raises(UserError, match="column label holds several labels an image"):
        load("hub", root, label="label")
