"""VPT, VAPT and fine-tuning: counts, starts, gradients, formulas."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from backbones import count, photo, trained_on_b16
from small import logits_of
from toy import CLASSES, toy_clip, toy_vit

from apt_jax.errors import UserError
from apt_jax.features.views import Views
from apt_jax.methods import VAPT, VPT, FineTune, require_fit
from apt_jax.methods.base import Recipe, unit
from apt_jax.methods.task import make_task
from apt_jax.methods.visual_prompts import embedding, xavier
from apt_jax.training.optimizer import make_optimizer
from apt_jax.training.schedules import floor_cosine, warm_cosine

SMALL_VAPT = VAPT(prompts=2, rank=3)
BATCH = functools.partial(photo, count=3)
LABELS = jnp.array([0, 1, 2])


@functools.cache
def task():
    return make_task(toy_clip(), CLASSES, ("a photo of a {}.",))


@functools.cache
def image_features():
    """[3, D] what CLIP's tower makes of a batch."""
    here = task()
    apply = functools.partial(here.backbone.module.apply, method="image_embedding")
    return jax.jit(apply)({"params": here.backbone.params}, BATCH())


# -- VPT --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("prompts", [1, 10])
def test_deep_prompts_are_9216_parameters_a_prompt_and_shallow_ones_768(prompts):
    assert count(trained_on_b16(VPT(prompts=prompts))) == 9_216 * prompts
    assert count(trained_on_b16(VPT(prompts=prompts, depth=1))) == 768 * prompts
    with_head = trained_on_b16(VPT(prompts=prompts, head="linear"))
    assert count(with_head["head"]) == 10 * (512 + 1)


def test_the_original_form_starts_within_the_bound_of_the_patch_embedding():
    vision = toy_clip().config.vision
    p, width = vision.patch_size, vision.hidden_size
    found = xavier(jax.random.key(0), (2000,), vision)
    assert float(jnp.abs(found).max()) == pytest.approx(
        math.sqrt(6 / (3 * p * p + width)), rel=0.01
    )
    clip = VPT(prompts=500).init(jax.random.key(0), task(), {})["prompts"]
    assert float(clip.std()) == pytest.approx(0.02, rel=0.05)


@pytest.mark.slow
def test_a_shallow_prompt_is_inserted_once_and_a_deep_one_in_every_block():
    deep = VPT(prompts=2).init(jax.random.key(0), task(), {})["prompts"]
    assert len(deep) == toy_clip().config.vision.num_hidden_layers
    of_depth = [
        embedding(task(), photo(), list(deep[:depth]), "end") for depth in (1, 2)
    ]
    assert (of_depth[0] != of_depth[1]).any()
    shallow = VPT(prompts=2, depth=1)
    found = shallow.logits({"prompts": deep[:1]}, task(), None, photo())
    expected = task().logit_scale * task().text @ unit(of_depth[0])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_linear_head_reads_the_embedding_and_starts_at_odds_of_one_to_99():
    method = VPT(prompts=1, head="linear")
    params = method.init(jax.random.key(0), task(), {})
    head, features = (
        params["head"],
        embedding(task(), photo(), params["prompts"], "end"),
    )
    np.testing.assert_allclose(head["bias"], -math.log(99), rtol=1e-6)
    np.testing.assert_allclose(
        method.logits(params, task(), None, photo()),
        np.asarray(features) @ np.asarray(head["kernel"]) + np.asarray(head["bias"]),
        rtol=1e-4,
    )


def test_each_form_has_the_recipe_of_its_source():
    assert VPT().recipe(task(), {}) == Recipe(2.5e-3, 5, batch_size=4)
    original = VPT(form="original").recipe(task(), {})
    assert (original.epochs, original.batch_size, original.drop_last) == (
        100,
        64,
        False,
    )
    assert original.not_decayed == ("head/bias",)
    of_vapt = dataclasses.replace(original, learning_rate=1.25)
    assert VAPT().recipe(task(), {}) == of_vapt


def test_the_warm_cosine_equals_its_closed_form():
    m = [float(warm_cosine(e, 100, 1.0)) for e in (0, 5, 10, 55, 99)]
    np.testing.assert_allclose(m, [0, 0.5, 1, 0.5, 0.000305], atol=1e-6)


def test_the_cosine_with_a_floor_ends_there():
    ends = [float(floor_cosine(e, 10, 2e-4)) for e in (0, 5, 10)]
    np.testing.assert_allclose(ends, [2e-4, (2e-4 + 1e-6) / 2, 1e-6], rtol=1e-4)


