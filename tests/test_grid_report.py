"""The report of a grid: means, paired comparisons, ties, what failed."""

import csv
import itertools
import re
from urllib.parse import quote

import numpy as np
import pytest
from scipy import stats

from apt_jax.metrics.figures import COMPARED, FIGURES, GRID, shown_in
from apt_jax.metrics.paired import gain, paired_difference
from apt_jax.report import figures, grid
from apt_jax.report.grid_rows import Rows
from apt_jax.studies import follow

ROW = dict.fromkeys(FIGURES, 0.1) | {"samples": None}


def cell(method, seed, *rows, shots=4, classes="all", shifted=None):
    """A finished cell; `rows` are (name, accuracy, nll), zero-shot's first.

    A fourth entry says of which classes, if not of the cell's.
    """
    return {
        "dataset": "toys",
        "method": method,
        "shots": shots,
        "seed": seed,
        "evaluations": [
            ROW
            | {"name": name, "accuracy": accuracy, "nll": nll}
            | {"classes": part[0] if part else classes, "split": split}
            for split, of_split in {"test": rows, **(shifted or {})}.items()
            for name, accuracy, nll, *part in of_split
        ],
        "protocol": {
            "backbone": {"name": "tiny", "dtype": "float32"},
            "device": "1 x cpu",
            "versions": {"jax": "0"},
            "commit": "abc",
            "data": {"classes": classes},
            "protocol": {"name": "inside_shots"},
            "selected_by": "published recipe",
            "transforms": {"train": "10 random crops"},
            "set_by_hand": {"train.epochs": 3},
        },
        "cost": dict.fromkeys(grid.COSTS, 1.0),
    }


def cells(shots=4):
    """Three seeds of zero-shot, a method that is surely better, and one that ties."""
    base, better, luck = (0.5, 0.52, 0.51), (0.61, 0.62, 0.615), (0.4, 0.7, 0.55)
    found = []
    for seed, (a, b, c) in enumerate(zip(base, better, luck, strict=True)):
        zero = ("zero_shot", a, 1.0)
        sampled = (
            ("deterministic", b - 0.1, 0.9),
            ("mc_dropout", b, 0.5 + 0.01 * seed),
        )
        found += [
            cell("zero_shot", seed, zero, shots=shots),
            cell("sure", seed, zero, *sampled, shots=shots),
            cell("luck", seed, zero, ("deterministic", c, 1.0), shots=shots),
        ]
    return found


def row_of(text, label, section):
    """The entries of a row of the first table below a heading."""
    below = text[text.index(section) :].splitlines()
    line = next(line for line in below if line.startswith(f"| {label} |"))
    return [part.strip() for part in line.strip("|").split("|")]


def test_the_interval_is_that_of_students_paired_test():
    ours, theirs = np.random.default_rng(0).normal(size=(2, 5))
    found = paired_difference(ours, theirs)
    interval = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert found.mean - found.half_width == pytest.approx(interval.low)
    assert found.mean + found.half_width == pytest.approx(interval.high)


def test_equal_figures_and_single_pairs_are_ties_and_constant_differences_are_not():
    assert paired_difference([0.5, 0.6], [0.5, 0.6]).tie
    assert paired_difference([0.5], [0.1]).tie
    assert not paired_difference([2.0, 3.0], [1.0, 2.0]).tie
    with pytest.raises(ValueError, match="expected pairs"):
        paired_difference([1.0, 2.0], [1.0])


@pytest.mark.parametrize("figure", shown_in(COMPARED))
def test_a_gain_is_above_zero_where_the_method_is_better(figure):
    better = {"accuracy": (0.7, 0.5), "nll": (0.5, 0.7)}[figure]
    assert gain(figure, *better) == pytest.approx(0.2)
    assert gain(figure, *better[::-1]) == pytest.approx(-0.2)
    assert gain(figure, 0.5, None) is None


