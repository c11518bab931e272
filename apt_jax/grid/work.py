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
import time
import traceback
from typing import Any

import jax

from apt_jax.errors import UserError, one_line, with_type
from apt_jax.evaluation import batches, class_sides, predict_batch
from apt_jax.experiment import judge, labels_of, shifted_parts
from apt_jax.files import digest
from apt_jax.grid.cells import Cells
from apt_jax.grid.search import on_card, record_of, search
from apt_jax.grid.sets import as_before, require_some_below
from apt_jax.grid.shared import Shared
from apt_jax.grid.study import Cell, cells, with_values
from apt_jax.lock import working_in
from apt_jax.methods import require_fit
from apt_jax.methods.base import Recipe
from apt_jax.methods.task import Task
from apt_jax.preparation import Prepared, load_clip, on_new
from apt_jax.progress import progress
from apt_jax.record import (
    card,
    chosen_recipe,
    resolved,
    set_by_hand,
    split_of,
    split_sha256,
)
from apt_jax.report.grid import write_report
from apt_jax.report.parameters import count
from apt_jax.restore import seed_key
from apt_jax.training import loop
from apt_jax.uncertainty.ensemble import member_keys, require_members
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
    def key(self):
        return member_keys(seed_key(self.cell.seed, "train"), self.method.members)

    @property
    def method(self):
        return self.prepared.method

    @property
    def selects_on(self) -> tuple:
        """Contents of the images that the protocol selects on; mostly none."""
        hashes = self.prepared.hashes
        return tuple(hashes[item.path] for item in self.prepared.selection)


@dataclasses.dataclass(frozen=True)
class Trained:
    """What training gave a run, and what it cost."""

    params: Any
    seconds: float  # of this run: the share of it, if several trained together
    compile_seconds: float  # before the first epoch, of all that trained together
    bytes: int | None  # of the compiled epoch; None if there is none
    together: int = 1


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
        run_cells(study, planned, store, arguments)


def run_cells(study, planned, store, arguments):
    """Finishes the cells that are left, and writes the report of all."""
    left = [cell for cell in planned if not store.finished(cell)]
    print(
        f"{counted(len(planned), 'cell')}, {len(planned) - len(left)} of them done already"
    )
    failures = work(planned, left, store) if left else {}
    done = [store.read(cell) for cell in planned if store.finished(cell)]
    failed = {str(cell): message_of(error) for cell, error in failures.items()}
    command = shlex.join(["python", "-m", "apt_jax.grid", *arguments])
    groups = study.groups.to_dict()
    print(write_report(store.folder, done, failed, command, groups))
    if failures:
        raise_failures(failures, store.folder)


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
        runs = [searched(shared, ready(shared, cell), store) for cell in group]
        for one, trained in zip(runs, train(runs), strict=True):
            store.write(one.asked, *judged(shared, one, trained), one.search)
    except Exception as error:  # whatever it is, other cells can go on
        if len(group) > 1:
            left = [cell for cell in group if not store.finished(cell)]
            alone = [finish(shared, [cell], store) for cell in left]
            return {cell: why for failed in alone for cell, why in failed.items()}
        if not isinstance(error, UserError):
            traceback.print_exc()
        return {group[0]: error}
    return {}


def ready(shared, cell) -> Run:
    """The cell with its shots; raises `UserError` if its method cannot do the task."""
    prepared = shared.prepared(cell)
    for part, _ in judged_parts(cell, prepared):
        require_fit(part.method, shared.task(part))
    return run_on(shared, cell, prepared, cell)


def run_on(shared, cell, prepared, asked, search=None) -> Run:
    """The run of a cell on the images of `prepared`."""
    task = shared.with_shots(cell, prepared)
    require_fit(prepared.method, task)
    recipe = chosen_recipe(prepared.method, task, cell.config.train)
    require_members(prepared.method, recipe)
    return Run(cell, prepared, task, recipe, asked, search)


def searched(shared, one: Run, store) -> Run:
    """The run with what its cell's search chooses, on what it trains on then.

    A method without recipe has no `train.*` to choose.
    """
    asked, cell, record = one.cell, one.cell, None
    candidates = {
        field: values
        for field, values in asked.candidates.items()
        if one.recipe is not None or not field.startswith("train.")
    }
    if not candidates and asked.refit == "train":
        return one
    if candidates:
        material = shared.material(asked, one.prepared, one.task)
        trials = search(asked.config, candidates, material, store.trials(asked))
        record = record_of(candidates, trials, material)
        config = with_values(asked.config, record["chosen"])
        cell = dataclasses.replace(asked, config=config)
    prepared = shared.refitted(cell, shared.prepared(cell))
    return run_on(shared, cell, prepared, asked, record)


def judged_parts(cell, prepared) -> list[tuple[Prepared, str]]:
    """What a trained run is judged on: its classes, then those it meets afterwards."""
    parts = [(prepared, cell.config.data.classes)]
    if prepared.new is not None:
        parts.append((on_new(prepared), "new"))
    return parts


def train(runs: list[Run]) -> list[Trained]:
    """Trains runs that differ in seed and shots only, together if they can.

    Together they have one set of images to select on: where each has its own, alone.
    """
    first = runs[0]
    if first.recipe is None:
        return [fit(one) for one in runs]
    of_all = lambda run: (run.method, run.recipe, run.task.num_shots, run.selects_on)  # noqa: E731
    alike = len(set(map(of_all, runs))) == 1
    cached = first.method.inputs != "pixels"
    # The members of an ensemble train together already.
    if len(runs) > 1 and alike and cached and first.method.members == 1:
        return train_together(runs)
    return [train_alone(one) for one in runs]


