"""The training loop: an epoch over cached features is one compiled call.

Everything random in epoch e comes from one key (`keys`): the order of the images, the
view of each, the dropout of each step. A resumed run therefore draws what the
uninterrupted one draws, and ends with the same bits.

Several runs of one method and recipe may train together, as one program: their states
and keys get a leading axis (`stack`), and the rows of their shots (`together`).
A run draws what it draws alone; what is frozen is there once for all. The program is a
`vmap` over the runs. On a CPU, and with an image tower in the loop, one run fills the
device: there the program takes the runs in turns (`benchmarks/seeds.py`).
"""

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from apt_jax import keys
from apt_jax.data.roots import note
from apt_jax.errors import NotFinite
from apt_jax.finite import require_finite
from apt_jax.methods.base import Method, Recipe, images_of, steps_of
from apt_jax.training.optimizer import (
    learning_rate_of,
    make_optimizer,
    only_warms_up,
)

# Where runs that train together take turns: a CPU is fastest within its caches.
IN_TURNS = ("cpu",)


class State(NamedTuple):
    """What a checkpoint holds, and nothing else."""

    params: Any  # what is trained
    opt_state: Any  # its momentum and the count of steps
    epoch: Any  # [] int32, epochs done, one number for all


class EpochReport(NamedTuple):
    """A line of metrics.jsonl; figures are means over the epoch's steps."""

    step: int  # steps done in all
    epoch: int  # epochs done in all
    loss: float  # nats
    accuracy: float  # fraction right, of augmented views under dropout
    learning_rate: float
    seconds: float


def start(method: Method, task, recipe: Recipe, key, chosen) -> State:
    """The state before the first step; for [S] keys, of S runs that train together."""
    if key.ndim:
        return stack([start(method, task, recipe, of_run, chosen) for of_run in key])
    params = method.init(keys.folded(key, keys.START), task, chosen)
    # The state is donated to every epoch, the task is not: they may share no buffer.
    params = jax.tree.map(jnp.array, params)
    optimizer = make_optimizer(recipe, steps_per_epoch=1)  # not part of its state
    trained, _ = method.parts(params)
    return State(params, optimizer.init(trained), jnp.int32(0))


def stack(states: list[State]) -> State:
    """The state of runs that train together: a leading axis on all but the epoch."""
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    return stacked._replace(epoch=jnp.array(states[0].epoch))


def together(tasks: list):
    """One task for runs that train together: rows of the same shots, equally many."""
    rows = [task.shots.rows for task in tasks]
    if rows[0] is None:  # all of them, each
        return tasks[0]
    return tasks[0].replace(shots=tasks[0].shots.replace(rows=jnp.stack(rows)))


def unstack(params, index: int):
    """The parameters of one of the runs that trained together."""
    return jax.tree.map(lambda array: array[index], params)


def train(
    method: Method,
    task,
    recipe: Recipe,
    state: State,
    key,
    *,
    after_epoch: Callable[[State, EpochReport], None] = lambda state, report: None,
):
    """Trains from `state` to the recipe's last epoch; returns the parameters.

    For S runs at once `state` is from `stack` and `key` is [S]; the task has the same
    shots for all of them, or rows for each (`together`). Reports are then means over runs.

    Raises:
        NotFinite: when the loss stops being finite; it names the step. Or when what is
            trained does, after an epoch.
    """
    steps = steps_of(task.num_shots, recipe)
    epochs_key = keys.folded(key, keys.EPOCHS)
    if only_warms_up(recipe):
        note(_hardly_trains(recipe))
    while (epoch := int(state.epoch)) < recipe.epochs:
        began = time.monotonic()
        state, losses, accuracies = run_epoch(method, recipe, state, task, epochs_key)
        losses = np.asarray(losses)
        _require_finite(losses.reshape(-1, steps).mean(0), epoch * steps, recipe)
        require_finite(
            state, f"after epoch {epoch + 1} what is trained is", _lower(recipe)
        )
        report = EpochReport(
            step=(epoch + 1) * steps,
            epoch=epoch + 1,
            loss=float(losses.mean()),
            accuracy=float(np.asarray(accuracies).mean()),
            learning_rate=float(learning_rate_of(recipe, epoch)),
            seconds=time.monotonic() - began,
        )
        after_epoch(state, report)
    return state.params


