"""Protocols: papers select on validation images, nobody on the test split."""

import dataclasses
import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import D, K, fitted, small_shots
from toy import CLASSES, draw, photo_folder
from toy import toy_folder as toy_clip_folder

from apt_jax import config
from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.few_shot import few_shot, validation
from apt_jax.errors import UserError
from apt_jax.methods import METHODS, make
from apt_jax.methods.base import Recipe, batch_logits
from apt_jax.methods.gda import ALPHAS
from apt_jax.methods.linear_probe import (
    PUBLISHED_POWERS,
    best_strength,
    halving_search,
)
from apt_jax.methods.lp_plus_plus import EPOCHS
from apt_jax.methods.published import EVERY
from apt_jax.methods.task import Shots
from apt_jax.methods.tip_adapter import PUBLISHED
from apt_jax.runs import parts, story
from apt_jax.runs.record import selected_by
from apt_jax.training import loop


def key():
    return jax.random.key(0)


def with_validation(dataset=EVERY):
    """A task with 15 shots and 25 validation images, a third of them labelled wrong."""
    whole = small_shots(count=40)
    held = whole.take(np.arange(15, 40))
    labels = np.asarray(held.shots.labels).copy()
    labels[::3] = (labels[::3] + 1) % K
    first = {"embedding": held.shots.embeddings[:, :1]}
    val = Shots(first, first, jnp.asarray(labels))
    return whole.take(np.arange(15)).replace(val=val, dataset=dataset)


def errors_of(method, params, task):
    images = task.val.crops["embedding"]
    found = batch_logits(method, params, task, images).argmax(-1)
    return int((found != task.val.labels).sum())


def errors_when_fitted(name, task, **options):
    method = make(name, **options)
    return errors_of(method, fitted(method, task), task)


def test_gda_takes_the_first_decade_with_the_fewest_errors():
    task = with_validation()
    errors = [errors_when_fitted("gda", task, alpha=alpha) for alpha in ALPHAS]
    assert min(errors) < max(errors)
    found = make("gda").choose(key(), task)["alpha"]
    assert found == pytest.approx(ALPHAS[int(np.argmin(errors))])


@pytest.mark.slow
def test_lp_plus_plus_takes_the_last_epoch_with_the_fewest_errors():
    task = with_validation()
    found = fitted(make("lp_plus_plus"), task)
    errors = [
        errors_when_fitted("lp_plus_plus", task, epochs=epochs)
        for epochs in range(1, EPOCHS + 1)
    ]
    best = max(np.flatnonzero(np.array(errors) == min(errors))) + 1
    expected = fitted(make("lp_plus_plus", epochs=int(best)), task)
    np.testing.assert_allclose(found["weights"], expected["weights"], rtol=1e-4)


def test_the_linear_probe_searches_as_coops_does():
    task = with_validation()

    def errors(power):
        return errors_when_fitted("linear_probe", task, strength=10.0**power)

    expected = make("linear_probe", strength=10.0 ** halving_search(errors))
    found = fitted(make("linear_probe"), task)
    np.testing.assert_allclose(
        found["weights"], fitted(expected, task)["weights"], rtol=1e-3, atol=1e-5
    )


def test_the_halving_goes_towards_the_better_end():
    asked = []

    def errors(power):
        asked.append(power)
        return abs(power - 2.9)

    found = halving_search(errors)
    assert asked[:5] == list(PUBLISHED_POWERS) == [-6, -4, -2, 0, 2]
    assert asked[5:10] == [1, 3, 2.5, 2.75, 2.875]  # none is fitted twice
    assert found == pytest.approx(2.9, abs=2 / 2**7)


def test_no_strength_is_tried_at_which_nothing_converges():
    asked = []
    halving_search(lambda power: asked.append(power) or -power)
    assert max(asked) == 3


def test_of_strengths_with_as_many_errors_the_smallest_is_taken():
    assert halving_search(lambda power: 0) == PUBLISHED_POWERS[0] - 1
    # Right from -0.5 on: the smallest of those that are asked.
    assert halving_search(lambda power: int(power < -0.5)) == 0


def test_images_that_are_right_at_many_strengths_choose_a_small_one():
    task = small_shots(count=2 * K, views=1)
    far = 10 * jnp.eye(K, D)[task.shots.labels][:, None]  # each class by itself
    stored = {"embedding": far + 0.1 * task.shots.embeddings}
    shots = Shots(stored, stored, task.shots.labels)
    task = task.replace(shots=shots, val=shots)

    def errors(power):
        return errors_when_fitted("linear_probe", task, strength=10.0**power)

    assert errors(2) == errors(0) == errors(-2) == 0
    assert best_strength(task) <= 1e-2


