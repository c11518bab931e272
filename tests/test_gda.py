"""GDA: the closed form against float64, what it refuses, alpha chosen in the shots."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from small import D, K, fitted, small_images, small_shots

from apt_jax.errors import UserError
from apt_jax.methods import GDA
from apt_jax.methods.base import batch_logits
from apt_jax.methods.gda import ALPHAS, _judge, gaussian
from apt_jax.methods.selection import errors_and_nll, folds


def by_hand(task):
    """Class means and shrunk precision, [K, D] and [D, D] float64."""
    f = np.asarray(task.shots.embeddings, np.float64).reshape(-1, D)
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    labels = np.repeat(np.asarray(task.shots.labels), task.shots.embeddings.shape[1])
    means = np.stack([f[labels == c].mean(0) for c in range(K)])
    covariance = sum(
        np.outer(row - means[c], row - means[c])
        for row, c in zip(f, labels, strict=True)
    ) / (len(f) - 1)
    shrunk = (len(f) - 1) * covariance + np.trace(covariance) * np.eye(D)
    return means, D * np.linalg.inv(shrunk)


def test_scores_are_the_log_densities_of_gaussians_but_for_a_constant():
    task = small_shots()
    means, precision = by_hand(task)
    weights, bias = gaussian(task)
    for f in np.random.default_rng(0).normal(size=(3, D)):
        found = np.asarray(weights) @ f + np.asarray(bias)
        densities = np.array([-0.5 * (f - m) @ precision @ (f - m) for m in means])
        np.testing.assert_allclose(
            found - found.mean(), densities - densities.mean(), rtol=1e-3, atol=1e-3
        )


def test_logits_are_zero_shots_plus_alpha_times_the_scores():
    task = small_shots()
    method = GDA(alpha=0.5)
    params = fitted(method, task)
    images = small_images(4)[0][:, 0]
    f = np.asarray(images) / np.linalg.norm(images, axis=1, keepdims=True)
    weights, bias = gaussian(task)
    expected = float(task.logit_scale) * f @ np.asarray(task.text).T
    expected += 0.5 * (f @ np.asarray(weights).T + np.asarray(bias))
    found = batch_logits(method, params, task, images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.slow
def test_alpha_is_chosen_inside_the_shots():
    task = small_shots(count=20)  # told apart by their embeddings, not by their texts
    judged = {alpha: np.zeros(2) for alpha in ALPHAS}
    of_image = folds(task.shots.labels)
    for fold, alpha in itertools.product(set(of_image), ALPHAS):
        train, held_out = task.take(of_image != fold), task.take(of_image == fold)
        method = GDA(alpha=alpha)
        params = fitted(method, train)
        crops = held_out.shots.crops["embedding"]
        logits = batch_logits(method, params, train, crops)
        judged[alpha] += np.asarray(errors_and_nll(logits, held_out.shots.labels))
    best = min(ALPHAS, key=lambda alpha: tuple(judged[alpha]))
    assert judged[best][0] < judged[min(ALPHAS)][0], "all alphas would do"
    assert float(fitted(GDA(), task)["alpha"]) == pytest.approx(best)


def test_alphas_are_judged_on_the_centre_crops_of_shots_held_out():
    task = small_shots(count=20)
    train, held_out = task.take(np.arange(15)), task.take(np.arange(15, 20))
    crops, judged = held_out.shots.crops["embedding"], _judge(train, held_out)
    for alpha, found in zip(ALPHAS, judged, strict=True):
        method = GDA(alpha=alpha)
        logits = batch_logits(method, fitted(method, train), train, crops)
        expected = errors_and_nll(logits, held_out.shots.labels)
        np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_one_shot_keeps_the_papers_start():
    task = small_shots(count=K)
    assert float(fitted(GDA(), task)["alpha"]) == pytest.approx(0.1)


def test_one_shot_in_one_view_is_refused():
    with pytest.raises(UserError, match=r"raise `views` or `shots`"):
        fitted(GDA(), small_shots(count=K, views=1))
    assert jnp.isfinite(gaussian(small_shots(count=K, views=2))[0]).all()


def test_a_class_without_a_shot_is_refused():
    task = small_shots(views=2)
    without = task.take(np.asarray(task.shots.labels) != 3)
    with pytest.raises(
        UserError, match=r"1 of 5 classes have no labelled image \(class 3\).*shots"
    ):
        GDA().check(without)
