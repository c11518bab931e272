"""What a paper sets by data set holds as published, and nobody's own choice is undone."""

import csv
import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import labelled, small_shots
from toy import toy_clip
from toy import toy_folder as toy_clip_folder

import apt_jax
from apt_jax import config
from apt_jax.clip.checkpoint import load
from apt_jax.data.templates import DEFAULT, FLOWER, IMAGENET_7, IMAGENET_8, TEMPLATES
from apt_jax.errors import UserError
from apt_jax.grid import study
from apt_jax.grid.shared import Shared
from apt_jax.methods import METHODS, make
from apt_jax.methods.base import Recipe
from apt_jax.methods.published import EVERY, Published, published_on
from apt_jax.report.tables import protocol_line
from apt_jax.runs import story
from apt_jax.runs.forecast import judged
from apt_jax.runs.preparation import prepare
from apt_jax.runs.record import (
    card,
    resolved,
    set_by_hand,
    set_by_the_paper_on,
    split_of,
)
from apt_jax.training.fit import recipe_of

KEY = jax.random.key(0)


def settings(photos, method="task_res", name="imagenet", clip="tiny", **fields):
    c = config.default(method=method, source="folder")
    c.data.root, c.data.name, c.clip.checkpoint = str(photos), name, clip
    c.clip.dtype, c.features.cache_dir = "float32", ""
    c.protocol, c.shots, c.augment.views = "as_published", 2, 1
    c.eval.samples, c.train.epochs = 2, 2
    for field, value in fields.items():
        config.put(c, field.replace("__", "."), value)
    return c


def chosen_recipe(prepared, asked):
    labels = jnp.asarray([item.label for item in prepared.shots])
    task = small_shots(count=3, classes=3)
    task = labelled(task, labels).replace(dataset=prepared.known_as)
    return recipe_of(prepared.method, task, train=asked.train)


def test_what_is_set_there_comes_before_what_is_set_everywhere():
    table = {
        EVERY: Published(DEFAULT, {"epochs": 1, "batch_size": 2}, search=1),
        "dtd": Published(FLOWER, {"epochs": 3}, {"alpha": 1.0}),
    }
    there = Published(FLOWER, {"epochs": 3, "batch_size": 2}, {"alpha": 1.0}, 1)
    assert published_on(table, "dtd") == there
    assert published_on(table, "eurosat") == table[EVERY]
    assert published_on(table, "") == Published()


@pytest.mark.parametrize("name", METHODS)
def test_what_is_set_by_data_set_is_there_to_be_set(name):
    method = make(name)
    recipe = {field.name for field in dataclasses.fields(Recipe)}
    for data_set, there in method.by_data_set.items():
        assert data_set in (EVERY, *TEMPLATES)
        assert there.train.keys() <= recipe
        assert all(getattr(method, field) is None for field in there.method)
        assert there.method.keys() <= method.usual.keys()


@pytest.mark.parametrize(
    ("name", "data_set", "set_there"),
    [
        ("tip_adapter", "imagenet", IMAGENET_7),
        ("gda", "imagenet", IMAGENET_7),
        ("lp_plus_plus", "imagenet", IMAGENET_7),
        ("task_res", "imagenet", IMAGENET_8),
        ("clap", "imagenet", IMAGENET_8),
        ("vpt", "eurosat", DEFAULT),
        ("clip_lora", "eurosat", DEFAULT),
        ("gda", "eurosat", ()),
        ("coop", "imagenet", ()),
        ("tip_adapter", "eurosat", {"epochs": 100}),
        ("tip_adapter", "dtd", {"epochs": 20}),
        ("task_res", "imagenet", {"learning_rate": 2e-4}),
        ("coop", "imagenet", {"epochs": 50}),
        ("clip_adapter", "imagenet", {"epochs": 50}),
        ("task_res", "dtd", {}),
    ],
)
def test_published_templates_and_recipes(name, data_set, set_there):
    there = make(name).published(data_set)
    found = there.train if isinstance(set_there, dict) else there.templates
    assert found == set_there


def test_vpt_reads_one_template_only_where_it_reads_texts_as_its_baseline_did():
    assert make("vpt").published("dtd").templates == DEFAULT
    for fields in ({"form": "original"}, {"head": "linear"}):
        assert make("vpt", **fields).published("dtd").templates == ()


@pytest.mark.parametrize(
    ("images", "epochs"), [(10, 100), (160, 100), (640, 34), (1600, 20), (16_000, 20)]
)
def test_tip_adapter_trains_for_a_hundred_steps_inside_the_shots(images, epochs):
    task = labelled(small_shots(count=12), np.zeros(images))
    assert recipe_of(make("tip_adapter", trained=True), task).epochs == epochs
    as_published = task.replace(dataset="dtd")
    assert recipe_of(make("tip_adapter", trained=True), as_published).epochs == 20


