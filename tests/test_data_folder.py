"""Photographs in folders: layouts, splits, copies, and what people put there."""

import os

import pytest
from photos import forbid, load, paths, png, write

from apt_jax.data.check import check
from apt_jax.data.scan import scan
from apt_jax.errors import UserError


def folder(root, **fields):
    return load("folder", root, **fields)


def many(*classes, count=10):
    """`count` different pictures of each class, in the layout without splits."""
    return {
        f"{name}/{number:02d}.png": 100 * label + number
        for label, name in enumerate(classes)
        for number in range(count)
    }


def given(**extra):
    """Two classes with a training and a test image each, in the layout with splits."""
    files = {
        "train/a/1.png": 1,
        "train/b/1.png": 2,
        "test/a/2.png": 3,
        "test/b/2.png": 4,
    }
    return files | extra


def test_splits_that_are_given_are_kept_with_classes_in_sorted_order(tmp_path):
    files = given() | {"val/b/3.png": 5, "train/Z/1.png": 6, "test/Z/1.png": 7}
    write(tmp_path, files)
    dataset = folder(tmp_path)
    assert dataset.classes == ("Z", "a", "b")
    assert [(item.path, item.label) for item in dataset.train] == [
        ("train/Z/1.png", 0),
        ("train/a/1.png", 1),
        ("train/b/1.png", 2),
    ]
    assert [(item.path, item.label) for item in dataset.val] == [("val/b/3.png", 2)]
    assert paths(dataset.test) == ["test/Z/1.png", "test/a/2.png", "test/b/2.png"]
    assert dataset.name == tmp_path.name
    assert dataset.read(dataset.test[0]) == png(7)


def test_without_splits_each_class_is_divided_50_20_30(tmp_path):
    write(tmp_path, many("a", "b"))
    dataset = folder(tmp_path)
    for label in (0, 1):
        counts = {
            split: sum(item.label == label for item in items)
            for split, items in dataset.splits.items()
        }
        assert counts == {"train": 5, "val": 2, "test": 3}
    everything = [path for items in dataset.splits.values() for path in paths(items)]
    assert sorted(everything) == sorted(many("a", "b"))


def test_the_seed_chooses_the_split(tmp_path):
    write(tmp_path, many("a", "b"))
    assert folder(tmp_path).splits == folder(tmp_path).splits
    assert folder(tmp_path).test != folder(tmp_path, seed=2).test


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_small_class_still_has_training_and_test_images(tmp_path, count):
    write(tmp_path, many("a", "b", count=count))
    dataset = folder(tmp_path)
    assert {item.label for item in dataset.train} == {0, 1}
    assert {item.label for item in dataset.test} == {0, 1}


@pytest.mark.parametrize("seed", range(8))
def test_copies_stay_on_one_side_of_a_drawn_split(tmp_path, seed):
    # Six pictures of each class, four files each.
    files = {
        f"{c}/{n:02d}.png": n % 6 + 10 * (c == "b") for c in "ab" for n in range(24)
    }
    write(tmp_path, files)
    splits = folder(tmp_path, seed=seed).splits
    contents = [{files[item.path] for item in items} for items in splits.values()]
    assert all(contents)
    assert sum(map(len, contents)) == len(set(files.values()))


@pytest.mark.parametrize("seed", range(4))
def test_two_large_groups_of_copies_still_give_both_training_and_test(tmp_path, seed):
    write(tmp_path, many("a") | {f"b/{n:02d}.png": 500 + n % 2 for n in range(20)})
    dataset = folder(tmp_path, seed=seed)
    assert {item.label for item in dataset.train} == {0, 1}
    assert {item.label for item in dataset.test} == {0, 1}


def test_a_picture_in_two_classes_is_an_error_that_names_both_files(tmp_path):
    write(tmp_path, many("a", "b") | {"a/x.png": 900, "b/y.png": 900})
    with pytest.raises(UserError, match=r"2 images have .*a/x\.png, b/y\.png.*=skip"):
        folder(tmp_path)


