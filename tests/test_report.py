"""Reports: tables that round, files that do not, pictures that repeat."""

import csv

import numpy as np
import pytest

from apt_jax import provenance
from apt_jax.data import Item
from apt_jax.evaluation import Evaluation
from apt_jax.metrics import Outcomes
from apt_jax.report import figures, predictions, tables
from apt_jax.report.parameters import parameters_table
from apt_jax.tables import Table
from apt_jax.uncertainty.softmax import Prediction

GENERATOR = np.random.default_rng(0)


def evaluation(name="mc_dropout", samples=30, count=40):
    logits = GENERATOR.normal(size=(count, 3)) * 2
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    entropies = np.full(count, 0.1)
    labels = GENERATOR.integers(0, 3, count)
    outcomes = Outcomes.of(log_probs, labels, expected_entropy=entropies)
    return Evaluation(
        name, samples, outcomes, Prediction(log_probs, logits, entropies), 0.01
    )


def test_the_table_names_rows_and_rounds():
    rows = [evaluation("zero_shot", None).row, evaluation().row]
    rows[0] |= {"accuracy": 0.12345, "ece": 0.05678, "nll": 1.23456}
    text = tables.results_text(rows)
    assert "zero-shot CLIP" in text
    assert "adapted, Monte-Carlo, T = 30" in text
    for figure in ("12.3 %", "5.7 %", "1.235"):
        assert figure in text
    assert "\x1b" not in text


def test_predictions_keep_full_precision_and_a_prefixed_column_a_class(tmp_path):
    found = evaluation(count=2).prediction
    items = [Item("a, b.jpg", 0), Item('c "d".jpg', 2)]
    path = tmp_path / "predictions.csv"
    predictions.write_predictions(path, items, ("x", "y, z", "w"), found)
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("path", "label", "predicted", "confidence"),
        *("predictive_entropy", "expected_entropy", "mutual_information"),
        *("reason", "error", "p:x", "p:y, z", "p:w"),
    ]
    assert rows[1]["path"] == 'c "d".jpg'
    assert float(rows[0]["p:x"]) == np.exp(found.log_probs[0, 0])
    assert rows[1]["label"] == "w"
    assert (rows[1]["reason"], rows[1]["error"]) == ("ok", "")


def test_equal_figures_are_equal_files(tmp_path):
    lines = [{"epoch": e, "loss": 1 / e, "accuracy": 1 - 1 / e} for e in (1, 2, 3)]
    rows = [evaluation("zero_shot", None), evaluation()]
    for folder in ("a", "b"):
        figures.write_figures(tmp_path / folder, rows, lines)
    for name in ("training.png", "reliability.png"):
        first = (tmp_path / "a" / name).read_bytes()
        assert first.startswith(b"\x89PNG")
        assert first == (tmp_path / "b" / name).read_bytes()


def test_nothing_trained_draws_no_training_curve(tmp_path):
    figures.write_figures(tmp_path, [evaluation("zero_shot", None)], [])
    assert [path.name for path in tmp_path.iterdir()] == ["reliability.png"]


def test_the_parameter_table_tells_frozen_from_trained():
    text = parameters_table({"image": np.zeros((10, 100))}, {"layer_0": np.zeros(7)})
    frozen, trained = text.splitlines()
    assert "1,000" in frozen
    assert frozen.endswith("frozen")
    assert "7" in trained
    assert trained.endswith("trained")


def test_the_protocol_card_adds_versions_device_and_commit():
    card = provenance.protocol_card(seed=1)
    assert card["seed"] == 1
    assert card["versions"]["numpy"] == np.__version__
    assert "cpu" in card["device"]
    assert card["commit"] is None or len(card["commit"]) >= 40


@pytest.mark.parametrize("columns", [1, 3])
def test_tables_keep_every_row(columns):
    rows = [[str(10 * row + column) for column in range(columns)] for row in range(5)]
    heads = [f"c{index}" for index in range(columns)]
    text = Table(heads, rows).terminal()
    assert all(cell in text for row in rows for cell in row)
