"""The story of a grid, from a study to a report, top to bottom.

plan      every cell of the study; finished ones are found, changed ones refused
prepare   every data set is read and checked before anything is trained
search    where a study asks for it: hyper-parameters, on the validation split
work      data set by data set: frozen outputs once, seeds of a method together
publish   grid.csv, grid.md and figures from the files of the cells
"""

import dataclasses
import functools
import itertools
import shlex
import sys
import traceback

from apt_jax import keys
from apt_jax.classifier import Classifier
from apt_jax.errors import UserError, one_line, with_type
from apt_jax.grid.cells import Cells, other_files, with_backbone
from apt_jax.grid.search import on_card, record_of, search
from apt_jax.grid.sets import as_before, require_some_below
from apt_jax.grid.shared import Shared, trained_on
from apt_jax.grid.study import Cell, cells, with_values
from apt_jax.lock import working_in
from apt_jax.methods import require_fit
from apt_jax.methods.base import Recipe
from apt_jax.methods.task import Task
from apt_jax.options import as_options
from apt_jax.progress import progress
from apt_jax.report.grid import write_report
from apt_jax.report.parameters import count
from apt_jax.runs.parts import parts_of
from apt_jax.runs.preparation import Prepared, load_clip
from apt_jax.runs.record import card, resolved, set_by_hand, split_of
from apt_jax.training.fit import bytes_of, fit_seeds, recipe_of, require_members
from apt_jax.training.fitted import Cost, Fitted
from apt_jax.uncertainty.predictive import batches, class_sides, predict_batch
from apt_jax.words import counted


@dataclasses.dataclass(frozen=True)
class Run:
    """A cell, ready to train."""

    cell: Cell  # its configuration with what a search chose
    prepared: Prepared
    task: Task  # with the shots
    recipe: Recipe | None
    asked: Cell  # as the study has it
    search: dict | None = None  # `grid.search.record_of`


def run(study, folder, arguments=()):
    """Runs, or finishes, the cells of a study in `folder`, and writes the report.

    Raises:
        UserError: for what is wrong with study or data, before any work; and as
            `complete`.
    """
    store = Cells(folder)
    planned = cells(as_before(study, next(store.contents(), None)))
    if not all(map(store.finished, planned)):
        require_some_below(study)
    with working_in(store.folder):
        store.claim(planned)
        complete(study, planned, store, ("grid", *arguments))


def complete(study, planned, store, command):
    """Finishes the cells of a study that are left, and writes the report of all.

    Raises:
        UserError: in the end, if cells failed: what each said is in grid.md.
    """
    failures = fill(planned, store)
    done = [store.read(cell) for cell in planned if store.finished(cell)]
    failed = {str(cell): message_of(error) for cell, error in failures.items()}
    line = shlex.join(["python", "-m", "apt_jax", *command])
    print(write_report(store.folder, done, failed, line, study.groups.to_dict()))
    if failures:
        raise failure_of(failures, store.folder / "grid.md")


def fill(planned, store) -> dict[Cell, Exception]:
    """Finishes the cells that are left; returns those that failed, and why."""
    left = [cell for cell in planned if not store.finished(cell)]
    known = witnesses(planned, left, store)
    backbone = functools.cache(lambda: load_clip(begun(planned, store)))
    shared = {
        dataset: Shared(backbone, [one for one in planned if one.dataset == dataset])
        for dataset in dict.fromkeys(cell.dataset for cell in (*known, *left))
    }
    for cell in known:
        require_same(cell, shared[cell.dataset].prepared(cell), store)
    for cell in left:
        shared[cell.dataset].prepared(cell)
    done = len(planned) - len(left)
    print(f"{counted(len(planned), 'cell')}, {done} of them done already")
    failures = {}
    with progress(len(left), "grid", "cells", shown=bool(left)) as advance:
        for dataset, of_dataset in itertools.groupby(left, lambda cell: cell.dataset):
            of_seeds = lambda cell: (cell.method, cell.shots)  # noqa: E731
            for _, group in itertools.groupby(of_dataset, of_seeds):
                group = list(group)
                failures |= finish(shared[dataset], group, store)
                advance(len(group), failed=len(failures))
            del shared[dataset]  # its frozen outputs may be large
    return failures