def test_a_picture_in_two_classes_is_dropped_on_request(tmp_path, capsys):
    write(tmp_path, many("a", "b") | {"a/x.png": 900, "b/y.png": 900})
    dataset = folder(tmp_path, on_error="skip")
    everything = {path for items in dataset.splits.values() for path in paths(items)}
    assert everything == set(many("a", "b"))
    assert "dropped: 2 images" in capsys.readouterr().err


def test_a_copy_of_a_test_image_in_training_is_an_error_that_names_it(tmp_path):
    write(tmp_path, given() | {"train/a/copy.png": 3})
    with pytest.raises(UserError, match=r"train/a/copy\.png = test/a/2\.png.*=skip"):
        folder(tmp_path)


def test_copies_are_dropped_from_training_and_validation_on_request(tmp_path, capsys):
    copies = {"train/a/copy.png": 3, "val/b/copy.png": 4, "train/b/of_val.png": 9}
    write(tmp_path, given() | copies | {"val/b/new.png": 9})
    dataset = folder(tmp_path, on_error="skip")
    assert paths(dataset.train) == ["train/a/1.png", "train/b/1.png"]
    assert paths(dataset.val) == ["val/b/new.png"]
    assert paths(dataset.test) == ["test/a/2.png", "test/b/2.png"]
    assert "dropped: 3 images" in capsys.readouterr().err


def test_empty_files_are_no_copies_of_each_other(tmp_path):
    write(tmp_path, given() | {"train/a/0.png": b"", "test/a/0.png": b""})
    with pytest.raises(UserError, match=r"2 files .*train/a/0\.png: empty file"):
        scan(folder(tmp_path))


def test_hidden_files_and_folders_are_no_images_and_no_classes(tmp_path):
    write(tmp_path, many("a", "b") | {"a/.DS_Store": b"x", ".thumbnails/1.png": 1})
    dataset = folder(tmp_path)
    assert dataset.classes == ("a", "b")
    assert sum(map(len, dataset.splits.values())) == 20


def test_a_class_may_be_called_train(tmp_path):
    write(tmp_path, many("plane", "train"))
    assert folder(tmp_path).classes == ("plane", "train")


def test_what_is_not_read_is_said(tmp_path, capsys):
    write(tmp_path, given() | {"extra/a/1.png": 8, "train/list.txt": b"x"})
    folder(tmp_path)
    notes = capsys.readouterr().err
    assert "not read: extra (splits are train, val and test)" in notes
    assert "in no class folder: list.txt" in notes


def test_pipes_and_dead_links_in_a_class_are_found_by_the_scan(tmp_path):
    write(tmp_path, given())
    os.mkfifo(tmp_path / "train/a/pipe")
    os.symlink("nowhere", tmp_path / "train/b/link.png")
    with pytest.raises(UserError, match=r"2 files") as caught:
        scan(folder(tmp_path))
    assert "train/a/pipe: not a file" in str(caught.value)
    assert "train/b/link.png: No such file" in str(caught.value)


def test_an_empty_class_folder_is_a_class_without_images(tmp_path):
    write(tmp_path, many("a", "b"))
    (tmp_path / "c").mkdir()
    assert folder(tmp_path).classes == ("a", "b", "c")


def test_what_no_image_is_changes_nothing_in_the_split(tmp_path, capsys):
    write(tmp_path / "plain", many("a", "b"))
    junk = {"a/Thumbs.db": b"x", "a/00a.png": b"broken", "b/05b.jpg": b"", "b/x": b"no"}
    write(tmp_path / "odd", many("a", "b") | junk)
    for seed in range(5):
        sound = folder(tmp_path / "plain", seed=seed)
        kept = folder(tmp_path / "odd", seed=seed, on_error="skip")
        assert kept.splits == sound.splits
    assert "dropped 3 unreadable files" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"3 files .*a/00a\.png: not an image"):
        folder(tmp_path / "odd")


def test_two_photographs_and_a_broken_file_are_a_class_to_train_and_test(tmp_path):
    write(tmp_path, many("a", "b", count=2) | {"a/broken.png": b"x"})
    for seed in range(5):
        dataset = scan(folder(tmp_path, seed=seed, on_error="skip"), on_error="skip")
        assert {item.label for item in dataset.train} == {0, 1}
        assert {item.label for item in dataset.test} == {0, 1}