def test_methods_are_compared_by_figures_with_a_direction_alone():
    assert all(figure.better for figure in shown_in(GRID | COMPARED).values())


@pytest.mark.parametrize("figure", shown_in(GRID))
def test_a_method_without_cells_at_the_most_shots_stands_last(figure):
    found = cells(4) + [one for one in cells(16) if one["method"] != "luck"]
    assert Rows(found).ordered(figure)[-1] == "luck"


def test_a_report_shows_means_differences_and_ties(tmp_path):
    printed = grid.write_report(
        tmp_path, cells(), {"toys, bad": "no luck"}, "a command"
    )
    text = (tmp_path / "grid.md").read_text()
    assert row_of(text, "sure", "### Accuracy")[1] == "61.5 ± 0.5"
    assert row_of(text, "sure, one pass", "### Accuracy")[1] == "51.5 ± 0.5"
    compared = row_of(text, "sure", "### Compared")
    assert compared[2] == "**+10.5 ± 1.2**"
    assert compared[3] == ""  # it is the best
    luck = row_of(text, "luck", "### Compared")
    assert luck[2].endswith("(tie)")
    assert luck[3].endswith("(tie)")
    assert luck[5] == "+0.000 ± 0.000 (tie)"
    assert row_of(text, "zero_shot", "### Compared")[2] == ""
    assert row_of(text, "zero_shot", "### Compared")[3] == "**-10.5 ± 1.2**"
    assert "- toys, bad: no luck" in text
    assert "`a command`" in text
    assert "61.5 ± 0.5" in printed


def test_a_group_is_compared_with_its_first_method(tmp_path):
    groups = {
        "A question": ("luck", "sure"),
        "Of absent methods": ("lost", "sure"),
        "Of one": ("luck", "lost"),
    }
    grid.write_report(tmp_path, cells(), {}, "a command", groups)
    text = (tmp_path / "grid.md").read_text()
    assert row_of(text, "luck", "### A question")[2::2] == ["", "", ""]
    sure = row_of(text, "sure", "### A question")
    assert sure[1] == "61.5 ± 0.5"
    assert sure[2].startswith("+6.5 ± ")
    assert sure[4] == "**-0.490 ± 0.025**"
    assert "### Of" not in text


def test_new_classes_have_a_table_of_their_own_and_are_in_no_other(tmp_path):
    found = []
    for seed, (base, new) in enumerate([(0.8, 0.4), (0.6, 0.6)]):
        zero = ("zero_shot", 0.5, 1.0)
        of_new = [("zero_shot", 0.3, 1.0, "new"), ("deterministic", new, 9.0, "new")]
        rows = (zero, ("deterministic", base, 0.5))
        found += [
            cell("fixed", seed, zero, ("deterministic", 0.9, 0.5), classes="base"),
            cell("open", seed, *rows, *of_new, classes="base"),
        ]
    grid.write_report(tmp_path, found, {}, "a command")
    text = (tmp_path / "grid.md").read_text()
    both = row_of(text, "open", "### Base to new")[1:]
    # 2 b n / (b + n) of each seed: 0.5333 and 0.6.
    assert both == ["70.0 ± 14.1", "50.0 ± 14.1", "56.7 ± 4.7"]
    assert row_of(text, "fixed", "### Base to new")[1:] == ["90.0 ± 0.0", "–", "–"]
    zero_shot = row_of(text, "zero_shot", "### Base to new")[1:]
    assert zero_shot == ["50.0 ± 0.0", "30.0 ± 0.0", "37.5 ± 0.0"]
    assert "belong to classes name no new ones: fixed." in text
    assert row_of(text, "open", "### Accuracy")[1] == "70.0 ± 14.1"
    assert row_of(text, "open", "### NLL")[1] == "0.500 ± 0.000"
    assert "- classes: base" in text
    with open(tmp_path / "grid.csv", newline="") as file:
        parts = [row["classes"] for row in csv.DictReader(file)]
    assert parts.count("new") == 4
    assert parts.count("base") == 8


