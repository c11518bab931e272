"""Hyper-parameters chosen on the validation split, and nowhere else."""

import json
import shutil

import jax
import numpy as np
import pytest
from toy import CLASSES, draw, photo_folder, toy_folder

from apt_jax import keys
from apt_jax.errors import UserError
from apt_jax.grid import search, study, work
from apt_jax.grid.cells import Cells
from apt_jax.grid.search import best
from apt_jax.methods import make
from apt_jax.methods.base import batch_logits
from apt_jax.runs import story
from apt_jax.training import loop
from apt_jax.training.fit import recipe_of

RATES, DECAYS = (30.0, 1e-6, 3.0), (0.1, 0.0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = photo_folder(tmp_path_factory.mktemp("photos"), train=2, test=2)
    generator = np.random.default_rng(5)
    for label, name in enumerate(CLASSES):
        for number in range(3):
            draw(root / "val" / name / f"{number}.png", label, generator)
    return root


def settings(photos, methods=("task_res",), fields=(), **lists):
    """A study that searches; `fields` are set as a command line does."""
    c = study.default()
    c.methods, c.datasets, c.shots, c.seeds = methods, ("colours",), (0,), (1,)
    c.sets = {"colours": {"source": "folder", "root": str(photos)}}
    c.search = {"train": {"learning_rate": RATES, "weight_decay": DECAYS}}
    c.clip.checkpoint, c.clip.dtype = str(toy_folder()), "float32"
    c.features.cache_dir = ""
    c.augment.views, c.eval.samples, c.train.epochs = 2, 3, 3
    c.update(lists)
    study.spell_out(c)
    for field, text in fields:
        study.set_field(c, field, text)
    return c


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    """A finished search of one cell: its folder, and the material of its trials."""
    folder, seen = tmp_path_factory.mktemp("grids") / "grid", []
    with pytest.MonkeyPatch.context() as patch:

        def spying(config, candidates, material, of_cell):
            seen.append(material)
            return search.search(config, candidates, material, of_cell)

        patch.setattr(work, "search", spying)
        work.run(settings(photos), folder)
    (cell,) = study.cells(settings(photos))
    return folder, seen[0], Cells(folder).read(cell)


def test_the_choice_is_that_of_a_loop_by_hand(finished, photos):
    _, material, found = finished
    (cell,) = study.cells(settings(photos))
    method, task, accuracies = make("task_res"), material.task, {}
    for rate in RATES:
        for decay in DECAYS:
            values = {"train.learning_rate": rate, "train.weight_decay": decay}
            train = study.with_values(cell.config, values).train
            recipe = recipe_of(method, task, train=train)
            key = keys.of_seed(1, keys.TRAIN)
            start = loop.start(method, task, recipe, key, {})
            params = loop.train(method, task, recipe, start, jax.random.clone(key))
            images = np.asarray(material.images.stored["embedding"][:, 0])
            right = batch_logits(method, params, task, images).argmax(-1)
            accuracies[rate, decay] = float((right == material.labels).mean())
    assert min(accuracies.values()) < max(accuracies.values())
    trials = {
        tuple(t["values"].values()): t["accuracy"] for t in found["search"]["trials"]
    }
    assert trials == pytest.approx(accuracies)
    # Sorting is stable: of equals the smaller rate, of equal rates the first decay.
    first = sorted(accuracies, key=lambda pair: (-accuracies[pair], pair[0]))[0]
    assert tuple(found["search"]["chosen"].values()) == first


def test_of_equals_the_smaller_learning_rate_is_chosen_and_what_diverged_is_out():
    def trial(rate, accuracy, decay=0.0):
        values = {"train.learning_rate": rate, "train.weight_decay": decay}
        return {"values": values, "accuracy": accuracy, "seconds": 0}

    equals = [trial(2.0, 0.5), trial(1.0, 0.5, 0.1), trial(1.0, 0.5), trial(9.0, None)]
    assert best(equals) is equals[1]
    assert best([*equals, trial(5.0, 0.6)])["values"]["train.learning_rate"] == 5
    with pytest.raises(UserError, match="add smaller candidates"):
        best([trial(9.0, None)])


def test_a_cell_is_a_run_with_what_was_chosen_and_says_what_chose_it(
    finished, photos, tmp_path
):
    folder, _, found = finished
    (cell,) = study.cells(settings(photos))
    chosen = found["search"]["chosen"]
    run = story.run(study.with_values(cell.config, chosen), tmp_path / "run")
    for ours, theirs in zip(found["evaluations"], run["evaluations"], strict=True):
        assert ours == pytest.approx(theirs)
    card = found["protocol"]
    by = "validation split: train.learning_rate, train.weight_decay"
    assert card["selected_by"] == by
    assert card["train"] == run["protocol"]["train"]
    assert card["protocol"]["name"] == "validation_search"
    assert card["protocol"]["validation_images"] == 9
    assert "train.learning_rate" not in card["set_by_hand"]
    report = (folder / "grid.md").read_text()
    assert f"| task_res | validation search | {by} | " in report
    assert "| task_res | all shots | 1 | train.learning_rate=" in report


def test_the_test_split_is_not_looked_at(finished, photos, tmp_path):
    """Other test images under wrong labels, and a test split that is the validation."""
    _, material, found = finished
    poisoned = shutil.copytree(photos, tmp_path / "photos")
    generator = np.random.default_rng(8)
    for label, name in enumerate(CLASSES):
        draw(poisoned / "test" / name / "0.png", (label + 1) % 3, generator)
        draw(poisoned / "test" / name / "1.png", (label + 2) % 3, generator)
    work.run(settings(poisoned), tmp_path / "grid")
    (cell,) = study.cells(settings(poisoned))
    other = Cells(tmp_path / "grid").read(cell)
    results = [
        [(t["values"], t["accuracy"]) for t in of["search"]["trials"]]
        for of in (found, other)
    ]
    assert results[0] == results[1]
    assert other["search"]["chosen"] == found["search"]["chosen"]
    assert other["evaluations"] != found["evaluations"]
    assert len(material.labels) == 9


def test_a_search_that_goes_on_trains_no_finished_trial_again(
    finished, photos, tmp_path, monkeypatch
):
    _, _, before = finished
    trained, accuracy = [], search.validation_accuracy

    class Killed(BaseException):
        pass

    def dying(config, material):
        if len(trained) == 4:
            raise Killed
        trained.append((config.train.learning_rate, config.train.weight_decay))
        return accuracy(config, material)

    with monkeypatch.context() as patch:
        patch.setattr(search, "validation_accuracy", dying)
        with pytest.raises(Killed):
            work.run(settings(photos), tmp_path / "grid")
        assert not (tmp_path / "grid/cells").exists()
        del trained[:2]  # room for the two that are left
        work.run(settings(photos), tmp_path / "grid")
    assert trained == [(1e-6, 0.1), (1e-6, 0.0), (3.0, 0.1), (3.0, 0.0)]
    (cell,) = study.cells(settings(photos))
    after = Cells(tmp_path / "grid").read(cell)
    assert after["search"]["chosen"] == before["search"]["chosen"]
    assert after["evaluations"] == before["evaluations"]
    assert len(list((tmp_path / "grid/search").rglob("*.json"))) == 6
    # Other epochs are other trials.
    with monkeypatch.context() as patch:
        patch.setattr(search, "validation_accuracy", lambda *_: 0.5)
        shutil.rmtree(tmp_path / "grid/cells")
        work.run(settings(photos, fields=[("train.epochs", "2")]), tmp_path / "grid")
    assert len(list((tmp_path / "grid/search").rglob("*.json"))) == 12


def test_a_trial_of_other_recipes_is_another_trial(
    finished, photos, tmp_path, monkeypatch
):
    folder = shutil.copytree(finished[0], tmp_path / "grid")
    shutil.rmtree(folder / "cells")
    monkeypatch.setattr(search, "RECIPES", search.RECIPES + 1)
    monkeypatch.setattr(search, "validation_accuracy", lambda *_: 0.5)
    work.run(settings(photos), folder)
    assert len(list((folder / "search").rglob("*.json"))) == 12


def test_the_chosen_is_trained_on_validation_images_too_if_asked_for(
    photos, tmp_path, monkeypatch
):
    tasks = {"trial": [], "final": []}
    accuracy, train = search.validation_accuracy, work.train

    def spying(config, material):
        tasks["trial"].append(material.task.num_shots)
        return accuracy(config, material)

    def spying_train(runs):
        tasks["final"] += [one.task.num_shots for one in runs]
        return train(runs)

    monkeypatch.setattr(search, "validation_accuracy", spying)
    monkeypatch.setattr(work, "train", spying_train)
    fields = [
        ("search.train.learning_rate", "0.001,30"),
        ("search.train.weight_decay", ""),
        ("search_refit", "train+val"),
    ]
    asked = settings(photos, ("task_res", "gda"), fields)
    work.run(asked, tmp_path / "grid")
    assert tasks == {"trial": [6, 6], "final": [15, 15]}
    trained, fitted = map(Cells(tmp_path / "grid").read, study.cells(asked))
    for cell in (trained, fitted):
        assert cell["protocol"]["protocol"]["trained_on"] == "train+val"
    # What trains in no epochs has nothing to search.
    assert "search" not in fitted
    assert fitted["protocol"]["selected_by"] == "cross-validated on the shots"
    again = settings(photos, ("task_res",), fields[:1])
    with pytest.raises(UserError, match=r"search\.train\.weight_decay: absent -> "):
        work.run(again, tmp_path / "grid")


def test_seeds_train_together_on_validation_images_and_their_cards_name_them(
    photos, tmp_path
):
    unsearched = [("search.train.learning_rate", ""), ("search.train.weight_decay", "")]
    trained = {}
    for refit in ("train", "train+val"):
        fields = [*unsearched, ("search_refit", refit)]
        asked = settings(photos, ("task_res",), fields, seeds=(1, 2))
        work.run(asked, tmp_path / refit)
        for cell in study.cells(asked):
            found = Cells(tmp_path / refit).read(cell)
            assert found["cost"]["trained_together"] == 2
            trained[refit, cell.seed] = found["protocol"]["data"]["few_shot_sha256"]
    for seed in (1, 2):
        assert trained["train", seed] != trained["train+val", seed]


def test_one_candidate_is_set_and_none_is_no_search(photos):
    fields = [("search.train.learning_rate", "2"), ("search.train.weight_decay", "")]
    (cell,) = study.cells(settings(photos, fields=fields))
    assert cell.candidates == {}
    assert not cell.needs_validation
    assert cell.config.train.learning_rate == 2.0
    assert cell.config.train.weight_decay is None
    fields = [("search.train.momentum", "0.5,0.9,0.5")]
    (cell,) = study.cells(settings(photos, fields=fields))
    assert cell.candidates["train.momentum"] == (0.5, 0.9)
    assert len(search.combinations_of(cell.candidates)) == 12


def test_the_study_of_visual_prompts_has_the_grid_of_vpt(request):
    path = f"{request.config.rootpath}/configs/studies/visual_prompts.py"
    cells = study.cells(study.load(path))
    assert {(c.method, c.shots, c.refit) for c in cells} == {
        ("vpt", 0, "train+val"),
        ("vapt", 0, "train+val"),
    }
    for cell in cells:
        assert len(search.combinations_of(cell.candidates)) == 40
        # 50 and 0.05 for batches of 256, here of 64.
        rates = cell.candidates["train.learning_rate"]
        assert (rates[0], rates[-1]) == (12.5, 0.0125)
        assert cell.config.train.batch_size == 64
    (larger, *_) = study.cells(study.load(f"{path}:128"))
    assert larger.candidates["train.learning_rate"][0] == 25
    assert larger.config.train.batch_size == 128


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("search.train.learning_rates", "1,2", "did you mean train.learning_rate"),
        (
            "search.train.learning_rate",
            "1,x",
            r"search\.train\.learning_rate=x: expected",
        ),
        ("search.train.learning_rate", "1,-1", r"learning_rate=-1.0 must be above 0"),
        ("search_refit", "val", r"unknown search_refit 'val'"),
    ],
)
def test_what_is_wrong_with_a_search_is_found_before_any_work(
    photos, field, text, message
):
    with pytest.raises(UserError, match=message):
        study.cells(settings(photos, fields=[(field, text)]))


