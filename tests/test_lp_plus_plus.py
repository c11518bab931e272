"""LP++: its start, its step sizes and its sums, against the formulas in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import SCALE, D, K, fitted, small_images, small_shots, small_task

from apt_jax.errors import UserError
from apt_jax.methods import LPPlusPlus, make
from apt_jax.methods.base import batch_logits
from apt_jax.methods.lp_plus_plus import EPOCHS, _judge, descend, start, step_sizes
from apt_jax.methods.selection import errors_and_nll
from apt_jax.methods.task import Shots


def key():
    return jax.random.key(0)


def arrays(task):
    """Unit embeddings of the first views, one-hot labels and text, float64."""
    f = np.asarray(task.shots.embeddings, np.float64)[:, 0]
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    return (
        f,
        np.eye(K)[np.asarray(task.shots.labels)],
        np.asarray(task.text, np.float64),
    )


def test_parameters_at_width_512_are_514_a_class():
    stored = {"embedding": jnp.ones((10, 1, 512))}
    shots = Shots(stored, stored, jnp.arange(10))
    task = small_task(classes=10, dim=512).replace(shots=shots)
    params = jax.eval_shape(start, key(), task)
    assert sum(x.size for x in jax.tree.leaves(params)) == 10 * 514


def test_it_starts_at_sums_of_features_and_at_250_times_the_mean_cosine():
    task = small_shots(count=15)
    f, is_label, text = arrays(task)
    params = start(key(), task)
    np.testing.assert_allclose(params["weights"], is_label.T @ f, rtol=1e-4, atol=1e-5)
    cosines = [(f[is_label[:, c] == 1] @ text[c]).mean() for c in range(K)]
    np.testing.assert_allclose(
        params["text_weights"], 250 * np.mean(cosines), rtol=1e-4
    )
    assert float(jnp.abs(params["bias"]).max()) <= D**-0.5


def test_step_sizes_are_those_of_the_bounds():
    task = small_shots()
    f, _, text = arrays(task)
    step, alpha_step = step_sizes(task)
    largest = np.linalg.norm(f, 2) ** 2
    assert float(step) == pytest.approx(4 * len(f) / largest, rel=1e-4)
    of_text = np.square(f @ text.T).sum(0).max()
    assert float(alpha_step) == pytest.approx(len(f) / (4 * of_text), rel=1e-4)


def test_descent_is_heavy_ball_with_alphas_gradients_summed():
    """Twelve epochs in float64: alpha moves once, by all ten gradients before."""
    task = small_shots()
    f, is_label, text = arrays(task)
    params = start(key(), task)
    w, b, a = (
        np.asarray(params[name], np.float64)
        for name in ("weights", "bias", "text_weights")
    )
    step, alpha_step = (float(size) for size in step_sizes(task))
    velocity_w, velocity_b, summed = (
        np.zeros_like(w),
        np.zeros_like(b),
        np.zeros_like(a),
    )
    for epoch in range(12):
        logits = f @ w.T + b + a * (f @ text.T)
        logits -= logits.max(1, keepdims=True)
        probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        error = (probs - is_label) / len(f)
        velocity_w = 0.9 * velocity_w + error.T @ f
        velocity_b = 0.9 * velocity_b + error.sum(0)
        summed = summed + (error * (f @ text.T)).sum(0)
        w, b = w - step * velocity_w, b - step * velocity_b
        if epoch == 9:
            a = a - alpha_step * summed
    found, _ = descend(params, task, task, 12)
    np.testing.assert_allclose(found["weights"], w, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found["bias"], b, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found["text_weights"], a, rtol=1e-3)


def test_without_weights_and_biases_it_is_zero_shot_but_for_the_scale():
    task = small_task()
    params = {
        "weights": jnp.zeros((K, D)),
        "bias": jnp.zeros(K),
        "text_weights": jnp.full(K, 3.0),
    }
    images = small_images(5)[0][:, 0]
    found = batch_logits(LPPlusPlus(), params, task, images)
    zero_shot = batch_logits(make("zero_shot"), {}, task, images)
    np.testing.assert_allclose(found * SCALE / 3.0, zero_shot, rtol=1e-4, atol=1e-4)


def test_the_number_of_epochs_is_chosen_inside_the_shots():
    noise = small_shots(count=20)
    labels = jax.random.permutation(key(), noise.shots.labels)
    noise = noise.replace(shots=noise.shots.replace(all_labels=labels))
    early = fitted(LPPlusPlus(), noise)
    whole = fitted(LPPlusPlus(epochs=EPOCHS), noise)
    assert not jnp.allclose(early["weights"], whole["weights"])
    one_shot = small_shots(count=K)
    chosen, last = (
        fitted(LPPlusPlus(), one_shot),
        fitted(LPPlusPlus(epochs=EPOCHS), one_shot),
    )
    np.testing.assert_array_equal(chosen["weights"], last["weights"])


def test_epochs_are_judged_on_the_centre_crops_of_shots_held_out():
    task = small_shots(count=20)
    train, held_out = task.take(np.arange(15)), task.take(np.arange(15, 20))
    judged = np.asarray(_judge(key(), train, held_out))
    for epochs in (1, 30):
        method = LPPlusPlus(epochs=epochs)
        params = fitted(method, train)
        crops = held_out.shots.crops["embedding"]
        logits = batch_logits(method, params, train, crops)
        expected = errors_and_nll(logits, held_out.shots.labels)
        np.testing.assert_allclose(judged[epochs - 1], expected, rtol=1e-4)


def test_more_epochs_than_the_paper_has_are_refused():
    with pytest.raises(UserError, match=r"method\.epochs=301 must be 1 to 300"):
        LPPlusPlus(epochs=301)


def test_a_class_without_a_shot_is_refused():
    task = small_shots(views=1)
    without = task.take(np.asarray(task.shots.labels) != 3)
    with pytest.raises(UserError, match="1 of 5 classes have no labelled image"):
        LPPlusPlus().check(without)
