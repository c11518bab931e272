"""The cross-attention head: its exact figures, its invariances, what it refuses."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import (
    D,
    K,
    labelled,
    small_images,
    small_shots,
    small_task,
    with_text,
)

from apt_jax.errors import UserError
from apt_jax.methods import APT, ZeroShot, dropout
from apt_jax.methods.base import batch_logits

GOLDEN = json.loads((Path(__file__).parent / "goldens/apt.json").read_text())
HEAD = APT(heads=4, zero_init_out=False)


def logits(method, params, task, image, **keys):
    classes = method.classes(params, task, key=keys.get("class_key"))
    return method.logits(params, task, classes, image, key=keys.get("key"))


def trained(method=HEAD, seed=0, **task):
    """A head whose parameters are all random, its biases too."""
    task = small_task(**task)
    params = method.init(jax.random.key(seed), task, {})
    leaves, tree = jax.tree.flatten(params)
    generator = np.random.default_rng(seed)
    noise = [0.1 * generator.normal(size=x.shape).astype(np.float32) for x in leaves]
    leaves = [jnp.asarray(x + n) for x, n in zip(leaves, noise, strict=True)]
    return task, jax.tree.unflatten(tree, leaves)


def test_the_head_has_1_050_624_parameters_at_width_512():
    task = small_task(dim=512)
    shapes = jax.eval_shape(lambda key: APT().init(key, task, {}), jax.random.key(0))
    assert sum(x.size for x in jax.tree.leaves(shapes)) == 1_050_624


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"biases": False}, 4 * D * D),
        ({"out_projection": False, "zero_init_out": False}, 3 * (D * D + D)),
        ({"mlp_ratio": 4}, 4 * (D * D + D) + 8 * D * D + 5 * D),
        ({"gate": "scalar"}, 4 * (D * D + D) + 1),
        ({"gate": "per_dim", "norm_out": True}, 4 * (D * D + D) + D + 2 * D),
        ({"layers": 2}, 8 * (D * D + D)),
        ({"temperature": "trained"}, 4 * (D * D + D) + 1),
        ({"norm_queries": True, "norm_tokens": True}, 4 * (D * D + D) + 4 * D),
    ],
)
def test_each_option_adds_the_parameters_of_its_formula(options, count):
    method, task = APT(heads=4, **options), small_task()
    params = method.init(jax.random.key(0), task, {})
    assert sum(x.size for x in jax.tree.leaves(params)) == count
    image = small_images(1)[0][0]
    assert jnp.isfinite(logits(method, params, task, image)).all()


def test_step_0_of_the_residual_form_is_zero_shot_clip():
    method, task = APT(heads=4), small_task()
    image = small_images(1)[0][0]
    params = method.init(jax.random.key(0), task, {})
    zero_shot = ZeroShot().logits({}, task, task.text, image[0])
    np.testing.assert_allclose(
        logits(method, params, task, image), zero_shot, rtol=1e-5, atol=1e-5
    )
    with_dropout = logits(method, params, task, image, key=jax.random.key(1))
    np.testing.assert_allclose(with_dropout, zero_shot, rtol=1e-5, atol=1e-5)


def test_at_step_0_only_the_output_projection_has_a_gradient():
    method, task = APT(heads=4), small_task()
    images, _ = small_images(2)
    params = method.init(jax.random.key(0), task, {})
    loss = lambda p: method.loss(p, task, images, jnp.array([0, 1]), key=None)[0]  # noqa: E731
    layer = jax.jit(jax.grad(loss))(params)["layer_0"]
    for name in ("query", "key", "value"):
        assert not layer[name]["kernel"].any(), name
    assert layer["out"]["kernel"].any()
    assert layer["out"]["bias"].any()


def test_only_the_head_receives_gradients():
    task = small_shots()
    method = APT(heads=4)
    params = method.init(jax.random.key(0), task, {})
    assert set(params) == {"layer_0"}
    assert set(params["layer_0"]) == {"query", "key", "value", "out"}


def test_permuting_patch_tokens_changes_nothing():
    task, params = trained()
    image = small_images(1)[0][0]
    shuffled = image[jnp.array([0, 3, 1, 2, 6, 5, 4])]
    np.testing.assert_allclose(
        logits(HEAD, params, task, image), logits(HEAD, params, task, shuffled), 1e-5
    )


def test_changing_a_patch_token_changes_the_logits():
    task, params = trained()
    image = small_images(1)[0][0]
    other = image.at[4].set(-image[4])
    change = logits(HEAD, params, task, image) - logits(HEAD, params, task, other)
    assert jnp.abs(change).min() > 1e-3


def test_adding_a_class_leaves_the_other_logits_unchanged():
    task, params = trained()
    image = small_images(1)[0][0]
    wider = with_text(task, jnp.concatenate([task.text, -task.text[:1]]))
    np.testing.assert_allclose(
        logits(HEAD, params, wider, image)[:K],
        logits(HEAD, params, task, image),
        rtol=1e-5,
        atol=1e-5,
    )


def test_the_bias_of_the_keys_never_matters():
    task, params = trained()
    image = small_images(1)[0][0]
    before = logits(HEAD, params, task, image)
    params["layer_0"]["key"]["bias"] += 1.0
    np.testing.assert_allclose(logits(HEAD, params, task, image), before, rtol=1e-4)


def test_cls_can_be_left_out_of_the_keys():
    task, params = trained()
    method = APT(heads=4, zero_init_out=False, cls_in_keys=False)
    image = small_images(1)[0][0]
    # f is the CLS token either way: scaling it leaves the cosine as it was.
    np.testing.assert_allclose(
        logits(method, params, task, image),
        logits(method, params, task, image.at[0].multiply(3.0)),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("drop", ["drop_attn", "drop_out", "drop_token", "drop_mlp"])
def test_each_image_side_dropout_acts_with_a_key_and_only_then(drop):
    method = APT(
        heads=4, zero_init_out=False, mlp_ratio=2, **{"drop_attn": 0.0, drop: 0.5}
    )
    task, params = trained(method)
    image = small_images(1)[0][0]
    without = logits(method, params, task, image)
    first = logits(method, params, task, image, key=jax.random.key(1))
    again = logits(method, params, task, image, key=jax.random.key(1))
    other = logits(method, params, task, image, key=jax.random.key(2))
    assert (first == again).all()
    assert (first != other).any()
    assert (first != without).any()
    assert method.stochastic


def test_query_dropout_is_of_the_classes_and_not_of_the_image():
    method = APT(heads=4, zero_init_out=False, drop_attn=0.0, drop_query=0.5)
    task, params = trained(method)
    image = small_images(1)[0][0]
    without = logits(method, params, task, image)
    assert (logits(method, params, task, image, key=jax.random.key(1)) == without).all()
    dropped = logits(method, params, task, image, class_key=jax.random.key(1))
    assert (dropped != without).any()


def test_dropout_of_a_part_that_is_not_there_is_no_dropout():
    assert not APT(drop_attn=0.0, drop_mlp=0.5).stochastic
    assert not APT(drop_attn=0.0).stochastic
    assert APT().stochastic


def test_the_mean_over_masks_is_the_deterministic_output():
    x = jnp.ones((4, 50))
    keys = jax.random.split(jax.random.key(0), 2000)
    mean = jax.vmap(lambda key: dropout.dropout(x, 0.3, key))(keys).mean(0)
    np.testing.assert_allclose(mean, x, atol=0.08)


@pytest.mark.parametrize("share", [True, False])
def test_masks_differ_between_images_heads_and_tokens_and_may_between_classes(share):
    masks = []

    def recorded(key, rate, shape):
        masks.append(shape)
        return jax.random.bernoulli(key, 1 - rate, shape)

    options = {"drop_attn": 0.5, "drop_out": 0.5, "share_over_classes": share}
    method = APT(heads=4, zero_init_out=False, **options)
    task, params = trained(method)
    image = small_images(1)[0][0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dropout, "keep_mask", recorded)
        logits(method, params, task, image, key=jax.random.key(0))
    classes = 1 if share else K
    assert masks == [(4, classes, len(image)), (classes, D)]
    images = jnp.stack([image, image])
    one, two = batch_logits(method, params, task, images, key=jax.random.key(0))
    assert (one != two).any()


@pytest.mark.parametrize("share", [True, False])
def test_equal_classes_get_equal_logits_if_they_share_their_masks(share):
    options = {"drop_attn": 0.5, "drop_out": 0.5, "share_over_classes": share}
    method = APT(heads=4, zero_init_out=False, **options)
    task, params = trained(method)
    same = with_text(task, jnp.repeat(task.text[:1], 2, axis=0))
    image = small_images(1)[0][0]
    one, two = logits(method, params, same, image, key=jax.random.key(0))
    assert (one == two) == share


def test_the_scale_of_the_values_matters_only_beside_a_residual():
    """Without residual and biases w' scales with the values, and cosines do not."""
    image = small_images(1)[0][0]

    def change(residual):
        options = {"residual": residual, "biases": False, "zero_init_out": False}
        unit = APT(heads=4, value_norm="l2", **options)
        longer = APT(heads=4, value_norm="l2_sqrt_dim", **options)
        task, params = trained(unit)
        of_each = [logits(method, params, task, image) for method in (unit, longer)]
        return float(jnp.abs(of_each[0] - of_each[1]).max())

    assert change(residual=False) < 1e-4
    assert change(residual=True) > 0.1


