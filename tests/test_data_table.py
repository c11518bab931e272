"""Tables of photographs: rows as they are, splits given or drawn, faults named."""

import pytest
from photos import encoded, load, paths, photo, write

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


def test_photographs_know_the_group_that_the_column_and_copies_make(root):
    write(root, {"b/8.png": (root / "a/1.png").read_bytes() + b" "})  # no copy
    write(root, {"a/8.png": (root / "a/1.png").read_bytes()})

    def day(path):
        return f",{'Monday' if path in ('a/1', 'b/2') else path}"

    dataset = drawn(root, day, ",day", group="day")
    group_of = {item.path: item.group for item in dataset.items}
    together = {path for path in group_of if group_of[path] == group_of["a/1.png"]}
    assert together == {"a/1.png", "a/8.png", "b/2.png"}
    assert len(set(group_of.values())) == len(group_of) - 2


def test_a_column_makes_groups_of_given_splits_too(root):
    rows = [row for row in ROWS.splitlines() if row]
    text = "\n".join(f"{row},{day}" for row, day in zip(rows, ["day", *"xyxzy"]))
    dataset = table(root, text, group="day")
    group_of = {item.path: item.group for item in dataset.items}
    assert group_of["b/1.png"] == group_of["a/2.png"] != group_of["b/2.png"]
    assert group_of["a/1.png"] == group_of["a/3.png"]
    assert len(set(group_of.values())) == 3


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
        ("path,label\na/1.png,a\n,b\n", r"empty cells: row 3 \(path\); fill"),
        ("path,label\na/1.png,\na/2.png,b\n", r"1 image has no label \(a/1\.png\)"),
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


SEEDS = range(20)


def sides_of(dataset, wanted):
    """The splits in which the paths `wanted` are."""
    return {
        split
        for split, items in dataset.splits.items()
        if set(wanted) & set(paths(items))
    }


def test_copies_bring_the_groups_of_a_column_along(root, capsys):
    write(root, {"a/copy.png": (root / "a/1.png").read_bytes()})

    def camera(path):
        return f",camera {path[-1]}"

    for seed in SEEDS:
        rows = [
            f"{n}/{i}.png,{n}{camera(f'{n}/{i}')}" for n in "ab" for i in range(1, 9)
        ]
        text = "\n".join(["path,label,camera", *rows, "a/copy.png,a,camera 5"])
        dataset = table(root, text, group="camera", seed=seed)
        linked = {f"{c}/{n}.png" for c in "ab" for n in (1, 5)} | {"a/copy.png"}
        assert len(sides_of(dataset, linked)) == 1, seed
    assert "link groups of the column data.group" in capsys.readouterr().err


def test_near_copies_bring_the_groups_of_a_column_along(tmp_path):
    pictures = {
        f"{c}/{n}.jpg": photo(n + 50 * (c == "b")) for c in "ab" for n in range(8)
    }
    write(tmp_path, {path: encoded(one, "jpeg") for path, one in pictures.items()})
    again = encoded(pictures["a/0.jpg"], "jpeg", quality=60)
    write(tmp_path, {"a/again.jpg": again})
    rows = [f"{path},{path[0]},{path[2]}" for path in pictures] + ["a/again.jpg,a,7"]
    text = "\n".join(["path,label,day", *rows])
    linked = ["a/0.jpg", "b/0.jpg", "a/again.jpg", "a/7.jpg", "b/7.jpg"]
    for seed in SEEDS:
        dataset = table(tmp_path, text, group="day", seed=seed)
        assert len(sides_of(dataset, linked)) == 1, seed


def test_the_same_bytes_under_two_labels_are_refused_though_a_column_groups(root):
    write(root, {"b/copy.png": (root / "a/1.png").read_bytes()})
    rows = [f"{n}/{i}.png,{n},{n}{i}" for n in "ab" for i in range(1, 9)]
    text = "\n".join(["path,label,nest", *rows, "b/copy.png,b,b9"])
    with pytest.raises(UserError, match=r"a/1\.png, b/copy\.png"):
        table(root, text, group="nest")
    dataset = table(root, text, group="nest", on_error="skip")
    assert not sides_of(dataset, ["a/1.png", "b/copy.png"])