def decayed(params, optimizer="sgd", **fields):
    """The paths of what decays under a recipe."""
    recipe = Recipe(0.1, 1, optimizer=optimizer, schedule="constant", **fields)
    chain = make_optimizer(recipe, 1)
    still = jax.tree.map(jnp.zeros_like, params)
    updates, _ = chain.update(still, chain.init(params), params)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, update in jax.tree_util.tree_leaves_with_path(updates)
        if jnp.any(update != 0)
    }


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_what_is_not_to_decay_does_not(optimizer):
    of_layer = {"bias": jnp.ones(2), "kernel": jnp.ones(2)}
    params = {"head": of_layer, "forehead": of_layer, "w_bias": jnp.ones(2)}
    left = {"head/kernel", "forehead/kernel", "w_bias"}
    found = lambda *ends: decayed(  # noqa: E731
        params, optimizer, weight_decay=0.5, not_decayed=ends
    )
    assert found() == {*left, "head/bias", "forehead/bias"}
    assert found("head/bias") == {*left, "forehead/bias"}
    assert found("bias") == left


def test_fine_tuning_decays_all_but_biases_at_a_rate_that_scales_with_the_batch():
    method = FineTune(head="linear")
    recipe = method.recipe(task(), {})
    assert recipe.learning_rate == pytest.approx(5e-4 * recipe.batch_size / 256)
    params = method.init(jax.random.key(0), task(), {})
    params = jax.tree.map(jnp.ones_like, params)
    paths = {
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, _ in jax.tree_util.tree_leaves_with_path(params)
    }
    biases = {path for path in paths if path.split("/")[-1] == "bias"}
    assert "head/bias" in biases
    assert len(biases) > 10
    fields = {"weight_decay": 0.01, "not_decayed": recipe.not_decayed}
    assert decayed(params, "adamw", **fields) == paths - biases
    assert recipe.weight_decay == 0.01


def test_views_are_the_crops_of_each_source():
    of_vpt = Views(10, 0.77)  # (224 / 256)^2 of the shorter side
    assert of_vpt.area == pytest.approx((224 / 256) ** 2, abs=0.01)
    for method in (VPT(form="original"), VAPT(), FineTune()):
        assert method.views == of_vpt
    assert VPT().views == Views(10, 0.08)


# -- VAPT -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"prompts": 1}, 31_866),
        ({"prompts": 10}, 55_608),
        ({"prompts": 50}, 161_128),
        ({"prompts": 100}, 293_028),
        ({"kernel": 3}, 52_913),
        ({"rank": 16}, 67_896),
    ],
)
def test_vapt_has_as_many_parameters_as_published(options, expected):
    assert count(trained_on_b16(VAPT(**options))) == expected


def test_adaptive_prompts_start_at_exactly_zero():
    params = SMALL_VAPT.init(jax.random.key(0), task(), {})
    of_block = jax.tree.map(lambda x: x[0], params["adaptive"])
    patches = jax.random.normal(jax.random.key(1), (16, 16))
    assert (SMALL_VAPT.adapt(params, of_block, patches) == 0).all()
    deep = [params["prompts"], jnp.zeros_like(params["prompts"])]
    np.testing.assert_array_equal(
        SMALL_VAPT.logits(params, task(), None, photo()),
        task().logit_scale
        * task().text
        @ unit(embedding(task(), photo(), deep, "after_cls")),
    )


def gradients(params, method=SMALL_VAPT):
    return _gradients(method, params, task(), BATCH())


@functools.partial(jax.jit, static_argnums=0)
def _gradients(method, params, task, images):
    loss = lambda p: method.loss(p, task, images, LABELS, key=None)[0]  # noqa: E731
    return jax.grad(loss)(params)


def test_the_first_step_moves_the_prompts_and_A_and_the_second_all_the_rest():
    params = SMALL_VAPT.init(jax.random.key(0), task(), {})
    first = gradients(params)
    asleep = {name: first["adaptive"].pop(name) for name in ("scale", "bias", "w")}
    asleep |= {name: first.pop(name) for name in ("W1", "W2")}
    blind = first["adaptive"].pop("a")  # up to rounding
    assert all(jnp.abs(g).max() > 1e-3 for g in jax.tree.leaves(first))
    assert all((g == 0).all() for g in jax.tree.leaves(asleep))
    assert float(jnp.abs(blind).max()) < 1e-5
    moved = jax.tree.map(lambda p, g: p - 0.1 * g, params, gradients(params))
    size = jax.tree.map(lambda g: float(jnp.abs(g).max()), gradients(moved))
    assert all(of > 1e-4 for of in jax.tree.leaves(size)), size


