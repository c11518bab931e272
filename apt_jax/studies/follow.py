"""How what methods gain follows the variance of the data sets, of a finished grid.

`commands.study.follow` says what is put beside what.
"""

import functools
import operator

from apt_jax.clip import checkpoint
from apt_jax.data.few_shot import by_label
from apt_jax.errors import UserError
from apt_jax.files import write_json, write_text
from apt_jax.grid.cells import Cells, asked_of, other_files, with_backbone
from apt_jax.lock import working_in
from apt_jax.metrics.figures import COMPARED, shown_in
from apt_jax.metrics.paired import gain
from apt_jax.metrics.rank import rank_correlation
from apt_jax.report import follow as report
from apt_jax.report.grid_rows import BASE, Rows, rows_by_set
from apt_jax.runs.preparation import prepare
from apt_jax.studies.variance import analysis_of
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
    store = Cells(folder)
    sets = rows_by_set(list(store.contents()))
    if not sets:
        raise UserError(
            f"{folder} holds no finished cell of a grid; name the --workdir of one"
        )
    with working_in(store.folder):
        gained = {name: gains_of(rows) for name, rows in sets.items()}
        seed = operator.itemgetter("seed")
        first = [min(rows.cells, key=seed) for rows in sets.values()]
        prepared = dict(zip(sets, as_then(first), strict=True))
        count = per_class or fewest(prepared)
        require_enough([one.dataset for _, one in prepared.values()], count)
        spread = {
            name: analysis_of(*one, "test", count, permutations)
            for name, one in prepared.items()
        }
        found = {
            "per_class": count,
            "sets": spread,
            "gains": gained,
            "ranks": correlations(spread, gained),
        }
        write_json(store.folder / RESULT, found)
        text = report.follow_markdown(found)
        write_text(store.folder / TABLE, text)
    print(f"{text}\ntable: {store.folder / TABLE}")
    return found


def gains_of(rows: Rows) -> dict:
    """By shots and method, what it gains over zero-shot CLIP: means over its seeds.

    Of each figure that methods are compared by; above 0 the method is better.
    """
    found = {}
    if not rows.bases:
        raise UserError(
            f"the cells of {rows.cells[0]['dataset']} have no row of zero-shot CLIP to "
            "gain over: their backbone reads no text; take a grid of a CLIP"
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


def as_then(cells):
    """Yields the settings of each cell, and the backbone and images it was made with.

    Raises:
        UserError: if other files are there now.
    """
    load = functools.cache(checkpoint.load)

    def load_clip(config):
        of_clip = {"revision": config.clip.revision, "dtype": config.clip.dtype}
        return load(config.clip.checkpoint, **of_clip)

    for cell in cells:
        settings = with_backbone(asked_of(cell), cell)
        # Whether the grid kept validation images depends on all of its methods.
        for validation in (None, True):
            prepared = prepare(settings, load_clip=load_clip, validation=validation)
            if not (others := other_files(cell, prepared)):
                break
        else:
            raise UserError(
                f"the files of {cell['dataset']} are not those of its finished cells "
                f"({'; '.join(others)}); put back what was there, or run the grid again "
                "in another --workdir"
            )
        yield settings, prepared


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