def generated(shape, seed):
    """The goldens' tensors: sin(1 + 0.7 i + 1.3 seed) over the flat index i."""
    index = np.arange(np.prod(shape))
    return np.sin(1 + 0.7 * index + 1.3 * seed).reshape(shape).astype(np.float32)


def golden_logits(monkeypatch=None, **options):
    inputs, expected = GOLDEN["cross_attention"]["inputs"], GOLDEN["cross_attention"]
    seeds = inputs["seeds"]
    w, z = generated((3, 4), seeds["W"]), generated((5, 4), seeds["Z"])
    names = {"query": "q", "key": "k", "value": "v", "out": "o"}
    layer = {
        name: {
            "kernel": 0.5 * generated((4, 4), seeds[f"W{letter}"]),
            "bias": 0.1 * generated((4,), seeds[f"b{letter}"]),
        }
        for name, letter in names.items()
    }
    task = with_text(small_task(), jnp.asarray(w)).replace(logit_scale=jnp.float32(100))
    defaults = {"drop_attn": 0.0, "share_over_classes": False, "zero_init_out": False}
    unscaled = {"input_norm": "none", "value_norm": "none", "score_scale": 1.0}
    method = APT(heads=2, **(unscaled | defaults | options))
    key = jax.random.key(0) if method.stochastic else None
    found = logits(method, {"layer_0": layer}, task, jnp.asarray(z), key=key)
    return np.asarray(found), expected["outputs"]


