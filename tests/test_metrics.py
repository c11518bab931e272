"""Metrics: by hand, by goldens, and the same however a test set is streamed."""

import json
from pathlib import Path

import numpy as np
import pytest

from apt_jax.metrics import Outcomes, entropy, figures_of, outcomes
from apt_jax.metrics.calibration import bin_by_confidence, expected_calibration_error

GOLDEN = json.loads((Path(__file__).parent / "goldens/metrics.json").read_text())
GENERATOR = np.random.default_rng(0)


def made_up(count=23, classes=4):
    logits = GENERATOR.normal(size=(count, classes)) * 2
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return log_probs, GENERATOR.integers(0, classes, count)


@pytest.mark.parametrize("bins", [5, 10, 15])
def test_confidences_on_edges_belong_to_the_bin_below(bins):
    inputs, outputs = GOLDEN["ece_edges"]["inputs"], GOLDEN["ece_edges"]["outputs"]
    found = bin_by_confidence(inputs["conf"], inputs["correct"], num_bins=bins)
    expected = outputs[f"M{bins}"]
    assert expected_calibration_error(found) == pytest.approx(
        expected["right_closed"], abs=1e-7
    )
    counts = np.bincount(expected["right_bin_index"], minlength=bins)
    np.testing.assert_array_equal(found.count, counts)


def test_goldens_of_the_scores():
    inputs, expected = (GOLDEN["proper_scores"][part] for part in ("inputs", "outputs"))
    found = figures_of(Outcomes.of(np.log(inputs["probs"]), inputs["labels"]))
    assert found["accuracy"] == pytest.approx(expected["accuracy"], abs=1e-7)
    assert found["nll"] == pytest.approx(expected["nll"], abs=1e-7)
    assert found["brier"] == pytest.approx(expected["brier_sum"], abs=1e-7)
    assert found["ece"] == pytest.approx(expected["ece15"], abs=1e-7)
    assert found["examples"] == 6


def test_entropy_by_hand_and_of_certainty():
    probs = np.array([[0.5, 0.5, 0], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(entropy(probs), [np.log(2), 0, np.log(3)])


@pytest.mark.parametrize("at_once", [1, 4 * 9, 4 * 23])
def test_scores_are_the_same_however_many_are_computed_at_once(monkeypatch, at_once):
    log_probs, labels = made_up()
    whole = Outcomes.of(log_probs, labels)
    monkeypatch.setattr(outcomes, "NUMBERS_AT_ONCE", at_once)
    sliced = Outcomes.of(log_probs, labels)
    for one, other in zip(vars(whole).values(), vars(sliced).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_results_hold_these_figures_in_this_order():
    assert list(figures_of(Outcomes.of(*made_up()))) == [
        *(
            "examples",
            "accuracy",
            "accuracy_low",
            "accuracy_high",
            "nll",
            "brier",
            "ece",
        ),
        *("predictive_entropy", "expected_entropy", "mutual_information"),
    ]


def test_one_pass_has_no_mutual_information_and_samples_have():
    log_probs, labels = made_up()
    one = figures_of(Outcomes.of(log_probs, labels))
    assert one["mutual_information"] == 0
    assert one["expected_entropy"] == one["predictive_entropy"]
    total = entropy(np.exp(log_probs))
    many = figures_of(Outcomes.of(log_probs, labels, expected_entropy=total - 0.25))
    assert many["mutual_information"] == pytest.approx(0.25)
    rounded = figures_of(Outcomes.of(log_probs, labels, expected_entropy=total + 1e-8))
    assert rounded["mutual_information"] == 0


def test_ties_go_to_the_first_class():
    half = np.log([[0.5, 0.5], [0.5, 0.5]])
    assert figures_of(Outcomes.of(half, [0, 1]))["accuracy"] == 0.5


def test_no_examples_and_wrong_shapes_raise():
    with pytest.raises(ValueError, match="no examples"):
        Outcomes.of(np.zeros((0, 3)), np.zeros(0, int))
    with pytest.raises(ValueError, match="average Monte-Carlo samples first"):
        Outcomes.of(np.zeros((4, 4, 3)), np.zeros(4, int))
