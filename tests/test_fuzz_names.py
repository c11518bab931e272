"""Names of classes, files and columns, whatever they are: all outputs give them back."""

import csv
import io
import json
import os
import shutil
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_grid_report import cell
from toy import draw

from apt_jax import command, config, tables
from apt_jax.commands import predict
from apt_jax.data import Item
from apt_jax.errors import UserError
from apt_jax.metrics.figures import OF_AN_IMAGE
from apt_jax.names import printable, storable
from apt_jax.report import grid, grid_tables
from apt_jax.report.grid_rows import Rows
from apt_jax.report.predictions import ANSWER, render, rows, write_predictions
from apt_jax.runs import story
from apt_jax.runs.workdir import Workdir
from apt_jax.uncertainty.predictions import Predictions
from apt_jax.uncertainty.softmax import Prediction

FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,  # CI must not fail by chance
)
ODD = [
    *("path", "confidence", "predicted", "reason", "error", "label", "p:path", "p:p:x"),
    *("[red]", ":dog:", "a,b", '"q"', "=1+1", "a\nb", "a\rb", "\r\n", " ", "|", "\t"),
    *("nan", "1", "None", "é", "e\u0301", "🐶", "\u202e", "\x1b[31m", "x" * 300, "-"),
]
NAMES = st.sampled_from(ODD) | st.text()
CLASSES = st.lists(NAMES, min_size=1, max_size=4, unique=True)
PATHS = NAMES | st.binary(max_size=20).map(os.fsdecode)
REASONS = st.none() | NAMES.filter(bool)


def predicted(count, classes, seed=0):
    """Made-up predictions of `count` images."""
    logits = np.random.default_rng(seed).normal(size=(count, len(classes)))
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    prediction = Prediction(log_probs, logits, np.full(count, 0.01))
    return Predictions.of(prediction, classes)


def answered(places, classes):
    """Rows of (path, why it cannot be read), and the predictions of the others."""
    paths = [path for path, _ in places]
    faults = {at: why for at, (_, why) in enumerate(places) if why}
    found = predicted(len(paths) - len(faults), classes)
    return list(rows(paths, found, classes, faults)), found


PLACES = st.lists(st.tuples(PATHS, REASONS), min_size=1, max_size=4)


@FUZZ
@given(places=PLACES, classes=CLASSES)
def test_csv_gives_back_every_name_and_figure(places, classes):
    listed, found = answered(places, classes)
    text = "".join(render(listed, classes, "csv"))
    text.encode("utf-8", "backslashreplace")
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    columns = ["path", *ANSWER, *(f"p:{name}" for name in classes)]
    assert list(read[0]) == columns
    assert len(set(columns)) == len(columns)
    known = iter(range(len(found.labels)))
    for row, (path, why) in zip(read, places, strict=True):
        assert row["path"] == storable(path)
        if why:
            assert (row["reason"], row["error"]) == ("unreadable", storable(why))
            assert {row[name] for name in columns[1:6]} == {""}
            continue
        index = next(known)
        assert row["predicted"] == found.labels[index]
        assert float(row["confidence"]) == found.confidence[index]
        shares = [float(row[f"p:{name}"]) for name in classes]
        assert shares == found.probabilities[index].tolist()


@FUZZ
@given(places=PLACES, classes=CLASSES)
def test_pandas_reads_the_csv_with_all_columns(places, classes):
    pandas = pytest.importorskip("pandas", reason="NOT CHECKED: no pandas")
    texts = [*classes, *(text or "" for place in places for text in place)]
    if any("\0" in text for text in texts):
        return  # which ends a line there
    listed, found = answered(places, classes)
    file = io.StringIO("".join(render(listed, classes, "csv")), newline="")
    read = pandas.read_csv(file, keep_default_na=False)
    assert list(read.columns) == ["path", *ANSWER, *(f"p:{name}" for name in classes)]
    good = read[read["reason"] == "ok"]
    assert good["confidence"].astype(float).tolist() == pytest.approx(found.confidence)
    assert len(read) == len(places)


@FUZZ
@given(places=PLACES, classes=CLASSES, encoding=st.sampled_from(["utf-8", "ascii"]))
def test_json_gives_back_every_name_and_figure(places, classes, encoding):
    listed, found = answered(places, classes)
    text = "".join(render(listed, classes, "json", encoding))
    read = json.loads(text.encode(encoding).decode(encoding))
    known = iter(range(len(found.labels)))
    for row, (path, why) in zip(read, places, strict=True):
        assert row["path"] == storable(path)
        assert row["error"] == (storable(why) if why else None)
        if why:
            assert {row[name] for name in (*OF_AN_IMAGE, "predicted")} == {None}
            continue
        shares = found.probabilities[next(known)].tolist()
        assert row["probabilities"] == dict(zip(classes, shares, strict=True))


