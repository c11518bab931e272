"""`predict`: a row for every input, every name as it is, in every format."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from photos import forbid, png, write
from PIL import Image
from toy import CLASSES, photo_folder, toy_folder

import apt_jax
from apt_jax import classifier as classifiers
from apt_jax import command, config
from apt_jax.commands import predict
from apt_jax.errors import UserError
from apt_jax.runs import story

ROOT = Path(__file__).parents[1]
CUT = png(1)[:-30]
FIGURES = (
    *("confidence", "predictive_entropy"),
    *("expected_entropy", "mutual_information"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run, in which nothing was trained."""
    c = config.default(method="zero_shot", source="folder")
    c.clip.checkpoint, c.clip.dtype = str(toy_folder()), "float32"
    c.features.cache_dir, c.shots = "", 3
    c.data.root = str(photo_folder(tmp_path_factory.mktemp("photos")))
    folder = tmp_path_factory.mktemp("runs") / "colours"
    story.run(c, folder)
    return folder


@pytest.fixture(scope="module")
def classifier(run):
    return apt_jax.load(run)


@pytest.fixture
def status(run, monkeypatch):
    """Runs the command on paths and options; its exit status."""
    loaded = apt_jax.load(run)
    monkeypatch.setattr(classifiers, "load", lambda workdir, clip: loaded)

    def call(*arguments):
        line = ["predict", f"--workdir={run}", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", line)
        return command.run(predict.main)

    return call


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


# -- formats ----------------------------------------------------------------------------


def test_csv_has_the_columns_of_predictions_csv_without_the_label(
    run, status, tmp_path, capsys
):
    write(tmp_path, {"a.png": 1})
    assert status(tmp_path / "a.png", "--format=csv") == 0
    (row,) = rows_of(capsys.readouterr().out)
    with open(run / "predictions.csv", newline="", encoding="utf-8") as file:
        columns = csv.DictReader(file).fieldnames
    assert list(row) == [name for name in columns if name != "label"]
    shares = [float(row[f"p:{name}"]) for name in sorted(CLASSES)]
    assert max(shares) == float(row["confidence"])
    assert row["predicted"] == sorted(CLASSES)[int(np.argmax(shares))]
    assert (row["reason"], row["error"]) == ("ok", "")


def test_json_has_probabilities_by_class_name(status, tmp_path, capsys):
    write(tmp_path, {"a.png": 1})
    assert status(tmp_path / "a.png", "--format=json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["path"] == str(tmp_path / "a.png")
    assert list(row["probabilities"]) == sorted(CLASSES)
    assert row["confidence"] == max(row["probabilities"].values())
    assert (row["reason"], row["error"]) == ("ok", None)


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_out_gets_what_would_be_printed_and_standard_output_nothing(
    status, tmp_path, capsys, form
):
    write(tmp_path, {"a.png": 1})
    assert status(tmp_path / "a.png", f"--format={form}") == 0
    printed = capsys.readouterr().out
    out = tmp_path / "new/out"
    assert status(tmp_path / "a.png", f"--format={form}", f"--out={out}") == 0
    assert capsys.readouterr().out == ""
    assert out.read_text(encoding="utf-8") == printed


# -- one bad file -----------------------------------------------------------------------


def bad_places(folder):
    """A file for each way in which a place holds no image; by name, why."""
    write(folder, {"a.png": 1, "cut.png": CUT, "empty.png": b"", "z.png": 2})
    os.mkfifo(folder / "fifo.png")
    os.symlink("nowhere", folder / "link.png")
    return {
        "cut.png": "broken image",
        "empty.png": "empty file",
        "fifo.png": "not a file",
        "link.png": "No such file",
    }


def test_bad_files_have_rows_in_their_place_and_the_status_is_2(
    status, tmp_path, capsys
):
    bad = bad_places(tmp_path)
    assert status(tmp_path, "--format=csv") == 2
    told = capsys.readouterr()
    rows = {Path(row["path"]).name: row for row in rows_of(told.out)}
    assert list(rows) == sorted([*bad, "a.png", "z.png"])
    for name, row in rows.items():
        figures = [row[column] for column in FIGURES]
        if name in bad:
            assert row["reason"] == "unreadable"
            assert row["error"].startswith(bad[name])
            assert figures == [""] * 4
            assert row["predicted"] == row["p:red"] == ""
        else:
            assert row["reason"] == "ok"
            assert all(figures)
    assert told.err.startswith("error: 4 of 6 images cannot be read (")
    assert told.err.count("\n") == 1


def test_bad_files_have_null_figures_in_json_and_their_reason_in_the_table(
    status, tmp_path, capsys
):
    bad = bad_places(tmp_path)
    assert status(tmp_path, "--format=json") == 2
    for row in json.loads(capsys.readouterr().out):
        is_bad = Path(row["path"]).name in bad
        assert (row["reason"] == "unreadable") == is_bad == bool(row["error"])
        assert (row["probabilities"] is None) == (row["confidence"] is None) == is_bad
    assert status(tmp_path) == 2
    table = capsys.readouterr().out
    assert all(reason in table for reason in bad.values())


def test_bad_files_change_no_figure_of_the_others(status, tmp_path, capsys):
    bad_places(tmp_path)
    status(tmp_path, "--format=json")
    among = {row["path"]: row for row in json.loads(capsys.readouterr().out)}
    good = [str(tmp_path / name) for name in ("z.png", "a.png")]
    status(*good, "--format=json")
    for row in json.loads(capsys.readouterr().out):
        assert row == among[row["path"]]


def test_on_error_skip_leaves_with_status_0_and_keeps_the_rows(
    status, tmp_path, capsys
):
    bad_places(tmp_path)
    assert status(tmp_path, "--format=csv", "--on-error=skip") == 0
    told = capsys.readouterr()
    assert len(rows_of(told.out)) == 6
    assert told.err == ""


@pytest.mark.parametrize("options", [[], ["--on-error=skip"]])
def test_where_nothing_can_be_read_there_are_rows_and_status_2(
    status, tmp_path, capsys, options
):
    places = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    assert status(*places, "--format=csv", *options) == 2
    told = capsys.readouterr()
    assert [row["reason"] for row in rows_of(told.out)] == ["unreadable"] * 2
    assert "a.jpg: No such file or directory; " in told.err


def test_a_path_that_is_not_there_is_a_row_among_the_others(status, tmp_path, capsys):
    write(tmp_path, {"a.png": 1})
    assert status(tmp_path / "none.png", tmp_path / "a.png", "--format=csv") == 2
    rows = rows_of(capsys.readouterr().out)
    assert [row["reason"] for row in rows] == ["unreadable", "ok"]


def test_a_folder_that_may_not_be_read_is_a_row(status, tmp_path, capsys, monkeypatch):
    write(tmp_path, {"a.png": 1, "b/2.png": 2})
    forbid(monkeypatch, "b")
    assert status(tmp_path, "--format=csv") == 2
    rows = rows_of(capsys.readouterr().out)
    assert [row["error"] for row in rows] == ["", "Permission denied"]


# -- what is named ----------------------------------------------------------------------


def test_a_file_that_is_named_twice_has_one_row_where_it_is_first(
    status, tmp_path, capsys, monkeypatch
):
    write(tmp_path, {"a.png": 1, "b.png": 2})
    monkeypatch.chdir(tmp_path)
    assert status("b.png", tmp_path, "./b.png", "--format=csv") == 0
    rows = rows_of(capsys.readouterr().out)
    assert [row["path"] for row in rows] == ["b.png", str(tmp_path / "a.png")]


def test_a_hidden_file_is_read_where_it_is_named_and_told_of_where_it_is_not(
    status, tmp_path, capsys
):
    write(tmp_path, {"a.png": 1, ".b.png": 2})
    assert status(tmp_path, "--format=csv") == 0
    told = capsys.readouterr()
    assert len(rows_of(told.out)) == 1
    assert "left out 1 (hidden): .b.png" in told.err
    assert status(tmp_path / ".b.png", "--format=csv") == 0


def test_a_folder_without_photographs_is_an_error(status, tmp_path, capsys):
    assert status(tmp_path) == 2
    assert "error: no files below" in capsys.readouterr().err


# -- before the work --------------------------------------------------------------------


def no_work(workdir):
    raise AssertionError("too late")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--format=xml", "invalid choice: 'xml'"),
        ("--on-error=ignore", "invalid choice: 'ignore'"),
        ("--nonsense", "unknown argument '--nonsense'"),
        ("--out={there}", "is no file that can be written"),
        ("--out={there}/a.png/out.csv", "Not a directory"),
        ("--out={there}/a.png", "is one of the photographs"),
        ("--out=/dev/null", "is no file that can be written"),
        ("--out={run}/results.json", "is a file of the run"),
        ("--out=", "is no file that can be written"),
        ("--out=/proc/out.csv", "cannot write /proc/out.csv"),
    ],
)
def test_wrong_options_are_one_line_before_the_work(
    status, run, tmp_path, capsys, monkeypatch, option, words
):
    write(tmp_path, {"a.png": 1})
    monkeypatch.setattr(classifiers, "load", no_work)
    option = option.format(there=tmp_path, run=run)
    assert status(tmp_path / "a.png", option) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert words in told.err
    assert told.err.count("\n") == 1