def test_a_grid_of_the_new_classes_alone_is_an_ordinary_one(tmp_path):
    found = [
        cell("open", seed, ("zero_shot", 0.5, 1.0), ("x", 0.7, 1.0), classes="new")
        for seed in range(2)
    ]
    grid.write_report(tmp_path, found, {}, "a command")
    text = (tmp_path / "grid.md").read_text()
    assert row_of(text, "open", "### Accuracy")[1] == "70.0 ± 0.0"
    assert "### Base to new" not in text


def test_the_report_says_what_chose_the_hyper_parameters(tmp_path):
    grid.write_report(tmp_path, cells(), {}, "a command")
    text = (tmp_path / "grid.md").read_text()
    chosen = row_of(text, "sure", "### Hyper-parameters")[1:]
    views = "10 random crops"
    assert chosen == ["inside shots", "published recipe", views, "train.epochs=3"]
    titles = row_of(text, "", "### Hyper-parameters")[1:]
    assert titles == ["protocol", "selected by", "trained on", "set by hand"]
    assert "- protocol: inside shots" in text


def test_one_seed_has_no_spread_and_no_verdict(tmp_path):
    one = [c for c in cells() if c["seed"] == 0]
    grid.write_report(tmp_path, one, {}, "a command")
    text = (tmp_path / "grid.md").read_text()
    assert row_of(text, "sure", "### Accuracy")[1] == "61.0"
    assert row_of(text, "sure", "### Compared")[2] == "+11.0 (one seed)"
    assert "Failed cells" not in text