def test_a_search_asks_for_fields_that_its_methods_have(photos):
    asked = settings(photos)
    asked.search = {"method": {"prompts": (1, 2)}}
    with pytest.raises(UserError, match=r"unknown field search\.method\.prompts"):
        study.cells(asked)
    asked.search = {"train": {"epochs": 3}}
    with pytest.raises(UserError, match="is no choice; write a tuple"):
        study.spell_out(asked)


def test_without_validation_images_a_search_does_not_begin(tmp_path, photos):
    for split in ("train", "test"):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / split).symlink_to(photos / split)
    with pytest.raises(
        UserError, match=r"has none; add .* --config\.search\.train\.learning_rate= "
    ):
        work.run(settings(tmp_path / "photos"), tmp_path / "grid")
    assert not (tmp_path / "grid").exists()


def test_what_selects_on_validation_itself_is_not_trained_on_it(photos, tmp_path):
    fields = [("search_refit", "train+val"), ("protocol", "as_published")]
    with pytest.raises(
        UserError, match=r"gda selects on .* choose --config\.search_refit"
    ):
        work.run(settings(photos, ("gda",), fields), tmp_path / "grid")


def test_a_cell_has_its_trials_in_its_file(finished):
    folder, _, found = finished
    files = list((folder / "search/colours/task_res/0shot-seed1").iterdir())
    assert len(files) == 6
    kept = [json.loads(path.read_text()) for path in files]
    assert all(trial in found["search"]["trials"] for trial in kept)
