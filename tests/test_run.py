"""A whole run: its files, its refusals, and that nothing is lost when it is killed."""

import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from toy import CLASSES, toy_folder

import apt_jax
from apt_jax import config
from apt_jax.commands.predict import main as predict_main
from apt_jax.errors import UserError
from apt_jax.features.views import Views
from apt_jax.methods import APT, make
from apt_jax.methods.base import Recipe
from apt_jax.runs import record, story
from apt_jax.runs.preparation import prepare
from apt_jax.runs.workdir import Workdir
from apt_jax.training import loop
from apt_jax.training.checkpoints import Checkpoints

ROOT = Path(__file__).parents[1]


def settings(photos, cache="", **fields):
    """The configuration of a small run on photographs of colours."""
    c = config.default(method="apt", source="folder")
    c.clip.checkpoint = str(toy_folder())
    c.clip.dtype = "float32"
    c.features.cache_dir = str(cache)
    c.data.root = str(photos)
    c.shots, c.augment.views = 3, 2
    c.method.heads = 2
    c.train.epochs, c.train.learning_rate, c.train.checkpoint_every = 6, 0.05, 2
    c.eval.samples = 8
    for field, value in fields.items():
        config.set_field(c, field.replace("__", "."), str(value))
    return c


def read(folder, name):
    return json.loads((folder / name).read_text())


def test_a_run_leaves_every_file_of_the_contract(finished):
    names = {path.name for path in finished.iterdir()}
    assert names >= {
        "config.json",
        "protocol.json",
        "classes.json",
        "split.json",
        "checkpoints",
        "metrics.jsonl",
        "results.json",
        "predictions.csv",
        "figures",
    }
    assert {path.name for path in (finished / "figures").iterdir()} == {
        "reliability.png",
        "training.png",
    }
    assert read(finished, "classes.json") == sorted(CLASSES)


def test_results_hold_three_rows_and_the_cost(finished):
    results = read(finished, "results.json")
    rows = results["evaluations"]
    assert [row["name"] for row in rows] == ["zero_shot", "deterministic", "mc_dropout"]
    assert [row["samples"] for row in rows] == [None, None, 8]
    for row in rows:
        assert row["split"] == "test"
        assert row["examples"] == 9
        for name in ("accuracy", "ece"):
            assert 0 <= row[name] <= 1
        assert row["expected_entropy"] <= row["predictive_entropy"] + 1e-6
    assert rows[0]["mutual_information"] == 0 < rows[2]["mutual_information"]
    cost = results["cost"]
    assert cost["trainable_parameters"] == 4 * (8 * 8 + 8)
    for name in (
        "encode_seconds",
        "train_seconds",
        "test_ms_per_image",
        "peak_memory_mb",
    ):
        assert cost[name] > 0
    assert results["protocol"] == read(finished, "protocol.json")


def test_the_protocol_card_says_what_was_done(finished):
    card = read(finished, "protocol.json")
    assert card["protocol"]["validation_images"] == 0
    assert card["selected_by"].endswith("on validation images of other data sets")
    assert card["set_by_hand"]["train.epochs"] == 6
    assert set(card["set_by_hand"]) == {
        "augment.views",
        "method.heads",
        "train.epochs",
        "train.learning_rate",
        "train.checkpoint_every",
    }
    assert card["backbone"]["sha256"]
    assert card["transforms"]["train"].startswith(
        "2 random crops and flips of each image, of at least 0"
    )
    assert read(finished, "config.json")["augment"]["area"] == APT.views.area
    assert card["train"]["epochs"] == 6
    assert card["train"]["momentum"] == 0.9  # resolved, though nobody asked
    assert set(card["versions"]) >= {"python", "jax", "flax", "optax", "numpy"}
    for name in (
        "split_sha256",
        "few_shot_sha256",
        "classes_sha256",
        "templates_sha256",
    ):
        assert len(card["data"][name]) == 64
    assert read(finished, "config.json")["train"]["batch_size"] == 32


