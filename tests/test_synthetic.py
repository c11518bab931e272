"""The drawn aircraft: distinct, repeatable, as wild as asked, apart from pre-training."""

import dataclasses

import numpy as np
import pytest

from apt_jax.data import synthetic
from apt_jax.data.base_new import base_and_new
from apt_jax.data.synthetic.scene import render
from apt_jax.data.synthetic.variants import VARIANTS
from pretraining import captions
from pretraining.phrases import PHRASES, describe

NAMES = [variant.name for variant in VARIANTS]


def shot(variant, seed=0, variance=0.0, size=64):
    return render(variant, np.random.default_rng(seed), variance, size).astype(float)


def load(seed=1, **fields):
    return synthetic.Synthetic(**fields).load(seed)


def test_there_are_at_least_twenty_variants_in_families():
    assert len(set(NAMES)) == len(NAMES) >= 20
    families = [variant.family for variant in VARIANTS]
    assert len(set(families)) == 6
    assert all(families.count(family) == 4 for family in families)


def test_no_two_variants_have_the_same_attributes():
    looks = {dataclasses.replace(variant, name="") for variant in VARIANTS}
    assert len(looks) == len(VARIANTS)


def test_every_two_variants_look_different_in_the_studio():
    pictures = np.stack([shot(variant).ravel() for variant in VARIANTS])
    apart = np.abs(pictures[:, None] - pictures[None]).mean(-1)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 0.2


def test_without_variance_all_pictures_of_a_variant_are_one():
    assert np.array_equal(shot(VARIANTS[0], 0), shot(VARIANTS[0], 1))


def test_a_picture_shows_what_its_path_says_in_each_half_of_the_classes():
    whole = load(size=16)
    _, new = base_and_new(whole)
    pictures = {item.path: whole.read(item) for item in whole.test}
    assert all(new.read(item) == pictures[item.path] for item in new.test[::25])


def test_the_knob_moves_pictures_apart():
    def spread(variance):
        pictures = np.stack([shot(VARIANTS[0], s, variance, 32) for s in range(12)])
        return pictures.std(0).mean()

    spreads = [spread(variance) for variance in (0, 0.25, 0.5, 1)]
    assert spreads == sorted(spreads)
    assert spreads[0] == 0
    assert spreads[-1] > 1.5 * spreads[1]


def test_wild_pictures_of_one_variant_differ_more_than_studio_pictures_of_two():
    wild = [shot(VARIANTS[0], seed, 1.0) for seed in range(6)]
    one = np.mean([np.abs(a - b).mean() for a in wild for b in wild if a is not b])
    two = np.abs(shot(VARIANTS[0]) - shot(VARIANTS[1])).mean()
    assert one > two


@pytest.mark.parametrize("size", [64, 96])
def test_pictures_have_the_size_asked_for(size):
    assert render(VARIANTS[3], np.random.default_rng(0), 0.5, size).shape == (
        size,
        size,
        3,
    )


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, again, other = load(1), load(1), load(2)
    item = first.train[0]
    assert first.read(item) == again.read(item) != other.read(item)


def test_splits_and_pictures_are_all_different():
    dataset = load(train_images=2, val_images=2, test_images=2)
    items = [*dataset.train[:2], *dataset.val[:2], *dataset.test[:2]]
    assert len({dataset.read(item) for item in items}) == 6


def test_every_class_has_the_pictures_asked_for():
    dataset = load(train_images=3, val_images=1, test_images=2)
    assert [len(s) for s in (dataset.train, dataset.val, dataset.test)] == [72, 24, 48]
    assert dataset.classes == tuple(NAMES)


def test_descriptions_use_the_phrases_of_the_captions():
    for variant in VARIANTS:
        true = describe(variant)
        assert all(true[kind] in PHRASES[kind] for kind in PHRASES)


def test_two_of_each_family_are_held_out_of_every_caption():
    held_out = [v for v in VARIANTS if v.name in captions.HELD_OUT]
    families = [v.family for v in held_out]
    assert all(families.count(family) == 2 for family in {v.family for v in VARIANTS})
    texts = captions.every_caption()
    assert not any(name in text for name in captions.HELD_OUT for text in texts)
    assert all(any(v.name in text for text in texts) for v in captions.NAMED)


def test_families_and_numbers_of_held_out_variants_are_read_in_other_names():
    words = {word for variant in captions.NAMED for word in variant.name.split()}
    assert {word for name in captions.HELD_OUT for word in name.split()} <= words


def test_other_makers_have_types_of_their_own():
    names = [variant.name for variant in captions.OTHERS]
    assert len(set(names)) == len(names)
    assert not {v.family for v in captions.OTHERS} & {v.family for v in VARIANTS}


def test_pictures_of_held_out_variants_are_never_drawn_for_pretraining():
    generator = np.random.default_rng(0)
    drawn = [captions.random_variant(generator) for _ in range(2000)]
    looks = {dataclasses.replace(variant, name="", family="") for variant in drawn}
    for variant in VARIANTS:
        bare = dataclasses.replace(variant, name="", family="")
        assert (bare in looks) == (variant.name not in captions.HELD_OUT)


def test_pretraining_draws_from_another_stream_than_the_task():
    assert captions.STREAM != synthetic.FEW_SHOT_STREAM


def test_labels_point_at_the_true_facts():
    facts = list(captions.FACTS.items())
    for variant in captions.NAMED[:5]:
        true = describe(variant) | {"name": variant.name}
        for (kind, phrases), label in zip(facts, captions.labels(variant), strict=True):
            assert phrases[label] == true[kind]
    unnamed = dataclasses.replace(VARIANTS[0], name="")
    assert captions.labels(unnamed)[-1] == -1


def test_a_caption_of_every_fact_keeps_the_order_of_the_facts():
    texts = captions.one_of_each(np.random.default_rng(0))
    facts = [fact for phrases in captions.FACTS.values() for fact in phrases]
    assert len(texts) == len(facts)
    assert all(fact in text for fact, text in zip(facts, texts, strict=True))
