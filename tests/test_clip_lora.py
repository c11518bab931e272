"""CLIP-LoRA: counts, merged weights and branches, what its first step moves."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from backbones import count, photo, trained_on_b16
from small import labelled, logits_of
from toy import CLASSES, toy_clip

from apt_jax.clip.adapt import low_rank_branches, updated_kernels, with_kernels
from apt_jax.errors import UserError
from apt_jax.methods import CLIPLoRA
from apt_jax.methods.base import Recipe
from apt_jax.methods.task import make_task

LABELS = jnp.array([0, 1, 2])


@functools.cache
def task():
    return make_task(toy_clip(), CLASSES, ("a photo of a {}.", "{}."))


def changed():
    """Parameters with B away from 0."""
    params = CLIPLoRA().init(jax.random.key(0), task(), {})
    keys = iter(jax.random.split(jax.random.key(1), len(params)))
    return {
        name: {"a": of["a"], "b": 0.3 * jax.random.normal(next(keys), of["b"].shape)}
        for name, of in params.items()
    }


@pytest.mark.slow
def test_a_b16_has_as_many_parameters_as_published():
    assert count(trained_on_b16(CLIPLoRA())) == 184_320
    assert count(trained_on_b16(CLIPLoRA(towers="image"))) == 110_592
    assert count(trained_on_b16(CLIPLoRA(towers="text"))) == 73_728
    assert count(trained_on_b16(CLIPLoRA(matrices="qkvo"))) == 184_320 * 4 // 3


def test_merged_weights_give_what_branches_give():
    here, params, scale = task(), changed(), CLIPLoRA().gamma
    ids, eos = here.texts.prompt_ids[:, 0], here.texts.prompt_eos[:, 0]
    clip, images = here.backbone.params, photo(count=3)

    @jax.jit
    def merged(clip, params):
        weights = {"params": with_kernels(clip, updated_kernels(clip, params, scale))}
        return here.backbone.module.apply(weights, images, ids, eos)

    @jax.jit
    def branched(clip, params):
        with low_rank_branches(params, scale, lambda x, index: x):
            return here.backbone.module.apply({"params": clip}, images, ids, eos)

    expected, found = merged(clip, params), branched(clip, params)
    plain = merged(clip, {})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert float(jnp.abs(plain - expected).max()) > 0.1


def test_without_dropout_a_key_changes_nothing():
    method, params = CLIPLoRA(drop_branch=0.0), changed()
    np.testing.assert_array_equal(
        logits_of(method, params, task(), photo(count=2), key=jax.random.key(0)),
        logits_of(method, params, task(), photo(count=2)),
    )
    assert not method.stochastic


def test_the_scale_is_that_of_the_authors_code():
    assert CLIPLoRA().gamma == pytest.approx(1 / math.sqrt(2))
    assert CLIPLoRA(rank=4, alpha=2.0).gamma == pytest.approx(1.0)


def test_the_first_step_moves_b_and_not_a():
    method = CLIPLoRA()
    params, images = method.init(jax.random.key(0), task(), {}), photo(count=3)

    @jax.jit
    @jax.grad
    def gradient(params):
        return method.loss(params, task(), images, LABELS, key=None)[0]

    found = gradient(params)
    assert all((of["a"] == 0).all() for of in found.values())
    assert all((of["b"] != 0).any() for of in found.values())


def test_dropout_draws_for_every_matrix_and_token_apart():
    seen = {}

    def spy(x, index):
        seen.setdefault(index, x.shape)
        return x

    here, params, image = task(), changed(), photo(count=1)
    with low_rank_branches(params, 1.0, spy):
        here.backbone.module.apply(
            {"params": here.backbone.params}, image, method="image_embedding"
        )
    images = [name for name in sorted(params) if name.startswith("image")]
    assert sorted(seen) == [sorted(params).index(name) for name in images]
    # [B, tokens, width]; of the last block's query only the CLS token is needed.
    assert {shape[1] for shape in seen.values()} == {17, 1}


def test_the_recipe_is_500_steps_a_shot_in_whole_epochs():
    shots = lambda n: labelled(task(), np.zeros(n))  # noqa: E731
    expected = Recipe(
        2e-4,
        500,
        drop_last=False,
        optimizer="adamw",
        weight_decay=1e-2,
        schedule="floor_cosine_by_step",
    )
    assert CLIPLoRA().recipe(shots(3), {}) == expected  # one step an epoch
    assert CLIPLoRA().recipe(shots(48), {}).epochs == 16 * 500 / 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "at least 1"),
        ({"towers": "left"}, r"towers='left' must be 'both', 'image' or 'text'"),
        ({"matrices": "qx"}, r"matrices='qx' must be letters of 'qkvo'"),
        ({"drop_branch": -0.1}, r"must be in \[0, 1\)"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        CLIPLoRA(**options)
