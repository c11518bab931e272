"""CoCoOp, MaPLe and PromptSRC: counts, neutral settings, couplings, regularisers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from backbones import count, photo, trained_on_b16
from toy import CLASSES, toy_clip

from apt_jax.clip.tokens import Tokenizer
from apt_jax.errors import UserError
from apt_jax.methods import CoCoOp, CoOp, MaPLe, PromptSRC, prompt_src
from apt_jax.methods.base import Method, Recipe, unit
from apt_jax.methods.task import Shots, make_task
from apt_jax.training import loop

LABELS = jnp.array([0, 1, 2])


@functools.cache
def task():
    return make_task(toy_clip(), CLASSES, ("a photo of a {}.",))


def init(method, seed=0):
    return method.init(jax.random.key(seed), task(), {})


# -- CoCoOp -----------------------------------------------------------------------------


def test_cocoop_has_35360_parameters_on_a_b16():
    assert count(trained_on_b16(CoCoOp())) == 35_360


@pytest.mark.slow
def test_a_meta_net_that_says_nothing_makes_cocoop_coop():
    params, image = init(CoCoOp(reduction=2)), jnp.arange(8.0)
    silent = params | {name: jnp.zeros_like(params[name]) for name in ("W2", "b2")}
    coop, context = CoOp(context_length=4), {"context": params["context"]}
    classes = coop.classes(context, task())
    np.testing.assert_allclose(
        CoCoOp().logits(silent, task(), None, image),
        coop.logits(context, task(), classes, image),
        rtol=1e-5,
    )
    said = CoCoOp().logits(params, task(), None, image)
    assert (said != coop.logits(context, task(), classes, image)).any()
    # The meta-net reads the direction of the embedding, not its length.
    longer = CoCoOp().logits(params, task(), None, 3 * image)
    np.testing.assert_allclose(longer, said, rtol=1e-4)


def test_the_meta_net_starts_as_torch_has_it_and_trains_image_by_image():
    params = init(CoCoOp(reduction=2))
    for name, inputs in (("W1", 8), ("b1", 8), ("W2", 4), ("b2", 4)):
        assert float(jnp.abs(params[name]).max()) <= inputs**-0.5
        assert (params[name] != 0).all()
    assert CoCoOp().recipe(task(), {}) == Recipe(2e-3, 10, batch_size=1)


# -- MaPLe ------------------------------------------------------------------------------


def test_maple_has_as_many_parameters_as_published():
    shapes = trained_on_b16(MaPLe())
    assert count(shapes) == 3_555_072
    assert shapes["P"].shape == (8, 2, 512)
    assert shapes["F"].shape == (8, 512, 768)


def test_an_untrained_shallow_maple_has_the_class_texts_of_clip():
    shallow = MaPLe(depth=1)
    text, prompts = shallow.classes(init(shallow), task())
    np.testing.assert_allclose(text, task().text, rtol=1e-4, atol=1e-5)
    assert prompts.shape == (1, 2, toy_clip().config.vision.hidden_size)


def test_an_image_prompt_hangs_on_the_text_prompt_and_coupling_of_its_block_alone():
    method, params = MaPLe(), init(MaPLe())
    before = method.coupled(params)
    for name, block in (("P_0", 0), ("F_0", 0), ("P", 1), ("F", 1), ("b", 1)):
        after = method.coupled(params | {name: params[name] + 0.5})
        assert (after[block] != before[block]).any(), name
        np.testing.assert_array_equal(after[1 - block], before[1 - block])


def test_deeper_prompts_change_the_class_texts_too():
    for method, name in ((MaPLe(), "P"), (PromptSRC(teacher="task"), "text")):
        params = init(method)
        texts = [
            jax.tree.leaves(method.classes(p, task()))[0]
            for p in (params, params | {name: params[name] + 0.5})
        ]
        assert (texts[0] != texts[1]).any(), name


def test_deeper_blocks_start_with_a_coupling_that_is_not_the_first_ones():
    params = init(MaPLe())
    assert (params["F"][0] != params["F_0"]).any()


def test_text_prompts_take_the_places_behind_the_start_token_of_their_block():
    here = task()
    weights, ids = {"params": here.backbone.params}, here.texts.prompt_ids[:1, 0]
    words = here.backbone.module.apply(weights, ids, method="embed_tokens")

    def features(prompts, **options):
        return here.backbone.module.apply(
            weights,
            words,
            here.texts.prompt_eos[:1, 0],
            prompts=prompts,
            method="text_features_from_embeddings",
            **options,
        )

    def seen(prompts):
        """The features, and what the blocks made of every token."""
        found, state = features(prompts, mutable="intermediates")
        blocks = state["intermediates"]["text"]
        return found, *(blocks[f"blocks_{i}"]["hidden"][0][0] for i in (0, 1))

    plain, first, second = seen(None)
    # Given what was there, every token stays as it was, and in its place.
    same, _, second_again = seen([None, first[1:3]])
    np.testing.assert_allclose(same, plain, rtol=1e-5)
    np.testing.assert_allclose(second_again, second, rtol=1e-4, atol=1e-5)
    assert (features([None, first[2:4]]) != plain).any()


# -- PromptSRC --------------------------------------------------------------------------


def test_prompt_src_has_46080_parameters_on_a_b16():
    assert count(trained_on_b16(PromptSRC(teacher="task"))) == 46_080


def test_there_is_nothing_to_regularise_where_student_and_teacher_agree():
    t, f = (unit(jax.random.normal(jax.random.key(s), (3, 8))) for s in (0, 1))
    log_p = jax.nn.log_softmax(f @ t.T)
    assert float(prompt_src.departure(t, t, f, f, log_p, log_p)) == 0
    moved = jax.nn.log_softmax(2 * f @ t.T)
    assert float(prompt_src.departure(t, t, f, f, moved, log_p)) > 0


@pytest.mark.slow
def test_the_loss_is_cross_entropy_and_three_distances():
    method = PromptSRC(teacher="task")
    params, images = init(method), photo(count=3)
    found, logits = method.loss(params, task(), images, LABELS, key=None)
    t = np.asarray(method.classes(params, task()))
    weights = {"params": task().backbone.params}
    f_frozen = unit(
        task().backbone.module.apply(weights, images, method="image_embedding")
    )
    f = np.stack([method._feature(params, task(), image) for image in images])
    scale, teacher = float(task().logit_scale), np.asarray(task().text)
    log_p = np.asarray(jax.nn.log_softmax(scale * f @ t.T))
    log_q = np.asarray(jax.nn.log_softmax(scale * f_frozen @ teacher.T))
    expected = (
        -log_p[np.arange(3), LABELS].mean()
        + 25 * np.abs(t - teacher).mean()
        + 10 * np.abs(f - f_frozen).mean()
        + (np.exp(log_q) * (log_q - log_p)).sum() / 9
    )
    assert float(found) == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(logits, scale * f @ t.T, rtol=1e-4)


def test_the_weights_of_the_epochs_are_a_gaussian_of_sum_one():
    recipe = PromptSRC().recipe(task(), {})
    w = np.array(PromptSRC().epoch_weights(recipe))
    assert len(w) == recipe.epochs == 50
    assert w.sum() == pytest.approx(1)
    assert int(w.argmax()) + 1 == 30
    assert w[29] / w[0] == pytest.approx(np.exp(29**2 / (2 * 30**2)))
    one = PromptSRC(average_spread=1e-6).epoch_weights(recipe)
    assert one[29] == 1


@pytest.mark.slow
def test_what_is_kept_is_the_average_over_epochs():
    method = PromptSRC(teacher="task", average_at=0.5, average_spread=0.4)
    crops = jax.random.randint(jax.random.key(1), (3, 1, 16, 16, 3), 0, 256)
    stored = {"crop": crops.astype(jnp.uint8)}
    shots = task().replace(shots=Shots(stored, stored, LABELS))
    recipe = Recipe(0.01, 3, batch_size=3, schedule="constant")
    w = method.epoch_weights(recipe)

    def after_every_epoch(method):
        states, key = [], jax.random.key(0)
        start = loop.start(method, shots, recipe, key, {})
        keep = lambda state, _: states.append(jax.tree.map(np.asarray, state))  # noqa: E731
        key = jax.random.clone(key)
        loop.train(method, shots, recipe, start, key, after_epoch=keep)
        return [state.params["image"] for state in states]

    with_average = after_every_epoch(method)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PromptSRC, "after_epoch", Method.after_epoch)
        loop.run_epoch.clear_cache()
        alone = after_every_epoch(method)
    loop.run_epoch.clear_cache()
    np.testing.assert_array_equal(with_average[:2], alone[:2])
    average = sum(weight * of_epoch for weight, of_epoch in zip(w, alone, strict=True))
    np.testing.assert_allclose(with_average[2], average, rtol=1e-5, atol=1e-7)
    assert np.abs(average - alone[2]).max() > 1e-4


def test_the_teacher_is_the_mean_of_raw_features_over_its_templates(monkeypatch):
    monkeypatch.setattr(prompt_src, "IMAGENET_60", ("{}.", "a photo of a {}."))
    here = make_task(toy_clip(), CLASSES, ("{}.", "a photo of a {}."))
    np.testing.assert_allclose(
        prompt_src.ensemble(here), unit(here.texts.raw), rtol=1e-4, atol=1e-5
    )


def test_a_teacher_whose_prompts_are_cut_is_refused(monkeypatch):
    monkeypatch.setattr(Tokenizer, "is_cut", lambda self, text: "origami" in text)
    with pytest.raises(UserError, match=r"origami.*`method\.teacher`=task"):
        PromptSRC().check(task())
    PromptSRC(teacher="task").check(task())


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (CoCoOp, {"context_length": 0}, "at least 1"),
        (MaPLe, {"prompts": 5}, "must be 1 to 4"),
        (MaPLe, {"depth": 0}, "at least 1"),
        (PromptSRC, {"teacher": "me"}, r"teacher='me' must be 'ensemble' or 'task'"),
        (PromptSRC, {"average_spread": 0.0}, "at least 1e-06"),
    ],
)
def test_options_that_make_no_sense_are_refused(method, options, message):
    with pytest.raises(UserError, match=message):
        method(**options)
