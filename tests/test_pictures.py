"""One image or many, of every kind that people have; a clear refusal of what is none."""

import io
import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from photos import encoded, forbid, photo, png, write

from apt_jax.data.pictures import name_of, one_by_one, paths_of, picture

IMAGE = photo(1, (8, 6))
PIXELS = np.asarray(IMAGE)  # [6, 8, 3]
DATA = encoded(IMAGE, "png")


@pytest.fixture
def file(tmp_path):
    write(tmp_path, {"a.png": DATA})
    return tmp_path / "a.png"


@pytest.mark.parametrize(
    "kind",
    [
        lambda file: str(file),
        lambda file: file,
        lambda file: np.str_(file),
        lambda file: sorted(os.scandir(file.parent), key=os.fspath)[0],
        lambda file: DATA,
        lambda file: bytearray(DATA),
        lambda file: memoryview(DATA),
        lambda file: io.BytesIO(DATA),
        lambda file: IMAGE,
        lambda file: PIXELS,
        lambda file: jnp.asarray(PIXELS),
        lambda file: PIXELS[None],
        lambda file: [PIXELS],
        lambda file: (file for _ in range(1)),
        lambda file: np.array([str(file)]),
        lambda file: file.parent,
    ],
)
def test_one_image_of_any_kind_is_one_image(file, kind):
    (one,) = one_by_one(kind(file))
    np.testing.assert_array_equal(np.asarray(picture(one)), PIXELS)


def test_many_of_all_kinds_together_keep_their_order(file):
    given = [file, PIXELS, np.stack([PIXELS] * 2), DATA, file.parent, IMAGE]
    assert len(one_by_one(given)) == 7
    assert len(one_by_one(iter(given))) == 7
    names = [name_of(one, place) for place, one in enumerate(one_by_one(given))]
    assert names[0] == names[5] == str(file)
    assert names[1] == "image 1"


@pytest.mark.parametrize("none", [[], (), np.array([]), np.zeros((0, 4, 4, 3), "u1")])
def test_nothing_is_no_image(none):
    assert one_by_one(none) == []


@pytest.mark.parametrize(
    ("shape", "mode"), [((6, 8), "L"), ((6, 8, 1), "L"), ((6, 8, 2), "LA")]
)
def test_grey_arrays_are_grey_pictures_and_what_is_transparent_is_white(shape, mode):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    expected = array.reshape(6, 8, -1)[..., :1].astype(float)
    if mode == "LA":
        share = array[..., 1:] / 255
        expected = expected * share + 255 * (1 - share)
    found = np.asarray(picture(array), float)
    assert np.abs(found - expected.repeat(3, -1)).max() <= 1


def test_an_array_with_alpha_lies_over_white():
    clear = np.concatenate([PIXELS, np.zeros((6, 8, 1), np.uint8)], -1)
    assert (np.asarray(picture(clear)) == 255).all()


def test_a_file_object_is_read_from_where_it_stands_and_stays_open():
    file = io.BytesIO(b"other" + DATA)
    file.seek(5)
    assert picture(file).size == (8, 6)
    assert not file.closed
    with pytest.raises(ValueError, match="not an image"):
        picture(file)  # from the start again, where something else is


def test_a_file_object_at_its_end_is_read_from_the_start():
    file = io.BytesIO()
    IMAGE.save(file, "png")  # leaves it at its end
    for _ in range(2):
        assert picture(file).size == (8, 6)


class Unseekable(io.RawIOBase):
    """What a network gives: bytes, once."""

    def read(self, size=-1):
        return DATA

    def readable(self):
        return True


def test_a_stream_without_places_is_read():
    assert picture(Unseekable()).size == (8, 6)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (None, "None is no image; paths, PIL images"),
        (3, "int is no image"),
        (2.5, "float is no image"),
        ({"a": 1}, "dict is no image"),
        ({"a.jpg"}, "set is no image"),
        ([[IMAGE]], "list is no image"),
        (np.zeros((6, 8, 3)), "an array of float64; give uint8, from 0 to 255"),
        (np.zeros((6, 8), bool), "an array of bool"),
        (np.zeros((3, 6, 8), np.uint8), r"an array \[3, 6, 8\]; give \[H, W\]"),
        (np.zeros((1, 1, 6, 8, 3), np.uint8), "an array"),
        (np.uint8(3), r"an array \[\]"),
        (np.zeros((0, 8, 3), np.uint8), "no pixels"),
        (IMAGE.crop((0, 0, 0, 4)), "no pixels"),
        (b"", "empty file"),
        (b"text", "not an image"),
        (DATA[:-30], "broken image"),
        (io.StringIO("text"), "opened as text"),
        ("a\0b", "null"),
    ],
)
def test_what_is_no_image_is_a_value_error_that_says_why(image, words):
    with pytest.raises(ValueError, match=words):
        [picture(one) for one in one_by_one(image)]


def test_a_closed_file_and_a_closed_picture_are_value_errors(file):
    with open(file, "rb") as stream:
        pass
    with pytest.raises(ValueError, match=r"cannot be read .*closed"):
        picture(stream)
    lazy = type(IMAGE)()  # what is left of a picture whose file is gone
    with pytest.raises(ValueError, match=r"broken image|no pixels"):
        picture(lazy)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: os.mkfifo(path), "not a file"),
        (lambda path: os.symlink("nowhere", path), "No such file"),
        (lambda path: os.symlink(path, path), "symbolic links"),
        (lambda path: path.write_bytes(b""), "empty file"),
        (lambda path: None, "No such file"),
    ],
)
def test_a_place_without_an_image_says_what_is_there(tmp_path, make, words):
    make(tmp_path / "a.jpg")
    with pytest.raises((OSError, ValueError), match=words):
        picture(tmp_path / "a.jpg")


def test_a_folder_is_walked_as_training_walks_it_and_says_what_it_left_out(
    tmp_path, capsys
):
    write(tmp_path, {"b/1.png": 1, "a.png": 2, ".hidden/3.png": 3, "Thumbs.db": b""})
    assert paths_of(tmp_path) == [str(tmp_path / "a.png"), str(tmp_path / "b/1.png")]
    said = capsys.readouterr().err
    assert f"note: {tmp_path}: left out 1 (hidden): .hidden" in said
    assert "left out 1 (made by a system): Thumbs.db" in said
    assert paths_of(tmp_path / "Thumbs.db") == [str(tmp_path / "Thumbs.db")]


def test_a_folder_without_files_says_so(tmp_path, capsys):
    assert one_by_one(tmp_path) == []
    assert "no files in it" in capsys.readouterr().err


def test_a_folder_that_may_not_be_read_is_in_its_place_and_says_why(
    tmp_path, monkeypatch
):
    write(tmp_path, {"a/1.png": 1, "b/2.png": 2, "c/3.png": 3})
    forbid(monkeypatch, "b")
    names = [Path(path).name for path in paths_of(tmp_path)]
    assert names == ["1.png", "b", "3.png"]
    with pytest.raises(PermissionError, match="Permission denied"):
        picture(paths_of(tmp_path)[1])


def test_a_name_of_odd_bytes_is_read(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.png"
    with open(path, "wb") as file:
        file.write(png(1))
    (found,) = paths_of(tmp_path)
    assert os.fsencode(found) == path
    assert picture(found).size == (4, 5)
