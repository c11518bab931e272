"""Plain ViTs read pixels as VPT's authors had them, wherever a method runs its tower."""

import csv
import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from toy import CLASSES, toy_clip, toy_vit, toy_vit_folder

import apt_jax
from apt_jax import config
from apt_jax.clip.pixels import HALF, IMAGENET_MEAN, IMAGENET_STD, MEAN
from apt_jax.evaluation import evaluate
from apt_jax.features.encoder import Encoder
from apt_jax.features.reads import Reads
from apt_jax.grid import work
from apt_jax.methods import make
from apt_jax.methods.task import Shots, make_task
from apt_jax.runs import story
from apt_jax.training import loop
from apt_jax.training.fitted import Fitted

KEY = jax.random.key(0)


def short(name="vpt", **fields):
    if name == "vpt":
        fields = {"form": "original", "prompts": 1, "depth": 1} | fields
    return make(name, **fields)


@pytest.mark.parametrize("name", ["vpt", "vapt", "fine_tune"])
@pytest.mark.parametrize(
    ("normalise", "of_vit", "of_clip"),
    [
        ("auto", IMAGENET_MEAN, MEAN),
        ("imagenet", IMAGENET_MEAN, IMAGENET_MEAN),
        ("checkpoint", HALF, MEAN),
    ],
)
def test_which_mean_is_taken(name, normalise, of_vit, of_clip):
    method = make(name, normalise=normalise)
    for clip, mean in ((toy_vit(), of_vit), (toy_clip(), of_clip)):
        assert method.preprocessing(clip).mean == mean
        settled = method.settled("", clip)
        assert settled.normalise != "auto"
        assert settled.preprocessing(clip).mean == mean
    found = make("vpt", normalise="imagenet").preprocessing(toy_vit())
    assert (found.std, found.size) == (IMAGENET_STD, toy_vit().pixels.size)


def test_other_methods_read_what_the_checkpoint_says():
    for name in ("maple", "linear_probe", "clip_lora"):
        assert make(name).preprocessing(toy_clip()) == toy_clip().pixels


def crops():
    generator = np.random.default_rng(0)
    side = toy_vit().pixels.size
    return generator.integers(0, 256, (4, 1, side, side, 3), dtype=np.uint8)


def task_of(pixels):
    clip = dataclasses.replace(toy_vit(), pixels=pixels)
    labels = jnp.array([0, 1, 2, 0])
    stored = {"crop": jnp.asarray(crops())}
    return make_task(clip, CLASSES, ()).replace(shots=Shots(stored, stored, labels))