def test_no_photograph_named_is_one_line(status, capsys):
    assert status() == 2
    assert "error: the following arguments are required: PHOTO_OR_FOLDER" in (
        capsys.readouterr().err
    )


def test_a_work_directory_that_is_not_there_is_told_as_such(tmp_path):
    for place in (tmp_path / "absent", tmp_path / "file"):
        (tmp_path / "file").touch()
        with pytest.raises(
            UserError, match=r"^there is no folder .*; name the `folder`"
        ):
            apt_jax.load(place)


def test_without_standard_output_the_work_is_done(status, tmp_path, monkeypatch):
    write(tmp_path, {"a.png": 1})
    monkeypatch.setattr(sys, "stdout", None)
    assert status(tmp_path / "a.png") == 0


def test_a_disk_that_fills_up_is_one_line(status, tmp_path, capsys, monkeypatch):
    def full(path, parts):
        raise OSError(28, "No space left on device")

    write(tmp_path, {"a.png": 1})
    monkeypatch.setattr(predict, "write_parts", full)
    assert status(tmp_path / "a.png", f"--out={tmp_path / 'out'}") == 2
    assert "(No space left on device)" in capsys.readouterr().err


# -- in Python --------------------------------------------------------------------------


def test_one_image_of_any_kind_has_one_row_and_the_same_figures(classifier, tmp_path):
    write(tmp_path, {"a.png": 1})
    path = tmp_path / "a.png"
    first = classifier.predict(str(path))
    assert first.probabilities.shape == (1, 3)
    with open(path, "rb") as file:
        data = path.read_bytes()
        kinds = [path, tmp_path, data, bytearray(data), file, [path], (path,)]
        kinds += [Image.open(path), np.asarray(Image.open(path))]
        for kind in kinds:
            found = classifier.predict(kind)
            assert found.labels == first.labels
            np.testing.assert_array_equal(found.probabilities, first.probabilities)


