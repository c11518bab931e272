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
from apt_jax.files import digest
from apt_jax.grid.cells import Cells
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
from apt_jax.runs.preparation import Prepared, load_clip
from apt_jax.runs.record import (
    card,
    resolved,
    set_by_hand,
    split_of,
    split_sha256,
)
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

    @property
    def method(self):
        return self.prepared.method


def run(study, folder, arguments=()):
    """Runs, or finishes, the cells of a study in `folder`, and writes the report.

    Raises:
        UserError: for what is wrong with study or data, before any work; and in the
            end, if cells failed: what each said is in grid.md.
    """
    store = Cells(folder)
    planned = cells(as_before(study, next(store.contents(), None)))
    if not all(map(store.finished, planned)):
        require_some_below(study)
    with working_in(folder):
        store.claim(planned)
        require_own(store.moved(planned), planned, store)
        failures = fill(planned, store)
        publish(study, planned, failures, store, arguments)
        require_none(failures, store.folder / "grid.md")


def fill(planned, store) -> dict[Cell, Exception]:
    """Finishes the cells that are left; returns those that failed, and why."""
    left = [cell for cell in planned if not store.finished(cell)]
    print(
        f"{counted(len(planned), 'cell')}, {len(planned) - len(left)} of them done already"
    )
    return work(planned, left, store) if left else {}


def publish(study, planned, failures, store, arguments):
    """Writes the report of the finished cells."""
    done = [store.read(cell) for cell in planned if store.finished(cell)]
    failed = {str(cell): message_of(error) for cell, error in failures.items()}
    command = shlex.join(["python", "-m", "apt_jax", "grid", *arguments])
    groups = study.groups.to_dict()
    print(write_report(store.folder, done, failed, command, groups))


def require_own(moved, planned, store):
    """Refuses a backbone or images other than those of finished cells.

    Raises:
        UserError: naming the first cell, and what is another.
    """
    once = {(cell.dataset, cell.seed): cell for cell in reversed(moved)}
    for cell in once.values():
        backbone = functools.partial(load_clip, begun(planned, cell, store))
        of_set = [other for other in planned if other.dataset == cell.dataset]
        require_same(cell, Shared(backbone, of_set).prepared(cell), store)


def require_same(cell, prepared, store):
    """Refuses to go on from a finished cell with other files.

    Raises:
        UserError: naming what is another.
    """
    card, dataset = store.read(cell)["protocol"], prepared.dataset
    of_data, images = card["data"], split_sha256(dataset, split_of(prepared))
    described = digest(dataset.descriptions) if dataset.descriptions else None
    found = {
        "backbone": (prepared.clip.sha256, card["backbone"]["sha256"]),
        "set of images": (images, of_data["split_sha256"]),
    }
    for what, now in (
        ("list of classes", digest(list(dataset.classes))),
        ("list of templates", digest(list(dataset.templates))),
        ("list of descriptions", described),
    ):
        name = f"{what.removeprefix('list of ')}_sha256"
        found[what] = (now, of_data.get(name, now))  # cards of before have fewer
    differing = [
        f"another {what}: SHA-256 {str(now)[:12]}..., not {str(then)[:12]}..."
        for what, (now, then) in found.items()
        if now != then
    ]
    if differing:
        raise UserError(
            f"finished cells of {store.folder} were made of other files, the first "
            f"({cell}): {'; '.join(differing)}; name the original's places, or "
            "choose another --workdir"
        )


def work(planned, left, store) -> dict[Cell, Exception]:
    """Finishes the cells that are left; returns those that failed, and why."""
    config = begun(planned, left[0], store)
    backbone = functools.cache(lambda: load_clip(config))
    shared = {
        dataset: Shared(backbone, [one for one in planned if one.dataset == dataset])
        for dataset in dict.fromkeys(cell.dataset for cell in left)
    }
    for cell in left:
        shared[cell.dataset].prepared(cell)
    for cell in witnesses(planned, left, store):
        require_same(cell, shared[cell.dataset].prepared(cell), store)
    failures = {}
    with progress(len(left), "grid", "cells") as advance:
        for dataset, of_dataset in itertools.groupby(left, lambda cell: cell.dataset):
            of_seeds = lambda cell: (cell.method, cell.shots)  # noqa: E731
            for _, group in itertools.groupby(of_dataset, of_seeds):
                group = list(group)
                failures |= finish(shared[dataset], group, store)
                advance(len(group), failed=len(failures))
            del shared[dataset]  # its frozen outputs may be large
    return failures


def witnesses(planned, left, store) -> list[Cell]:
    """A finished cell of each data set that has cells left, of their seeds if any is.

    Photographs that came or went since show in it, whatever its seed.
    """
    of_seeds = {(cell.dataset, cell.seed) for cell in left}
    finished = [cell for cell in planned if store.finished(cell)]
    finished.sort(key=lambda cell: (cell.dataset, cell.seed) not in of_seeds)
    first = {cell.dataset: cell for cell in reversed(finished)}
    return [
        first[name] for name in {cell.dataset: None for cell in left} if name in first
    ]