def test_the_order_of_rows_does_not_change_a_drawn_split(root):
    rows = [f"{n}/{i}.png,{n},{i // 2}" for n in "ab" for i in range(1, 9)]
    for group in ("auto", "day"):
        told = [
            table(root, "\n".join(["path,label,day", *of]), group=group).splits
            for of in (rows, rows[::-1], sorted(rows, key=lambda row: row[2:]))
        ]
        assert told[0] == told[1] == told[2]


@pytest.mark.parametrize(
    "spelled", ["nan", "NaN", "NA", "N/A", "null", "NULL", "None", "<NA>", "", " nan "]
)
def test_a_missing_label_is_missing_however_it_is_spelled(root, spelled, capsys):
    text = f"path,label\na/1.png,ant\na/2.png,{spelled}\nb/1.png,bee\nb/2.png,bee\n"
    with pytest.raises(UserError, match=r"1 image has no label \(a/2\.png\)"):
        table(root, text)
    dataset = table(root, text, on_error="skip")
    assert dataset.classes == ("ant", "bee")
    assert "dropped: 1 image has no label" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ("10 -2 9 -10", ("-10", "-2", "9", "10")),
        ("2.5 10.0 -1 1e1x", ("-1", "10.0", "1e1x", "2.5")),
        ("2.5 10.0 -1 .5", ("-1", ".5", "2.5", "10.0")),
    ],
)
def test_numbers_sort_as_numbers(root, labels, classes):
    rows = [f"a/{n}.png,{name}" for n, name in enumerate(labels.split(), 1)]
    assert table(root, "path,label\n" + "\n".join(rows)).classes == classes


@pytest.mark.parametrize(
    "name",
    ["a|b", "cat;dog", "['beagle']", '{"a": 1}', "('cat', 'dog')", "array(['x'])"],
)
def test_several_labels_in_a_cell_are_refused_with_a_sentence(root, name):
    quoted = name.replace('"', '""')
    text = f'path,label\na/1.png,"{quoted}"\nb/1.png,bee\n'
    with pytest.raises(UserError, match=r"several labels in one place .*one class"):
        table(root, text)


@pytest.mark.parametrize("name", ["[red]", "{x}", "(left)", "a, b", "cat/dog"])
def test_brackets_and_commas_are_part_of_a_name(root, name):
    text = f'path,label\na/1.png,"{name}"\nb/1.png,bee\n'
    assert set(table(root, text).classes) == {name, "bee"}


def test_large_numbers_that_differ_are_two_classes(root):
    numbers = ("9007199254740992", "9007199254740993")
    rows = [f"{'ab'[n]}/1.png,{number}" for n, number in enumerate(numbers)]
    assert table(root, "path,label\n" + "\n".join(rows)).classes == numbers


def test_groups_and_near_copies_across_given_splits_are_told(tmp_path, capsys):
    pictures = {f"{n}.jpg": photo(n) for n in range(4)}
    write(tmp_path, {path: encoded(one, "jpeg") for path, one in pictures.items()})
    write(tmp_path, {"again.jpg": encoded(pictures["0.jpg"], "jpeg", quality=60)})
    rows = ["0.jpg,a,s,train", "1.jpg,b,t,train", "2.jpg,a,s,test", "3.jpg,b,u,test"]
    text = "\n".join(["path,label,site,split", *rows, "again.jpg,a,v,test"])
    table(tmp_path, text, group="site")
    said = capsys.readouterr().err
    assert "1 group of the column data.group lies in the test and in another" in said
    assert "0.jpg ~ again.jpg" in said


def test_one_number_in_two_spellings_is_refused(root):
    with pytest.raises(UserError, match=r"labels that are one number \(1 = 1\.0\)"):
        table(root, "path,label\na/1.png,1\na/2.png,1.0\nb/1.png,2\n")


@pytest.mark.parametrize(
    "head", ["path,label,label", "path,Label,label", "path,path,label"]
)
def test_a_doubled_column_is_refused(root, head):
    with pytest.raises(UserError, match="more than once; keep the one that counts"):
        table(root, f"{head}\na/1.png,ant,bee\nb/1.png,bee,ant\n")


