"""What adaptive prompts gain as the classes spread: one knob turned, all else equal.

A grid: a data set for each level of `data.variance`, and zero-shot CLIP, every method of
`study.rivals` and the configured method as its methods. Then the analysis of variance of
each level's and seed's test images.
"""

import itertools
import statistics

from ml_collections import ConfigDict

from apt_jax import config as configuration
from apt_jax.errors import UserError
from apt_jax.grid import study, work
from apt_jax.grid.cells import Cells
from apt_jax.metrics.figures import COMPARED, shown_in
from apt_jax.metrics.paired import gain
from apt_jax.report import variance as report
from apt_jax.report.grid_rows import BASE, Rows
from apt_jax.studies.follow import as_then
from apt_jax.studies.variance import analysis_of, once


def run(settings, folder, arguments=()) -> dict:
    """Runs what is missing of the study in `folder`; returns its summary."""
    require_knob(settings)
    grid = grid_of(settings)
    planned = study.cells(grid)

    def make(settings, workdir):
        if any(workdir.folder.glob("cells/*.json")):
            raise UserError(
                f"an older version began the study in {workdir.folder}, whose cells are "
                "other files; choose another --workdir, or finish it with that version"
            )
        workdir.require_recipes()
        workdir.settle(settings)
        store = Cells(workdir.folder)
        work.complete(grid, planned, store, ("study", "controlled", *arguments))
        cells = list(map(store.read, planned))
        analyses = analyses_of(cells, settings.study.permutations)
        return summarise(cells, analyses, settings)

    shown = (report.controlled_markdown, report.controlled_figure)
    return once(settings, folder, "controlled", make, *shown)


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
        grid.update({name: settings[name] for name in of_all - study.OF_A_RUN})
        grid.methods, grid.datasets = (*rivals_of(settings), method), tuple(sets)
        grid.shots = (settings.shots,)
        grid.seeds = tuple(range(1, settings.study.seeds + 1))
        grid.sets = sets
        grid.variants = {method: {"method": settings.method.to_dict()}}
    study.spell_out(grid)
    return grid


def analyses_of(cells, permutations) -> dict:
    """By data set and seed, the analysis of variance of all test images."""
    cells = [cell for cell in cells if cell["method"] == BASE]
    return {
        (cell["dataset"], cell["seed"]): analysis_of(*one, "test", 0, permutations)
        for cell, one in zip(cells, as_then(cells), strict=True)
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
    method, rivals, rows = settings.method.name, rivals_of(settings), Rows(cells)

    def figures(name, figure):
        return rows.values(name, settings.shots, figure)

    def gains(rival, figure):
        ours, theirs = figures(method, figure), figures(rival, figure)
        return {seed: gain(figure, ours[seed], theirs.get(seed)) for seed in ours}

    def spreads(names, values):
        return {
            name: {
                figure: spread(values(name, figure).values())
                for figure in shown_in(COMPARED)
            }
            for name in names
        }

    of_seeds = [
        analyses[one] for one in sorted({(c["dataset"], c["seed"]) for c in cells})
    ]
    return {
        "methods": spreads((*rivals, method), figures),
        "gains": spreads(rivals, gains),
        "variance": {
            name: spread([one[name] for one in of_seeds]) for name in report.STATISTICS
        },
    }


def spread(values) -> dict:
    """Mean and standard deviation (ddof 0) over seeds; None where a value is not finite."""
    values = list(values)
    if None in values or not values:
        return {"mean": None, "sd": None, "by_seed": values}
    mean, deviation = statistics.fmean(values), statistics.pstdev(values)
    return {"mean": mean, "sd": deviation, "by_seed": values}