@pytest.mark.parametrize(("epochs", "every"), [(100, 10), (5, 1)])
def test_a_run_is_saved_ten_times_if_nobody_says_how_often(epochs, every):
    prepared = SimpleNamespace(
        clip=SimpleNamespace(dtype="float32", revision=None),
        dataset=SimpleNamespace(name="x", templates=(), descriptions=()),
        views=Views(10),
        method=make("apt"),
    )
    asked = config.default(method="apt", source="folder")
    recipe = Recipe(learning_rate=0.1, epochs=epochs)
    assert record.resolved(asked, prepared, recipe).train.checkpoint_every == every


def test_every_image_of_every_split_is_listed_with_its_hash(finished):
    split = read(finished, "split.json")
    assert [len(split[name]) for name in ("train", "val", "test")] == [12, 0, 9]
    assert len(split["few_shot_train"]) == 9
    path, label, sha256 = split["test"][0]
    assert (path, label) == ("test/blue/0.png", 0)
    assert len(sha256) == 64


def test_metrics_have_a_line_an_epoch(finished):
    lines = Workdir(finished).log.lines()
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert set(lines[0]) == {
        "step",
        "epoch",
        "loss",
        "accuracy",
        "learning_rate",
        "seconds",
    }


def test_predictions_have_a_row_an_image_and_a_column_a_class(finished):
    with open(finished / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    for row in rows:
        probs = [float(row[f"p:{name}"]) for name in sorted(CLASSES)]
        assert sum(probs) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == sorted(CLASSES)[int(np.argmax(probs))]
        assert float(row["confidence"]) == max(probs)
        assert row["label"] in row["path"]
    right = np.mean([row["label"] == row["predicted"] for row in rows])
    assert right == read(finished, "results.json")["evaluations"][-1]["accuracy"]


def test_the_same_command_again_reprints_a_finished_run(
    finished, photos, capsys, monkeypatch
):
    before = (finished / "results.json").read_bytes()
    monkeypatch.setattr(story, "prepare", lambda config: 1 / 0)
    story.run(settings(photos), finished)
    assert "zero-shot CLIP" in capsys.readouterr().out
    assert (finished / "results.json").read_bytes() == before


def test_a_directory_of_another_run_is_refused_naming_every_field(finished, photos):
    other = settings(photos, shots=1, eval__samples=5)
    with pytest.raises(UserError, match=r"eval\.samples: 8 -> 5; shots: 3 -> 1"):
        story.run(other, finished)


def test_a_directory_that_is_no_run_is_refused(photos, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="not empty and holds no run"):
        story.run(settings(photos), tmp_path)


def test_a_directory_among_the_photographs_is_refused_and_left_alone(tmp_path):
    for name in ("red", "blue"):
        (tmp_path / name).mkdir()
    asked, folder = settings(tmp_path), tmp_path / "runs/first"
    with pytest.raises(UserError, match=r"runs/first would be a class of .* another"):
        story.run(asked, folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blue", "red"]
    for split in ("train", "test"):
        (tmp_path / "split" / split / "red").mkdir(parents=True)
    asked = config.source_of(asked)
    assert not asked.would_read(
        tmp_path / ".runs/first"
    )  # no walk reads what is hidden
    apart = config.source_of(settings(tmp_path / "split"))
    assert not apart.would_read(tmp_path / "split/runs")  # no class is read there


def test_a_tilde_in_the_name_of_a_directory_is_the_home_of_the_user(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Workdir("~/runs/owls").folder == Path("/home/somebody/runs/owls")


def test_an_unfinished_run_keeps_the_dtype_and_revision_it_began_with(photos, tmp_path):
    asked = settings(photos, clip__dtype="auto")
    workdir = Workdir(tmp_path)
    assert workdir.as_begun(asked).clip.dtype == "auto"
    begun = config.from_json(config.to_json(asked))
    begun.clip.dtype = "bfloat16"
    with begun.ignore_type():
        begun.clip.revision = "abc"
    workdir.write("config.json", json.loads(config.to_json(begun)))
    goes_on = workdir.as_begun(asked)
    assert (goes_on.clip.dtype, goes_on.clip.revision) == ("bfloat16", "abc")
    assert asked.clip.dtype == "auto"


def test_what_the_user_can_fix_leaves_nothing_behind(photos, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(UserError, match="no folder"):
        story.run(settings(tmp_path / "nothing"), folder)
    with pytest.raises(UserError, match="the tokenizer cuts the prompt of 'blue'"):
        story.run(
            settings(photos, data__templates="a photo of the " * 9 + "{}"), folder
        )
    assert not folder.exists()


# -- after training ---------------------------------------------------------------------


def test_a_finished_run_predicts_what_it_reported(finished, photos):
    classifier = apt_jax.load(finished)
    with open(finished / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    predicted = classifier.predict([photos / row["path"] for row in rows])
    assert predicted.labels == [row["predicted"] for row in rows]
    columns = [f"p:{name}" for name in classifier.classes]
    reported = [[float(row[name]) for name in columns] for row in rows]
    np.testing.assert_allclose(predicted.probabilities, reported, rtol=1e-5)
    reported = [float(row["mutual_information"]) for row in rows]
    np.testing.assert_allclose(predicted.mutual_information, reported, atol=1e-6)


def test_an_image_gets_the_same_numbers_alone_in_any_batch_and_as_any_type(
    finished, photos
):
    classifier = apt_jax.load(finished)
    paths = sorted((photos / "test").rglob("*.png"))
    whole = classifier.predict(paths)
    alone = classifier.predict([np.asarray(Image.open(paths[4]))])
    backwards = classifier.predict([Image.open(path) for path in paths[::-1]])
    np.testing.assert_allclose(
        alone.probabilities[0], whole.probabilities[4], rtol=1e-6
    )
    np.testing.assert_allclose(
        backwards.probabilities[::-1], whole.probabilities, rtol=1e-6
    )


def test_unreadable_images_are_all_named(finished, tmp_path):
    (tmp_path / "a.jpg").write_text("no image")
    images = [tmp_path / "a.jpg", tmp_path / "b.jpg", np.zeros((4, 4), np.int64)]
    with pytest.raises(
        UserError, match=r"3 of 3 .*a\.jpg: not.*b\.jpg: No such.*image 2: .*int64"
    ):
        apt_jax.load(finished).predict(images)


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_predict_prints_every_photograph_of_a_folder(finished, photos, capsys, form):
    predict_main([f"--workdir={finished}", str(photos / "test"), f"--format={form}"])
    out = capsys.readouterr().out
    assert out.count(".png") == 9
    if form == "json":
        first = json.loads(out)[0]
        assert set(first["probabilities"]) == set(CLASSES)


def test_predicting_without_a_run_or_photographs_says_so(finished, tmp_path):
    with pytest.raises(UserError, match="holds no finished run"):
        apt_jax.load(tmp_path)
    with pytest.raises(UserError, match=r"nothing\.jpg: No such file"):
        predict_main([f"--workdir={finished}", str(tmp_path / "nothing.jpg")])


def test_evaluating_again_changes_the_samples_and_nothing_else(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    before = read(finished, "results.json")
    after = story.evaluate_again(copy, {"samples": 3})
    assert after["evaluations"][:2] == before["evaluations"][:2]
    assert after["evaluations"][2]["samples"] == 3
    assert after["evaluations"][2]["nll"] != before["evaluations"][2]["nll"]
    assert read(copy, "config.json") == read(finished, "config.json")


def test_evaluating_on_changed_images_is_refused(photos, tmp_path):
    mine = shutil.copytree(photos, tmp_path / "photos")
    story.run(settings(mine), tmp_path / "run")
    shutil.copy(mine / "train/red/0.png", mine / "test/red/1.png")
    (mine / "train/red/0.png").unlink()
    with pytest.raises(UserError, match=r"\(changed: test/red/1\.png\); restore"):
        story.evaluate_again(tmp_path / "run", {})


def test_images_that_change_sides_when_one_is_gone_are_not_called_gone(
    photos, tmp_path
):
    mine = tmp_path / "photos"
    for split in ("train", "test"):
        for path in (photos / split).rglob("*.png"):
            place = mine / path.parent.name / f"{split} {path.name}"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    story.run(settings(mine), tmp_path / "run")
    split = json.loads((tmp_path / "run/split.json").read_text())
    gone = next(path for path, *_ in split["test"] if path.startswith("red/"))
    (mine / gone).unlink()
    with pytest.raises(UserError) as told:
        story.evaluate_again(tmp_path / "run", {})
    assert re.search(
        rf"in another split: red/.*; gone: {gone}\); restore", str(told.value)
    )
    assert "new:" not in str(told.value)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("classes.json", lambda text: text.replace("red", "rot"), "list of classes"),
        (
            "config.json",
            lambda text: text.replace('"heads": 2', '"heads": 4'),
            "configuration",
        ),
    ],
)
def test_a_checkpoint_is_verified_before_it_predicts(
    finished, tmp_path, file, change, message
):
    copy = shutil.copytree(finished, tmp_path / "copy")
    (copy / file).write_text(change((copy / file).read_text()))
    with pytest.raises(UserError, match=f"trained with another {message}"):
        apt_jax.load(copy)


def test_another_backbone_is_refused(finished, tmp_path):
    backbone = shutil.copytree(toy_folder(), tmp_path / "clip")
    copy = shutil.copytree(finished, tmp_path / "copy")
    moved = read(copy, "config.json")
    weights = bytearray((backbone / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (backbone / "model.safetensors").write_bytes(bytes(weights))
    moved["clip"]["checkpoint"] = str(backbone)
    (copy / "config.json").write_text(json.dumps(moved))
    with pytest.raises(UserError, match="another backbone"):
        apt_jax.load(copy)


# -- killed -----------------------------------------------------------------------------


def trained_parameters(folder):
    """The state in a run's newest checkpoint, as NumPy arrays."""
    import orbax.checkpoint as ocp

    newest = max((folder / "checkpoints").iterdir(), key=lambda path: int(path.name))
    return ocp.StandardCheckpointer().restore((newest / "state").absolute())


def wait_for_epoch(folder, epoch):
    """Returns when a run has written down that it finished `epoch`."""
    log = Workdir(folder).log
    for _ in range(60_000):
        lines = log.lines()
        if lines and lines[-1]["epoch"] >= epoch:
            return
        time.sleep(0.002)
    raise TimeoutError(f"epoch {epoch} never came")


def test_a_method_that_cannot_do_the_task_says_so_and_leaves_nothing(
    photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(story, "encode_shots", None)  # it would come too late
    folder = tmp_path / "run"
    with pytest.raises(UserError, match="does not divide the width"):
        story.run(settings(photos, method__heads=3), folder)
    assert not folder.exists()


def test_a_run_that_dies_after_fitting_at_once_is_finished_by_the_same_command(
    photos, tmp_path, monkeypatch
):
    c, like = config.default(method="gda", source="folder"), settings(photos)
    c.clip, c.features, c.data = like.clip, like.features, like.data
    c.shots, c.augment.views = 3, 2
    monkeypatch.setattr(story, "evaluate_parts", None)
    with pytest.raises(TypeError):
        story.run(c, tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(loop, "fit_at_once", None)  # what is saved is not done again
    results = story.run(c, tmp_path)
    rows = [row["name"] for row in results["evaluations"]]
    assert rows == ["zero_shot", "deterministic"]
    assert results["cost"]["trainable_parameters"] == 0
    assert len(Workdir(tmp_path).log.lines()) == 1


@pytest.mark.parametrize("name", ["gda", "zero_shot"])
def test_what_is_fitted_at_once_has_no_epochs_and_predicts_all_the_same(
    photos, tmp_path, capsys, name
):
    c, like = config.default(method=name, source="folder"), settings(photos)
    c.clip, c.features, c.data = like.clip, like.features, like.data
    c.shots, c.augment.views, c.train.epochs = 3, 2, 5
    story.run(c, tmp_path)
    said = capsys.readouterr().err
    assert f"{name} is fitted at once: --config.train.epochs has no effect" in said
    of_views = "zero_shot trains on no images: --config.augment.views has no effect"
    assert (of_views in said) == (name == "zero_shot")
    assert read(tmp_path, "config.json")["train"]["epochs"] is None
    assert len(apt_jax.load(tmp_path).predict(photos / "test").labels) == 9


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_dies_around_a_save_loses_no_line_of_its_metrics(
    photos, tmp_path, monkeypatch, when
):
    class Died(BaseException):
        pass

    save = Checkpoints.save

    def dying(checkpoints, state):
        if when == "after":
            save(checkpoints, state)
        raise Died

    monkeypatch.setattr(Checkpoints, "save", dying)
    with pytest.raises(Died):
        story.run(settings(photos), tmp_path)
    monkeypatch.undo()
    story.run(settings(photos), tmp_path)
    epochs = [line["epoch"] for line in Workdir(tmp_path).log.lines()]
    assert epochs == list(range(1, 7))


def test_a_run_does_not_go_on_with_other_images(photos, tmp_path, monkeypatch):
    mine = shutil.copytree(photos, tmp_path / "photos")
    monkeypatch.setattr(story, "adapt", None)
    with pytest.raises(TypeError):
        story.run(settings(mine), tmp_path / "run")
    monkeypatch.undo()
    shutil.move(mine / "train/red/0.png", mine / "train/red/new.png")
    with Image.open(mine / "train/blue/0.png") as picture:
        turned = picture.transpose(Image.Transpose.ROTATE_180)
    turned.save(mine / "train/blue/0.png")
    with pytest.raises(
        UserError,
        match=r"\(changed: train/blue/0\.png; gone: train/red/0\.png; "
        r"new: train/red/new\.png\); restore them",
    ):
        story.run(settings(mine), tmp_path / "run")


@pytest.mark.slow
def test_described_classes_are_judged_and_predicted_by_all_their_prompts(
    photos, tmp_path
):
    file = tmp_path / "names.yaml"
    file.write_text("red: {name: ruby, descriptions: [dark, 'a {}']}")
    c, like = config.default(method="zero_shot", source="folder"), settings(photos)
    c.clip, c.features, c.data = like.clip, like.features, like.data
    c.data.templates = ("{}.",)
    plain = story.run(c, tmp_path / "plain")
    c.data.class_names = str(file)
    named = story.run(c, tmp_path / "run")
    assert named["evaluations"][0]["nll"] != plain["evaluations"][0]["nll"]
    assert read(tmp_path / "run", "classes.json")[2] == "ruby"
    assert read(tmp_path / "run", "protocol.json")["data"]["descriptions_sha256"]
    file.unlink()  # a finished run needs it no more
    with open(tmp_path / "run/predictions.csv", newline="") as lines:
        row = next(csv.DictReader(lines))
    found = apt_jax.load(tmp_path / "run").predict([photos / row["path"]])
    np.testing.assert_allclose(found.confidence, [float(row["confidence"])], rtol=1e-5)


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_bits(photos, tmp_path):
    """`kill -9`, the same command again, until it finishes: bit for bit the same."""
    import jax

    fields = {
        "data.root": photos,
        "clip.checkpoint": toy_folder(),
        "clip.dtype": "float32",
        "features.cache_dir": tmp_path / "cache",
        "shots": 3,
        "augment.views": 2,
        "method.heads": 2,
        "train.epochs": 160,
        "train.checkpoint_every": 3,
        "eval.samples": 2,
    }
    command = [sys.executable, "train.py", "--config", "configs/folder.py"]
    command += [f"--config.{name}={value}" for name, value in fields.items()]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}

    def start(folder):
        return subprocess.Popen(
            [*command, "--workdir", str(folder)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait() == 0
    generator = random.Random(time.time_ns())
    for third in range(3):
        process = start(killed)
        wait_for_epoch(killed, generator.randrange(50 * third + 1, 50 * third + 40))
        time.sleep(generator.uniform(0, 0.05))  # anywhere within an epoch or a save
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert start(killed).wait() == 0
    one, other = trained_parameters(whole), trained_parameters(killed)
    equal = jax.tree.map(lambda a, b: bool((a == b).all()), one, other)
    assert jax.tree.all(equal)
    rows = [read(folder, "results.json")["evaluations"] for folder in (whole, killed)]
    assert rows[0] == rows[1]
    epochs = [line["epoch"] for line in Workdir(killed).log.lines()]
    assert epochs == list(range(1, 161))


def test_checkpoints_keep_the_newest_only(finished):
    assert [path.name for path in (finished / "checkpoints").iterdir()] == ["6"]
    with Checkpoints(finished / "checkpoints", {}):
        pass


def test_classes_that_a_share_leaves_without_an_image_are_named_and_stay(
    photos, capsys
):
    prepared = prepare(settings(photos, shots=0.1))
    assert len(prepared.shots) == 1
    assert len(prepared.dataset.classes) == 3
    said = capsys.readouterr().err
    assert "note: of 3 classes 2 have no labelled image" in said