@pytest.mark.parametrize("name", ["coop", "clip_adapter"])
def test_a_thousand_classes_are_fifty_epochs_of_coop(name):
    def epochs(classes, shots, data_set=""):
        task = small_shots(count=1, classes=classes)
        labels = jnp.repeat(jnp.arange(classes), shots)
        task = labelled(task, labels).replace(dataset=data_set)
        return recipe_of(make(name), task).epochs

    assert [epochs(999, shots) for shots in (1, 4, 16)] == [50, 100, 200]
    assert [epochs(1000, shots) for shots in (1, 4, 16)] == [50, 50, 50]
    assert epochs(500, 16, "imagenet") == 50  # half of its classes
    assert epochs(500, 16, "dtd") == 200


def test_a_run_as_published_has_what_the_paper_sets_there(photos):
    asked = settings(photos, train__epochs=None)
    prepared = prepare(asked)
    assert prepared.dataset.templates == IMAGENET_8
    recipe = chosen_recipe(prepared, asked)
    assert recipe.learning_rate == 2e-4
    written = resolved(asked, prepared, recipe)
    assert written.data.templates == IMAGENET_8
    assert (written.train.learning_rate, written.method.alpha) == (2e-4, 0.5)
    by_hand = set_by_hand(asked)
    shown = card(written, prepared, split_of(prepared), by_hand)
    assert shown["data"]["templates"] == list(IMAGENET_8)
    assert "train.learning_rate" not in by_hand
    assert shown["method"]["alpha"] == 0.5
    assert shown["protocol"]["set_by_the_paper_on"] == "imagenet"


@pytest.mark.parametrize(
    ("method", "name", "protocol", "said"),
    [
        ("task_res", "Flowers102", "as_published", "oxford_flowers"),
        ("clip_lora", "Flowers102", "as_published", "every data set"),
        ("task_res", "photos", "as_published", None),  # nothing is set there
        ("tip_adapter", "Flowers102", "as_published", "oxford_flowers"),
        ("clip_lora", "Flowers102", "inside_shots", None),
    ],
)
def test_a_card_names_the_data_set_on_which_the_paper_sets_things(
    photos, method, name, protocol, said
):
    fields = {"name": name, "protocol": protocol}
    if method == "tip_adapter":  # else it needs validation images
        fields |= {"method__alpha": 1.0, "method__beta": 1.0}
    prepared = prepare(settings(photos, method, **fields))
    assert set_by_the_paper_on(prepared) == said


@pytest.mark.parametrize(
    ("method", "views", "said"),
    [
        ("zero_shot", None, "nothing"),
        ("zero_shot", 3, "nothing"),
        ("task_res", 0, "centre crop"),
        ("gda", 1, "1 random crop and flip of each image, of at least 0.5 of its area"),
    ],
)
def test_a_card_says_what_was_trained_on(photos, method, views, said):
    asked = settings(photos, method, augment__views=views, protocol="inside_shots")
    prepared = prepare(asked)
    written = resolved(asked, prepared, None)
    shown = card(written, prepared, split_of(prepared), {})
    assert shown["transforms"]["train"] == said
    assert protocol_line(shown).endswith(f"; trained on: {said}")


def test_inside_the_shots_nothing_hangs_on_the_data_set(photos):
    asked = settings(photos, protocol="inside_shots")
    prepared = prepare(asked)
    assert prepared.known_as == ""
    assert prepared.dataset.templates == DEFAULT
    assert chosen_recipe(prepared, asked).learning_rate == 2e-3
    named = prepare(settings(photos, name="Image-Net"))
    assert named.known_as == "imagenet"


def test_what_somebody_sets_himself_wins(photos):
    mine = ("a drawing of a {}.",)
    asked = settings(
        photos, data__templates=mine, train__learning_rate=0.1, method__alpha=0.3
    )
    prepared = prepare(asked)
    assert prepared.dataset.templates == mine
    assert chosen_recipe(prepared, asked).learning_rate == 0.1
    assert prepared.method.alpha == 0.3


@pytest.mark.parametrize(
    ("protocol", "name", "alpha"),
    [
        ("as_published", "Flowers102", 1.0),
        ("as_published", "photos", 0.5),
        ("inside_shots", "Flowers102", 0.5),
    ],
)
def test_alpha_of_task_res_is_that_of_the_paper(photos, protocol, name, alpha):
    prepared = prepare(settings(photos, name=name, protocol=protocol))
    assert prepared.method.alpha == alpha
    assert make("task_res", alpha=0.5).settled("oxford_flowers", None).alpha == 0.5