@pytest.mark.parametrize("nothing", [[], (), iter([]), np.zeros((0, 4, 4, 3), "u1")])
def test_no_images_are_an_empty_result(classifier, nothing):
    found = classifier.predict(nothing)
    assert found.labels == []
    assert found.probabilities.shape == (0, 3)
    for name in FIGURES:
        assert getattr(found, name).shape == (0,)
        assert getattr(found, name).dtype == np.float64


@pytest.mark.parametrize("image", [None, 3, {"a": 1}, [None, 2], np.zeros((4, 4, 3))])
def test_what_is_no_image_is_a_value_error(classifier, image):
    with pytest.raises(ValueError, match=r"images? cannot be read .*image 0: ") as told:
        classifier.predict(image)
    assert isinstance(told.value, UserError)
    assert "\n" not in str(told.value)


def test_all_that_cannot_be_read_is_named(classifier, tmp_path):
    bad = bad_places(tmp_path)
    with pytest.raises(UserError, match="4 of 7 images") as told:
        classifier.predict([np.zeros((4, 4), np.uint8), tmp_path])
    assert all(name in str(told.value) for name in bad)


# -- names and terminals ----------------------------------------------------------------


ODD = {
    b"a\nb.png": "a\nb.png",
    b"caf\xe9.png": r"caf\udce9.png",
    b"cut\xff.png": r"cut\udcff.png",
    "naïve 日本 🐶.png".encode(): "naïve 日本 🐶.png",
}


@pytest.fixture
def odd_folder(tmp_path):
    """A folder of files with odd names, one of them broken."""
    folder = os.fsencode(tmp_path) + b"/in"
    os.mkdir(folder)
    for name in ODD:
        with open(folder + b"/" + name, "wb") as file:
            file.write(CUT if name.startswith(b"cut") else png(1))
    return os.fsdecode(folder)


def names_in(text, form):
    rows = json.loads(text) if form == "json" else rows_of(text)
    return [row["path"].rpartition("/")[2] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "form"),
    [
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "json"),
        ({"PYTHONIOENCODING": "ascii"}, "csv"),
    ],
)
def test_a_locale_without_the_letters_of_a_name_costs_nothing(
    run, odd_folder, environment, form
):
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LC_", "LANG", "PYTHON"))
    }
    line = [
        "-m",
        "apt_jax",
        "predict",
        f"--workdir={run}",
        f"--format={form}",
        odd_folder,
    ]
    done = subprocess.run(
        [sys.executable, *line],
        cwd=ROOT,
        env=kept | environment | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(b"error: 1 of 4 images cannot be read (")
    assert done.stderr.count(b"\n") == 1
    assert rb"cut\udcff.png: broken image" in done.stderr
    found = names_in(done.stdout.decode("ascii"), form)
    assert found[:3] == list(ODD.values())[:3]


@pytest.mark.parametrize("form", ["table", "csv", "json"])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_whatever_standard_output_can_encode_gets_all_rows(
    status, odd_folder, monkeypatch, form, encoding
):
    stream = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    assert status(odd_folder, f"--format={form}") == 2
    stream.flush()
    text = stream.buffer.getvalue().decode(encoding)
    if form == "table":
        assert r"cut\udcff.png" in text
        assert len(text.splitlines()) == 2 + len(ODD)
        return
    found = names_in(text, form)
    assert found[:3] == list(ODD.values())[:3]
    if form == "json" or encoding == "utf-8":
        assert found == list(ODD.values())


@pytest.mark.parametrize("form", ["csv", "json"])
def test_files_name_what_is_no_utf_8_by_the_same_escapes(
    status, odd_folder, tmp_path, form
):
    out = tmp_path / "out"
    assert status(odd_folder, f"--format={form}", f"--out={out}") == 2
    text = out.read_bytes().decode("utf-8")
    assert names_in(text, form) == list(ODD.values())
