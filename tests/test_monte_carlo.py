"""Monte-Carlo evaluation: the same numbers however it is batched, and honest ones."""

import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import K, small_images, small_task
from toy import CLASSES, toy_clip

from apt_jax import keys
from apt_jax.errors import UserError
from apt_jax.features.encoder import Features
from apt_jax.methods import APT, METHODS, CoOp, ZeroShot, make
from apt_jax.methods.base import Method
from apt_jax.methods.task import make_task
from apt_jax.metrics import entropy as entropies
from apt_jax.training.fitted import Fitted
from apt_jax.uncertainty.monte_carlo import default_chunk, monte_carlo
from apt_jax.uncertainty.predictive import predict_batches
from apt_jax.uncertainty.softmax import class_side, deterministic, entropy

GOLDEN = json.loads((Path(__file__).parent / "goldens/apt.json").read_text())
METHOD = APT(heads=4, zero_init_out=False, drop_attn=0.3, drop_out=0.3, drop_query=0.1)
TASK = small_task()
PARAMS = METHOD.init(jax.random.key(0), TASK, {})
IMAGES, CONTENTS = small_images(6)


def base_key(seed=7):
    """A fresh key each time: the checker of key reuse counts a key's uses."""
    return jax.random.key(seed)


@functools.partial(jax.jit, static_argnames=("method", "samples", "chunk"))
def _sampled(images, contents, key, *, method, samples, chunk):
    once = jax.random.clone(key)
    classes = class_side(method, PARAMS, TASK, key=once, samples=samples)
    return monte_carlo(
        method, PARAMS, TASK, images, contents, classes,
        key=key, samples=samples, chunk=chunk,
    )  # fmt: skip


def sampled(images, contents, key=None, *, method=METHOD, samples=9, chunk=None):
    key = base_key() if key is None else key
    return _sampled(images, contents, key, method=method, samples=samples, chunk=chunk)


def keys_of(image, sample):
    class_base, image_bases = keys.of_images(base_key(), CONTENTS)
    of_sample = keys.of_sample
    return of_sample(class_base, sample), of_sample(image_bases[image], sample)


def test_it_is_the_mean_of_the_probabilities_that_a_python_loop_gives():
    found = sampled(IMAGES, CONTENTS)
    for b in (0, 5):
        probs, logits = [], []
        for t in range(9):
            class_key, image_key = keys_of(b, t)
            classes = METHOD.classes(PARAMS, TASK, key=class_key)
            one = METHOD.logits(PARAMS, TASK, classes, IMAGES[b], key=image_key)
            logits.append(np.asarray(one, np.float64))
            probs.append(np.exp(logits[-1]) / np.exp(logits[-1]).sum())
        assert len(np.unique(np.array(probs)[:, 0])) == 9
        mean, expected = np.mean(probs, axis=0), np.mean(entropies(probs))
        np.testing.assert_allclose(np.exp(found.log_probs[b]), mean, rtol=1e-4)
        np.testing.assert_allclose(found.logits[b], np.mean(logits, 0), rtol=1e-4)
        np.testing.assert_allclose(found.expected_entropy[b], expected, rtol=1e-4)


def test_the_text_tower_runs_once_for_all_batches(monkeypatch):
    """Of methods with prompts: once without chance, once a sample where masks differ."""
    runs = []
    classes = CoOp.classes

    def counted(self, params, task, *, key=None):
        jax.debug.callback(lambda: runs.append(key is not None))
        return classes(self, params, task, key=key)

    monkeypatch.setattr(CoOp, "classes", counted)
    task = make_task(toy_clip(), CLASSES, ("a {}.",))
    images, contents = small_images(20, tokens=1, dim=8)
    features = Features(
        {"embedding": np.asarray(images)}, np.asarray(contents)[:, None], 0.0
    )
    for rate, key, samples, expected in ((0.0, None, None, 1), (0.5, base_key(), 3, 3)):
        method = CoOp(context_length=2, drop_context=rate)
        params = method.init(jax.random.key(0), task, {})
        fitted = Fitted(method, {}, params)
        parts = list(predict_batches(fitted, task, features, key, samples))
        jax.effects_barrier()
        assert len(parts) > 1
        assert len(runs) == expected
        runs.clear()


