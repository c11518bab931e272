"""What adaptive prompts gain as the classes spread: one knob turned, all else equal.

A grid: a data set for each level of `data.variance`, and zero-shot CLIP, every method of
`study.rivals` and the configured method as its methods. Then the analysis of variance of
each level's and seed's test images.
"""

import functools
import itertools
import statistics
from pathlib import Path

from ml_collections import ConfigDict

from apt_jax import config as configuration
from apt_jax.errors import UserError
from apt_jax.files import write_text
from apt_jax.grid import study, work
from apt_jax.grid.cells import Cells
from apt_jax.metrics.figures import COMPARED, shown_in
from apt_jax.metrics.paired import gain
from apt_jax.report import variance as report
from apt_jax.report.figures import write_figure
from apt_jax.report.grid_rows import BASE, own_rows
from apt_jax.studies.follow import analysis_of_test, as_then
from apt_jax.studies.variance import once

RESULT = "controlled.json"
STATISTICS = (
    "pseudo_f",
    "p",
    "r2_adjusted",
    "intra_over_inter",
    "fisher",
    "dispersion_f",
)
LAYOUT = {  # what is printed of it
    "method": str,
    "shots": (int, float),
    **dict.fromkeys(("seeds", "test_images"), int),
    "commits": [str],
    "devices": [str],
    "levels": [
        {
            "level": (int, float),
            "methods": dict,
            "gains": dict,
            "variance": dict.fromkeys(STATISTICS, dict),
        }
    ],
}


def run(settings, folder) -> dict:
    """Runs what is missing of the study in `folder`; returns its summary."""
    require_knob(settings)
    planned = study.cells(grid_of(settings))
    make = functools.partial(complete, planned)
    summary = once(settings, folder, RESULT, LAYOUT, make)
    print(f"{report.controlled_markdown(summary)}\ntables and figure: {Path(folder)}")
    return summary


def complete(planned, settings, workdir):
    """Finishes the grid's cells, analyses its test images and writes what came out."""
    if any(workdir.folder.glob("cells/*.json")):
        raise UserError(
            f"an older version began the study in {workdir.folder}, whose cells are "
            "other files; choose another --workdir, or finish it with that version"
        )
    workdir.require_recipes()
    workdir.settle(settings)
    store = Cells(workdir.folder)
    work.require_none(work.fill(planned, store))
    cells = list(map(store.read, planned))
    analyses = analyses_of(cells, settings.study.permutations)
    summary = summarise(cells, analyses, settings)
    write_figure(workdir.figures / "controlled.png", report.controlled_figure(summary))
    write_text(workdir.folder / "controlled.md", report.controlled_markdown(summary))
    workdir.write(RESULT, summary)  # last: it marks the study done


def require_knob(settings):
    """Refuses data without the knob, and a method compared with itself."""
    if "variance" not in settings.data:
        raise UserError(
            f"data.source={settings.data.source} has no data.variance to turn; use "
            "--config.data.source=synthetic"
        )
    if settings.method.name in rivals_of(settings):
        raise UserError(
            f"method.name={settings.method.name} is compared with itself; leave it out "
            "of --config.study.rivals, or choose another method"
        )


def rivals_of(settings) -> tuple[str, ...]:
    """What the configured method is compared with."""
    return tuple(dict.fromkeys((BASE, *settings.study.rivals)))


def grid_of(settings) -> ConfigDict:
    """The grid of the study: a data set a level, a variant for the configured method."""
    method, levels = settings.method.name, settings.study.levels
    sets = {
        f"level-{1 + at}-of-{levels}": settings.data.to_dict()
        | {"variance": at / (levels - 1)}
        for at in range(levels)
    }
    grid, of_all = study.default(), configuration.common().keys()
    with grid.ignore_type():
        grid.update({name: settings[name] for name in of_all - set(study.OF_A_RUN)})
        grid.methods, grid.datasets = (*rivals_of(settings), method), tuple(sets)
        grid.shots = (settings.shots,)
        grid.seeds = tuple(range(1, settings.study.seeds + 1))
        grid.sets = sets
        grid.variants = {method: {"method": settings.method.to_dict()}}
    study.spell_out(grid)
    return grid


def analyses_of(cells, permutations) -> dict:
    """By data set and seed, the analysis of variance of all test images."""
    return {
        (cell["dataset"], cell["seed"]): analysis_of_test(*as_then(cell), permutations)
        for cell in cells
        if cell["method"] == BASE
    }


def summarise(cells, analyses, settings) -> dict:
    """Means and deviations over seeds, level by level.

    Of each figure that methods are compared by. A gain above 0 means that the method is
    better. Where a method samples, its samples count.
    """
    at_level = lambda cell: cell["asked"]["data"]["variance"]  # noqa: E731
    cards = [cell["protocol"] for cell in cells]
    return {
        "method": settings.method.name,
        "shots": settings.shots,
        "seeds": settings.study.seeds,
        "test_images": next(iter(analyses.values()))["examples"],
        "permutations": settings.study.permutations,
        "commits": sorted({card["commit"] or "unknown" for card in cards}),
        "devices": sorted({card["device"] for card in cards}),
        "levels": [
            {"level": level, **of_level(list(at), analyses, settings)}
            for level, at in itertools.groupby(sorted(cells, key=at_level), at_level)
        ],
    }


def of_level(cells, analyses, settings) -> dict:
    """What methods came to at one level, what the configured one gained; the variance."""
    method, rivals = settings.method.name, rivals_of(settings)
    rows, found = {}, {}
    for cell in sorted(cells, key=lambda cell: cell["seed"]):
        rows.setdefault(cell["method"], []).append(own_rows(cell)[-1])
        found[cell["seed"]] = analyses[cell["dataset"], cell["seed"]]

    def figures(name, figure):
        return [row.get(figure) for row in rows[name]]

    def gains(rival, figure):
        both = zip(figures(method, figure), figures(rival, figure), strict=True)
        return [gain(figure, ours, theirs) for ours, theirs in both]

    def spreads(names, values):
        return {
            name: {
                figure: spread(values(name, figure)) for figure in shown_in(COMPARED)
            }
            for name in names
        }

    return {
        "methods": spreads((*rivals, method), figures),
        "gains": spreads(rivals, gains),
        "variance": {
            name: spread([one[name] for one in found.values()]) for name in STATISTICS
        },
    }


def spread(values) -> dict:
    """Mean and standard deviation (ddof 0) over seeds; None where a value is not finite."""
    if any(value is None for value in values):
        return {"mean": None, "sd": None, "by_seed": values}
    mean, deviation = statistics.fmean(values), statistics.pstdev(values)
    return {"mean": mean, "sd": deviation, "by_seed": values}
