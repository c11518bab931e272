"""Tables of photographs: rows as they are, splits given or drawn, faults named."""

import pytest
from photos import load, paths, write

from apt_jax.data.check import check
from apt_jax.errors import UserError

ROWS = """path,label,split
b/1.png,barn owl,train
a/1.png,ant,train
a/2.png,ant,validation
b/2.png,barn owl,Test
a/3.png,ant,test
"""


@pytest.fixture
def root(tmp_path):
    names = [f"{name}/{number}.png" for name in "ab" for number in range(1, 9)]
    write(tmp_path, {path: number for number, path in enumerate(names)})
    return tmp_path


def table(root, text=ROWS, name="photos.csv", **fields):
    data = text if isinstance(text, bytes) else text.encode()
    (root / name).write_bytes(data)
    return load("table", root / name, **fields)


def test_rows_keep_their_order_and_labels_are_sorted_names(root):
    dataset = table(root)
    assert dataset.classes == ("ant", "barn owl")
    assert [(item.path, item.label) for item in dataset.train] == [
        ("b/1.png", 1),
        ("a/1.png", 0),
    ]
    assert paths(dataset.val) == ["a/2.png"]
    assert paths(dataset.test) == ["b/2.png", "a/3.png"]
    assert dataset.name == "photos"
    assert dataset.read(dataset.train[0]) == (root / "b/1.png").read_bytes()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_csv_of_any_program_is_read(root, delimiter, start):
    text = start + ROWS.replace(",", delimiter).replace("\n", "\r\n")
    text = text.replace("path", " Path").replace("ant", '"ant, red"')
    dataset = table(root, text)
    assert dataset.classes == ("ant, red", "barn owl")
    assert len(dataset.test) == 2


def test_parquet_is_read_as_csv_is(root):
    import pyarrow
    from pyarrow import parquet

    lines = [line.split(",") for line in ROWS.splitlines()]
    columns = dict(zip(lines[0], map(list, zip(*lines[1:], strict=True)), strict=True))
    columns["label"] = pyarrow.array(columns["label"]).dictionary_encode()
    parquet.write_table(pyarrow.table(columns), root / "photos.parquet")
    assert load("table", root / "photos.parquet").splits == table(root).splits


def test_numbers_as_labels_keep_their_order(root):
    rows = [f"{'ab'[n > 4]}/{n % 4 + 1}.png,{n}" for n in (10, 2, 9, 1)]
    text = "path,label\n" + "\n".join(rows)
    assert table(root, text).classes == ("1", "2", "9", "10")


def drawn(root, extra=lambda path: "", head="", **fields):
    rows = [f"{n}/{i}.png,{n}{extra(f'{n}/{i}')}" for n in "ab" for i in range(1, 9)]
    return table(root, f"path,label{head}\n" + "\n".join(rows), **fields)


def test_without_splits_the_seed_divides_each_class(root):
    dataset = drawn(root)
    sizes = [len(items) for items in dataset.splits.values()]
    assert sizes == [8, 4, 4]
    assert check(dataset, 1) == []
    assert drawn(root, seed=2).train != dataset.train == drawn(root).train


def test_a_group_stays_on_one_side_even_across_classes(root):
    def camera(path):
        return f",camera {int(path[-1]) // 2}"

    for seed in range(5):
        dataset = drawn(root, camera, ",Camera", group="camera", seed=seed)
        sides = {}
        for split, items in dataset.splits.items():
            for item in items:
                number = int(item.path[2])
                sides.setdefault(number // 2, set()).add(split)
        assert len(sides) == 5
        assert all(len(splits) == 1 for splits in sides.values())
        assert check(dataset, 1) == []


def test_copies_stay_on_one_side(root):
    write(root, {"a/9.png": 0, "a/10.png": 0})  # the picture of a/1.png
    rows = [f"a/{i}.png,a" for i in range(1, 11)] + [
        f"b/{i}.png,b" for i in range(1, 9)
    ]
    for seed in range(5):
        dataset = table(root, "path,label\n" + "\n".join(rows), seed=seed)
        copies = {"a/1.png", "a/9.png", "a/10.png"}
        assert {len(copies & set(paths(s))) for s in dataset.splits.values()} <= {0, 3}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,class\na/1.png,a\n", r"no column label \(it has path, class\)"),
        ("", r"is empty; the columns are path, label"),
        ("path,label\n", r"empty cells: all"),
        ("path,label\na/1.png,\n,b\n", r"empty cells: row 3 \(path\), row 2 \(label\)"),
        ("path,label\na/1.png,a,b\n", r"2 columns, but row 2 has 3"),
        ('path,label\na/1.png,"a\n', r"no CSV"),
        (ROWS.replace("Test", "exam"), r"no train, val or test \('exam'\)"),
        (ROWS.replace("b/1", "../b/1"), r"1 of 5 listed images lie outside"),
        (ROWS.replace("b/1", "/b/1"), r"lie outside"),
        (ROWS.replace("b/1", "c/1"), r"1 of 5 listed images are not below"),
        (ROWS.encode().replace(b"ant", b"\xe9tat"), r"line 3 of .* is no UTF-8"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(root, text, said):
    with pytest.raises(UserError, match=said):
        table(root, text)


def test_copies_across_given_splits_are_refused_or_dropped(root):
    write(root, {"a/copy.png": (root / "a/3.png").read_bytes()})
    text = ROWS + "a/copy.png,ant,train\n"
    with pytest.raises(UserError, match=r"across splits \(a/copy\.png = a/3\.png\)"):
        table(root, text)
    dataset = table(root, text, on_error="skip")
    assert paths(dataset.train) == ["b/1.png", "a/1.png"]


def test_images_twice_and_on_two_sides_are_refused(root):
    with pytest.raises(UserError, match=r"in train and test \(a/1\.png\)"):
        check(table(root, ROWS.replace("a/3", "a/1")), 1)
    with pytest.raises(UserError, match=r"twice in test \(a/3\.png\)"):
        check(table(root, ROWS + "a/3.png,ant,test\n"), 1)


def test_a_label_without_training_images_is_refused(root):
    with pytest.raises(UserError, match=r"no training images of 'cat'"):
        check(table(root, ROWS + "a/4.png,cat,test\n"), 1)


def test_what_is_no_table_is_told_which_endings_are(root):
    with pytest.raises(UserError, match=r"is no table; .*\.csv, \.tsv, \.parquet"):
        load("table", root)
    with pytest.raises(UserError, match=r"is no Parquet"):
        table(root, "x", "photos.parquet")
    with pytest.raises(UserError, match=r"no column camera"):
        table(root, group="camera")