def test_samples_that_run_a_tower_come_one_at_a_time():
    towers = {"cocoop", "clip_lora", "fine_tune", "maple", "prompt_src", "vapt", "vpt"}
    chunks = {name: default_chunk(make(name), TASK, CONTENTS) for name in METHODS}
    assert {name for name, chunk in chunks.items() if chunk == 1} == towers


def test_one_pass_gives_the_softmax_of_the_logits_and_keeps_them():
    classes = METHOD.classes(PARAMS, TASK)
    found = deterministic(METHOD, PARAMS, TASK, IMAGES, classes)
    logits = np.array([METHOD.logits(PARAMS, TASK, classes, f) for f in IMAGES])
    powers = np.exp(logits.astype(np.float64))
    probs = powers / powers.sum(-1, keepdims=True)
    np.testing.assert_allclose(np.exp(found.log_probs), probs, rtol=1e-4)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-5, atol=1e-5)
    expected = entropies(probs)
    np.testing.assert_allclose(found.expected_entropy, expected, rtol=1e-4, atol=1e-6)


def test_one_sample_equals_one_pass_with_that_key():
    one = sampled(IMAGES, CONTENTS, samples=1)
    class_key, image_key = keys_of(2, 0)
    classes = METHOD.classes(PARAMS, TASK, key=class_key)
    logits = METHOD.logits(PARAMS, TASK, classes, IMAGES[2], key=image_key)
    np.testing.assert_allclose(
        one.log_probs[2], jax.nn.log_softmax(logits), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(one.expected_entropy, entropy(one.log_probs), rtol=1e-4)


def test_masks_differ_between_images():
    images = jnp.stack([IMAGES[0], IMAGES[0]])
    found = sampled(images, CONTENTS[:2]).log_probs
    assert (found[0] != found[1]).any()


def test_class_side_masks_are_the_same_for_all_images():
    method = APT(heads=4, zero_init_out=False, drop_attn=0.0, drop_query=0.5)
    images = jnp.stack([IMAGES[0], IMAGES[0]])
    found = sampled(images, CONTENTS[:2], method=method)
    jax.tree.map(lambda x: np.testing.assert_allclose(x[0], x[1], rtol=1e-5), found)
    assert (found.expected_entropy < entropy(found.log_probs)).all()


def test_numbers_do_not_depend_on_the_batch_or_the_order():
    whole = sampled(IMAGES, CONTENTS)
    order = jnp.array([3, 0, 5, 1, 4, 2])
    shuffled = sampled(IMAGES[order], CONTENTS[order])
    alone = sampled(IMAGES[4:5], CONTENTS[4:5])
    few_ulps = {"rtol": 5e-7, "atol": 1e-6}
    for name in ("log_probs", "expected_entropy"):
        of_whole = getattr(whole, name)
        np.testing.assert_allclose(getattr(shuffled, name), of_whole[order], **few_ulps)
        np.testing.assert_allclose(getattr(alone, name)[0], of_whole[4], **few_ulps)


@pytest.mark.parametrize("chunk", [1, 2, 4, 9, 50])
def test_numbers_do_not_depend_on_the_chunk(chunk):
    whole = sampled(IMAGES, CONTENTS, chunk=9)
    other = sampled(IMAGES, CONTENTS, chunk=chunk)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), whole, other)


def test_another_key_gives_other_numbers():
    other = sampled(IMAGES, CONTENTS, base_key(8))
    assert (other.log_probs != sampled(IMAGES, CONTENTS).log_probs).all()


def test_expected_entropy_is_at_most_the_predictive_entropy():
    predicted = sampled(IMAGES, CONTENTS)
    total = entropy(predicted.log_probs)
    assert (predicted.expected_entropy < total).all()
    np.testing.assert_allclose(jnp.exp(predicted.log_probs).sum(-1), 1, rtol=1e-5)


def test_a_method_without_active_dropout_is_refused():
    for method in (ZeroShot(), APT(heads=4, drop_attn=0.0)):
        with pytest.raises(UserError, match="no active dropout"):
            sampled(IMAGES, CONTENTS, method=method)