def grid_by_hand(task, keys, dataset):
    """Errors of each pair of the authors' grid, beta outside, and the pairs."""
    most_beta, most_alpha, _ = PUBLISHED[dataset].search
    betas = 0.1 + np.arange(200) * (most_beta - 0.1) / 200
    alphas = 0.1 + np.arange(20) * (most_alpha - 0.1) / 20
    f = np.asarray(task.val.crops["embedding"], np.float64)
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    zero_shot = float(task.logit_scale) * f @ np.asarray(task.text, np.float64).T
    is_label = np.eye(K)[np.asarray(task.shots.labels)]
    pairs, errors = [], []
    for beta in betas:
        cached = np.exp(-beta * (1 - f @ np.asarray(keys, np.float64).T)) @ is_label
        for alpha in alphas:
            found = (zero_shot + alpha * cached).argmax(1)
            pairs.append((alpha, beta))
            errors.append((found != np.asarray(task.val.labels)).sum())
    return pairs[int(np.argmin(errors))], errors


@pytest.mark.parametrize("dataset", ["caltech101", "imagenet"])
def test_tip_adapter_takes_the_first_best_pair_of_the_data_sets_grid(dataset):
    task = with_validation(dataset)
    params = fitted(make("tip_adapter"), task)
    expected, errors = grid_by_hand(task, params["keys"], dataset)
    assert min(errors) < max(errors)
    assert (float(params["alpha"]), float(params["beta"])) == pytest.approx(expected)


def test_a_given_alpha_is_not_searched():
    task = with_validation()
    params = fitted(make("tip_adapter", alpha=0.7), task)
    assert float(params["alpha"]) == pytest.approx(0.7)
    assert make("tip_adapter", alpha=0.7).selection.validation == "whole"
    assert make("tip_adapter", alpha=0.7, beta=2.0).choose(None, task) == {}
    for name, field in (("gda", "alpha"), ("linear_probe", "strength")):
        assert make(name, **{field: 1.0}).selection.validation == "none"


def test_the_trained_tip_adapter_keeps_its_best_epoch_and_searches_afterwards():
    task, method = with_validation("dtd"), make("tip_adapter", trained=True)
    recipe = Recipe(0.3, 4, batch_size=5, optimizer="adamw", schedule="constant")
    chosen = method.choose(key(), task)
    begun = loop.start(method, task, recipe, key(), chosen)
    assert (float(begun.params["alpha"]), float(begun.params["beta"])) == (2.0, 1.0)
    seen = []

    def keep(state, line):
        seen.append(jax.tree.map(jnp.array, state))

    found = loop.train(method, task, recipe, begun, key(), after_epoch=keep)

    # By hand: the same epochs without validation images, at the authors' start.
    blind = task.replace(val=None)
    fixed = dataclasses.replace(method, alpha=2.0, beta=1.0)
    by_epoch = []
    loop.train(
        fixed,
        blind,
        recipe,
        loop.start(fixed, blind, recipe, key(), {}),
        key(),
        after_epoch=lambda state, line: by_epoch.append(
            jax.tree.map(jnp.array, state.params)
        ),
    )
    errors = [errors_of(method, params, task) for params in by_epoch]
    best = by_epoch[int(np.argmin(errors))]["keys"]
    assert int(np.argmin(errors)) != len(errors) - 1, "the last epoch would stay anyway"
    np.testing.assert_array_equal(found["keys"], best)
    expected, _ = grid_by_hand(task, best, "dtd")
    assert (float(found["alpha"]), float(found["beta"])) == pytest.approx(expected)

    resumed = loop.train(method, task, recipe, seen[1], key())
    same = jax.tree.map(lambda a, b: bool((a == b).all()), resumed, found)
    assert jax.tree.all(same)


@pytest.mark.parametrize("name", METHODS)
def test_methods_say_what_selects_them_under_both_protocols(name):
    method = make(name)
    if method.selection.validation == "none":
        assert method.selection.as_published == method.selection.inside_shots
    else:
        assert method.selection.inside_shots == "cross-validated on the shots"
        assert method.selection.as_published.startswith("validation split: ")
    chosen = {"gda", "linear_probe", "lp_plus_plus", "tip_adapter"}
    assert (method.selection.validation != "none") == (name in chosen)