@pytest.mark.slow
def test_training_and_evaluation_read_them_so():
    own = toy_vit().pixels
    imagenet = dataclasses.replace(own, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    found = {}
    for name, method, pixels in (
        ("auto", short(), own),
        ("imagenet", short(normalise="checkpoint"), imagenet),
        ("checkpoint", short(normalise="checkpoint"), own),
    ):
        task = task_of(pixels)
        recipe = dataclasses.replace(
            method.recipe(task, {}), epochs=2, schedule="constant"
        )
        start = loop.start(method, task, recipe, jax.random.clone(KEY), {})
        params = loop.train(method, task, recipe, start, jax.random.clone(KEY))
        test = Encoder(toy_vit()).crops(list(crops()[:, 0]), Reads("pixels"))
        row = evaluate("", Fitted(method, {}, params), task, test, [0, 1, 2, 0]).row
        found[name] = (row["nll"], np.asarray(params["prompts"]))
    assert found["auto"][0] == found["imagenet"][0] != found["checkpoint"][0]
    np.testing.assert_array_equal(found["auto"][1], found["imagenet"][1])
    assert np.abs(found["auto"][1] - found["checkpoint"][1]).max() > 1e-6


def settings(photos, **fields):
    c = config.default(method="vpt", source="folder")
    c.data.root, c.clip.checkpoint = str(photos), str(toy_vit_folder())
    c.clip.dtype, c.features.cache_dir = "float32", ""
    c.method.form, c.method.prompts, c.method.depth = "original", 1, 1
    c.shots, c.augment.views, c.train.epochs = 2, 1, 2
    c.update_from_flattened_dict(fields)
    return c


def reported(folder):
    with open(folder / "predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


def predicted(folder, photos, **where):
    images = [photos / row["path"] for row in reported(folder)]
    return apt_jax.load(folder, **where).predict(images).confidence


def assert_predicts(folder, photos, **where):
    told = [float(row["confidence"]) for row in reported(folder)]
    found = predicted(folder, photos, **where)
    np.testing.assert_allclose(found, told, rtol=1e-5)


def test_a_run_says_how_it_read_them(finished):
    written = json.loads((finished / "config.json").read_text())
    assert written["method"]["normalise"] == "imagenet"
    card = json.loads((finished / "protocol.json").read_text())
    assert card["transforms"]["pixels"]["mean"] == list(IMAGENET_MEAN)
    assert card["transforms"]["pixels"]["std"] == list(IMAGENET_STD)


def test_a_restored_run_predicts_so_also_in_another_place(finished, photos, tmp_path):
    assert_predicts(finished, photos)
    moved = tmp_path / "moved"
    shutil.copytree(finished, moved)
    clip = shutil.copytree(toy_vit_folder(), tmp_path / "clip")
    assert_predicts(moved, photos, clip=clip)


def test_what_it_predicts_is_of_pixels_normalised_so(finished, photos):
    classifier = apt_jax.load(finished)
    task, fitted = classifier.task, classifier.fitted
    image = photos / reported(finished)[0]["path"]
    crop = task.backbone.pixels.centre_crop(Image.open(image).convert("RGB"))
    mean, std = np.float32(IMAGENET_MEAN), np.float32(IMAGENET_STD)
    pixels = (crop / np.float32(255) - mean[None, None]) / std[None, None]
    logits = fitted.method.logits(fitted.params, task, None, pixels)
    told = float(reported(finished)[0]["confidence"])
    assert float(jax.nn.softmax(logits).max()) == pytest.approx(told, rel=1e-4)


@pytest.mark.slow
def test_a_run_from_before_there_was_a_choice_predicts_as_it_did(
    photos, tmp_path, monkeypatch
):
    folder = tmp_path / "run"
    resolved = story.resolved

    def without(*given):
        found = resolved(*given)
        del found.method["normalise"]
        return found

    asked = settings(photos, **{"method.normalise": "checkpoint"})
    with monkeypatch.context() as patch:
        patch.setattr(story, "resolved", without)
        story.run(asked, folder)
    old = json.loads((folder / "asked.json").read_text())
    del old["method"]["normalise"]
    (folder / "asked.json").write_text(json.dumps(old))
    assert "normalise" not in json.loads((folder / "config.json").read_text())["method"]

    assert_predicts(folder, photos)
    before = json.loads((folder / "results.json").read_text())["evaluations"]
    after = story.evaluate_again(folder, {})["evaluations"]
    assert [row["nll"] for row in after] == pytest.approx(
        [row["nll"] for row in before], rel=1e-5
    )
    # The same command means another run today: it is refused, and named.
    with pytest.raises(
        apt_jax.errors.UserError, match=r"--config\.method\.normalise=checkpoint"
    ):
        story.run(settings(photos), folder)
    story.run(asked, folder)


def test_a_grid_reads_them_so(photos, finished, tmp_path):
    from apt_jax.grid import study

    s = study.default()
    s.methods, s.datasets, s.shots, s.seeds = ("vpt",), ("photos",), (2,), (1,)
    s.variants = {
        "vpt": {"method": {"name": "vpt", "form": "original", "prompts": 1, "depth": 1}}
    }
    s.sets = {"photos": {"source": "folder", "root": str(photos)}}
    s.clip.checkpoint, s.clip.dtype = str(toy_vit_folder()), "float32"
    s.features.cache_dir, s.augment.views, s.train.epochs = "", 1, 2
    study.spell_out(s)
    work.run(s, tmp_path / "grid")
    (cell,) = (tmp_path / "grid/cells").rglob("*.json")
    of_cell = json.loads(cell.read_text())
    assert of_cell["protocol"]["transforms"]["pixels"]["mean"] == list(IMAGENET_MEAN)
    alone = json.loads((finished / "results.json").read_text())["evaluations"][-1]
    assert of_cell["evaluations"][-1]["nll"] == pytest.approx(alone["nll"], rel=1e-5)
