"""The linear probe finds scikit-learn's optimum, and its strength inside the shots."""

import jax
import numpy as np
import pytest
from small import K, fitted, small_images, small_shots

from apt_jax.methods import LinearProbe
from apt_jax.methods.base import batch_logits
from apt_jax.methods.linear_probe import (
    DEFAULT_STRENGTH,
    STRENGTHS,
    _judge,
    best_strength,
)
from apt_jax.methods.selection import errors_and_nll


@pytest.mark.parametrize("strength", [1e-3, 0.1, 10.0])
def test_the_optimum_is_scikit_learns(strength):
    from sklearn.linear_model import LogisticRegression

    task = small_shots(count=40)
    views = np.asarray(task.shots.embeddings, np.float64)
    views /= np.linalg.norm(views, axis=-1, keepdims=True)
    x = views.reshape(-1, views.shape[-1])
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    probe = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000)
    labels = np.repeat(np.asarray(task.shots.labels), views.shape[1])
    weight = np.full(len(x), 1 / views.shape[1])
    probe.fit((x - mean) / deviation, labels, sample_weight=weight)

    images = small_images(6)[0][:, 0]
    f = np.asarray(images, np.float64)
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    expected = probe.predict_log_proba((f - mean) / deviation)
    method = LinearProbe(strength=strength)
    found = batch_logits(method, fitted(method, task), task, images)
    np.testing.assert_allclose(
        jax.nn.log_softmax(found), expected, rtol=2e-3, atol=2e-3
    )


def test_strengths_are_judged_on_the_centre_crops_of_shots_held_out():
    task = small_shots(count=20)
    train, held_out = task.take(np.arange(15)), task.take(np.arange(15, 20))
    method = LinearProbe(strength=0.1)
    params = fitted(method, train)
    logits = batch_logits(method, params, train, held_out.shots.crops["embedding"])
    expected = errors_and_nll(logits, held_out.shots.labels)
    judged = _judge(train, held_out)[STRENGTHS.index(0.1)]
    np.testing.assert_allclose(judged, expected, rtol=1e-3)


@pytest.mark.slow
def test_strength_is_chosen_inside_the_shots_and_noise_asks_for_less():
    task = small_shots(count=40)
    labels = jax.random.permutation(jax.random.key(1), task.shots.labels)
    assert best_strength(task) in STRENGTHS
    noise = task.replace(shots=task.shots.replace(all_labels=labels))
    assert best_strength(noise) < best_strength(task)
    assert best_strength(small_shots(count=K)) == DEFAULT_STRENGTH