def test_each_paper_gets_the_validation_images_that_it_used():
    def items(split, count):
        return tuple(
            Item(f"{split}/{label}/{number}", label)
            for label in range(3)
            for number in range(count)
        )

    made = items("train", 20), items("val", 9), items("test", 5)
    dataset = Dataset("made", ("a", "b", "c"), *made, (), None)
    assert validation(dataset, "none", 6, 1) == ()
    assert validation(dataset, "whole", 6, 1) == dataset.val
    assert validation(dataset, "few_shot", 6, 1) == few_shot(dataset, 6, 1)[1]
    as_many = validation(dataset, "as_many", 6, 1)
    assert len(as_many) == 18
    assert set(as_many) <= set(dataset.val)
    # From the stream that drew the shots, which are the same as under other protocols.
    assert as_many == few_shot(dataset, 6, 1, most_validation=6)[1]
    assert few_shot(dataset, 6, 1, most_validation=6)[0] == few_shot(dataset, 6, 1)[0]


# -- whole runs -------------------------------------------------------------------------


def settings(photos, method="gda", **fields):
    c = config.default(method=method, source="folder")
    c.clip.checkpoint, c.clip.dtype = str(toy_clip_folder()), "float32"
    c.features.cache_dir = ""
    c.data.root = str(photos)
    c.shots, c.augment.views = 3, 2
    for field, value in fields.items():
        config.set_field(c, field.replace("__", "."), str(value))
    return c


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photographs with a validation split."""
    root = photo_folder(tmp_path_factory.mktemp("photos"))
    generator = np.random.default_rng(5)
    for label, name in enumerate(CLASSES):
        for number in range(2):
            draw(root / "val" / name / f"{number}.png", label, generator)
    return root


@pytest.mark.slow
def test_a_run_as_published_says_so_and_trains_on_no_test_image(
    photos, tmp_path, monkeypatch, capsys
):
    seen, fit, evaluate = {}, story.fit, parts.evaluations

    def spying_fit(method, task, *rest, **options):
        seen["training"] = task
        return fit(method, task, *rest, **options)

    def spying_evaluate(fitted, task, features, *rest, **options):
        seen["judging"], seen["test"] = task, features.stored["embedding"]
        return evaluate(fitted, task, features, *rest, **options)

    monkeypatch.setattr(story, "fit", spying_fit)
    monkeypatch.setattr(parts, "evaluations", spying_evaluate)
    asked = settings(photos, protocol="as_published")
    results = story.run(asked, tmp_path / "run")

    card = results["protocol"]
    assert card["protocol"]["name"] == "as_published"
    assert card["protocol"]["validation_images"] == 6
    assert card["selected_by"] == "validation split: all of it"
    printed = capsys.readouterr().out
    assert "protocol: as published; hyper-parameters: validation split" in printed
    split = json.loads((tmp_path / "run/split.json").read_text())
    assert split["selected_on"] == [path for path, _, _ in split["val"]]

    trained = {
        np.asarray(row).tobytes()
        for shots in (seen["training"].shots, seen["training"].val)
        for stored in (shots.stored["embedding"], shots.centre["embedding"])
        for row in stored.reshape(-1, stored.shape[-1])
    }
    tested = {row.tobytes() for row in np.asarray(seen["test"])[:, 0]}
    assert len(seen["training"].val.labels) == 6
    assert len(tested) == 9
    assert not trained & tested
    assert seen["judging"].val is None
    assert seen["judging"].shots is None


def test_without_validation_images_a_protocol_that_needs_them_is_refused(
    tmp_path, monkeypatch
):
    photos = photo_folder(tmp_path / "photos", train=3, test=1)
    monkeypatch.setattr(story, "encode_shots", None)  # it would come too late
    for method in ("gda", "linear_probe", "lp_plus_plus", "tip_adapter"):
        asked = settings(photos, method, protocol="as_published")
        with pytest.raises(
            UserError, match=r"'photos' has none; add a validation split"
        ):
            story.run(asked, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("shots", [1, 2])
def test_one_shot_leaves_nothing_to_select_on_and_the_card_says_so(shots):
    drawn = [Item(f"{label}/{n}", label) for label in range(3) for n in range(shots)]
    prepared = SimpleNamespace(method=make("gda"), shots=drawn)
    found = selected_by(prepared, "inside_shots")
    assert found.startswith("default: one shot" if shots == 1 else "cross-validated")
    assert selected_by(prepared, "as_published").startswith("validation split")