def test_the_average_of_prompt_src_is_late_where_the_paper_has_it_so():
    method = make("prompt_src")
    late, usual = method.settled("eurosat", None), method.settled("", None)
    assert (late.average_at, late.average_spread) == (0.9, 0.1)
    assert (usual.average_at, usual.average_spread) == (0.6, 0.6)
    recipe = Recipe(2.5e-3, epochs=50)
    assert usual.epoch_weights(recipe) == method.epoch_weights(recipe)
    assert int(np.argmax(late.epoch_weights(recipe))) == 44


def test_a_method_left_open_is_the_usual_one():
    task, method = small_shots(), make("task_res")
    params = {"residual": method.init(KEY, task, {})["residual"] + 0.1}
    usual, flowers = (method.settled(name, task) for name in ("", "oxford_flowers"))
    found = method.classes(params, task)
    np.testing.assert_array_equal(found, usual.classes(params, task))
    assert np.abs(found - flowers.classes(params, task)).max() > 1e-3


def test_the_papers_prompts_are_checked_as_all_others_are(photos):
    """The toy CLIP reads 16 tokens: the eight templates are longer."""
    toy = str(toy_clip_folder())
    prepare(settings(photos, name="imagenet", clip=toy, protocol="inside_shots"))
    asked = settings(photos, name="imagenet", clip=toy)
    with pytest.raises(UserError, match="cuts the prompt"):
        prepare(asked)
    method = make("task_res")
    foretold = judged(asked, method, toy_clip(), {}, {})
    assert any("cuts the prompt" in told for told in foretold.refused)


@pytest.mark.slow
def test_a_run_predicts_with_what_was_set_there(photos, tmp_path):
    toy, folder = str(toy_clip_folder()), tmp_path / "run"
    asked = settings(photos, "clip_lora", "oxford_flowers", toy, method__steps=1)
    story.run(asked, folder)
    written = json.loads((folder / "config.json").read_text())
    assert written["data"]["templates"] == list(DEFAULT) != list(FLOWER)
    with open(folder / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    found = apt_jax.load(folder).predict([photos / row["path"] for row in rows])
    told = [float(row["confidence"]) for row in rows]
    np.testing.assert_allclose(found.confidence, told, rtol=1e-5)


@pytest.mark.parametrize("alpha", [None, 0.5])
def test_a_saved_run_has_the_alpha_that_it_was_trained_with(photos, tmp_path, alpha):
    toy = str(toy_clip_folder())
    fields = {"data__templates": DEFAULT, "method__alpha": alpha}
    asked = settings(photos, "task_res", "oxford_flowers", toy, **fields)
    story.run(asked, tmp_path / "run")
    written = json.loads((tmp_path / "run/config.json").read_text())
    trained = 1.0 if alpha is None else alpha
    assert written["method"]["alpha"] == trained
    assert apt_jax.load(tmp_path / "run").fitted.method.alpha == trained


@pytest.mark.slow
def test_zero_shot_reads_the_templates_of_the_method_beside_it(photos, tmp_path):
    toy = str(toy_clip_folder())
    other = ("photo {}.",)
    rows = {}
    for name, templates in (("published", ()), ("own", other), ("default", DEFAULT)):
        asked = settings(
            photos,
            "clip_lora",
            "dtd",
            toy,
            data__templates=templates,
            method__steps=1,
            method__towers="image",
        )
        found = story.run(asked, tmp_path / name)
        rows[name] = found["evaluations"][0]["nll"]
        assert found["evaluations"][0]["name"] == "zero_shot"
    assert rows["published"] == rows["default"] != rows["own"]


def test_each_cell_of_a_grid_has_the_prompts_of_its_paper(photos):
    s = study.default()
    s.methods, s.datasets = ("gda", "task_res", "coop"), ("imagenet",)
    s.sets = {"imagenet": {"source": "folder", "root": str(photos)}}
    s.shots, s.seeds, s.protocol = (2,), (1,), "as_published"
    s.clip.checkpoint, s.clip.dtype, s.features.cache_dir = "tiny", "float32", ""
    s.variants, s.groups = {"gda": {"method": {"alpha": 1.0}}}, {}
    study.spell_out(s)
    cells = study.cells(s)
    shared = Shared(lambda: load("tiny"), cells)
    prepared = {cell.method: shared.prepared(cell) for cell in cells}
    templates = {name: one.dataset.templates for name, one in prepared.items()}
    assert templates == {"gda": IMAGENET_7, "task_res": IMAGENET_8, "coop": DEFAULT}
    tasks = {n: shared.task(one.dataset.texts) for n, one in prepared.items()}
    assert len({id(task) for task in tasks.values()}) == 3
