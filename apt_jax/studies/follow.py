"""How what methods gain follows the variance of the data sets, of a finished grid.

For each data set of the grid: the analysis of variance of its test images' embeddings
(`metrics.variance`), as many images of each class in every set, beside the gain of each
method over zero-shot CLIP with its prompts, the mean over seeds of paired differences.
Then, of each method, the rank correlation of gain and spread (intra / inter) over the sets.
Where test images are drawn by the seed, those of the grid's first seed are analysed.
"""

import json

from apt_jax import config as configuration
from apt_jax.classifier import saved
from apt_jax.data.few_shot import by_label
from apt_jax.errors import UserError
from apt_jax.files import write_json, write_text
from apt_jax.grid.cells import Cells
from apt_jax.lock import working_in
from apt_jax.metrics.figures import COMPARED, shown_in
from apt_jax.metrics.paired import gain
from apt_jax.metrics.rank import rank_correlation
from apt_jax.report import follow as report
from apt_jax.report.grid_rows import BASE, Rows
from apt_jax.runs.preparation import prepare
from apt_jax.runs.record import split_of, split_sha256
from apt_jax.studies.variance import analysed, images_of
from apt_jax.words import counted

RESULT, TABLE = "follow.json", "follow.md"
SPREAD = "intra_over_inter"  # what gains are compared with
LEAST = 2  # images of a class that have a variance


def run(folder, per_class=None, *, permutations) -> dict:
    """Analyses the sets of the grid in `folder`; returns what follow.json holds.

    Raises:
        UserError: if it holds no finished cells, if its images are not those of the
            cells, if a class has too few of them, or if its backbone has no zero-shot
            row to gain over.
    """
    cells = require_cells(folder, list(Cells(folder).contents()))
    with working_in(folder):
        sets = by_set(cells)
        gained = {name: gains_of(of_set) for name, of_set in sets.items()}
        prepared = {name: as_then(first_of(of_set)) for name, of_set in sets.items()}
        count = per_class or fewest(prepared)
        require_enough([one.dataset for _, one in prepared.values()], count)
        spread = {
            name: analysis_of_test(*one, permutations, count)
            for name, one in prepared.items()
        }
        found = {
            "per_class": count,
            "sets": spread,
            "gains": gained,
            "ranks": correlations(spread, gained),
        }
        write_json(Cells(folder).folder / RESULT, found)
        text = report.follow_markdown(found)
        write_text(Cells(folder).folder / TABLE, text)
    print(f"{text}\ntable: {Cells(folder).folder / TABLE}")
    return found


def require_cells(folder, cells) -> list[dict]:
    """The cells; raises `UserError` if there are none."""
    if not cells:
        raise UserError(
            f"{folder} holds no finished cell of a grid; name the --workdir of one"
        )
    return cells


def by_set(cells) -> dict[str, list[dict]]:
    """Cells by their data set, in the order of the files."""
    found = {}
    for cell in cells:
        found.setdefault(cell["dataset"], []).append(cell)
    return found


def first_of(cells) -> dict:
    """The cell of the first seed."""
    return min(cells, key=lambda cell: cell["seed"])


def gains_of(cells) -> dict:
    """By shots and method, what it gains over zero-shot CLIP: means over its seeds.

    Of each figure that methods are compared by; above 0 the method is better.
    """
    rows, found = Rows(cells), {}
    if not rows.bases:
        raise UserError(
            f"the cells of {cells[0]['dataset']} have no row of zero-shot CLIP to gain "
            "over: their backbone reads no text; take a grid of a CLIP"
        )
    for shots in rows.shots:
        of_shots = found.setdefault(f"{shots:g}", {})
        for method in rows.methods:
            compared = shown_in(COMPARED)
            gains = {name: mean_gain(rows, method, shots, name) for name in compared}
            if method != BASE and gains["accuracy"] is not None:
                of_shots[method] = gains
    return found


def mean_gain(rows, method, shots, figure) -> float | None:
    """How much better a method is than zero-shot CLIP in its own cells, over seeds."""
    ours = rows.values(method, shots, figure)
    theirs = rows.beside(method, shots, figure)
    both = [gain(figure, ours[seed], theirs[seed]) for seed in ours if seed in theirs]
    return sum(both) / len(both) if both else None


def as_then(cell):
    """The settings of a cell, and its backbone and images, which are those of then.

    Raises:
        UserError: if they are others.
    """
    asked = configuration.from_json(json.dumps(cell["asked"]))
    settings, card = configuration.completed(asked), cell["protocol"]
    settings.clip.dtype = card["backbone"]["dtype"]
    with settings.ignore_type():
        settings.clip.revision = card["backbone"]["revision"]
    # Whether the grid kept validation images depends on all of its methods.
    for validation in (None, True):
        prepared = prepare(settings, validation=validation)
        if (
            split_sha256(prepared.dataset, split_of(prepared))
            == (card["data"]["split_sha256"])
        ):
            wanted, what = card["backbone"]["sha256"], f"the cells of {cell['dataset']}"
            saved.require_same(prepared.clip, wanted, what)
            return settings, prepared
    raise UserError(
        f"the images of {cell['dataset']} are not those of its finished cells; put back "
        "what was there, or run the grid anew in another --workdir"
    )


def fewest(prepared) -> int:
    """The fewest test images of a class in any of the sets, at least two."""
    least = [min(map(len, by_label(one.dataset.test))) for _, one in prepared.values()]
    return max(LEAST, min(least))


def require_enough(datasets, count):
    """Refuses sets with a class of fewer test images than are taken of each."""
    groups = [(of_class, one) for one in datasets for of_class in by_label(one.test)]
    few, dataset = min(groups, key=lambda group: len(group[0]))
    if len(few) < count:
        remedy = (
            f"ask for fewer: --per-class={len(few)}"
            if len(few) >= LEAST
            else "run a grid without the set, or add images to the class"
        )
        raise UserError(
            f"{dataset.name}, class {dataset.classes[few[0].label]!r}: "
            f"{counted(len(few), 'test image')}, and {count} are taken of each class; "
            f"{remedy}"
        )


def analysis_of_test(settings, prepared, permutations, per_class=0) -> dict:
    """The analysis of variance of test images of a set, all or so many of each class."""
    dataset = prepared.dataset
    items = images_of(dataset, "test", per_class, settings.seed)
    what = f"test images of {dataset.name}"
    return analysed(settings, prepared, items, permutations, what)


def correlations(spread, gained) -> dict:
    """By shots and method: rank correlation of gain and spread, and over how many sets."""
    found = {}
    for shots in dict.fromkeys(shots for of_set in gained.values() for shots in of_set):
        having = {name: of[shots] for name, of in gained.items() if shots in of}
        of_shots = found.setdefault(shots, {})
        for method in dict.fromkeys(name for of in having.values() for name in of):
            sets = [name for name in having if method in having[name]]
            sets = [name for name in sets if spread[name][SPREAD] is not None]
            wide = [spread[name][SPREAD] for name in sets]
            of_shots[method] = {"sets": len(sets)} | {
                figure: correlation(
                    wide, [having[name][method][figure] for name in sets]
                )
                for figure in shown_in(COMPARED)
            }
    return found


def correlation(wide, gains) -> float | None:
    """Of the spread and the gains of sets; None where a set has no gain."""
    return None if None in gains else rank_correlation(wide, gains)
