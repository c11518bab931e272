"""What holds for every method: one contract, and its neutral setting is zero-shot CLIP."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import fitted, logits_of, small_images
from toy import CLASSES, COLOURS, toy_clip

from apt_jax.features.reads import image_of
from apt_jax.methods import METHODS, make
from apt_jax.methods.base import Recipe, batch_logits
from apt_jax.methods.task import Shots, make_task
from apt_jax.training import loop
from apt_jax.training.checkpoints import Checkpoints
from apt_jax.uncertainty.monte_carlo import monte_carlo
from apt_jax.uncertainty.softmax import class_side, deterministic, entropy

TEMPLATES = ("a photo of a {}.",)
NUM_SHOTS, VIEWS, TOKENS = 6, 2, 5
# What the small task needs instead of the defaults; and how to draw masks, if at all.
FITTING = {
    "apt": {"heads": 2},
    "cocoop": {"reduction": 2},
    "prompt_src": {"teacher": "task"},
    "vapt": {"prompts": 2, "rank": 3},
    "vpt": {"prompts": 2},
    "coop": {"context_length": 4},
    "tip_adapter": {"trained": True},
}
DROPOUT = {
    "apt": {"drop_attn": 0.5},
    "clip_adapter": {"drop_hidden": 0.5},
    "clip_lora": {"drop_branch": 0.5},
    "cocoop": {"drop_hidden": 0.5},
    "coop": {"drop_context": 0.5},
    "vapt": {"drop_prompt": 0.5, "drop_channel": 0.5, "drop_hidden": 0.5},
    "vpt": {"drop_prompt": 0.5},
}
# The setting at which a method, untrained, is zero-shot CLIP.
NEUTRAL = {
    "apt": {"residual": True},
    "clap": {},
    "clip_adapter": {"ratio": 0.0},
    "clip_lora": {},
    "coop": {"init_words": "a photo of a"},
    "fine_tune": {"head": "text"},
    "gda": {"alpha": 1e-12},
    "task_res": {},
    "tip_adapter": {"alpha": 0.0, "beta": 1.0},
    "zero_shot": {},
}
RECIPE = Recipe(learning_rate=0.05, epochs=3, batch_size=4)


@functools.partial(jax.jit, static_argnums=0)
def loss_of(method, params, task, images, labels):
    return method.loss(params, task, images, labels, key=None)[0]


def method_of(name, **options):
    return make(name, **FITTING.get(name, {}) | options)


@functools.cache
def the_task():
    clip = toy_clip()
    task = make_task(clip, CLASSES, TEMPLATES)
    generator = np.random.default_rng(0)
    shape = (NUM_SHOTS, VIEWS, TOKENS, task.text.shape[-1])
    tokens = generator.normal(size=shape).astype(np.float32)
    side = (clip.pixels.size, clip.pixels.size, 3)
    labels = np.arange(NUM_SHOTS) % len(CLASSES)
    noise = generator.normal(size=(NUM_SHOTS, VIEWS, *side)) * 25
    crops = np.array(COLOURS)[labels][:, None, None, None] + noise
    stored = {
        "embedding": jnp.asarray(tokens[:, :, 0]),
        "patches": jnp.asarray(tokens[:, :, 1:], jnp.float16),
        "crop": jnp.asarray(np.clip(crops, 0, 255), jnp.uint8),
    }
    centre = jax.tree.map(lambda array: array[:, -1:], stored)
    return task.replace(shots=Shots(stored, centre, jnp.asarray(labels, jnp.int32)))


def stored_images(count=3):
    """What is kept of images, for every kind of method; and their contents."""
    task = the_task()
    tokens, contents = small_images(count, tokens=TOKENS, dim=task.text.shape[-1])
    shape = (count, *task.shots.stored["crop"].shape[2:])
    crops = np.random.default_rng(7).integers(0, 256, size=shape, dtype=np.uint8)
    stored = {"embedding": tokens[:, 0], "patches": tokens[:, 1:], "crop": crops}
    return stored, contents


@pytest.mark.slow
def test_a_class_counts_its_own_prompts_however_many_others_have():
    texts = [(), ("with a hat", "one {}."), ("seen from above",)][: len(CLASSES)]
    texts += [()] * (len(CLASSES) - len(texts))
    ragged = make_task(toy_clip(), CLASSES, TEMPLATES, texts)
    assert ragged.texts.prompt_shares.sum(axis=1).tolist() == pytest.approx(
        [1] * len(CLASSES)
    )
    for label, of_class in enumerate(texts):
        alone = make_task(toy_clip(), CLASSES, TEMPLATES, [of_class] * len(CLASSES))
        np.testing.assert_allclose(ragged.text[label], alone.text[label], atol=1e-6)
        assert (
            alone.texts.prompt_shares == 1 / alone.texts.prompt_shares.shape[1]
        ).all()
    lora = make("clip_lora")
    start = lora.init(jax.random.key(0), ragged, {})
    text, _ = lora.classes(start, ragged)
    np.testing.assert_allclose(text, ragged.text, atol=1e-5)


def images_for(method, count=3):
    stored, contents = stored_images(count)
    return read(stored, method), contents


def read(stored, method):
    """[n, ...] what `method` reads of stored images."""
    pixels = the_task().backbone.pixels
    return jax.vmap(lambda kept: image_of(kept, method.inputs, pixels))(stored)


def embeddings(stored, method):
    """[n, D] embeddings of the same images, those that CLIP's tower gives of crops."""
    images, task = read(stored, method), the_task()
    if method.inputs == "pixels":
        return jax.jit(lambda clip: clip.apply("image_embedding", images))(
            task.backbone
        )
    return images[:, 0] if method.inputs == "tokens" else images