def test_a_class_with_one_photograph_trains_and_has_no_test_image(tmp_path):
    write(tmp_path, many("a", "b", "c", "d", count=20) | {"rare/1.png": 999})
    for seed in range(5):
        dataset = folder(tmp_path, seed=seed)
        assert "rare/1.png" in paths(dataset.train)
        assert {item.label for item in dataset.test} == {0, 1, 2, 3}
        assert any("no test images of 'rare'" in line for line in check(dataset, 0))


@pytest.mark.parametrize(
    ("names", "sizes", "said"),
    [
        (("train", "valid", "test"), (2, 2, 2), ""),
        (("train", "validation", "test"), (2, 2, 2), ""),
        (("Training", "Dev", "Testing"), (2, 2, 2), ""),
        (("train", "val"), (2, 0, 2), "val is the test"),
        (("train", "valid"), (2, 0, 2), "valid is the test"),
        (("TRAIN", "Validation"), (2, 0, 2), "Validation is the test"),
    ],
)
def test_splits_by_other_usual_names_are_splits(tmp_path, capsys, names, sizes, said):
    numbers = iter(range(100))
    write(
        tmp_path, {f"{name}/{c}/1.png": next(numbers) for name in names for c in "ab"}
    )
    dataset = folder(tmp_path)
    assert tuple(map(len, dataset.splits.values())) == sizes
    assert dataset.classes == ("a", "b")
    assert said in capsys.readouterr().err


def test_a_test_without_class_folders_leaves_validation_to_judge(tmp_path, capsys):
    files = {f"train/{c}/1.png": ord(c) for c in "ab"}
    files |= {f"val/{c}/1.png": 2 * ord(c) for c in "ab"}
    write(tmp_path, files | {"test/0001.png": 7, "test/0002.png": 8})
    dataset = folder(tmp_path)
    assert paths(dataset.test) == ["val/a/1.png", "val/b/1.png"]
    assert "not read: test" in capsys.readouterr().err


def test_what_systems_leave_behind_is_no_class_and_is_told(tmp_path, capsys):
    junk = {"__MACOSX/a/._1.png": 1, "@eaDir/b/1.png": 2, ".ipynb_checkpoints/a.png": 3}
    write(
        tmp_path, many("a", "b") | junk | {"a/@eaDir/2.png": 4, "b/desktop.ini": b"x"}
    )
    assert folder(tmp_path).classes == ("a", "b")
    said = capsys.readouterr().err
    assert "left out 1 (hidden): .ipynb_checkpoints" in said
    assert "left out 4 (made by a system): @eaDir, __MACOSX, a/@eaDir, b/d" in said


def test_folders_below_a_class_are_read_and_counted(tmp_path, capsys):
    write(tmp_path, many("a", "b") | {"a/2024/may/x.png": 900, "b/old/y.png": 901})
    dataset = folder(tmp_path)
    labels = {i.path: i.label for items in dataset.splits.values() for i in items}
    assert (labels["a/2024/may/x.png"], labels["b/old/y.png"]) == (0, 1)
    assert "2 images in folders below a class folder" in capsys.readouterr().err


def test_a_linked_class_folder_is_read_and_a_link_that_leads_back_is_told(
    tmp_path, capsys
):
    write(tmp_path / "photos", many("a"))
    write(tmp_path / "far", {f"{n}.png": 700 + n for n in range(4)})
    os.symlink(tmp_path / "far", tmp_path / "photos/b")
    os.symlink(tmp_path / "photos", tmp_path / "photos/a/again")
    dataset = folder(tmp_path / "photos")
    assert dataset.classes == ("a", "b")
    assert sum(map(len, dataset.splits.values())) == 14
    assert "(a link that leads back): a/again" in capsys.readouterr().err


def test_a_class_folder_that_may_not_be_read_is_refused_or_told(
    tmp_path, capsys, monkeypatch
):
    write(tmp_path, many("a", "b", "c"))
    forbid(monkeypatch, "c")
    with pytest.raises(UserError, match=r"\(c: Permission denied\)"):
        folder(tmp_path)
    assert folder(tmp_path, on_error="skip").classes == ("a", "b", "c")
    assert "dropped 1 unreadable file: 1 Permission denied" in capsys.readouterr().err


