"""How the small CLIP of the package is trained: its loss, and that training learns."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apt_jax.clip.tokens import Tokenizer
from pretraining import captions, train
from pretraining.bpe import learn_bpe

COUNTS = [len(facts) for facts in captions.FACTS.values()]
KINDS, TEXTS = len(COUNTS), sum(COUNTS)


def labels(rows=2):
    return np.zeros((rows, KINDS), int)


def test_equal_logits_cost_the_log_of_the_number_of_facts_of_each_kind():
    loss = train.choose(jnp.zeros((2, TEXTS)), labels())
    np.testing.assert_allclose(loss, np.log(COUNTS).sum(), rtol=1e-6)


def test_a_picture_without_a_name_is_not_judged_by_names():
    logits = jax.random.normal(jax.random.key(0), (2, TEXTS))
    unnamed = labels()
    unnamed[1, -1] = -1
    names = slice(TEXTS - COUNTS[-1], TEXTS)
    other = logits.at[1, names].set(7.0)
    assert train.choose(logits, unnamed) == train.choose(other, unnamed)
    assert train.choose(logits, labels()) != train.choose(other, labels())


def test_the_pool_is_drawn_calmest_first():
    pool = train.draw_pool(12)
    numbers = [
        next(n for n in range(12) if np.array_equal(captions.picture(n, 64).pixels, p))
        for p in pool.pixels
    ]
    variances = [captions.picture(number, 64).variance for number in numbers]
    assert variances == sorted(variances)
    assert [captions.picture(n, 64).variant for n in numbers] == pool.variants


def test_no_caption_is_longer_than_the_context_of_training(tmp_path):
    learn_bpe(captions.every_caption(), tmp_path)
    _, eos = Tokenizer(tmp_path, 64).encode(captions.every_caption())
    assert eos.max() < train.CONTEXT


@pytest.mark.slow
def test_training_lowers_the_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "BATCH", 8)
    size = learn_bpe(captions.every_caption(), tmp_path)
    config = train.architecture(size)
    narrow = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    config = dataclasses.replace(
        config,
        vision=dataclasses.replace(config.vision, patch_size=16, **narrow),
        text=dataclasses.replace(config.text, **narrow | {"num_attention_heads": 2}),
        projection_dim=16,
    )
    losses, step = [], train.step

    def spy(*args):
        state, loss = step(*args)
        losses.append(float(loss))
        return state, loss

    monkeypatch.setattr(train, "step", spy)
    pool = train.draw_pool(60)
    train.train(config, Tokenizer(tmp_path, 64), pool, steps=40)
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 1


@pytest.mark.parametrize("mirrored", [False, True])
def test_moving_keeps_the_size_and_sometimes_mirrors(mirrored):
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, :32] = 200  # bright on the left
    moved = [train.move(picture, np.random.default_rng(s)) for s in range(12)]
    assert all(m.shape == picture.shape for m in moved)
    assert any((m[:, :16].mean() < 100) == mirrored for m in moved)