def begun(planned, cell, store):
    """The configuration of a cell, with the dtype that finished cells were made with.

    What "auto" means is measured, and may change between two starts of a grid.
    """
    config = cell.config.copy_and_resolve_references()
    for other in planned:
        if store.finished(other):
            backbone = store.read(other)["protocol"]["backbone"]
            config.clip.dtype = backbone["dtype"]
            with config.ignore_type():
                config.clip.revision = backbone["revision"]
            break
    return config


def finish(shared, group, store) -> dict[Cell, Exception]:
    """Trains, judges and writes cells that differ in their seed; returns the failed.

    Cells that fail together are tried again alone, so that a failure is of its cell.
    """
    try:
        runs = searched(shared, ready(shared, group), store)
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


def ready(shared, group) -> list[Run]:
    """Cells with their shots; raises `UserError` if their method cannot do the task."""
    prepared = [shared.prepared(cell) for cell in group]
    for cell, of_cell in zip(group, prepared, strict=True):
        for part in shared.parts(cell, of_cell):
            require_fit(of_cell.method, shared.task(part.texts))
    to_search = [dataclasses.replace(cell, refit="train") for cell in group]
    tasks = shared.with_shots(to_search, prepared)
    return [
        run_on(cell, of_cell, task, cell)
        for cell, of_cell, task in zip(group, prepared, tasks, strict=True)
    ]


def run_on(cell, prepared, task, asked, search=None) -> Run:
    """The run of a cell on a task with shots."""
    require_fit(prepared.method, task)
    recipe = recipe_of(prepared.method, task, train=cell.config.train)
    require_members(prepared.method, prepared.members, recipe)
    return Run(cell, prepared, task, recipe, asked, search)


def searched(shared, runs: list[Run], store) -> list[Run]:
    """Runs with what the search of each chooses, on what it trains on then.

    A method without recipe has no `train.*` to choose.
    """
    first = runs[0]
    candidates = {
        field: values
        for field, values in first.cell.candidates.items()
        if first.recipe is not None or not field.startswith("train.")
    }
    if not candidates and first.cell.refit == "train":
        return runs
    found = [chosen(shared, one, candidates, store) for one in runs]
    prepared = [shared.prepared(cell) for cell, _ in found]
    tasks = shared.with_shots([cell for cell, _ in found], prepared)
    return [
        run_on(cell, of_cell, task, one.cell, record)
        for one, (cell, record), of_cell, task in zip(
            runs, found, prepared, tasks, strict=True
        )
    ]


def chosen(shared, one: Run, candidates, store) -> tuple[Cell, dict | None]:
    """The cell with what its search chooses, and the search's record."""
    if not candidates:
        return one.cell, None
    material = shared.material(one.cell, one.prepared, one.task)
    trials = search(one.cell.config, candidates, material, store.trials(one.cell))
    record = record_of(candidates, trials, material)
    config = with_values(one.cell.config, record["chosen"])
    return dataclasses.replace(one.cell, config=config), record


def train(runs: list[Run]) -> list[tuple[Fitted, Cost]]:
    """Trains runs that differ in seed and shots, and in what was searched for them."""
    groups = itertools.groupby(runs, lambda one: (one.method, one.cell.config.train))
    return [found for _, group in groups for found in train_alike(list(group))]


def train_alike(runs):
    first = runs[0]
    return fit_seeds(
        first.method,
        [one.task for one in runs],
        [keys.of_seed(one.cell.seed, keys.TRAIN) for one in runs],
        train=first.cell.config.train,
        members=first.prepared.members,
    )


def evaluated(shared, one: Run, fitted: Fitted, spent: Cost) -> tuple[dict, list, dict]:
    """The protocol card, the rows and the cost of a run that is trained."""
    cell, prepared, method = one.cell, one.prepared, one.method
    parts, sampling = (
        shared.parts(cell, prepared),
        (cell.seed, cell.config.eval.samples),
    )
    task = shared.task(parts[0].texts)
    of_cell = (Classifier(task, fitted, *sampling), cell.config.eval.bins)
    rows = [shared.evaluated(prepared, part, *of_cell) for part in parts]
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


def require_none(failures, report=None):
    """Raises one `UserError` for cells that can be mended, else the first bug itself.

    `report` is the file in which all of them stand, if there is one.
    """
    if not failures:
        return
    failed = f"{counted(len(failures), 'cell')} failed"
    bugs = [error for error in failures.values() if not isinstance(error, UserError)]
    if bugs:
        print(f"error: {failed}{f'; see {report}' if report else ''}", file=sys.stderr)
        raise bugs[0]
    cell, error = next(iter(failures.items()))
    told = message_of(error)
    where = f"all of them stand in {report}, and " if report else ""
    raise UserError(
        f"{failed}, the first ({cell}): {told}; {where}the same command tries them again"
    )