def witnesses(planned, left, store) -> list[Cell]:
    """The finished cells that show whether all files are still those of then.

    One of each data set that has cells left, of their seeds if any is: photographs that
    came or went since show in it, whatever its seed. And where the files were in other
    places then, one of each seed.
    """
    of_seeds = {(cell.dataset, cell.seed) for cell in left}
    finished = [cell for cell in planned if store.finished(cell)]
    finished.sort(key=lambda cell: (cell.dataset, cell.seed) not in of_seeds)
    with_left = {cell.dataset for cell in left}
    first = {c.dataset: c for c in reversed(finished) if c.dataset in with_left}
    moved = {(c.dataset, c.seed): c for c in reversed(finished) if store.moved(c)}
    return [*first.values(), *moved.values()]


def require_same(cell, prepared, store):
    """Refuses to go on from a finished cell with other files.

    Raises:
        UserError: naming what is another.
    """
    if differing := other_files(store.read(cell), prepared):
        raise UserError(
            f"the finished cells of {store.folder} were made with other files "
            f"({cell}: {'; '.join(differing)}); say where the original files are now, "
            "or choose another --workdir"
        )


def begun(planned, store):
    """The settings of the cells' backbone, as in the finished cells if there are any."""
    finished = (store.read(cell) for cell in planned if store.finished(cell))
    config, content = planned[0].config, next(finished, None)
    return with_backbone(config, content) if content else config


def finish(shared, group, store) -> dict[Cell, Exception]:
    """Trains, judges and writes cells that differ in their seed; returns the failed.

    Cells that fail together are tried again alone, so that a failure is of its cell.
    """
    try:
        runs = searched(shared, group, store)
        for one, found in zip(runs, train(runs), strict=True):
            store.write(one.asked, *evaluated(shared, one, *found), one.search)
    except Exception as error:  # whatever it is, other cells can go on
        if len(group) > 1:
            left = [cell for cell in group if not store.finished(cell)]
            alone = [finish(shared, [cell], store) for cell in left]
            return {cell: why for failed in alone for cell, why in failed.items()}
        if not isinstance(error, UserError):
            traceback.print_exc()
        return {group[0]: error}
    return {}


def searched(shared, group, store) -> list[Run]:
    """The runs of cells, with what the search of each chooses.

    A method without recipe has no `train.*` to choose.
    """
    runs = ready(shared, [dataclasses.replace(cell, refit="train") for cell in group])
    candidates = {
        field: values
        for field, values in group[0].candidates.items()
        if runs[0].recipe is not None or not field.startswith("train.")
    }
    records = [None] * len(group)
    if candidates:
        records = [search_cell(shared, one, candidates, store) for one in runs]
    if candidates or group[0].refit != "train":
        runs = ready(shared, list(map(chosen, group, records)))
    return [
        dataclasses.replace(one, asked=cell, search=record)
        for one, cell, record in zip(runs, group, records, strict=True)
    ]


def ready(shared, group) -> list[Run]:
    """Cells with what they train on; raises `UserError` if their method cannot do it."""
    prepared = [shared.prepared(cell) for cell in group]
    for cell, of_cell in zip(group, prepared, strict=True):
        for part in parts_of(of_cell, cell.config.data.classes):
            require_fit(of_cell.method, shared.task(part.texts))
    runs, tasks = [], shared.with_shots(group, prepared)
    for cell, of_cell, task in zip(group, prepared, tasks, strict=True):
        require_fit(of_cell.method, task)
        recipe = recipe_of(of_cell.method, task, train=cell.config.train)
        require_members(of_cell.method, of_cell.members, recipe)
        runs.append(Run(cell, of_cell, task, recipe, asked=cell))
    return runs


def search_cell(shared, one: Run, candidates, store) -> dict:
    """The record of a cell's search, which is done where it is not there yet."""
    material = shared.material(one.cell, one.prepared, one.task)
    trials = search(one.cell.config, candidates, material, store.trials(one.cell))
    return record_of(candidates, trials, material)


