"""Seed ensembles: one program trains all members, one accumulator judges them."""

import functools
import json

import jax
import numpy as np
import pytest
from test_methods import images_for, method_of, the_task
from test_run import settings
from toy import dying_once_saved, photo_folder

import apt_jax
from apt_jax import config, keys
from apt_jax.clip import checkpoint
from apt_jax.errors import UserError
from apt_jax.methods.base import Recipe
from apt_jax.runs import story
from apt_jax.training import loop
from apt_jax.uncertainty.monte_carlo import monte_carlo
from apt_jax.uncertainty.predictive import class_sides, predict_batch
from apt_jax.uncertainty.softmax import deterministic

MEMBERS = 3
SIZE = 2 * 8 * 2  # of the adapter of a member, 8 wide with a bottleneck of 2
RECIPE = Recipe(0.05, epochs=2, batch_size=3)


def ensemble_and_singles(name, **options):
    """A method, the parameters of an ensemble, and those of each member by itself."""
    method, task = method_of(name, **options), the_task()

    def of(member=slice(None)):
        return keys.of_members(jax.random.key(5), MEMBERS)[member]

    state = loop.start(method, task, RECIPE, of(), {})
    params = loop.train(method, task, RECIPE, state, of())
    singles = []
    for member in range(MEMBERS):
        start = loop.start(method, task, RECIPE, of(member), {})
        singles.append(loop.train(method, task, RECIPE, start, of(member)))
    return method, params, singles


def test_an_ensemble_is_the_mean_of_its_members_trained_alone():
    method, params, singles = ensemble_and_singles("clip_adapter")
    images, contents = images_for(method)
    task, stored = the_task(), {"embedding": images}
    classes = class_sides(method, params, task, None, None, MEMBERS)
    batch = (stored, contents, classes)
    found = predict_batch(method, params, task, *batch, None, None, MEMBERS)
    alone = [
        deterministic(method, of_one, task, images, method.classes(of_one, task))
        for of_one in singles
    ]
    probs = np.exp([one.log_probs for one in alone])
    np.testing.assert_allclose(np.exp(found.log_probs), probs.mean(0), rtol=1e-5)
    expected = np.mean([one.expected_entropy for one in alone], axis=0)
    np.testing.assert_allclose(found.expected_entropy, expected, rtol=1e-5)
    logits = np.mean([one.logits for one in alone], axis=0)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-5)
    assert (probs[0] != probs[1]).all()  # they are not the same run


@pytest.mark.slow
def test_samples_of_an_ensemble_are_those_of_every_member():
    method, params, singles = ensemble_and_singles("clip_adapter", drop_hidden=0.5)
    images, contents = images_for(method)
    task, stored = the_task(), {"embedding": images}
    key = jax.random.key(6)
    classes = class_sides(method, params, task, jax.random.clone(key), 4, MEMBERS)
    batch = (stored, contents, classes)
    found = predict_batch(method, params, task, *batch, key, 4, MEMBERS)
    of_member = keys.of_members(jax.random.clone(key), MEMBERS)
    alone = [
        monte_carlo(
            method, params, task, images, contents, task.text, key=key, samples=4
        )
        for params, key in zip(singles, of_member, strict=True)
    ]
    mean = np.exp([one.log_probs for one in alone]).mean(0)
    np.testing.assert_allclose(np.exp(found.log_probs), mean, rtol=1e-5)


def test_the_first_member_is_the_run_of_one_and_others_have_keys_of_their_own():
    key = jax.random.key(5)
    one = keys.of_members(key, 1)
    several = keys.of_members(jax.random.clone(key), MEMBERS)
    assert one is key
    assert several[0] == key
    # Nor is any the key of another use.
    others = (keys.START, keys.EPOCHS)
    used = [keys.folded(jax.random.clone(key), use) for use in others]
    assert len({str(k) for k in [*several, *used]}) == MEMBERS + 2


@pytest.mark.parametrize("name", ["gda", "zero_shot", "tip_adapter"])
def test_a_method_whose_members_would_be_equal_refuses_before_any_work(
    name, tmp_path, monkeypatch
):
    monkeypatch.setattr(story, "encode_shots", None)  # it would come too late
    c = settings(photo_folder(tmp_path / "photos"))
    c.method = config.default(method=name, source="folder").method
    c.method.members = 2
    with pytest.raises(UserError, match="all members would be equal"):
        story.run(c, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_ensemble_is_saved_resumed_bit_for_bit_and_predicts(tmp_path, monkeypatch):
    # One CLIP for all starts: another one would compile everything anew.
    monkeypatch.setattr(checkpoint, "load", functools.cache(checkpoint.load))
    photos = photo_folder(tmp_path / "photos")
    asked = settings(photos, eval__samples=2)
    asked.method = config.default("clip_adapter").method
    asked.method.members, asked.method.drop_hidden = MEMBERS, 0.5
    whole = story.run(asked, tmp_path / "whole")
    rows = whole["evaluations"]
    names = [(row["name"], row["samples"]) for row in rows]
    expected = [("zero_shot", None), ("ensemble", MEMBERS), ("mc_dropout", 2 * MEMBERS)]
    assert names == expected
    assert rows[1]["mutual_information"] > 0
    assert whole["cost"]["trainable_parameters"] == MEMBERS * SIZE

    with dying_once_saved():
        story.run(asked, tmp_path / "killed")
    assert story.run(asked, tmp_path / "killed")["evaluations"] == rows

    predictions = apt_jax.load(tmp_path / "killed").predict(
        sorted((photos / "test").rglob("*.png"))
    )
    mutual_information = predictions.mutual_information.mean()
    assert mutual_information == pytest.approx(rows[2]["mutual_information"], rel=1e-4)
    again = story.evaluate_again(tmp_path / "killed", {"samples": 3})
    assert again["evaluations"][1] == rows[1]
    assert again["evaluations"][2]["samples"] == 3 * MEMBERS
    saved = json.loads((tmp_path / "killed/config.json").read_text())
    assert saved["method"]["members"] == MEMBERS