@pytest.mark.parametrize("residual", [True, False])
def test_goldens_of_the_deterministic_head(residual):
    found, expected = golden_logits(residual=residual)
    name = "logits_residual" if residual else "logits_no_residual"
    np.testing.assert_allclose(found, expected[name], rtol=1e-4)


@pytest.mark.parametrize(
    ("drop", "name"), [("drop_attn", "attn"), ("drop_out", "output")]
)
def test_goldens_of_dropout_with_given_masks(monkeypatch, drop, name):
    rules = {
        "drop_attn": lambda i: (7 * i) % 10 >= 3,
        "drop_out": lambda i: (3 * i) % 7 >= 2,
    }

    def given(key, rate, shape):
        return jnp.asarray(rules[drop](np.arange(np.prod(shape))).reshape(shape))

    monkeypatch.setattr(dropout, "keep_mask", given)
    found, expected = golden_logits(**{drop: 0.25})
    np.testing.assert_allclose(found, expected[f"logits_{name}_dropout"], rtol=1e-4)


def test_scores_start_with_a_spread_of_score_scale():
    task, image = (
        small_task(classes=20, dim=256),
        small_images(1, tokens=40, dim=256)[0][0],
    )
    scores, softmax = [], jax.nn.softmax
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.nn, "softmax", lambda x: scores.append(x) or softmax(x))
        method = APT()
        logits(method, method.init(jax.random.key(0), task, {}), task, image)
    assert method.score_scale == pytest.approx(float(scores[-1].std()), rel=0.15)


@pytest.mark.parametrize(("shots", "epochs"), [(1, 200), (32 * 4, 75), (32 * 9, 50)])
def test_the_recipe_takes_300_steps_in_50_to_200_epochs(shots, epochs):
    task = small_task().replace(logit_scale=jnp.float32(50))
    task = labelled(task, np.zeros(shots))
    recipe = APT().recipe(task, {})
    assert (recipe.epochs, recipe.learning_rate) == (epochs, pytest.approx(0.04))


def test_unit_inputs_without_scaling_leave_the_queries_without_gradient():
    """Why the default scales by sqrt(D)."""
    task = small_task(dim=256)
    image = small_images(1, tokens=20, dim=256)[0][0]

    def gradient(input_norm):
        method = APT(input_norm=input_norm, zero_init_out=False)
        params = method.init(jax.random.key(0), task, {})
        of_first = jax.jit(jax.grad(lambda p: logits(method, p, task, image)[0]))(
            params
        )
        return float(jnp.abs(of_first["layer_0"]["query"]["kernel"]).max())

    assert gradient("l2_sqrt_dim") > 100 * gradient("l2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"residual": False}, "`method.zero_init_out`=False"),
        ({"input_norm": "unit"}, "must be 'none', 'l2'"),
        ({"drop_out": 1.0}, r"must be in \[0, 1\)"),
        ({"heads": 0}, "at least 1"),
        ({"score_scale": 0.0}, "above 0"),
        ({"gate": "yes", "temperature": "no"}, "gate.*temperature"),
    ],
)
def test_hyper_parameters_that_make_no_sense_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        APT(**options)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(UserError, match="does not divide the width 16"):
        APT(heads=3).check(small_task())