def chosen(cell, record: dict | None) -> Cell:
    """The cell with what its search chose, if there was one."""
    values = record["chosen"] if record else {}
    return dataclasses.replace(cell, config=with_values(cell.config, values))


def train(runs: list[Run]) -> list[tuple[Fitted, Cost]]:
    """Trains runs that differ in seed and shots, and in what was searched for them."""
    alike = lambda one: (one.prepared.method, one.cell.config.train)  # noqa: E731
    groups = itertools.groupby(runs, alike)
    return [found for _, group in groups for found in train_alike(list(group))]


def train_alike(runs):
    first = runs[0]
    return fit_seeds(
        first.prepared.method,
        [one.task for one in runs],
        [keys.of_seed(one.cell.seed, keys.TRAIN) for one in runs],
        train=first.cell.config.train,
        members=first.prepared.members,
    )


def evaluated(shared, one: Run, fitted: Fitted, spent: Cost) -> tuple[dict, list, dict]:
    """The protocol card, the rows and the cost of a run that is trained."""
    cell, prepared, method = one.cell, one.prepared, one.prepared.method
    parts = parts_of(prepared, cell.config.data.classes)
    task = shared.task(parts[0].texts)
    classifier = Classifier(task, fitted, cell.seed, cell.config.eval.samples)
    bins = cell.config.eval.bins
    rows = [shared.evaluated(prepared, part, classifier, bins) for part in parts]
    config = resolved(cell.config, prepared, one.recipe)
    by_hand = set_by_hand(one.asked.config)
    trained = trained_on(cell, prepared)
    protocol = card(config, prepared, split_of(prepared, trained), by_hand, trained)
    protocol["chosen"] = dict(fitted.chosen)
    if one.search is not None:
        protocol = on_card(protocol, one.search)
    if cell.refit != "train":
        protocol["protocol"]["trained_on"] = cell.refit
    tower = shared.tower_seconds(method)
    test = shared.test(prepared, parts[0])
    cost = {
        "trainable_parameters": count(method.parts(fitted.params)[0]),
        "train_seconds": spent.seconds,
        "compile_seconds": spent.compile_seconds,
        "trained_together": spent.together,
        "test_ms_per_image": 1000 * (tower + rows[0][-1].seconds_per_image),
        "peak_memory_mb": peak_megabytes(cell, fitted, spent, task, test),
    }
    return protocol, [row.row for of_part in rows for row in of_part], cost


def peak_megabytes(cell, fitted, spent, task, test) -> float:
    """Memory of the cell's largest program: its compiled epoch or test batch.

    Of each what goes in (the frozen weights that it reads among it), what comes out, and
    what it needs in between, as the compiler laid it out. The process as a whole would
    only show the largest cell so far.
    """
    stored, contents, _ = next(batches(test))
    key, samples = None, None
    if fitted.method.stochastic:
        key, samples = keys.of_seed(cell.seed, keys.PREDICT), cell.config.eval.samples
    of_all = (fitted.method, fitted.params, task)
    chance = {"samples": samples, "members": fitted.members}
    classes = class_sides.eval_shape(*of_all, key, **chance)
    batch = predict_batch.lower(*of_all, stored, contents, classes, key, **chance)
    return max(bytes_of(batch.compile()), spent.bytes or 0) / 2**20


def message_of(error) -> str:
    """What a failed cell says, on one line."""
    if isinstance(error, UserError):
        return as_options(one_line(error))
    return with_type(error)


def failure_of(failures, report) -> Exception:
    """One `UserError` for cells that can be fixed, else the first bug itself.

    `report` is the file in which all of them stand.
    """
    failed = f"{counted(len(failures), 'cell')} failed"
    for error in failures.values():
        if not isinstance(error, UserError):
            print(f"error: {failed}; see {report}", file=sys.stderr)
            return error
    cell, error = next(iter(failures.items()))
    return UserError(
        f"{failed}, the first ({cell}): {message_of(error)}; all of them stand in "
        f"{report}, and the same command tries them again"
    )