def test_one_name_in_two_spellings_of_unicode_is_one_class_across_splits(tmp_path):
    composed, apart = "caf\u00e9", "cafe\u0301"
    files = {f"train/{composed}/1.png": 1, f"test/{apart}/2.png": 2}
    write(tmp_path / "split", files | {"train/b/1.png": 3, "test/b/2.png": 4})
    assert folder(tmp_path / "split").classes == ("b", composed)
    write(tmp_path / "drawn", many(composed, apart))
    with pytest.raises(UserError, match="there twice"):
        check(folder(tmp_path / "drawn"), 0)


def test_the_same_bytes_under_two_labels_of_one_given_split_are_refused(tmp_path):
    write(tmp_path, given() | {"train/b/copy.png": 1})
    with pytest.raises(UserError, match=r"train/a/1\.png, train/b/copy\.png"):
        folder(tmp_path)
    assert "train/a/1.png" not in paths(folder(tmp_path, on_error="skip").train)


def test_a_missing_root_is_one_line_that_shows_the_layouts(tmp_path):
    with pytest.raises(UserError, match=r"^no folder .*absent.*ROOT/train/CLASS.*$"):
        folder(tmp_path / "absent")
    with pytest.raises(UserError, match=r"data\.root is empty.*ROOT/CLASS"):
        load("folder", "")


def test_an_archive_as_root_says_to_unpack_it(tmp_path):
    write(tmp_path, {"photos.zip": b"PK"})
    with pytest.raises(UserError, match=r"is a file; unpack it"):
        folder(tmp_path / "photos.zip")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"1.png": 1}, r"no folders of images.*ROOT/train/CLASS"),
        (
            {"x/a/1.png": 1, "y/b/1.png": 2},
            r"no folders of images: all 2 files lie deeper, in folders of x, y; the lay",
        ),
        ({"fit/a/1.png": 1, "judge/a/1.png": 2}, r"no folders of images"),
        ({"train/a/1.png": 1}, r"no folder test; the layouts are"),
        ({"test/a/1.png": 1}, r"no folder train; the layouts are"),
        ({"train/a/1.png": 1, "test/1.png": 2}, r"test has no folders of images"),
        ({"val/a/1.png": 1, "val/b/1.png": 2}, r"no folder train; the layouts are"),
        (
            {f"{split}/a/1.png": 1 for split in ("train", "valid", "dev", "test")},
            r"has valid and dev, which are one split; keep one",
        ),
    ],
)
def test_a_wrong_layout_says_which_is_right(tmp_path, files, message):
    write(tmp_path, files)
    with pytest.raises(UserError, match=message) as caught:
        folder(tmp_path)
    assert "\n" not in str(caught.value)


def test_file_names_that_are_no_utf8_are_reported_and_can_be_dropped(tmp_path):
    write(tmp_path, given())
    (tmp_path / os.fsdecode(b"train/a/caf\xe9.png")).write_bytes(png(9))
    with pytest.raises(UserError, match=r"caf\\udce9\.png: file name is not UTF-8"):
        folder(tmp_path)
    kept = scan(folder(tmp_path, on_error="skip"))
    assert paths(kept.train) == ["train/a/1.png", "train/b/1.png"]
    assert len(kept.items) == 4


def test_a_folder_or_file_without_permission_is_an_error_that_names_it(tmp_path):
    write(tmp_path, given())
    forbidden = tmp_path / "train/a/1.png"
    forbidden.chmod(0)
    if os.access(forbidden, os.R_OK):
        pytest.skip("NOT CHECKED: this user may read everything")
    with pytest.raises(UserError, match=r"train/a/1\.png: Permission denied"):
        scan(folder(tmp_path))
    forbidden.parent.chmod(0)
    try:
        with pytest.raises(UserError, match=r"train/a: Permission denied"):
            folder(tmp_path)
    finally:
        forbidden.parent.chmod(0o700)