def fit(one: Run) -> Trained:
    state, line = loop.fit(one.method, one.task, one.key)
    return Trained(state.params, line.seconds, 0.0, None)


def train_alone(one: Run) -> Trained:
    state = loop.start(one.method, one.task, one.recipe, one.key)
    return timed(one, one.task, state, one.key)


def train_together(runs: list[Run]) -> list[Trained]:
    first = runs[0]
    task = loop.together([one.task for one in runs])
    states = [loop.start(one.method, one.task, one.recipe, one.key) for one in runs]
    keys = jax.numpy.stack([one.key for one in runs])
    of_all = timed(first, task, loop.stack(states), keys)
    seconds = of_all.seconds / len(runs)
    return [
        dataclasses.replace(
            of_all,
            params=loop.unstack(of_all.params, index),
            seconds=seconds,
            together=len(runs),
        )
        for index in range(len(runs))
    ]


def timed(one: Run, task, state, key) -> Trained:
    """Trains from `state`, compilation told apart."""
    began = time.monotonic()
    epoch = loop.run_epoch.lower(one.method, one.recipe, state, task, key)
    size = bytes_of(epoch.compile())
    compiled = time.monotonic()
    key = jax.random.clone(key)
    params = loop.train(one.method, task, one.recipe, state, key)
    jax.block_until_ready(params)
    return Trained(params, time.monotonic() - compiled, compiled - began, size)


def judged(shared, one: Run, trained: Trained) -> tuple[dict, list, dict]:
    """The protocol card, the rows and the cost of a run that is trained."""
    cell, prepared, method = one.cell, one.prepared, one.method
    evaluations, *of_new = [
        judged_part(shared, one, trained.params, *part)
        for part in judged_parts(cell, prepared)
    ]
    test, task = shared.test(prepared), shared.task(prepared)
    config = resolved(cell.config, prepared, one.recipe)
    by_hand = set_by_hand(one.asked.config)
    protocol = card(config, prepared, split_of(prepared), by_hand)
    if one.search is not None:
        protocol = on_card(protocol, one.search)
    if cell.refit != "train":
        protocol["protocol"]["trained_on"] = cell.refit
    tower = shared.tower_seconds(method)
    cost = {
        "trainable_parameters": count(method.parts(trained.params)[0]),
        "train_seconds": trained.seconds,
        "compile_seconds": trained.compile_seconds,
        "trained_together": trained.together,
        "test_ms_per_image": 1000 * (tower + evaluations[-1].seconds_per_image),
        "peak_memory_mb": peak_megabytes(cell, method, trained, task, test),
    }
    shifted = [
        judge_of_shift(shared, one, trained.params, task, *part)
        for part in shifted_parts(prepared)
    ]
    rows = [row.row for of_part in (evaluations, *of_new, *shifted) for row in of_part]
    return protocol, rows, cost


def judge_of_shift(shared, one: Run, params, task, split, among, part) -> list:
    """The evaluations of a run on a shifted split (`experiment.shifted_parts`)."""
    labels, classes = labels_of(part.dataset.test), one.cell.config.data.classes
    test = shared.test(part)
    of_part = (one.cell.config, one.method, params, task, test, labels, classes)
    return judge(*of_part, split=split, among=among)


def judged_part(shared, one: Run, params, part: Prepared, classes: str) -> list:
    """The evaluations of a run on one of its `judged_parts`."""
    cell, test, task = one.cell, shared.test(part), shared.task(part)
    labels = labels_of(part.dataset.test)

    def evaluate(zero_shot):
        of_part = (cell.config, one.method, params, task, test, labels, classes)
        return judge(*of_part, zero_shot=zero_shot)

    return shared.judged(cell, part, evaluate)


def peak_megabytes(cell, method, trained, task, test) -> float:
    """Memory of the cell's largest program: its compiled epoch or test batch.

    Of each what goes in (the frozen weights that it reads among it), what comes out, and
    what it needs in between, as the compiler laid it out. The process as a whole would
    only show the largest cell so far.
    """
    stored, contents, _ = next(batches(test))
    chance = (None, None)
    if method.stochastic:
        chance = (seed_key(cell.seed, "judge"), cell.config.eval.samples)
    of_all = (method, trained.params, task)
    classes = class_sides.eval_shape(*of_all, *chance)
    batch = predict_batch.lower(*of_all, stored, contents, classes, *chance).compile()
    return max(bytes_of(batch), trained.bytes or 0) / 2**20


def bytes_of(compiled) -> int:
    """Arguments, results and temporaries of a compiled program."""
    memory = compiled.memory_analysis()
    return (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes
    )


def message_of(error) -> str:
    """What a failed cell says, on one line."""
    return one_line(error) if isinstance(error, UserError) else with_type(error)


def raise_failures(failures, folder):
    """Raises one `UserError` for cells that can be mended, else the first bug itself."""
    bugs = [error for error in failures.values() if not isinstance(error, UserError)]
    if bugs:
        print(
            f"error: {counted(len(failures), 'cell')} failed; see {folder}/grid.md",
            file=sys.stderr,
        )
        raise bugs[0]
    cell, error = next(iter(failures.items()))
    raise UserError(
        f"{counted(len(failures), 'cell')} failed, the first ({cell}): {error}; all of "
        f"them stand in {folder}/grid.md, and the same command tries them again"
    )