def test_keys_that_repeat_under_vmap_are_refused():
    with pytest.raises(UserError, match="threefry"):
        sampled(IMAGES, CONTENTS, jax.random.key(0, impl="rbg"))


class Fixed(Method):
    """Logits that come with the key's sample, for the goldens."""

    def __init__(self, logits):
        self.table = jnp.asarray(logits)  # [T, K]

    stochastic = True

    def classes(self, params, task, *, key=None):
        return None

    def logits(self, params, task, classes, image, *, key=None):
        return self.table[image.astype(int)]


def accumulated(logits):
    """The prediction from [T, K] logits, one sample per chunk, via the accumulator."""
    fixed = Fixed(logits)
    task = small_task(classes=fixed.table.shape[-1])
    with pytest.MonkeyPatch.context() as patch:
        # The sample index stands in for the mask that would come from the key.
        module = "apt_jax.keys.of_sample"
        patch.setattr(module, lambda base, index: index)
        patch.setattr(
            fixed,
            "logits",
            lambda p, t, c, image, *, key: fixed.table[key],
            raising=False,
        )
        return monte_carlo(
            fixed, None, task, jnp.zeros((1, 1)), jnp.zeros((1, 2), jnp.uint32), None,
            key=base_key(), samples=len(fixed.table), chunk=2,
        )  # fmt: skip


def test_golden_of_streaming_with_huge_offsets():
    golden = GOLDEN["mc_streaming_logsumexp"]
    predicted = accumulated(golden["inputs"]["logits"])
    expected = golden["outputs"]
    np.testing.assert_allclose(
        predicted.log_probs[0], expected["log_predictive_mean"], rtol=1e-4
    )
    np.testing.assert_allclose(
        predicted.expected_entropy[0], expected["expected_entropy"], rtol=1e-4
    )
    np.testing.assert_allclose(
        entropy(predicted.log_probs)[0], expected["predictive_entropy"], rtol=1e-4
    )


def test_goldens_of_the_entropies():
    golden = GOLDEN["mc_entropy"]
    samples = np.maximum(np.asarray(golden["inputs"]["samples"]), 1e-30)
    for row, of_image in enumerate(samples):
        predicted = accumulated(np.log(of_image))
        total = float(entropy(predicted.log_probs)[0])
        expected = float(predicted.expected_entropy[0])
        found = {
            "predictive_entropy": total,
            "expected_entropy": expected,
            "mutual_information": max(total - expected, 0),
        }
        for name, value in found.items():
            np.testing.assert_allclose(value, golden["outputs"][name][row], atol=1e-5)


TASK_128 = small_task(dim=128)
TOKENS, DIM = 50, 128


def flops(method, samples):
    """Of the compiled program that judges one image."""
    params = method.init(jax.random.key(0), TASK_128, {})

    def program(images, contents):
        classes = method.classes(params, TASK_128)
        return monte_carlo(
            method, params, TASK_128, images, contents, classes,
            key=base_key(), samples=samples, chunk=samples,
        )  # fmt: skip

    images = small_images(1, tokens=TOKENS, dim=DIM)
    return jax.jit(program).lower(*images).compile().cost_analysis()["flops"]


@pytest.mark.parametrize(
    ("options", "products"),
    [
        ({"drop_attn": 0.0, "drop_out": 0.1}, 0),
        ({"drop_attn": 0.1, "drop_out": 0.0}, 2 * K * TOKENS * DIM + 2 * K * DIM**2),
    ],
)
def test_what_lies_upstream_of_the_first_mask_runs_once(options, products):
    """A sample costs its masks, and the matrix products that come after them."""
    method = APT(**options)
    one, thirty = flops(method, 1), flops(method, 30)
    keys_and_values = 2 * (2 * TOKENS * DIM**2)
    assert one > keys_and_values
    # Beside products, a few operations a unit: random bits, mask, add, norm.
    units = K * DIM + method.heads * (1 if method.share_over_classes else K) * TOKENS
    of_a_sample = (thirty - one) / 29
    assert of_a_sample < products + 100 * units
    assert of_a_sample < keys_and_values / 4
