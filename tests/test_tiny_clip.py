"""The small CLIP of the package: a checkpoint like any other, and a useful one."""

import functools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apt_jax.clip import checkpoint
from apt_jax.data.synthetic.scene import render
from apt_jax.data.synthetic.variants import VARIANTS
from pretraining import captions

GOLDEN = Path(__file__).parent / "goldens/tiny.npz"
MEGABYTE = 2**20
TEMPLATE = "a photo of a {}, a type of aircraft."


@functools.cache
def tiny():
    return checkpoint.load("tiny")


def logits(pictures, texts):
    clip = tiny()
    crops = np.stack([clip.pixels.centre_crop(Image.fromarray(p)) for p in pictures])
    ids, eos = clip.tokenizer.encode(texts)
    pixels = clip.pixels.normalise(crops)
    return np.asarray(clip.module.apply({"params": clip.params}, pixels, ids, eos))


@functools.cache
def zero_shot():
    """[24, n] bool: right answers on pictures that neither training nor tasks draw."""
    pictures = [
        render(variant, np.random.default_rng([7, label, number]), 0.5, 64)
        for label, variant in enumerate(VARIANTS)
        for number in range(8)
    ]
    found = logits(pictures, [TEMPLATE.format(v.name) for v in VARIANTS]).argmax(-1)
    return found.reshape(len(VARIANTS), -1) == np.arange(len(VARIANTS))[:, None]


def test_it_is_a_whole_checkpoint_of_at_most_eight_megabytes():
    names = {path.name for path in checkpoint.TINY.iterdir()}
    assert names >= {
        "config.json",
        "model.safetensors",
        "vocab.json",
        "merges.txt",
        "preprocessor_config.json",
        "README.md",
    }
    assert sum(p.stat().st_size for p in checkpoint.TINY.iterdir()) < 8 * MEGABYTE


@pytest.mark.slow
def test_zero_shot_is_far_above_chance():
    assert zero_shot().mean() > 16 / len(VARIANTS)


@pytest.mark.slow
def test_zero_shot_leaves_room_for_adaptation():
    """Of the held-out variants it knows only what their numbers mean elsewhere."""
    held_out = np.array([variant.name in captions.HELD_OUT for variant in VARIANTS])
    assert zero_shot()[held_out].mean() < 0.8
    assert zero_shot()[~held_out].mean() > 0.9


@pytest.mark.slow
def test_it_reads_attributes_too():
    pictures = [
        render(variant, np.random.default_rng([8, number]), 0.3, 64)
        for variant in VARIANTS
        for number in range(2)
    ]
    wings = ["low", "mid", "high"]
    texts = [f"an aircraft with a {wing} straight wing." for wing in wings]
    straight = [v.sweep <= 10 for v in VARIANTS for _ in range(2)]
    found = logits(pictures, texts).argmax(-1)[straight]
    assert (found == wings.index("high")).mean() > 0.6


@pytest.mark.slow
def test_logits_equal_transformers_on_the_committed_weights():
    """tests/goldens/write_tiny.py wrote them with torch."""
    with np.load(GOLDEN) as golden:
        found = logits(golden["pictures"], golden["texts"].tolist())
        np.testing.assert_allclose(found, golden["logits"], rtol=2e-5, atol=2e-4)
