"""The interval of accuracy is Wilson's, and what is too wide is said."""

import numpy as np
import pytest
from scipy import stats

from apt_jax.metrics import Outcomes, figures_of
from apt_jax.metrics.interval import TOO_WIDE, images_for, wilson
from apt_jax.report import tables


@pytest.mark.parametrize("count", [1, 2, 5, 40, 93, 10_000])
def test_the_interval_is_wilsons(count):
    for right in sorted({0, 1, count // 2, count - 1, count}):
        test = stats.binomtest(right, count)
        expected = test.proportion_ci(0.95, method="wilson")
        found = wilson(right / count, count)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        assert 0 <= found[0] <= right / count <= found[1] <= 1


def test_as_many_images_as_are_said_make_any_interval_narrow_enough():
    count = images_for(TOO_WIDE)
    widths = [
        high - low
        for right in range(count + 1)
        for low, high in [wilson(right / count, count)]
    ]
    assert max(widths) <= TOO_WIDE
    low, high = wilson(0.5, count - 2)
    assert high - low > TOO_WIDE


def row_of(right, count, **fields):
    """A row of results.json: `right` of `count` test images."""
    probs = np.full((count, 2), [0.9, 0.1])
    labels = np.arange(count) >= right
    named = {"name": "zero_shot", "samples": None, "split": "test", "classes": "all"}
    outcomes = Outcomes.of(np.log(probs), labels.astype(int))
    return named | figures_of(outcomes) | fields


def test_results_hold_the_number_of_images_and_the_ends_of_the_interval():
    row = row_of(30, 40)
    assert row["examples"] == 40
    ends = (row["accuracy_low"], row["accuracy_high"])
    assert ends == pytest.approx(wilson(0.75, 40))


def test_the_table_shows_the_images_and_the_interval():
    heads, _, line = tables.results_text([row_of(900, 1000)]).splitlines()
    assert "images" in heads
    assert "95 % interval" in heads
    assert "1,000    90.0 %      88.0-91.7" in line


@pytest.mark.parametrize(
    ("right", "count", "said"), [(30, 40, True), (5, 5, True), (1, 1, True)]
)
def test_too_few_images_to_tell_are_said_below_the_table(right, count, said):
    last = tables.results_text([row_of(right, count)]).splitlines()[-1]
    images = "1 test image is" if count == 1 else f"{count} test images are"
    assert last.startswith(f"{images} too few to tell: the interval of accuracy is ")
    assert last.endswith("93 images make it 20 at most")


def test_of_enough_images_nothing_is_said():
    assert tables.too_few([row_of(900, 1000), row_of(93, 93)]) == []


def test_each_part_with_too_few_images_is_named():
    rows = [
        row_of(900, 1000),
        row_of(3, 9, classes="new"),
        row_of(2, 8, split="sketches"),
    ]
    assert [line.split(" are ")[0] for line in tables.too_few(rows)] == [
        "9 test images of new classes",
        "8 sketches images",
    ]


def test_results_of_earlier_versions_are_shown_without_an_interval():
    row = row_of(3, 9)
    del row["accuracy_low"], row["accuracy_high"]
    assert "33.3 %              -" in tables.results_text([row])
