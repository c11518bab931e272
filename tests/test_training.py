"""The trainer: CoOp's schedule and batches, one compilation, the same bits resumed."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small import D, small_shots

from apt_jax import arguments
from apt_jax.errors import UserError
from apt_jax.methods import APT
from apt_jax.methods.base import Method, Recipe, steps_of
from apt_jax.training import loop, schedules
from apt_jax.training.checkpoints import Checkpoints
from apt_jax.training.optimizer import learning_rate_of, make_optimizer

GOLDEN = json.loads((Path(__file__).parent / "goldens/apt.json").read_text())
METHOD = APT(heads=4, drop_out=0.2)
RECIPE = Recipe(learning_rate=0.05, epochs=3, batch_size=5)


def fit(recipe=RECIPE, method=METHOD, task=None, state=None, seed=0, **options):
    task = small_shots() if task is None else task
    key = jax.random.key(seed)
    state = loop.start(method, task, recipe, key, {}) if state is None else state
    return loop.train(method, task, recipe, state, jax.random.clone(key), **options)


def test_the_coop_schedule_equals_its_golden_values():
    golden = GOLDEN["cosine_schedules"]
    recipe = Recipe(learning_rate=golden["inputs"]["lr0"], epochs=50)
    found = [
        float(learning_rate_of(recipe, epoch))
        for epoch in golden["outputs"]["coop_epochs"]
    ]
    np.testing.assert_allclose(found, golden["outputs"]["coop_lr"], rtol=1e-5)


def test_a_configuration_may_name_every_schedule_and_no_other():
    assert tuple(sorted(schedules.SCHEDULES)) == arguments.SCHEDULES


def test_the_coop_schedule_never_reaches_zero_and_others_do_what_they_say():
    last = schedules.coop(199, 200, 2e-3)
    assert float(last) == pytest.approx(4.934e-7, rel=1e-3)
    assert float(schedules.cosine(0, 10, 0.5)) == 0.5
    assert float(schedules.cosine(10, 10, 0.5)) == pytest.approx(0, abs=1e-8)
    assert float(schedules.constant(3, 10, 0.5)) == 0.5


@pytest.mark.parametrize(
    ("images", "dropping", "keeping"), [(64, 2, 2), (65, 2, 3), (32, 1, 1), (5, 1, 1)]
)
def test_the_last_smaller_batch_is_dropped_or_kept_unless_it_is_the_only_one(
    images, dropping, keeping
):
    assert steps_of(images, Recipe(0.1, 1, batch_size=32)) == dropping
    assert steps_of(images, Recipe(0.1, 1, batch_size=32, drop_last=False)) == keeping


def test_the_optimizer_is_torchs_sgd():
    """Against the update rule written out: decay into the gradient, then momentum."""
    recipe = Recipe(
        learning_rate=0.1, epochs=4, momentum=0.9, weight_decay=0.01, schedule="cosine"
    )
    optimizer = make_optimizer(recipe, steps_per_epoch=2)
    theta = jnp.array([1.0, -2.0])
    state = optimizer.init(theta)
    by_hand, buffer = np.array([1.0, -2.0]), np.zeros(2)
    for step in range(6):
        gradient = np.array([0.3, -0.1]) * (step + 1)
        updates, state = optimizer.update(jnp.asarray(gradient), state, theta)
        theta = optax.apply_updates(theta, updates)
        buffer = 0.9 * buffer + gradient + 0.01 * by_hand
        rate = 0.05 * (1 + np.cos(np.pi * (step // 2) / 4))
        by_hand = by_hand - rate * buffer
    np.testing.assert_allclose(theta, by_hand, rtol=1e-5)


def test_every_image_is_used_once_an_epoch_in_a_random_view():
    task = small_shots(count=15, views=3)
    key = jax.random.key(0)
    order_key, view_key = jax.random.split(key)
    order, views = loop._draw(task, order_key, view_key)
    assert order.shape == views.shape == (15,)
    assert sorted(order.tolist()) == list(range(15))
    assert set(views.tolist()) == {0, 1, 2}


def test_training_lowers_the_loss_and_reports_every_epoch():
    lines = []
    recipe = Recipe(learning_rate=0.05, epochs=12, batch_size=5)
    fit(recipe, after_epoch=lambda state, line: lines.append(line))
    assert [line.epoch for line in lines] == list(range(1, 13))
    assert [line.step for line in lines] == list(range(2, 26, 2))
    assert lines[-1].loss < 0.5 * lines[0].loss
    assert lines[0].learning_rate == pytest.approx(1e-5)
    assert lines[1].learning_rate == pytest.approx(0.05)
    assert 0 <= lines[-1].accuracy <= 1


def test_a_recipe_of_warm_up_alone_is_told_what_trains(capsys):
    small = small_shots(count=5)
    fit(Recipe(0.05, 1, batch_size=5), task=small)
    said = capsys.readouterr().err
    assert "note: all training is warm-up at 1e-05, where the recipe has 0.05" in said
    assert "set `train.epochs`=2 or more" in said
    for enough in ({"epochs": 2}, {"epochs": 1, "schedule": "cosine"}):
        fit(Recipe(0.05, batch_size=5, **enough), task=small)
        assert not capsys.readouterr().err


def test_nothing_recompiles_after_the_first_epoch():
    loop.run_epoch.clear_cache()
    fit()
    assert loop.run_epoch._cache_size() == 1  # private to JAX, but exact


def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(tmp_path):
    owner = {"backbone": "x"}
    whole = fit()

    class Killed(Exception):
        pass

    with Checkpoints(tmp_path, owner) as checkpoints:

        def after_epoch(state, line):
            if line.epoch == 2:
                raise Killed
            checkpoints.save(state)

        with pytest.raises(Killed):
            fit(after_epoch=after_epoch)

    with Checkpoints(tmp_path, owner) as checkpoints:
        key = jax.random.key(0)
        state = checkpoints.restore(loop.start(METHOD, small_shots(), RECIPE, key, {}))
    assert int(state.epoch) == 1
    resumed = fit(state=state)
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), whole, resumed))


def test_another_seed_gives_other_parameters():
    other = fit(seed=1)
    same = jax.tree.map(lambda a, b: (a == b).all(), fit(), other)
    assert not jax.tree.all(same)


def test_a_checkpoint_of_something_else_is_refused_by_name(tmp_path):
    key = jax.random.key(0)
    state = loop.start(METHOD, small_shots(), RECIPE, key, {})
    with Checkpoints(tmp_path, {"backbone": "x", "classes": ["a"]}) as checkpoints:
        checkpoints.save(state)
    with (
        Checkpoints(tmp_path, {"backbone": "y", "classes": ["a"]}) as checkpoints,
        pytest.raises(UserError, match="another backbone"),
    ):
        checkpoints.restore(state)


def test_a_checkpoint_holds_what_is_trained_and_only_that(tmp_path):
    key = jax.random.key(0)
    state = loop.start(METHOD, small_shots(), RECIPE, key, {})
    sizes = sum(x.size for x in jax.tree.leaves(state))
    head = 4 * (D * D + D)
    assert sizes == 2 * head + 2  # parameters and momentum, two counters
    with Checkpoints(tmp_path, {}) as checkpoints:
        assert checkpoints.restore(state) is None
        for epoch in (1, 2):
            checkpoints.save(state._replace(epoch=jnp.int32(epoch)))
        assert int(checkpoints.restore(state).epoch) == 2
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["2"]


def test_a_loss_that_stops_being_finite_names_the_step():
    task = small_shots()
    nan = task.shots.embeddings.at[3].set(jnp.nan)
    poisoned = task.shots.replace(stored=task.shots.stored | {"embedding": nan})
    with pytest.raises(UserError, match=r"stopped being finite at step [1-3]\b.*lower"):
        fit(Recipe(0.05, epochs=2, batch_size=4), task=task.replace(shots=poisoned))


def test_the_step_named_is_the_first_bad_one():
    losses = np.array([1.0, np.nan, np.inf])
    with pytest.raises(UserError, match="at step 12;"):
        loop._require_finite(losses, 10, RECIPE)


class Recording(Method):
    """Trains one number; its gradient is 1 for each step, to count steps."""

    inputs = "embedding"

    def init(self, key, task, chosen):
        return jnp.zeros(())

    def loss(self, params, task, images, labels, *, key):
        return params * 1.0, jnp.zeros((len(labels), task.num_classes))


def test_an_epoch_takes_its_number_of_steps():
    recipe = Recipe(
        1.0, 1, batch_size=5, momentum=0, weight_decay=0, schedule="constant"
    )
    params = fit(recipe, method=Recording())
    assert float(params) == -2.0  # 12 images in batches of 5: two steps of rate 1
    keeping = dataclasses.replace(recipe, drop_last=False)
    assert float(fit(keeping, method=Recording())) == -3.0


def test_a_kept_last_batch_holds_the_images_that_are_left():
    """Adding up the labels of all batches counts every image once."""

    class Counting(Recording):
        def loss(self, params, task, images, labels, *, key):
            return params * labels.sum(), jnp.zeros((len(labels), task.num_classes))

    recipe = Recipe(1.0, 1, 5, False, momentum=0, weight_decay=0, schedule="constant")
    labels = small_shots().shots.labels
    assert float(fit(recipe, method=Counting())) == -labels.sum()


def test_a_cosine_by_step_falls_within_the_epoch():
    recipe = Recipe(
        1.0, 2, momentum=0, weight_decay=0, batch_size=5, schedule="cosine_by_step"
    )
    moved = -float(fit(recipe, method=Recording()))
    rates = [0.5 * (1 + np.cos(np.pi * step / 4)) for step in range(4)]
    assert moved == pytest.approx(sum(rates), rel=1e-5)


@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_decays_through_the_gradient_and_adamw_beside_it(decoupled):
    """The first step of Adam is lr sign(g), whatever the size of g."""
    name = "adamw" if decoupled else "adam"
    recipe = Recipe(0.1, 4, optimizer=name, weight_decay=0.5, schedule="constant")
    theta, gradient = jnp.array([1.0, -2.0]), jnp.array([0.3, 0.1])
    optimizer = make_optimizer(recipe, steps_per_epoch=1)
    updates, _ = optimizer.update(gradient, optimizer.init(theta), theta)
    beside = [-0.15, 0.0] if decoupled else [-0.1, 0.1]  # -0.1 - 0.05, -0.1 + 0.1
    np.testing.assert_allclose(updates, beside, atol=1e-5)