def parquet_table(root, **columns):
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), root / "t.parquet")
    return load("table", root / "t.parquet")


def test_parquet_with_doubled_columns_is_told_as_csv_is(root):
    import pyarrow
    from pyarrow import parquet

    of = {"path": NAMES, "label": list("aaabbb")}
    names, columns = ["path", "label", "x", "x"], [*of.values(), NAMES, NAMES]
    columns = list(map(pyarrow.array, columns))
    parquet.write_table(pyarrow.table(columns, names), root / "t.parquet")
    assert load("table", root / "t.parquet").classes == ("a", "b")
    doubled = pyarrow.table(columns[:3], ["path", "label", "label"])
    parquet.write_table(doubled, root / "t.parquet")
    with pytest.raises(UserError, match="column label more than once"):
        load("table", root / "t.parquet")


def test_decimals_of_32_bits_are_as_they_were_written(root):
    import pyarrow

    labels = pyarrow.array([0.1, 0.1, 0.1, 0.25, 0.25, 0.25], "float32")
    assert parquet_table(root, path=NAMES, label=labels).classes == ("0.1", "0.25")


NAMES = [f"{n}/{i}.png" for n in "ab" for i in (1, 2, 3)]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([True, True, True, False, False, False], ("False", "True")),
        ([1.0, 1.0, 1.0, 10.0, 10.0, 2.0], ("1", "2", "10")),
        ([-1, -1, 7, 7, 7, -1], ("-1", "7")),
        ([b"owl", b"owl", b"owl", b"hawk", b"hawk", b"hawk"], ("hawk", "owl")),
        (["x ", "x", "x", "y", "y", "y"], ("x", "y")),
    ],
)
def test_parquet_may_hold_truths_and_numbers(root, labels, classes):
    assert parquet_table(root, path=NAMES, label=labels).classes == classes


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([["beagle"]] * 6, "an image has one path and one label"),
        ([{"name": "beagle"}] * 6, "an image has one path and one label"),
        ([None, "x", "x", "y", "y", "y"], r"1 image has no label \(a/1\.png\)"),
        ([float("nan"), 1.0, 1.0, 2.0, 2.0, 2.0], r"no label \(a/1\.png\)"),
    ],
)
def test_parquet_without_one_label_an_image_is_refused(root, labels, said):
    with pytest.raises(UserError, match=said):
        parquet_table(root, path=NAMES, label=labels)


def test_hidden_labels_of_the_test_leave_validation_to_judge(root, capsys):
    text = ROWS.replace("b/2.png,barn owl,Test", "b/2.png,,Test")
    dataset = table(root, text.replace("a/3.png,ant,test", "a/3.png,NA,test"))
    assert paths(dataset.test) == ["a/2.png"]
    assert "labels of the test are hidden (2 images)" in capsys.readouterr().err


def test_an_absolute_path_inside_the_folder_is_that_file(root):
    inside = ROWS.replace("b/1.png", str(root / "b/1.png"))
    assert table(root, inside).splits == table(root).splits


def test_links_to_blobs_as_the_hubs_cache_makes_them_lie_inside(tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots/0123"
    write(blobs, {str(number): number for number in range(1, 6)})
    for number, row in enumerate(ROWS.splitlines()[1:], 1):
        place = snapshot / row.split(",")[0]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(f"../../../blobs/{number}")
    assert len(table(snapshot).test) == 2
    outside = tmp_path / "other"
    write(outside, {"1.png": 9})
    (snapshot / "a/1.png").unlink()
    (snapshot / "a/1.png").symlink_to(outside / "1.png")
    with pytest.raises(UserError, match=r"1 of 5 listed images lie outside"):
        table(snapshot)


def test_the_metadata_of_an_imagefolder_is_a_table(root):
    rows = [f"{n}/{i}.png,{n}" for n in "ab" for i in range(1, 9)]
    text = "\n".join(["file_name,label", *rows])
    assert table(root, text, "metadata.csv").classes == ("a", "b")
