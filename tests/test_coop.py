"""CoOp: prompts spelled as the paper spells them, its exact figures."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import CLASSES, toy_clip

from apt_jax.errors import UserError
from apt_jax.methods import CoOp
from apt_jax.methods.prompted_text import insert_context, text_features, word_embeddings
from apt_jax.methods.task import make_task

NAMES = (*CLASSES, "red blue green")


@functools.cache
def task():
    return make_task(toy_clip(), NAMES, ("a photo of a {}.",))


def words(prompt):
    ids, eos = toy_clip().tokenizer.encode([prompt])
    return word_embeddings(task(), jnp.asarray(ids))[0], int(eos[0])


def test_sixteen_shared_vectors_of_a_b16_are_8192_parameters():
    wide = {"text": {"token_embedding": jnp.zeros((4, 512))}}
    small = task().replace(backbone=task().backbone.replace(params=wide))
    count = lambda **options: sum(  # noqa: E731
        x.size
        for x in jax.tree.leaves(CoOp(**options).init(jax.random.key(0), small, {}))
    )
    assert count() == 8_192
    assert count(context_length=4) == 2_048
    assert count(class_specific=True) == len(NAMES) * 8_192


def test_the_random_context_of_each_class_is_drawn_on_its_own():
    found = CoOp(class_specific=True).init(jax.random.key(0), task(), {})["context"]
    assert found.shape[:2] == (len(NAMES), 16)
    apart = np.abs(found[:, None] - found[None]).max(axis=(2, 3))
    assert (apart[~np.eye(len(NAMES), dtype=bool)] > 0.01).all()
    assert float(np.std(found)) == pytest.approx(0.02, rel=0.1)
    worded = CoOp(class_specific=True, init_words="a photo of a")
    start = worded.init(jax.random.key(0), task(), {})["context"]
    context, eos = words("a photo of a")
    for of_class in start:
        np.testing.assert_array_equal(of_class, context[1:eos])


@pytest.mark.parametrize(
    ("position", "spelled"),
    [
        ("end", "a photo of a {}."),
        ("middle", "a photo {} of a."),
        ("front", "{} a photo of a."),
    ],
)
def test_a_context_of_known_words_spells_the_prompt(position, spelled):
    context, eos = words("a photo of a")
    found, ends = insert_context(task(), context[1:eos], position)
    for row, name in enumerate(NAMES):
        expected, end = words(spelled.format(name))
        assert int(ends[row]) == end
        np.testing.assert_array_equal(found[row, : end + 1], expected[: end + 1])


def test_prompts_end_where_the_longest_ends_and_their_features_are_those_of_whole_ones():
    here = task()
    context, eos = words("a photo of a")
    prompts, ends = insert_context(here, context[1:eos], "end")
    assert prompts.shape[1] == int(ends.max()) + 1
    assert here.texts.prompt_ids.shape[-1] == int(here.texts.prompt_eos.max()) + 1
    room = here.backbone.tokenizer.context_length - prompts.shape[1]
    whole = jnp.pad(prompts, ((0, 0), (0, room), (0, 0)), constant_values=1.0)
    assert room > 0
    features = jax.jit(text_features)
    np.testing.assert_allclose(
        features(here, prompts, ends),
        features(here, whole, ends),
        rtol=1e-5,
        atol=1e-6,
    )


def test_a_context_for_each_class_goes_to_that_class():
    generator = np.random.default_rng(0)
    width = words("a")[0].shape[-1]
    context = jnp.asarray(generator.normal(size=(len(NAMES), 2, width)), jnp.float32)
    found, _ = insert_context(task(), context, "end")
    np.testing.assert_array_equal(found[:, 1:3], context)


def test_a_shared_context_gets_the_sum_of_the_gradients_of_all_classes():
    here, image = task(), jnp.arange(8.0)
    shared, apart = (
        CoOp(context_length=3, class_specific=specific) for specific in (False, True)
    )
    params = shared.init(jax.random.key(0), here, {})
    spread = {"context": jnp.tile(params["context"], (len(NAMES), 1, 1))}

    def gradient(method, params):
        def loss(params):
            return method.loss(params, here, image[None], jnp.array([1]), key=None)[0]

        return jax.jit(jax.grad(loss))(params)["context"]

    of_shared, of_apart = gradient(shared, params), gradient(apart, spread)
    np.testing.assert_allclose(of_apart.sum(0), of_shared, rtol=1e-3, atol=1e-5)


def test_classes_in_chunks_give_the_same_features_and_gradients():
    here = task()
    context = 0.1 * jnp.ones((2, words("a")[0].shape[-1]))

    def features_and_gradient(chunk):
        @jax.jit
        @functools.partial(jax.grad, has_aux=True)
        def of(context):
            features = text_features(here, *insert_context(here, context, "end"))
            return jnp.square(features).sum(), features

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("apt_jax.methods.prompted_text.CLASSES_AT_ONCE", chunk)
            return of(context)

    (by_chunk, chunks), (at_once, whole) = map(features_and_gradient, (3, 64))
    np.testing.assert_allclose(chunks, whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(by_chunk, at_once, rtol=1e-3, atol=1e-4)


def test_a_random_context_has_the_papers_spread_and_words_give_its_length():
    width = words("a")[0].shape[-1]
    long = CoOp(context_length=4000)._start(jax.random.key(0), task())
    assert long.shape == (4000, width)
    assert float(long.std()) == pytest.approx(0.02, rel=0.02)
    assert len(CoOp(init_words="a photo")._start(None, task())) == 2


def test_dropout_takes_whole_vectors_and_the_same_for_all_classes():
    method, here = CoOp(context_length=6, drop_context=0.5), task()
    drawn = {}

    def spy(task, context, position):
        drawn["context"] = context
        return insert_context(task, context, position)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("apt_jax.methods.coop.insert_context", spy)
        method.classes(
            {"context": jnp.ones((6, words("a")[0].shape[-1]))},
            here,
            key=jax.random.key(1),
        )
    rows = np.asarray(drawn["context"])
    assert rows.shape[0] == 6
    assert {tuple(set(row)) for row in rows.tolist()} == {(0.0,), (2.0,)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"position": "back"}, r"position='back' must be 'end', 'middle' or 'front'"),
        ({"context_length": 0}, "at least 1"),
        ({"drop_context": 1.0}, r"drop_context=1.0 must be in \[0, 1\)"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        CoOp(**options)


def test_prompts_that_the_text_tower_cannot_hold_are_refused():
    with pytest.raises(UserError, match=r"lower `method\.context_length`"):
        CoOp().check(task())
    CoOp(context_length=4).check(task())