@FUZZ
@given(places=PLACES, classes=CLASSES, columns=st.none() | st.integers(1, 200))
def test_the_table_shows_every_row_and_no_name_is_markup(places, classes, columns):
    listed, _ = answered(places, classes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_room", lambda: columns)
        text = "".join(render(listed, classes, "table"))
    assert text.replace("\n", "").isprintable()
    for row in listed:
        if columns is None:
            assert printable(row["path"]).strip() in text
        if row["confidence"] is not None:
            assert f"{100 * row['confidence']:.1f} %" in text


@FUZZ
@given(paths=st.lists(NAMES, min_size=1, max_size=4), classes=CLASSES)
def test_predictions_csv_gives_back_every_name(tmp_path_factory, paths, classes):
    file = tmp_path_factory.getbasetemp() / "predictions.csv"
    items = [Item(path, at % len(classes)) for at, path in enumerate(paths)]
    log_probs = np.log(np.full((len(paths), len(classes)), 1 / len(classes)))
    write_predictions(
        file, items, classes, Prediction(log_probs, log_probs, np.zeros(len(paths)))
    )
    with open(file, newline="", encoding="utf-8") as lines:
        read = list(csv.DictReader(lines))
    assert [row["path"] for row in read] == paths
    assert [row["label"] for row in read] == [classes[item.label] for item in items]
    assert list(read[0])[-len(classes) :] == [f"p:{name}" for name in classes]


@FUZZ
@given(dataset=NAMES, method=NAMES, message=NAMES, group=NAMES)
def test_a_grids_files_hold_any_names(dataset, method, message, group):
    zero = ("zero_shot", 0.5, 1.0)
    cells = [
        cell(method, seed, zero, ("deterministic", 0.7, 0.6)) | {"dataset": dataset}
        for seed in (1, 2)
    ]
    read = list(csv.DictReader(io.StringIO(grid.csv_of(cells), newline="")))
    assert {row["dataset"] for row in read} == {dataset}
    assert {row["method"] for row in read} == {method}
    of_set = Rows(cells)
    groups = {group: (method, "other")}
    text = grid.markdown(cells, {dataset: message}, f"grid {message}", groups)
    for line in text.split("\n"):
        assert line.isprintable()
    lengths = {
        grid_tables.means(of_set, figure).markdown().count("\n")
        for figure in ("accuracy", "nll")
    }
    assert len(lengths) == 1
    assert grid.terminal_table(dataset, of_set).replace("\n", "").isprintable()
    assert "/" not in grid.picture_of(dataset, "nll")


@pytest.mark.parametrize("name", ["[run]", "a/[x]/run", "caf\udce9"])
def test_a_work_directory_that_checkpoints_cannot_have_is_refused_before_the_work(name):
    with pytest.raises(UserError, match="choose another `checkpoints`"):
        Workdir(f"runs/{name}")


@pytest.mark.parametrize("name", ["a b", ":dog:", "a[b", "é", "50%", "a*b"])
def test_any_other_name_of_a_work_directory_is_taken(name):
    assert Workdir(f"runs/{name}").folder.name == name


# -- the whole way ----------------------------------------------------------------------

LONG = (
    "a tawny owl that sat in the old oak behind the barn and looked at us all evening"
)
CLASS_NAMES = [
    *("path", "[red]", ":dog:", "a,b", '"q"', "=1+1", "p:x", "🐶", "confidence", LONG),
    unicodedata.normalize("NFD", "café"),
]
FILE_NAMES = [
    *("path", "photo [final]", ":dog: x", "x[b]", '"q"', "=1+1", "-dash", "a,b"),
    *("🐶", unicodedata.normalize("NFD", "naïve"), "x" * 100, "$x^$", "|", "%s {}"),
]


@pytest.mark.slow
def test_odd_names_go_all_the_way(tmp_path, monkeypatch, capsys):
    """Folder, training, evaluation again, predictions in all formats, figures."""
    generator = np.random.default_rng(0)
    photos = tmp_path / "[photos] 50%: a,b"
    for split, count in (("train", 3), ("test", 2)):
        for label, name in enumerate(CLASS_NAMES):
            for number in range(count):
                file = FILE_NAMES[(3 * label + number) % len(FILE_NAMES)]
                draw(photos / split / name / f"{file}.png", label % 3, generator)
    c = config.default(method="apt", source="folder")
    c.data.root, c.clip.checkpoint = str(photos), "tiny"
    c.features.cache_dir = str(tmp_path / "cache")
    c.shots, c.augment.views, c.train.epochs, c.eval.samples = 2, 1, 2, 2
    run = tmp_path / "run :dog: a,b"
    story.run(c, run)
    shutil.rmtree(run / "figures")
    story.evaluate_again(run, {"bins": 5})
    assert len(list((run / "figures").iterdir())) == 2
    workdir = Workdir(run)
    classes = workdir.read("classes.json")
    assert len(classes) == len(CLASS_NAMES)
    with open(workdir.predictions_of(""), newline="", encoding="utf-8") as file:
        reported = list(csv.DictReader(file))
    assert list(reported[0])[-len(classes) :] == [f"p:{name}" for name in classes]
    by_path = {row["path"]: row for row in reported}
    assert len(by_path) == 2 * len(CLASS_NAMES)
    out = tmp_path / "out"
    for form in ("csv", "json", "table"):
        asked = [f"--workdir={run}", f"--format={form}", f"--out={out}"]
        monkeypatch.setattr(sys, "argv", ["predict", *asked, str(photos / "test")])
        assert command.run(predict.main) == 0, capsys.readouterr().err
        text = out.read_bytes().decode("utf-8")
        if form == "table":
            assert len(text.splitlines()) == 2 + len(by_path)
            continue
        found = (
            json.loads(text)
            if form == "json"
            else list(csv.DictReader(io.StringIO(text, newline="")))
        )
        assert len(found) == len(by_path)
        for row in found:
            twin = by_path[os.path.relpath(row["path"], photos)]
            assert row["predicted"] == twin["predicted"]
            shares = row.get("probabilities") or {
                name: float(row[f"p:{name}"]) for name in classes
            }
            expected = {name: float(twin[f"p:{name}"]) for name in classes}
            assert shares == pytest.approx(expected, rel=1e-4)