@functools.cache
def trained(name, **options):
    """Parameters before and after three epochs; the same if they are fitted at once."""
    method, task, key = method_of(name, **options), the_task(), jax.random.key(0)
    if method.recipe(task, {}) is None:
        params = fitted(method, task, key)
        return params, params
    chosen = method.choose(jax.random.clone(key), task)
    state = loop.start(method, task, RECIPE, key, chosen)
    before = jax.tree.map(np.asarray, state.params)
    loop.run_epoch.clear_cache()
    after = loop.train(method, task, RECIPE, state, jax.random.clone(key))
    assert loop.run_epoch._cache_size() == 1, "an epoch compiles once"  # private to JAX
    return before, after


AT_ONCE = "gda", "linear_probe", "lp_plus_plus", "zero_shot"  # without training loop
THROUGH_A_TOWER = (  # which takes long to compile
    "clip_lora",
    "cocoop",
    "coop",
    "fine_tune",
    "maple",
    "prompt_src",
    "vapt",
    "vpt",
)


def for_each(names):
    """Parametrizes a test by methods; those that train through a tower are slow."""
    return pytest.mark.parametrize(
        "name",
        [
            pytest.param(name, marks=[pytest.mark.slow] * (name in THROUGH_A_TOWER))
            for name in names
        ],
    )


every_method = for_each(METHODS)
trained_methods = for_each([name for name in METHODS if name not in AT_ONCE])
with_dropout = for_each(DROPOUT)


@every_method
def test_logits_are_one_number_a_class_and_without_a_key_always_the_same(name):
    method, (_, params) = method_of(name), trained(name)
    images, _ = images_for(method)
    logits = logits_of(method, params, the_task(), images)
    assert logits.shape == (3, len(CLASSES))
    assert logits.dtype == jnp.float32
    assert jnp.isfinite(logits).all()
    traced_anew = jax.jit(functools.partial(batch_logits, method))
    again = traced_anew(params, the_task(), images)
    np.testing.assert_array_equal(logits, again)


