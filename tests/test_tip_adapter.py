"""Tip-Adapter: the cache by hand, its limits, alpha and beta from the shots alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small
from small import D, K, small_images, small_shots

from apt_jax.methods import TipAdapter
from apt_jax.methods.base import Recipe, batch_logits
from apt_jax.methods.published import EVERY
from apt_jax.methods.tip_adapter import PAIRS, START, _judge, keys_of
from apt_jax.training import loop
from apt_jax.training.fit import recipe_of

KEY = jax.random.key(0)
IMAGES = small_images(4)[0][:, 0]


def fitted(task, **options):
    method = TipAdapter(**options)
    return method, small.fitted(method, task, KEY)


def test_logits_are_zero_shots_plus_the_cache():
    task = small_shots()
    method, params = fitted(task, alpha=2.0, beta=3.0)
    views = np.asarray(task.shots.embeddings, np.float64)
    keys = views.mean(1)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    f = np.asarray(IMAGES, np.float64)
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    is_label = np.eye(K)[np.asarray(task.shots.labels)]
    expected = float(task.logit_scale) * f @ np.asarray(task.text).T
    expected += 2.0 * np.exp(-3.0 * (1 - f @ keys.T)) @ is_label
    found = batch_logits(method, params, task, IMAGES)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_without_sharpness_every_class_gets_alpha_times_its_shots():
    task = small_shots(count=15)
    method, params = fitted(task, alpha=2.0, beta=0.0)
    _, neutral = fitted(task, alpha=0.0, beta=0.0)
    added = batch_logits(method, params, task, IMAGES)
    added -= batch_logits(method, neutral, task, IMAGES)
    np.testing.assert_allclose(added, 2.0 * 3, rtol=1e-4)


def test_a_query_equal_to_a_key_gets_at_least_alpha_on_its_class():
    task = small_shots()
    method, params = fitted(task, alpha=2.0, beta=50.0)
    _, neutral = fitted(task, alpha=0.0, beta=0.0)
    query, label = keys_of(task)[3:4], int(task.shots.labels[3])
    added = batch_logits(method, params, task, query)[0]
    added -= batch_logits(method, neutral, task, query)[0]
    assert float(added[label]) >= 2.0 - 1e-4
    assert int(added.argmax()) == label


def test_the_trained_form_starts_at_the_training_free_one():
    task = small_shots()
    free, computed = fitted(task)
    trained = TipAdapter(trained=True)
    start = trained.init(KEY, task, trained.choose(KEY, task))
    np.testing.assert_array_equal(
        batch_logits(free, computed, task, IMAGES),
        batch_logits(trained, start, task, IMAGES),
    )
    assert set(trained.parts(start)[0]) == {"keys"}
    assert free.parts(computed)[0] == {}
    assert start["keys"].size == 12 * D


def test_training_does_not_make_the_keys_unit_again():
    task, method = small_shots(), TipAdapter(trained=True)
    recipe = Recipe(0.1, 2, batch_size=5, optimizer="adamw", schedule="constant")
    state = loop.start(method, task, recipe, KEY, {"alpha": 1.0, "beta": 1.0})
    params = loop.train(method, task, recipe, state, jax.random.clone(KEY))
    assert float(jnp.abs(jnp.linalg.norm(params["keys"], axis=1) - 1).max()) > 0.01


def test_the_trained_forms_recipe_is_the_published_one():
    task = small_shots().replace(dataset=EVERY)
    recipe = recipe_of(TipAdapter(trained=True), task)
    assert (recipe.optimizer, recipe.learning_rate) == ("adamw", 1e-3)
    assert (recipe.epsilon, recipe.weight_decay) == (1e-4, 0.01)
    assert (recipe.epochs, recipe.batch_size, recipe.drop_last) == (20, 256, False)
    assert recipe.schedule == "cosine_by_step"
    assert TipAdapter().recipe(small_shots(), {}) is None


def test_alpha_and_beta_come_from_the_shots_and_one_can_be_given():
    task = small_shots(count=20)
    _, params = fitted(task)
    assert (params["alpha"], params["beta"]) in PAIRS
    _, given = fitted(task, beta=2.5)
    assert float(given["beta"]) == 2.5
    assert float(given["alpha"]) in np.float32([alpha for alpha, _ in PAIRS])
    _, one_shot = fitted(small_shots(count=K))
    assert (float(one_shot["alpha"]), float(one_shot["beta"])) == pytest.approx(START)


def test_the_search_judges_each_pair_by_the_methods_own_logits():
    task = small_shots(count=20)
    train, held_out = task.take(np.arange(15)), task.take(np.arange(15, 20))
    judged = _judge(train, held_out)
    for index in (0, 37, len(PAIRS) - 1):
        alpha, beta = PAIRS[index]
        method, params = fitted(train, alpha=float(alpha), beta=float(beta))
        logits = batch_logits(method, params, train, held_out.shots.crops["embedding"])
        log_probs = jax.nn.log_softmax(logits)
        rows = held_out.shots.labels[:, None]
        expected = -jnp.take_along_axis(log_probs, rows, axis=1).sum()
        wrong = (logits.argmax(-1) != held_out.shots.labels).sum()
        assert np.asarray(judged[index]) == pytest.approx(
            [float(wrong), float(expected)], rel=1e-4
        )
