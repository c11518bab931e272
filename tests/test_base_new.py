"""Base-to-new: trained on one half of the classes, judged on both, and told apart."""

import csv
import json
import shutil

import numpy as np
import pytest
from toy import draw, toy_folder

import apt_jax
from apt_jax import config
from apt_jax.data.few_shot import few_shot
from apt_jax.errors import UserError
from apt_jax.methods import METHODS, make
from apt_jax.metrics.base_new import base_to_new, harmonic_mean
from apt_jax.report.tables import base_to_new_text
from apt_jax.runs import story
from apt_jax.runs.parts import parts_of
from apt_jax.runs.preparation import prepare
from apt_jax.runs.record import split_of
from apt_jax.runs.restore import require_same_images
from apt_jax.runs.workdir import Workdir

NAMES = ("blue", "green", "light blue", "light red", "red")  # three base, two new
COLOURS = (2, 1, 2, 0, 0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(3)
    for split, count in (("train", 4), ("test", 2)):
        for name, colour in zip(NAMES, COLOURS, strict=True):
            for number in range(count):
                draw(root / split / name / f"{number}.png", colour, generator)
    return root


def settings(photos, method="zero_shot", classes="base", **fields):
    c = config.default(method=method, source="folder")
    c.clip.checkpoint, c.clip.dtype = str(toy_folder()), "float32"
    c.features.cache_dir = ""
    c.data.root, c.data.classes = str(photos), classes
    c.shots, c.augment.views, c.eval.samples = 2, 2, 3
    if method == "apt":
        c.method.heads, c.train.epochs = 2, 2
    for field, value in fields.items():
        config.set_field(c, field.replace("__", "."), str(value))
    return c


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    """The folder of a finished base-to-new run of apt, which samples."""
    folder = tmp_path_factory.mktemp("runs") / "base"
    story.run(settings(photos, "apt"), folder)
    return folder


def read(folder, name):
    return json.loads((folder / name).read_text())


def test_the_harmonic_mean_is_twice_the_product_over_the_sum():
    assert harmonic_mean(0.9, 0.6) == pytest.approx(2 * 0.54 / 1.5)
    assert harmonic_mean(0.7, 0.7) == pytest.approx(0.7)
    assert harmonic_mean(0.0, 0.0) == harmonic_mean(0.0, 1.0) == 0


def test_rows_are_paired_by_name_and_a_missing_half_stays_missing():
    rows = [
        {"name": "a", "classes": "base", "accuracy": 0.8},
        {"name": "b", "classes": "base", "accuracy": 0.5},
        {"name": "a", "classes": "new", "accuracy": 0.4},
    ]
    assert base_to_new(rows)["a"]["harmonic"] == pytest.approx(0.64 / 1.2)
    assert base_to_new(rows)["b"] == {"base": 0.5, "new": None, "harmonic": None}
    assert base_to_new([{"name": "a", "classes": "all", "accuracy": 1.0}]) == {}


def test_zero_shots_halves_are_zero_shot_on_each_half_alone(photos, tmp_path, capsys):
    results = story.run(settings(photos), tmp_path / "base")
    base, new = results["evaluations"]
    assert (base["name"], new["name"]) == ("zero_shot", "zero_shot")
    assert (base["split"], new["split"]) == ("test", "test")
    assert (base["classes"], new["classes"]) == ("base", "new")
    assert (base["examples"], new["examples"]) == (6, 4)
    printed = capsys.readouterr().out
    assert "harmonic mean" in printed
    assert "zero-shot CLIP, new classes" in printed

    alone = story.run(settings(photos, classes="new"), tmp_path / "new")
    (row,) = alone["evaluations"]
    assert row == new
    assert read(tmp_path / "new", "classes.json") == list(NAMES[3:])
    assert "base_to_new" not in alone
    both = results["base_to_new"]["zero_shot"]
    assert both["base"] == base["accuracy"]
    assert both["new"] == new["accuracy"]
    assert both["harmonic"] == harmonic_mean(both["base"], both["new"])


@pytest.mark.parametrize("classes", ["base", "new"])
def test_shots_are_drawn_from_all_classes_and_divided_afterwards(photos, classes):
    whole = prepare(settings(photos, classes="all"))
    part = prepare(settings(photos, classes=classes))
    kept = {"base": range(3), "new": range(3, 5)}[classes]
    drawn, _ = few_shot(whole.dataset, 2, 1)
    expected = [item.path for item in drawn if item.label in kept]
    assert [item.path for item in part.shots] == expected
    assert {item.label for item in part.shots} == set(range(len(kept)))
    # Drawn from the half alone, the stream would give others.
    if classes == "new":
        assert expected != [item.path for item in few_shot(part.dataset, 2, 1)[0]]


def test_every_row_has_its_half_and_the_record_names_both(finished, photos):
    results, split = read(finished, "results.json"), read(finished, "split.json")
    rows = [(row["name"], row["classes"]) for row in results["evaluations"]]
    names = ("zero_shot", "deterministic", "mc_dropout")
    assert rows == [(name, half) for half in ("base", "new") for name in names]
    assert set(results["base_to_new"]) == set(names)

    assert read(finished, "classes.json") == list(NAMES[:3])
    assert read(finished, "new_classes.json") == list(NAMES[3:])
    assert {path.split("/")[1] for path, _, _ in split["train"]} == set(NAMES[:3])
    assert [label for _, label, _ in split["new_test"]] == [0, 0, 1, 1]
    card = results["protocol"]["data"]
    assert card["classes"] == "base"
    assert card["new_classes_sha256"] != card["classes_sha256"]
    for half, count in (("predictions", 3), ("predictions_new", 2)):
        with open(finished / f"{half}.csv", newline="") as file:
            header, *listed = list(csv.reader(file))
        of_half = NAMES[:3] if count == 3 else NAMES[3:]
        assert header[-count:] == [f"p:{name}" for name in of_half]
        assert len(listed) == 2 * count
    figures = {path.name for path in (finished / "figures").iterdir()}
    assert figures == {"reliability.png", "reliability_new.png", "training.png"}


def test_evaluating_again_judges_both_halves_and_predicting_names_the_base(
    finished, photos, tmp_path
):
    copy = shutil.copytree(finished, tmp_path / "copy")
    before, after = read(copy, "results.json"), story.evaluate_again(copy, {})
    assert after["evaluations"] == before["evaluations"]
    assert after["base_to_new"] == before["base_to_new"]
    assert apt_jax.load(copy).classes == list(NAMES[:3])


def test_another_image_among_the_new_ones_is_noticed(finished, photos, tmp_path):
    def compare(folder):
        split = split_of(prepare(settings(folder, "apt")))
        require_same_images(Workdir(finished), split, ("test", "new_test"))

    compare(photos)
    mine = shutil.copytree(photos, tmp_path / "photos")
    draw(mine / "test/red/0.png", 1, np.random.default_rng(9))
    with pytest.raises(UserError, match=r"\(changed: test/red/0\.png\); restore"):
        compare(mine)


def test_a_method_of_fixed_classes_reports_the_base_and_says_so(photos):
    prepared = prepare(settings(photos, "gda"))
    assert prepared.dataset.classes == NAMES[:3]
    assert prepared.new is None
    assert [part.classes for part in parts_of(prepared, "base")] == ["base"]
    rows = [{"name": "deterministic", "classes": "base", "accuracy": 0.5}]
    table = base_to_new_text(base_to_new(rows))
    assert "50.0 %" in table
    assert "this method's parameters belong to classes" in table


def test_too_few_new_classes_are_refused_before_work(photos, tmp_path, monkeypatch):
    few = shutil.copytree(photos, tmp_path / "photos")
    for split in ("train", "test"):
        for name in NAMES[3:]:
            shutil.rmtree(few / split / name)
    monkeypatch.setattr(story, "encode_shots", None)  # it would come too late
    with pytest.raises(UserError, match="'photos, new classes': 1 class"):
        story.run(settings(few), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_only_what_belongs_to_no_class_names_new_ones():
    naming = {name for name in METHODS if make(name).names_new_classes}
    assert naming >= {"apt", "clip_adapter", "coop", "zero_shot"}
    fixed = {"clap", "gda", "linear_probe", "lp_plus_plus", "task_res", "tip_adapter"}
    assert not naming & fixed
    assert not make("coop", class_specific=True).names_new_classes


def test_runs_of_halves_have_names_of_their_own(photos):
    names = {
        config.run_name(settings(photos, classes=c)) for c in ("all", "base", "new")
    }
    assert len(names) == 3