@for_each(NEUTRAL)
def test_an_untrained_method_at_its_neutral_setting_is_zero_shot_clip(name):
    method, task = method_of(name, **NEUTRAL[name]), the_task()
    at_start = method.fit if method.recipe(task, {}) is None else method.init
    params = at_start(jax.random.key(1), task, {})
    stored, _ = stored_images()
    found = logits_of(method, params, task, read(stored, method))
    clip = embeddings(stored, method)
    zero_shot = logits_of(make("zero_shot"), {}, task, clip)
    np.testing.assert_allclose(found, zero_shot, rtol=1e-4, atol=1e-4)


@trained_methods
def test_training_moves_every_parameter_and_no_state_and_lowers_the_loss(name):
    (before, after), method, task = trained(name), method_of(name), the_task()
    moved, state = method.parts(
        jax.tree.map(lambda a, b: bool((a != b).any()), before, after)
    )
    assert jax.tree.all(moved), moved
    remembered = {"average", "best"}  # of epochs gone by (`after_epoch`)
    kept = {name: x for name, x in state.items() if name not in remembered}
    assert not any(jax.tree.leaves(kept))
    shots = read(jax.tree.map(lambda x: x[:, 0], task.shots.stored), method)
    losses = [
        float(loss_of(method, params, task, shots, task.shots.labels))
        for params in (before, after)
    ]
    assert losses[1] < losses[0]


@trained_methods
def test_three_epochs_compile_once(name):
    trained(name)  # asserts it


@every_method
def test_what_is_saved_comes_back_bit_for_bit(name, tmp_path):
    _, params = trained(name)
    with Checkpoints(tmp_path, {}) as checkpoints:
        checkpoints.save(loop.State(params, {}, jnp.int32(1)))
        found = checkpoints.restore().params
    same = jax.tree.map(lambda a, b: bool((a == b).all()), found, params)
    assert jax.tree.all(same)


@every_method
def test_an_image_gets_the_same_numbers_alone_and_in_a_batch(name):
    method, (_, params) = method_of(name), trained(name)
    images, _ = images_for(method)
    say = jax.jit(deterministic, static_argnums=0)
    task = the_task()
    classes = method.classes(params, task)
    together = say(method, params, task, images, classes).log_probs
    alone = say(method, params, task, images[1:2], classes).log_probs
    np.testing.assert_allclose(alone[0], together[1], rtol=1e-5, atol=1e-5)


@with_dropout
def test_each_key_draws_masks_of_its_own_and_batches_do_not_matter(name):
    method, (_, params) = method_of(name, **DROPOUT[name]), trained(name)
    assert method.stochastic
    images, contents = images_for(method)
    task, key = the_task(), jax.random.key(0)
    one, other = (
        logits_of(method, params, task, images, key=jax.random.key(seed))
        for seed in (1, 2)
    )
    assert (one != other).any()
    classes = class_side(method, params, task, key=jax.random.clone(key), samples=3)
    draw = functools.partial(monte_carlo, method, params, task, samples=3, chunk=3)
    together = draw(images, contents, classes, key=key)
    assert (together.expected_entropy < entropy(together.log_probs)).any()
    alone = draw(images[1:2], contents[1:2], classes, key=jax.random.clone(key))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[0], b[1], rtol=1e-5, atol=1e-5),
        alone,
        together,
    )


@every_method
def test_a_method_says_whether_chance_is_at_work(name):
    quiet = dict.fromkeys(DROPOUT.get(name, {}), 0.0)
    assert not method_of(name, **quiet).stochastic


@every_method
def test_reordering_the_classes_reorders_the_logits(name):
    method, (_, params), task = method_of(name), trained(name), the_task()
    order = np.array([2, 0, 1])
    other = task.replace(texts=jax.tree.map(lambda x: x[order], task.texts))
    # Rows that belong to classes:
    params_of_classes = {"bias", "residual", "text_weights", "weights"}
    moved = {
        part: value[order] if part in params_of_classes else value
        for part, value in params.items()
    }
    if "labels" in params:
        moved["labels"] = jnp.argsort(order)[params["labels"]]
    images, _ = images_for(method)
    np.testing.assert_allclose(
        logits_of(method, moved, other, images),
        logits_of(method, params, task, images)[:, order],
        rtol=1e-4,
        atol=1e-4,
    )
