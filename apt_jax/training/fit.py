"""One method on one task: choose, start, train; alone, resumed, or with other seeds.

choose    what is selected inside the shots (`Method.choose`), if nobody gives it
start     the parameters before training, or where an interrupted fit left off
train     to the recipe's last epoch, or at once where there is no recipe
"""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from apt_jax import keys
from apt_jax.errors import UserError
from apt_jax.methods.base import Chosen, Method, Params, Recipe
from apt_jax.methods.published import NOTHING
from apt_jax.methods.task import Task
from apt_jax.progress import progress
from apt_jax.training import loop
from apt_jax.training.checkpoints import Checkpoints
from apt_jax.training.fitted import Cost, Fitted
from apt_jax.training.log import Log

Found = tuple[Fitted, Cost]


@dataclasses.dataclass(frozen=True)
class Kept:
    """Where an interrupted fit goes on: checkpoints every so many epochs, and the log."""

    checkpoints: Checkpoints
    log: Log
    every: int | None = None  # None = ten times a fit

    def restore(self, like: loop.State | None = None) -> loop.State | None:
        """The newest state, if there is one; lines of later epochs are dropped."""
        state = self.checkpoints.restore(like)
        if state is not None:
            self.log.keep(int(state.epoch))
        return state

    def after_epoch(self, state, report, epochs=1):
        """Keeps an epoch's line and, where it is due, its state."""
        if report.epoch == 1:
            self.log.keep(0)
        # The line comes first: a fit killed in between drops lines that no checkpoint
        # has, and could not write again one that is missing.
        self.log.add(report._asdict())
        every = self.every or usual_every(epochs)
        if report.epoch == epochs or report.epoch % every == 0:
            self.checkpoints.save(state)


def usual_every(epochs: int) -> int:
    """Epochs from one checkpoint to the next, ten times a fit."""
    return max(1, epochs // 10)


def recipe_of(
    method: Method, task: Task, chosen: Chosen = NOTHING, train: Mapping = NOTHING
) -> Recipe | None:
    """The method's recipe, as its paper has it on the task's data set, and as `train` sets.

    None in `train` sets nothing.
    """
    recipe = method.recipe(task, chosen)
    if recipe is None:
        return None
    there = method.published(task.dataset).train
    names = [field.name for field in dataclasses.fields(Recipe)]
    given = {name: train[name] for name in names if train.get(name) is not None}
    return dataclasses.replace(recipe, **{**there, **given})


def require_members(method: Method, members: int, recipe: Recipe | None):
    """Refuses an ensemble of a method whose members would all be equal."""
    if members > 1 and recipe is None:
        raise UserError(
            f"method.members={members}: {type(method).__name__} is fitted at "
            "once to one solution, so all members would be equal; drop `method.members`, "
            "or choose a method that trains"
        )


def fit(
    method: Method,
    task: Task,
    key: jax.Array,
    *,
    chosen: Chosen | None = None,
    train: Mapping[str, Any] = NOTHING,
    members: int = 1,
    kept: Kept | None = None,
    shown: bool = False,
    started: Callable[[Params], None] = lambda params: None,
) -> Found:
    """Fits a method; the test split is not among the arguments.

    Args:
        task: with the shots that it is fitted to.
        chosen: what is selected inside the shots; by default the method does that.
        train: fields of the recipe that are set otherwise.
        members: trainings of other chance, predicted as one.
        kept: where it goes on if it was interrupted.
        shown: with a progress bar.
        started: is told the parameters before they are trained, or once fitted.

    Raises:
        NotFinite: as `loop.train`.
    """
    if chosen is None:
        chosen = method.choose(keys.folded(key, keys.START), task)
    recipe = recipe_of(method, task, chosen, train)
    require_members(method, members, recipe)
    if recipe is None:
        return _at_once(method, task, key, chosen, kept, started)
    key = keys.of_members(key, members)
    state = loop.start(method, task, recipe, key, chosen)
    started(state.params)
    if kept is not None:
        state = kept.restore(state) or state
    with progress(recipe.epochs, "training", "epochs", shown=shown) as advance:
        advance(int(state.epoch))

        def after_epoch(state, report):
            if kept is not None:
                kept.after_epoch(state, report, recipe.epochs)
            advance(1, loss=report.loss, accuracy=report.accuracy)

        params, cost = _trained(method, task, recipe, state, key, after_epoch)
    return Fitted(method, chosen, params, members), cost


def fit_seeds(
    method: Method, tasks: list[Task], of_seeds: list, *, train=NOTHING, members=1
) -> list[Found]:
    """Fits a method on several tasks, a key each: as one program if they can.

    They can if they are trained alike, on rows of the same shots, equally many, with the
    same images to select on. Where a tower is in the loop one of them fills the device.
    """
    chosen = [
        method.choose(keys.folded(key, keys.START), task)
        for task, key in zip(tasks, of_seeds, strict=True)
    ]
    recipes = [
        recipe_of(method, t, c, train) for t, c in zip(tasks, chosen, strict=True)
    ]
    alike = all(
        recipe == recipes[0]
        and task.num_shots == tasks[0].num_shots
        and task.shots.stored is tasks[0].shots.stored
        and task.val is tasks[0].val
        for task, recipe in zip(tasks, recipes, strict=True)
    )
    alone = len(tasks) == 1 or members > 1 or method.inputs == "pixels"
    each = list(zip(tasks, of_seeds, chosen, strict=True))
    if recipes[0] is None or alone or not alike:
        return [
            fit(method, task, key, chosen=one, train=train, members=members)
            for task, key, one in each
        ]
    recipe = recipes[0]
    starts = [loop.start(method, task, recipe, key, one) for task, key, one in each]
    together = (loop.together(tasks), recipe, loop.stack(starts), jnp.stack(of_seeds))
    params, cost = _trained(method, *together)
    share = {"seconds": cost.seconds / len(tasks), "together": len(tasks)}
    cost = dataclasses.replace(cost, **share)
    return [
        (Fitted(method, one, loop.unstack(params, index)), cost)
        for index, one in enumerate(chosen)
    ]


def _at_once(method, task, key, chosen, kept, started) -> Found:
    state = kept.restore() if kept else None
    seconds = 0.0
    if state is None:
        state, report = loop.fit_at_once(method, task, key, chosen)
        seconds = report.seconds
        if kept is not None:
            kept.after_epoch(state, report)
    started(state.params)
    return Fitted(method, chosen, state.params), Cost(seconds)


def _trained(method, task, recipe, state, key, after_epoch=lambda state, report: None):
    """The parameters after the last epoch, and the cost with compilation told apart."""
    began, size = time.monotonic(), None
    if int(state.epoch) < recipe.epochs:
        epoch = loop.run_epoch.lower(method, recipe, state, task, key)
        size = bytes_of(epoch.compile())
    compiled = time.monotonic()
    key = jax.random.clone(key)
    params = loop.train(method, task, recipe, state, key, after_epoch=after_epoch)
    jax.block_until_ready(params)
    return params, Cost(time.monotonic() - compiled, compiled - began, size)


def bytes_of(compiled) -> int:
    """Arguments, results and temporaries of a compiled program."""
    memory = compiled.memory_analysis()
    return (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes
    )
