"""Studies: each writes its figures once, resumes cell by cell, and counts gains rightly."""

import json

import numpy as np
import pytest
from toy import CLASSES, photo_folder, toy_folder

from apt_jax import config
from apt_jax.errors import UserError
from apt_jax.metrics.variance import analysis
from apt_jax.runs.workdir import Workdir
from apt_jax.studies import controlled, variance


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)


def small(name, **fields):
    """The configuration of a study on the toy CLIP."""
    c = config.load(f"configs/studies/{name}.py")
    c.clip.checkpoint, c.features.cache_dir = str(toy_folder()), ""
    c.study.permutations = 19
    for field, value in fields.items():
        config.set_field(c, field.replace("__", "."), str(value))
    return c


def of_photos(photos, **fields):
    c = small("variance", **fields)
    c.data = config.default(source="folder").data
    c.data.root = str(photos)
    return c


def test_the_analysis_of_a_split_is_written_once(tmp_path, capsys, monkeypatch):
    photos = photo_folder(tmp_path / "photos")
    asked, folder = of_photos(photos), tmp_path / "study"
    found = variance.run(asked, folder)
    assert (found["examples"], found["groups"]) == (9, 3)
    assert found["classes"] == sorted(CLASSES)
    assert found["pseudo_f"] == pytest.approx(
        found["inter"] * 3 * 3 / 2 / (found["intra"] * 9 / 6)
    )
    printed = capsys.readouterr().out
    assert "pseudo-F" in printed
    assert (folder / "variance.md").read_text() in printed
    assert (folder / "figures/variance.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(variance, "measure", None)
    assert variance.run(asked, folder) == found

    with pytest.raises(UserError, match="holds another run"):
        variance.run(of_photos(photos, study__split="train"), folder)
    with pytest.raises(UserError, match=r"choose another --config\.study\.split"):
        variance.require_images(of_images(val=()), "val")


def of_images(**splits):
    from apt_jax.data.dataset import Dataset

    empty = {"train": (), "val": (), "test": ()}
    return Dataset("made", ("a", "b"), **(empty | splits), templates=("{}",), read=None)


def test_embeddings_are_made_unit_and_infinity_is_none_in_json():
    x = np.random.default_rng(0).normal(size=(8, 5))
    labels = np.repeat([0, 1], 4)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    found = variance.analyse(8 * x, labels, 9, seed=0)
    assert found == variance.finite(analysis(unit, labels, permutations=9))
    equal = variance.analyse(np.repeat(x[:2], 4, axis=0), labels, 9, seed=0)
    assert equal["pseudo_f"] is None
    json.dumps(equal, allow_nan=False)


def cell(level, seed, ours, coop, zero_shot):
    """A made-up cell; figures are (accuracy, NLL), of one pass and of samples."""

    def row(accuracy, nll):
        return {"accuracy": accuracy, "nll": nll}

    statistics = dict.fromkeys(controlled.STATISTICS, 2.0) | {"examples": 9}
    return {
        "level": level,
        "seed": seed,
        "device": "none",
        "commit": None,
        "rows": {
            "apt": [row(0.0, 99.0), row(*ours)],
            "coop": [row(*coop)],
            "zero_shot": [row(*zero_shot)],
        },
        "variance": statistics | {"pseudo_f": None if level == 0 else 5.0 * seed},
    }


def test_gains_are_paired_by_seed_and_above_zero_where_the_method_is_better():
    cells = [
        cell(0.0, 1, (0.5, 1.0), (0.4, 1.5), (0.5, 1.0)),
        cell(0.0, 2, (0.7, 1.0), (0.4, 1.1), (0.8, 0.7)),
        cell(1.0, 1, (0.6, 1.0), (0.6, 0.9), (0.6, 1.0)),
        cell(1.0, 2, (0.6, 1.0), (0.6, 0.9), (0.6, 1.0)),
    ]
    summary = controlled.summarise(cells, small("controlled_variance"))
    first, last = summary["levels"]
    over_coop = first["gains"]["coop"]
    assert over_coop["accuracy"]["by_seed"] == pytest.approx([0.1, 0.3])
    assert over_coop["accuracy"]["mean"] == pytest.approx(0.2)
    assert over_coop["accuracy"]["sd"] == pytest.approx(0.1)
    assert over_coop["nll"]["by_seed"] == pytest.approx([0.5, 0.1])
    assert first["gains"]["zero_shot"]["nll"]["by_seed"] == pytest.approx([0, -0.3])
    assert last["gains"]["coop"]["nll"]["mean"] == pytest.approx(-0.1)
    assert first["variance"]["pseudo_f"]["mean"] is None
    assert last["variance"]["pseudo_f"]["mean"] == 7.5


@pytest.mark.slow
def test_the_controlled_study_resumes_at_the_cell_where_it_died(
    tmp_path, monkeypatch, capsys
):
    asked = small(
        "controlled_variance",
        study__levels=2,
        study__seeds=1,
        study__rivals="clip_adapter",
        method__heads=2,
        shots=1,
        augment__views=1,
        train__epochs=1,
        eval__samples=2,
        data__templates="{}",
        data__size=16,
        data__train_images=1,
        data__test_images=2,
    )
    calls, run_cell = [], controlled.run_cell

    def dying(settings):
        calls.append(settings.data.variance)
        if len(calls) == 2:
            raise KeyboardInterrupt
        if len(calls) == 3:  # one real cell is enough
            return json.loads((folder / "cells/variance-0-seed-1.json").read_text())
        return run_cell(settings)

    folder = tmp_path / "study"
    monkeypatch.setattr(controlled, "run_cell", dying)
    with pytest.raises(KeyboardInterrupt):
        controlled.run(asked, folder)
    summary = controlled.run(asked, folder)
    assert calls == [0.0, 1.0, 1.0]
    assert [at["level"] for at in summary["levels"]] == [0.0, 1.0]
    for at in summary["levels"]:
        assert set(at["gains"]) == {"zero_shot", "clip_adapter"}
        assert set(at["methods"]) == {"zero_shot", "clip_adapter", "apt"}
    assert summary["levels"][0]["variance"]["pseudo_f"]["mean"] is None
    assert (folder / "figures/controlled.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "controlled.md").read_text() in capsys.readouterr().out
    rows = json.loads((folder / "cells/variance-0-seed-1.json").read_text())["rows"]
    assert [row["name"] for row in rows["apt"]] == ["deterministic", "mc_dropout"]


def test_a_controlled_study_of_older_recipes_is_not_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(controlled, "run_cell", None)
    asked = small("controlled_variance")
    Workdir(tmp_path / "study").settle(asked)
    path = tmp_path / "study/asked.json"
    written = json.loads(path.read_text())
    del written["recipes"]
    path.write_text(json.dumps(written))
    with pytest.raises(UserError, match="by the recipes of an older version"):
        controlled.run(asked, tmp_path / "study")


def test_a_study_without_its_knob_or_of_a_method_and_itself_is_refused(tmp_path):
    folder = small("controlled_variance")
    folder.data = config.default(source="folder").data
    with pytest.raises(UserError, match=r"has no data\.variance to turn"):
        controlled.run(folder, tmp_path / "a")
    itself = small("controlled_variance", study__rivals="coop;apt")
    with pytest.raises(UserError, match="apt is compared with itself"):
        controlled.run(itself, tmp_path / "b")
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()
