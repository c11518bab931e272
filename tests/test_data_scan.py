"""Broken images are found before any work, all of them together."""

import contextlib
import dataclasses
import hashlib

import pytest
from photos import load, paths, png, write

from apt_jax.data import scan as module
from apt_jax.data.dataset import Item
from apt_jax.data.scan import scan
from apt_jax.errors import UserError

GOOD = {"train/a/1.png": 1, "train/b/1.png": 2, "test/a/2.png": 3, "test/b/2.png": 4}
BROKEN = {
    "train/a/empty.jpg": b"",
    "train/b/notes.txt": b"buy milk",
    "test/b/cut.png": png(7)[:60],
    "val/a/list.txt": b"sell milk",
}


@pytest.fixture
def good(tmp_path):
    write(tmp_path / "photos", GOOD)
    return load("folder", tmp_path / "photos")


@pytest.fixture
def broken(good, tmp_path):
    """The same and broken files, of a source that lists images and looks at none."""
    write(tmp_path / "photos", BROKEN)
    more = [Item(path, "ab".index(path.split("/")[1])) for path in BROKEN]
    return good.with_splits(
        {
            split: (*items, *(item for item in more if item.path.startswith(split)))
            for split, items in good.splits.items()
        }
    )


def hashes_of(dataset):
    return {item.path: item.sha256 for item in dataset.items}


def test_a_sound_data_set_comes_back_with_the_hash_of_every_image(good):
    scanned = scan(good)
    assert scanned == good
    assert hashes_of(scanned) == {
        path: hashlib.sha256(png(number)).hexdigest() for path, number in GOOD.items()
    }


def test_an_image_that_no_source_grouped_is_one_with_its_copies(tmp_path):
    write(tmp_path, GOOD | {"train/a/copy.png": 1})
    train = {item.path: item for item in scan(load("folder", tmp_path)).train}
    groups = {path: item.group for path, item in train.items()}
    assert groups["train/a/copy.png"] == groups["train/a/1.png"]
    assert len(set(groups.values())) == 2
    assert set(groups.values()) == {item.sha256 for item in train.values()}


def test_the_group_that_a_source_gave_stays(good):
    given = tuple(dataclasses.replace(item, group="one day") for item in good.train)
    scanned = scan(dataclasses.replace(good, train=given))
    assert {item.group for item in scanned.train} == {"one day"}
    assert "one day" not in {item.group for item in scanned.test}


def test_place_and_label_make_an_item_and_what_is_found_out_does_not():
    plain = Item("a/1.png", 0)
    assert plain == Item("a/1.png", 0, sha256="ab", group="one day")
    assert len({plain, Item("a/1.png", 0, sha256="ab")}) == 1
    assert plain != Item("a/1.png", 1)


def test_all_faults_are_listed_together_with_their_reasons(broken):
    with pytest.raises(
        UserError, match=r"^4 files cannot be read as images \("
    ) as caught:
        scan(broken)
    message = str(caught.value)
    assert "train/a/empty.jpg: empty file" in message
    assert "train/b/notes.txt: not an image" in message
    assert "test/b/cut.png: broken image (" in message
    assert "drop them with `on_error`=skip" in message
    assert "\n" not in message


def test_skip_drops_them_from_all_splits_and_counts_the_reasons(broken, capsys):
    kept = scan(broken, on_error="skip")
    assert [paths(items) for items in kept.splits.values()] == [
        ["train/a/1.png", "train/b/1.png"],
        [],
        ["test/a/2.png", "test/b/2.png"],
    ]
    assert hashes_of(kept).keys() == GOOD.keys()
    said = capsys.readouterr().err
    assert "dropped 4 unreadable files: 2 not an image, 1 empty file" in said


def test_the_first_ten_are_named_and_the_rest_counted(tmp_path):
    write(tmp_path, GOOD | {f"train/a/x{n:02d}": b"no" for n in range(13)})
    with pytest.raises(UserError, match=r"13 files .*x09: not an image and 3 more\)"):
        scan(load("folder", tmp_path))


def test_what_decoded_once_is_only_hashed_afterwards(good, tmp_path, monkeypatch):
    known, decoded = tmp_path / "cache/decoded.txt", []
    plain = module.decode
    monkeypatch.setattr(module, "decode", lambda data: decoded.append(plain(data)))
    first = hashes_of(scan(good, known_good_file=known))
    second = hashes_of(scan(good, known_good_file=known))
    assert len(decoded) == len(GOOD)
    assert first == second
    assert set(known.read_text().split()) == set(first.values())


def test_a_changed_image_is_decoded_again(good, tmp_path):
    known = tmp_path / "decoded.txt"
    scan(good, known_good_file=known)
    write(tmp_path / "photos", {"train/a/1.png": b"no image now"})
    with pytest.raises(UserError, match=r"1 file .*train/a/1\.png: not an image"):
        scan(good, known_good_file=known)


def test_broken_images_are_not_remembered_as_good(broken, tmp_path):
    known = tmp_path / "decoded.txt"
    for _ in range(2):
        with pytest.raises(UserError, match="4 files"):
            scan(broken, known_good_file=known)
    assert len(known.read_text().split()) == len(GOOD)


def test_runs_side_by_side_add_to_one_memory_and_half_lines_do_no_harm(
    good, tmp_path, monkeypatch
):
    known = tmp_path / "decoded.txt"
    other = "f" * 64
    known.write_bytes(f"{other}\n{other[:30]}".encode() + b"\xff")
    hashes = hashes_of(scan(good, known_good_file=known))
    assert {other, *hashes.values()} <= set(known.read_text(errors="replace").split())
    monkeypatch.setattr(module, "decode", pytest.fail)  # all are known
    assert hashes_of(scan(good, known_good_file=known)) == hashes


def test_a_memory_that_cannot_be_written_names_the_setting(good, tmp_path):
    write(tmp_path, {"cache": b"a file"})
    with pytest.raises(UserError, match=r"cannot write .*`cache_dir`"):
        scan(good, known_good_file=tmp_path / "cache/decoded.txt")


def test_an_interrupt_does_not_wait_for_the_images_left(good, monkeypatch):
    done = []

    def read(item):
        done.append(item)
        return png(1)

    @contextlib.contextmanager
    def interrupted(total, what):
        def advance():
            raise KeyboardInterrupt

        yield advance

    monkeypatch.setattr(module, "progress", interrupted)
    many = dataclasses.replace(good, train=good.train * 20_000, read=read)
    with pytest.raises(KeyboardInterrupt):
        scan(many)
    assert len(done) < len(many.train) / 2
