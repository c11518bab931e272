"""The adapters of the embedding space: exact figures, formulas, published recipes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import SCALE, D, K, labelled, small_shots, small_task

from apt_jax.errors import UserError
from apt_jax.methods import CLAP, CLIPAdapter, TaskRes, make
from apt_jax.methods.base import Recipe, batch_logits

IMAGES = jnp.asarray(np.random.default_rng(3).normal(size=(4, D)), jnp.float32)


def shots_of(number, classes=3):
    """A task with `number` shots of each class."""
    labels = jnp.arange(number * classes, dtype=jnp.int32) % classes
    return labelled(small_task(classes=classes), labels)


def size(method, task):
    params = jax.eval_shape(lambda key: method.init(key, task, {}), jax.random.key(0))
    return sum(x.size for x in jax.tree.leaves(method.parts(params)[0]))


def test_parameters_at_width_512_are_those_of_the_papers():
    task = small_task(classes=100, dim=512)
    assert size(CLIPAdapter(), task) == 131_072
    assert size(TaskRes(), task) == 100 * 512
    assert size(CLAP(constraint="balanced"), task) == 100 * 512


COOP = {1: 50, 2: 100, 4: 100, 8: 200, 16: 200}


@pytest.mark.parametrize(
    ("name", "epochs", "recipe"),
    [
        ("coop", COOP, Recipe(2e-3, 0)),
        ("clip_adapter", COOP, Recipe(2e-3, 0)),
        (
            "task_res",
            {1: 100, 4: 100, 8: 200, 16: 200},
            Recipe(2e-3, 0, batch_size=256, optimizer="adam"),
        ),
        ("clap", {1: 300, 16: 300}, Recipe(0.1, 0, batch_size=256, weight_decay=0.0)),
    ],
)
def test_the_default_recipe_is_the_published_one(name, epochs, recipe):
    assert recipe.momentum == 0.9
    assert recipe.schedule == "coop"
    for shots, expected in epochs.items():
        found = make(name).recipe(shots_of(shots), {})
        assert vars(found) == vars(recipe) | {"epochs": expected}


def test_task_res_turns_a_class_by_alpha_times_its_residual():
    task = small_task()
    residual = jnp.asarray(np.random.default_rng(5).normal(size=(K, D)), jnp.float32)
    found = TaskRes(alpha=0.25).classes({"residual": residual}, task)
    expected = np.asarray(task.texts.raw) + 0.25 * np.asarray(residual)
    expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_clip_adapter_blends_the_raw_embedding_with_its_bottleneck():
    task, method = small_task(), CLIPAdapter(ratio=0.3, reduction=2)
    params = method.init(jax.random.key(0), task, {})
    f = np.asarray(IMAGES[0], np.float64)
    down, up = (np.asarray(params[part], np.float64) for part in ("down", "up"))
    assert down.shape == (D, D // 2)
    blend = 0.3 * np.maximum(np.maximum(f @ down, 0) @ up, 0) + 0.7 * f
    expected = SCALE * np.asarray(task.text) @ (blend / np.linalg.norm(blend))
    found = batch_logits(method, params, task, IMAGES)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_clip_adapter_without_its_bottleneck_is_zero_shot_at_any_ratio():
    task, method = small_task(), CLIPAdapter(ratio=0.8)
    params = jax.tree.map(jnp.zeros_like, method.init(jax.random.key(0), task, {}))
    zero_shot = batch_logits(make("zero_shot"), {}, task, IMAGES)
    found = batch_logits(method, params, task, IMAGES)
    np.testing.assert_allclose(found, zero_shot, rtol=1e-4, atol=1e-4)


def test_the_bottleneck_starts_as_torchs_linear_does():
    params = CLIPAdapter().init(jax.random.key(0), small_task(dim=256), {})
    for name, fan_in in (("down", 256), ("up", 64)):
        bound = fan_in**-0.5
        assert float(jnp.abs(params[name]).max()) == pytest.approx(bound, rel=0.01)
        assert float(params[name].std()) == pytest.approx(bound / 3**0.5, rel=0.02)


def test_claps_multipliers_are_the_zero_shot_probabilities_of_the_true_class():
    task = small_shots()
    features = np.asarray(task.shots.embeddings, np.float64)  # [n, R, D]
    features /= np.linalg.norm(features, axis=-1, keepdims=True)
    logits = SCALE * features @ np.asarray(task.text, np.float64).T
    probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = np.asarray(task.shots.labels)
    by_hand = [probs[labels == c][..., c].mean() for c in range(K)]
    np.testing.assert_allclose(CLAP().multipliers(task), by_hand, rtol=1e-4)
    np.testing.assert_allclose(
        CLAP(constraint="constant").multipliers(task), np.mean(by_hand), rtol=1e-4
    )


@pytest.mark.parametrize("constraint", ["class_wise", "balanced", "none"])
def test_clap_adds_the_mean_over_classes_of_what_moved(constraint):
    task, method = small_shots(), CLAP(constraint=constraint)
    images, labels = task.shots.embeddings[:, 0], task.shots.labels
    step = jnp.zeros_like(task.texts.raw).at[1, 0].set(2.0)

    def loss(method, moved):
        params = method.init(jax.random.key(0), task, {})
        params |= {"weights": params["weights"] + moved}
        return float(method.loss(params, task, images, labels, key=None)[0])

    free = CLAP(constraint="none")
    assert loss(method, 0.0) == loss(free, 0.0)
    found, without = loss(method, step), loss(free, step)
    expected = 4.0 * float(method.multipliers(task)[1]) / K
    assert found - without == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_unknown_constraints_are_refused():
    with pytest.raises(UserError, match="must be 'class_wise', 'balanced'"):
        CLAP(constraint="tight")
