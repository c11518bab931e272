"""Runs that train together, as one program: the numbers of each run alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_methods import method_of, the_task

from apt_jax.errors import UserError
from apt_jax.methods.base import Recipe
from apt_jax.training import loop

SEEDS = (3, 1, 2)
RECIPE = Recipe(0.05, epochs=2, batch_size=2)
# One by one, XLA multiplies matrices; all at once, stacks of them, whose sums it adds up
# in another order. Two epochs at a rate of 0.05 carry that to the sixth digit.
ROUNDING = {"rtol": 1e-4, "atol": 2e-6}


def keys():
    return jnp.stack([jax.random.key(seed) for seed in SEEDS])


def tasks(shots=None):
    """The same classes, other rows of the same shots for each run."""
    task = the_task() if shots is None else the_task().replace(shots=shots)
    count = task.num_shots
    return [task.take((seed + np.arange(count - 2)) % count) for seed in SEEDS]


def starts(method):
    chosen = {"alpha": 1.0, "beta": 1.0}  # of Tip-Adapter
    return [
        loop.start(method, task, RECIPE, jax.random.key(seed), chosen)
        for seed, task in zip(SEEDS, tasks(), strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("in_turns", "name", "options"),
    [
        (False, "coop", {"drop_context": 0.5}),  # its text tower is in the loop
        (False, "clip_adapter", {"drop_hidden": 0.5}),
        (True, "clip_adapter", {"drop_hidden": 0.5}),
        (True, "tip_adapter", {}),  # parts of its parameters are state
    ],
)
def test_runs_that_train_together_end_where_each_ends_alone(
    name, options, in_turns, monkeypatch
):
    """A CPU takes runs in turns, bit for bit; other devices all at once."""
    monkeypatch.setattr(loop, "IN_TURNS", ("cpu",) if in_turns else ())
    method = method_of(name, **options)
    state, task = loop.stack(starts(method)), loop.together(tasks())
    loop.run_epoch.clear_cache()  # what it does depends on IN_TURNS
    found = loop.train(method, task, RECIPE, state, keys())
    loop.run_epoch.clear_cache()
    alone = [
        loop.train(method, task, RECIPE, start, jax.random.key(seed))
        for seed, task, start in zip(SEEDS, tasks(), starts(method), strict=True)
    ]
    tolerance = {"rtol": 0} if in_turns else ROUNDING
    for run, expected in enumerate(alone):
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, **tolerance),
            loop.unstack(found, run),
            expected,
        )


def test_runs_together_compile_once_and_report_their_mean():
    method, lines = method_of("clip_adapter"), []
    loop.run_epoch.clear_cache()
    state, task = loop.stack(starts(method)), loop.together(tasks())

    def after_epoch(state, line):
        lines.append(line)

    loop.train(method, task, RECIPE, state, keys(), after_epoch=after_epoch)
    assert loop.run_epoch._cache_size() == 1  # private to JAX, but exact
    assert [line.step for line in lines] == [2, 4]
    alone = []
    for seed, task, start in zip(SEEDS, tasks(), starts(method), strict=True):
        loop.train(
            method,
            task,
            RECIPE,
            start,
            jax.random.key(seed),
            after_epoch=lambda state, line: alone.append(line.loss),
        )
    assert lines[-1].loss == pytest.approx(np.mean(alone[1::2]), rel=1e-5)


def test_a_loss_that_stops_being_finite_in_one_run_stops_them_all():
    method, shots = method_of("clip_adapter"), the_task().shots
    first, *others = (set(task.shots.rows.tolist()) for task in tasks())
    [*only_here] = first.difference(*others)
    nan = shots.stored["embedding"].at[jnp.array(only_here)].set(jnp.nan)
    stored = shots.stored | {"embedding": nan}
    bad = tasks(shots.replace(stored=stored))
    state = loop.stack(starts(method))
    with pytest.raises(UserError, match=r"stopped being finite at step 1\b"):
        loop.train(method, loop.together(bad), RECIPE, state, keys())