def test_the_table_has_a_row_a_cell_and_evaluation_in_full_precision(tmp_path):
    grid.write_report(tmp_path, cells(), {}, "a command")
    with open(tmp_path / "grid.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * (1 + 3 + 2)
    assert {row["accuracy"] for row in rows} >= {"0.61", "0.615", "0.7"}
    assert rows[0]["samples"] == ""


def test_the_table_has_the_images_and_the_interval_of_every_accuracy(tmp_path):
    known = {"examples": 40, "accuracy_low": 0.4, "accuracy_high": 0.65}
    found = cells()
    for one in found:
        for row in one["evaluations"]:
            row |= known
    printed = grid.write_report(tmp_path, found, {}, "a command")
    with open(tmp_path / "grid.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {tuple(row[name] for name in known) for row in rows} == {
        ("40", "0.4", "0.65")
    }
    said = "40 test images are too few to tell: the interval of accuracy is 25 points"
    text = (tmp_path / "grid.md").read_text(encoding="utf-8")
    assert "Test images: 40." in text
    assert said in text
    assert said in printed


def test_cells_of_earlier_versions_have_no_interval(tmp_path):
    found = cells()
    for one in found:
        for row in one["evaluations"]:
            del row["accuracy_low"], row["accuracy_high"]
    grid.write_report(tmp_path, found, {}, "a command")
    with open(tmp_path / "grid.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["accuracy_low"] for row in rows} == {""}


@pytest.mark.parametrize("name", ["a|b\nc", "[red] $x^$", "../up", "日本 :dog:"])
def test_data_sets_and_methods_of_any_name_are_text_and_never_a_path(tmp_path, name):
    found = [one | {"dataset": name, "method": name} for one in cells()]
    folder = tmp_path / "grid"
    grid.write_report(folder, found, {}, "a command")
    assert [path.name for path in tmp_path.iterdir()] == ["grid"]
    text = (folder / "grid.md").read_text(encoding="utf-8")
    for figure in shown_in(GRID):
        picture = grid.picture_of(name, figure)
        assert (folder / "figures" / picture).is_file()
        assert f"(figures/{quote(picture)})" in text
    lines = [line for line in text.split("\n") if line.startswith("|")]
    for line, below in itertools.pairwise(lines):
        if set(below) <= set("|-: "):  # a head and its rule
            columns = below.count("|")
            assert len(re.findall(r"(?<!\\)\|", line)) == columns


def test_shifted_splits_have_a_table_of_their_own_and_are_in_no_other(tmp_path):
    rows = [("zero_shot", 0.5, 1.0), ("deterministic", 0.8, 0.5)]
    far = {"toys_v2": [("zero_shot", 0.4, 1.2), ("deterministic", 0.6, 0.9)]}
    found = [cell("sure", seed, *rows, shifted=far) for seed in (1, 2)]
    grid.write_report(tmp_path, found, {}, "a command")
    text = (tmp_path / "grid.md").read_text()
    assert row_of(text, "sure", "### Shifted")[1:] == [
        "4 shots",
        "80.0 ± 0.0",
        "60.0 ± 0.0",
    ]
    assert row_of(text, "zero_shot", "### Shifted")[3] == "40.0 ± 0.0"
    assert row_of(text, "sure", "### Accuracy")[1] == "80.0 ± 0.0"
    with open(tmp_path / "grid.csv", newline="") as file:
        splits = [row["split"] for row in csv.DictReader(file)]
    assert splits == ["test", "test", "toys_v2", "toys_v2"] * 2


def test_zero_shot_is_there_for_comparison_if_it_is_no_cell(tmp_path):
    others = [c for c in cells() if c["method"] != "zero_shot"]
    grid.write_report(tmp_path, others, {}, "a command")
    text = (tmp_path / "grid.md").read_text()
    assert row_of(text, "zero_shot", "### Accuracy")[1] == "51.0 ± 1.0"
    assert row_of(text, "sure", "### Compared")[2] == "**+10.5 ± 1.2**"


def test_a_grid_in_which_every_cell_failed_still_says_so(tmp_path):
    grid.write_report(tmp_path, [], {"toys, bad": "no luck"}, "a command")
    text = (tmp_path / "grid.md").read_text()
    assert "- cells: 0 done, 1 failed" in text
    assert "- toys, bad: no luck" in text


def test_a_line_that_is_far_out_leaves_the_picture_and_its_name_says_where():
    curves = {
        f"method {i}": ([1, 4, 0], [0.8 + i / 100] * 3, [0.01] * 3) for i in range(20)
    }
    curves["lost"] = ([1, 4, 0], [0.1, 0.1, 0.1], [0.0] * 3)
    drawn = figures.over_shots(curves, "toys", "Accuracy, %", unit=100)
    axis = drawn.axes[0]
    assert axis.get_ylim()[0] > 10
    texts = {text.get_text().strip(): text.get_position()[1] for text in axis.texts}
    assert "lost: 10" in texts
    assert len(texts) == 21
    heights = np.sort(list(texts.values()))
    assert np.diff(heights).min() > 0  # names do not lie on each other
    ticks = [label.get_text() for label in axis.get_xticklabels()]
    assert ticks == ["1", "4", "all"]


def test_few_lines_are_shown_from_end_to_end_also_over_shares():
    shares = [0.01, 0.1, 0.3, 0.5, 0]
    curves = {
        "falls": (shares, [0.04, 0.83, 0.88, 0.88, 0.9], [0.0] * 5),
        "stays": (shares, [0.8, 0.88, 0.9, 0.91, 0.92], [0.0] * 5),
    }
    axis = figures.over_shots(curves, "toys", "Accuracy, %", unit=100).axes[0]
    assert axis.get_ylim()[0] < 4
    ticks = [label.get_text() for label in axis.get_xticklabels()]
    assert ticks == ["1 %", "10 %", "30 %", "50 %", "all"]
    assert axis.get_xlabel() == "share of the images"


def test_shares_stand_before_shots_in_tables(tmp_path):
    several = [cell for shots in (0, 4, 0.3, 0.01) for cell in cells(shots)]
    grid.write_report(tmp_path, several, {}, "a command")
    heading = row_of((tmp_path / "grid.md").read_text(), "", "### Accuracy")
    assert heading[1:] == ["1 % of images", "30 % of images", "4 shots", "all shots"]


# -- lists of prompts ----------------------------------------------------------------------

ONE, SEVEN = ("a photo of a {}.",), tuple(f"{n} photos of a {{}}." for n in range(7))


def with_prompts(one, prompts):
    """The cell, made with a list of prompts."""
    data = {"templates": list(prompts), "templates_sha256": str(hash(prompts))}
    return one | {"protocol": one["protocol"] | {"data": {"classes": "all"} | data}}


def of_two_lists(reverse, second=SEVEN):
    """A method on each of two lists of prompts, and zero-shot CLIP on the first."""
    found = []
    for seed in (1, 2):
        one = ("zero_shot", 0.5, 1.0)
        seven = ("zero_shot", 0.6, 0.8)
        adapted = ("deterministic", 0.7 + seed / 100, 0.6)
        shifted = {"toys_v2": [("zero_shot", 0.3, 1.0), adapted]}
        found += [
            with_prompts(cell("zero_shot", seed, one), ONE),
            with_prompts(cell("plain", seed, one, adapted, shifted=shifted), ONE),
            with_prompts(cell("worded", seed, seven, adapted), second),
        ]
    return sorted(found, key=lambda c: c["method"], reverse=reverse)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_method_gains_over_zero_shot_with_its_own_prompts(tmp_path, reverse):
    found = of_two_lists(reverse)
    grid.write_report(tmp_path, found, {}, "a command")
    text = (tmp_path / "grid.md").read_text()
    assert row_of(text, "zero_shot, 1 prompt", "### Accuracy")[1] == "50.0 ± 0.0"
    assert row_of(text, "zero_shot, 7 prompts", "### Accuracy")[1] == "60.0 ± 0.0"
    for label, gained in (("plain", "+21.5"), ("worded", "+11.5")):
        compared = row_of(text, label, "### Compared")
        assert compared[2].startswith(f"**{gained} ± "), label
    for label in ("zero_shot, 1 prompt", "zero_shot, 7 prompts"):
        assert row_of(text, label, "### Compared")[2] == ""
    assert "| zero_shot | 50" not in text
    shifted = row_of(text, "zero_shot, 1 prompt", "### Shifted")
    assert shifted[2:] == ["50.0 ± 0.0", "30.0 ± 0.0"]
    assert row_of(text, "zero_shot, 7 prompts", "### Shifted")[2] == "60.0 ± 0.0"
    gains = follow.gains_of(Rows(found))["4"]
    assert gains["plain"]["accuracy"] == pytest.approx(0.215)
    assert gains["worded"]["accuracy"] == pytest.approx(0.115)
    assert gains["worded"]["nll"] == pytest.approx(0.2)
    assert "zero_shot" not in gains


def test_a_group_whose_first_is_zero_shot_takes_that_of_each_methods_own_prompts(
    tmp_path,
):
    groups = {"What is gained?": ("zero_shot", "plain", "worded")}
    grid.write_report(tmp_path, of_two_lists(False), {}, "a command", groups)
    text = (tmp_path / "grid.md").read_text()
    assert row_of(text, "worded", "### What is gained")[2].startswith("**+11.5 ± ")
    assert row_of(text, "zero_shot", "### What is gained")[1] == "50.0 ± 0.0"


def test_lists_of_as_many_prompts_are_told_by_one_that_is_theirs_alone(tmp_path):
    other = ("a photo of a {}, a toy.",)
    grid.write_report(tmp_path, of_two_lists(False, other), {}, "a command")
    text = (tmp_path / "grid.md").read_text()
    for prompt, mean in ((*ONE, "50.0"), (*other, "60.0")):
        label = f"zero_shot, 1 prompt ({prompt})"
        assert row_of(text, label, "### Accuracy")[1] == f"{mean} ± 0.0"