def test_the_prompts_are_the_formula_spelled_out():
    method, generator = VAPT(prompts=2, rank=3, kernel=2), np.random.default_rng(0)
    params = jax.tree.map(
        lambda x: generator.normal(size=x.shape).astype(np.float32),
        method.init(jax.random.key(0), task(), {}),
    )
    block = {name: x[0] for name, x in params["adaptive"].items()}
    X = generator.normal(size=(16, 16)).astype(np.float32)  # 4 x 4 patches, 16 wide
    centred = X - X.mean(-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    grid = (normed * block["scale"] + block["bias"]).reshape(4, 4, 16)
    F = np.zeros((3, 3, 16))
    for r in range(3):
        for c in range(3):
            for i in range(2):
                for j in range(2):
                    F[r, c] += block["w"][i, j] * grid[r + i, c + j]
    G = block["A"] @ F.reshape(9, 16) + block["a"][:, None]
    P = G + np.maximum(G @ params["W1"], 0) @ params["W2"]
    found = method.adapt(params, block, jnp.asarray(X))
    np.testing.assert_allclose(found, P, rtol=1e-4, atol=1e-4)


def test_trained_prompts_are_functions_of_the_image():
    method = SMALL_VAPT
    params = method.init(jax.random.key(0), task(), {})
    params["adaptive"]["A"] = jnp.ones_like(params["adaptive"]["A"])
    block = jax.tree.map(lambda x: x[0], params["adaptive"])
    one, other = (
        method.adapt(params, block, jax.random.normal(jax.random.key(seed), (16, 16)))
        for seed in (1, 2)
    )
    assert (one != other).any()


def test_channel_dropout_takes_whole_channels():
    method = VAPT(prompts=1, rank=3, drop_channel=0.5, drop_hidden=0.0)
    params = method.init(jax.random.key(0), task(), {})
    params["W2"] = jnp.zeros_like(params["W2"])
    params["adaptive"]["A"] = jnp.ones_like(params["adaptive"]["A"])
    block = jax.tree.map(lambda x: x[0], params["adaptive"])
    patches = jax.random.normal(jax.random.key(1), (16, 16))
    whole = np.asarray(method.adapt(params, block, patches))
    dropped = np.asarray(method.adapt(params, block, patches, jax.random.key(2)))
    is_zero, is_doubled = dropped == 0, np.isclose(dropped, 2 * whole, rtol=1e-4)
    assert is_zero.any()
    assert is_doubled.any()
    assert (is_zero | is_doubled).all()


# -- fine-tuning ------------------------------------------------------------------------


def test_every_tensor_of_the_image_tower_gets_a_gradient():
    method = FineTune()
    params = method.init(jax.random.key(0), task(), {})
    found = gradients(params, method)["image"]
    size = {
        jax.tree_util.keystr(path, simple=True, separator="/"): float(jnp.abs(g).max())
        for path, g in jax.tree_util.tree_leaves_with_path(found)
    }
    assert set(params) == {"image"}
    # A softmax is blind to what all its scores share, so keys have no need of a bias.
    blind = {name for name in size if name.endswith("attention/key/bias")}
    assert all(size[name] > 1e-6 for name in size.keys() - blind), size
    assert all(size[name] < 1e-5 for name in blind), size


def test_an_untuned_tower_is_clips():
    params = FineTune().init(jax.random.key(0), task(), {})
    np.testing.assert_allclose(
        logits_of(FineTune(), params, task(), BATCH()),
        task().logit_scale * unit(image_features()) @ task().text.T,
        rtol=1e-4,
        atol=1e-5,
    )


# -- a plain ViT ------------------------------------------------------------------------


@pytest.mark.parametrize("method", [VPT(form="original"), SMALL_VAPT, FineTune()])
def test_a_tower_without_text_gets_a_linear_head(method):
    plain = make_task(toy_vit(), CLASSES, ())
    require_fit(method, plain)
    params = method.init(jax.random.key(0), plain, {})
    assert params["head"]["kernel"].shape == (plain.embedding_dim, len(CLASSES))
    logits = method.logits(params, plain, None, photo())
    assert logits.shape == (len(CLASSES),)
    with pytest.raises(
        UserError, match="choose one of fine_tune, linear_probe, vapt, vpt"
    ):
        require_fit(dataclasses.replace(method, head="text"), plain)


# -- what is refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (VPT, {"form": "new"}, r"form='new' must be 'clip' or 'original'"),
        (VPT, {"prompts": 0}, "at least 1"),
        (VPT, {"drop_prompt": 1.0}, r"must be in \[0, 1\)"),
        (VAPT, {"rank": 0}, "at least 1"),
        (VAPT, {"head": "mlp"}, r"head='mlp' must be 'auto', 'text' or 'linear'"),
        (FineTune, {"head": "mlp"}, r"head='mlp' must be 'auto', 'text' or 'linear'"),
    ],
)
def test_options_that_make_no_sense_are_refused(method, options, message):
    with pytest.raises(UserError, match=message):
        method(**options)


def test_a_kernel_larger_than_the_grid_is_refused():
    with pytest.raises(UserError, match="grid of 4 x 4 patches; lower it"):
        VAPT(kernel=5).check(task())
    VAPT(kernel=4).check(task())