def fit_at_once(method: Method, task, key, chosen) -> tuple[State, EpochReport]:
    """What a method without a recipe has after its only step, and a line on it.

    Loss and accuracy are of the shots' centre crops, without dropout.

    Raises:
        NotFinite: if the method fitted what is not finite, or fits so badly.
    """
    began = time.monotonic()
    fitted = method.fit(keys.folded(key, keys.START), task, chosen)
    params = jax.block_until_ready(fitted)
    seconds = time.monotonic() - began
    images, labels = images_of(method, task, task.shots.crops), task.shots.labels
    loss, logits = method.loss(params, task, images, labels, key=None)
    accuracy = float((logits.argmax(-1) == labels).mean())
    found = {"parameters": params, "loss": loss}
    remedy = "take more labelled images, other `method.*` values or another method"
    require_finite(found, f"what {type(method).__name__} fitted is", remedy)
    return State(params, {}, jnp.int32(1)), EpochReport(
        1, 1, float(loss), accuracy, 0.0, seconds
    )


@functools.partial(jax.jit, static_argnames=("method",), donate_argnums=(2,))
def run_epoch(method, recipe, state, task, key):
    """One epoch: the state after it, and loss and accuracy of each of its steps.

    Of S runs with [S] keys, [S, steps] losses and accuracies. Their epoch is one number,
    so that it stays outside the axis of runs.
    """
    if key.ndim == 0:
        return _epoch(method, recipe, state, task, key)
    rows = task.shots.rows
    own = rows if rows is not None and rows.ndim == 2 else None

    def one_run(run):
        state, key, own = run
        of_run = task.replace(
            shots=task.shots.replace(rows=rows if own is None else own)
        )
        state = state._replace(epoch=epoch)
        after, *figures = _epoch(method, recipe, state, of_run, key)
        return after._replace(epoch=None), *figures

    epoch, runs = state.epoch, (state._replace(epoch=None), key, own)
    in_turns = jax.default_backend() in IN_TURNS or method.inputs == "pixels"
    over_runs = (
        functools.partial(jax.lax.map, one_run) if in_turns else jax.vmap(one_run)
    )
    after, *figures = over_runs(runs)
    return after._replace(epoch=epoch + 1), *figures


def _epoch(method, recipe, state, task, key):
    steps = steps_of(task.num_shots, recipe)
    optimizer = make_optimizer(recipe, steps)
    order_key, view_key, dropout_key = jax.random.split(
        jax.random.fold_in(key, state.epoch), 3
    )
    order, views = _draw(task, order_key, view_key)
    trained, kept = method.parts(state.params)

    def one_step(carry, inputs):
        trained, opt_state = carry
        images, views, index = inputs
        stored, labels = task.shots.batch(images, views)
        batch = images_of(method, task, stored)
        step_key = jax.random.fold_in(dropout_key, index)

        def objective(trained):
            params = _whole(trained, kept)
            return method.loss(params, task, batch, labels, key=step_key)

        (loss, logits), grads = jax.value_and_grad(objective, has_aux=True)(trained)
        updates, opt_state = optimizer.update(grads, opt_state, trained)
        accuracy = (logits.argmax(-1) == labels).mean()
        return (optax.apply_updates(trained, updates), opt_state), (loss, accuracy)

    batch = min(recipe.batch_size, task.num_shots)
    whole = min(steps, task.num_shots // batch)  # steps of a whole batch
    batches = [x[: whole * batch].reshape(whole, batch) for x in (order, views)]
    carry, (losses, accuracies) = jax.lax.scan(
        one_step, (trained, state.opt_state), (*batches, jnp.arange(whole))
    )
    if steps > whole:
        last = (order[whole * batch :], views[whole * batch :], whole)
        carry, of_last = one_step(carry, last)
        losses = jnp.append(losses, of_last[0])
        accuracies = jnp.append(accuracies, of_last[1])
    trained, opt_state = carry
    params = _whole(trained, kept)
    params = method.after_epoch(params, task, state.epoch, recipe)
    return State(params, opt_state, state.epoch + 1), losses, accuracies


def _whole(trained, kept):
    return trained | kept if kept else trained


def _draw(task, order_key, view_key):
    """[n] image indices in random order, and a view of each."""
    count = task.num_shots
    order = jax.random.permutation(order_key, count)
    return order, jax.random.randint(view_key, (count,), 0, task.shots.num_views)


def _hardly_trains(recipe):
    rate = float(learning_rate_of(recipe, recipe.epochs - 1))
    return (
        f"all training is warm-up at {rate:g}, where the recipe has "
        f"{recipe.learning_rate:g}, and changes hardly anything; "
        f"set `train.epochs`={recipe.epochs + 1} or more, or `train.schedule`=cosine"
    )


def _lower(recipe):
    return f"lower `train.learning_rate` (it is {recipe.learning_rate:g})"


def _require_finite(losses, steps_before, recipe):
    if not np.isfinite(losses).all():
        step = steps_before + int(np.argmin(np.isfinite(losses))) + 1
        raise NotFinite(
            f"the loss stopped being finite at step {step}; {_lower(recipe)}"
        )
