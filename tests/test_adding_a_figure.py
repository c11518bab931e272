"""The worked example of docs/adding_a_figure.md works: one entry, and all show it."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from test_follow import settings as grid_settings
from test_grid_report import cell, cells, row_of
from test_run import settings
from test_studies import cells_at, summary_of
from toy import photo_folder

from apt_jax import config
from apt_jax.grid import work
from apt_jax.metrics import FIGURES, Outcomes, figures, figures_of
from apt_jax.report import grid, variance
from apt_jax.report.follow import follow_markdown
from apt_jax.report.grid_rows import Rows
from apt_jax.report.tables import results_table
from apt_jax.runs import story
from apt_jax.studies import follow

PAGE = Path(__file__).parents[1] / "docs/adding_a_figure.md"
NAME, HEADING = "sure_and_wrong", "Sure and wrong, %"


@pytest.fixture
def added(monkeypatch):
    """The entry on the page, in the table."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = dict(vars(figures))
    exec(compile(code, str(PAGE), "exec"), names)
    (entry,) = names["FIGURES"].items()
    monkeypatch.setitem(FIGURES, *entry)


def of_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_example_is_the_share_of_images_that_are_sure_and_wrong(added):
    sure, unsure = [0.95, 0.05], [0.6, 0.4]
    outcomes = Outcomes.of(np.log([sure, sure, unsure, unsure]), [0, 1, 0, 1])
    assert figures_of(outcomes)[NAME] == 0.25


def test_by_one_entry_a_run_computes_keeps_and_shows_the_figure(
    added, tmp_path, capsys
):
    asked = settings(photo_folder(tmp_path / "photos"))
    asked.method = config.default("zero_shot", "folder").method
    story.run(asked, tmp_path / "run")
    first = json.loads((tmp_path / "run/results.json").read_text())["evaluations"][0]
    assert list(first)[-1] == NAME
    printed = capsys.readouterr().out.split("\n")
    (heads,) = (line for line in printed if "Brier" in line)
    (row,) = (line for line in printed if line.startswith("zero-shot CLIP"))
    assert heads.endswith("  sure and wrong")
    assert row.endswith(f"  {100 * first[NAME]:.1f} %")


def test_by_one_entry_a_grid_has_a_column_a_section_a_picture_and_a_comparison(
    added, tmp_path
):
    photo_folder(tmp_path / "calm")
    asked = grid_settings(tmp_path, seeds=(1, 2), shots=(1,), datasets=("calm",))
    folder = tmp_path / "grid"
    work.run(asked, folder)
    values = [float(row[NAME]) for row in of_csv(folder / "grid.csv")]
    assert all(0 <= value <= 1 for value in values)
    text = (folder / "grid.md").read_text()
    mean = row_of(text, "task_res", f"### {HEADING}")[1]
    assert re.fullmatch(r"\d+\.\d ± \d+\.\d", mean)
    assert (folder / f"figures/calm-{NAME}.png").is_file()
    assert row_of(text, "", "### Compared")[7] == HEADING
    assert row_of(text, "task_res", "### Compared")[7] == mean
    assert "Accuracy, ECE and sure and wrong in points, NLL in nats." in text


def test_a_comparison_calls_less_of_it_better(added):
    found = [
        cell(name, seed, ("zero_shot", 0.5, 1.0), ("deterministic", 0.5, 1.0))
        for name in ("careful", "bold")
        for seed in (1, 2)
    ]
    for one, share in zip(found, (0.1, 0.2, 0.4, 0.4), strict=True):
        one["evaluations"][0][NAME], one["evaluations"][1][NAME] = 0.3, share
    table = Rows(found)
    assert table.best(4, NAME) == "careful"
    assert table.ordered(NAME) == ["careful", "zero_shot", "bold"]
    gains = follow.gains_of(table)["4"]
    assert gains["careful"][NAME] == pytest.approx(0.15)
    assert gains["bold"][NAME] == pytest.approx(-0.1)


def test_a_study_has_the_figure_of_its_methods_and_gains(added):
    figure, shares = (0.5, 1.0), {"apt": 0.1, "coop": 0.3, "zero_shot": 0.2}
    found = [
        one for at in (0.0, 1.0) for one in cells_at(at, 1, figure, figure, figure)
    ]
    for one in found:
        one["evaluations"][-1][NAME] = shares[one["method"]]
    summary = summary_of(found)
    text = variance.controlled_markdown(summary)
    assert "apt Sure and wrong, %" in text
    assert "over coop, sure and wrong, points" in text
    assert summary["levels"][0]["gains"]["coop"][NAME]["mean"] == pytest.approx(0.2)
    assert len(variance.controlled_figure(summary).axes) == 4


def test_what_was_made_before_the_figure_is_shown_without_it(added, tmp_path):
    row = dict.fromkeys(FIGURES, 0.5) | {"examples": 1000, "split": "test"}
    row |= {"name": "zero_shot", "samples": None, "classes": "all"}
    del row[NAME]
    assert results_table([row]).terminal().endswith("  -")

    grid.write_report(tmp_path, before(cells()), {}, "a command")
    text = (tmp_path / "grid.md").read_text()
    assert row_of(text, "sure", f"### {HEADING}")[1] == "–"
    assert row_of(text, "sure", "### Compared")[7:] == ["–", "", ""]
    assert {row[NAME] for row in of_csv(tmp_path / "grid.csv")} == {""}

    gained = {"toys": follow.gains_of(Rows(before(cells())))}
    assert gained["toys"]["4"]["sure"][NAME] is None
    spread = dict.fromkeys(("groups", "r2_adjusted", "pseudo_f", "intra_over_inter"), 2)
    of_sets = {"sets": {"toys": spread}, "gains": gained, "per_class": 2}
    ranks = follow.correlations(of_sets["sets"], gained)
    assert "/ – |" in follow_markdown(of_sets | {"ranks": ranks})

    figure = (0.5, 1.0)
    summary = summary_of(cells_at(0.0, 1, figure, figure, figure))
    assert "ure and wrong" not in variance.controlled_markdown(summary)
    assert len(variance.controlled_figure(summary).axes) == 3


def before(found):
    """Cells that were made before the figure."""
    for one in found:
        for row in one["evaluations"]:
            row.pop(NAME, None)
    return found
