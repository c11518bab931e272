"""Studies: each writes its figures once, resumes cell by cell, and counts gains rightly."""

import json

import numpy as np
import pytest
from toy import CLASSES, photo_folder, toy_folder

from apt_jax import config
from apt_jax.clip import checkpoint
from apt_jax.errors import UserError
from apt_jax.files import write_json, write_text
from apt_jax.grid import work
from apt_jax.grid.cells import Cells
from apt_jax.methods import name_of
from apt_jax.metrics.variance import analysis
from apt_jax.report.variance import STATISTICS
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
        variance.images_of(of_images(val=()), "val", 0, seed=1)


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


def cells_at(level, seed, ours, coop, zero_shot):
    """Made-up cells of a level and a seed; figures are (accuracy, NLL)."""

    def cell(method, *figures):
        names = {"classes": "all", "split": "test"}
        rows = [dict(zip(("accuracy", "nll"), one, strict=True)) for one in figures]
        rows = [names | {"name": str(at)} | row for at, row in enumerate(rows)]
        card = {"data": {"classes": "all"}, "device": "none", "commit": None}
        named = {"dataset": f"level-{level:g}", "method": method, "shots": 4}
        named |= {"seed": seed}
        asked = {"data": {"variance": level}}
        return named | {"evaluations": rows, "protocol": card, "asked": asked}

    return [
        cell("zero_shot", zero_shot),
        cell("coop", zero_shot, coop),
        cell("apt", zero_shot, (0.0, 99.0), ours),  # one pass, then samples
    ]


def analyses_of(cells):
    """A made-up analysis of variance for each set and seed."""
    statistics = dict.fromkeys(STATISTICS, 2.0) | {"examples": 9}
    return {
        (cell["dataset"], cell["seed"]): statistics
        | {"pseudo_f": None if cell["dataset"] == "level-0" else 5.0 * cell["seed"]}
        for cell in cells
    }


def summary_of(cells):
    asked = small("controlled_variance")
    return controlled.summarise(cells, analyses_of(cells), asked)


def test_gains_are_paired_by_seed_and_above_zero_where_the_method_is_better():
    summary = summary_of(
        [
            *cells_at(0.0, 2, (0.7, 1.0), (0.4, 1.1), (0.8, 0.7)),
            *cells_at(1.0, 1, (0.6, 1.0), (0.6, 0.9), (0.6, 1.0)),
            *cells_at(0.0, 1, (0.5, 1.0), (0.4, 1.5), (0.5, 1.0)),
            *cells_at(1.0, 2, (0.6, 1.0), (0.6, 0.9), (0.6, 1.0)),
        ]
    )
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


def small_controlled(**fields):
    least = {
        "study__levels": 2,
        "study__seeds": 1,
        "study__rivals": "clip_adapter",
        "method__heads": 2,
        "shots": 1,
        "augment__views": 1,
        "train__epochs": 1,
        "eval__samples": 2,
        "data__templates": "{}",
        "data__size": 16,
        "data__train_images": 1,
        "data__test_images": 2,
    }
    return small("controlled_variance", **least | fields)


@pytest.mark.slow
def test_the_controlled_study_is_a_grid_that_goes_on_where_it_died(
    tmp_path, monkeypatch, capsys
):
    asked, folder = small_controlled(), tmp_path / "study"
    trained, fit_seeds = [], work.fit_seeds

    def dying(method, tasks, *key, **how):
        trained.append(name_of(method))
        if len(trained) == 3:
            raise KeyboardInterrupt
        return fit_seeds(method, tasks, *key, **how)

    monkeypatch.setattr(work, "fit_seeds", dying)
    with pytest.raises(KeyboardInterrupt):
        controlled.run(asked, folder)
    loaded, load = [], checkpoint.load

    def counted(place, **how):
        loaded.append(place)
        return load(place, **how)

    monkeypatch.setattr(checkpoint, "load", counted)
    summary = controlled.run(asked, folder, ["--workdir", "study"])
    assert len(loaded) == 2, "once to train, once to analyse all levels"
    first = ["zero_shot", "clip_adapter", "apt"]
    assert trained == [*first, "apt", *first]
    assert [at["level"] for at in summary["levels"]] == [0.0, 1.0]
    for at in summary["levels"]:
        assert list(at["gains"]) == first[:2]
        assert list(at["methods"]) == first
    assert summary["levels"][0]["variance"]["pseudo_f"]["mean"] is None
    assert (folder / "figures/controlled.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert (folder / "controlled.md").read_text() in printed
    cells = list(Cells(folder).contents())
    assert {cell["asked"]["data"]["variance"] for cell in cells} == {0.0, 1.0}
    for cell in cells:  # what the study says of train and augment reaches all
        assert (
            cell["asked"]["train"]["epochs"] == cell["asked"]["augment"]["views"] == 1
        )
    (of_apt,) = (c for c in cells if (c["dataset"], c["method"]) == APT_LAST)
    assert of_apt["asked"]["method"]["heads"] == 2
    assert of_apt["evaluations"][-1]["name"] == "mc_dropout"
    last = summary["levels"][1]["methods"]["apt"]["accuracy"]["by_seed"]
    assert last == [of_apt["evaluations"][-1]["accuracy"]]

    report = (folder / "grid.md").read_text()
    assert "`python -m apt_jax study controlled --workdir study`" in report
    assert "## level-2-of-2" in report

    monkeypatch.setattr(work, "fill", None)
    assert controlled.run(asked, folder) == summary
    with pytest.raises(UserError, match=r"another run \(study\.permutations: 19 -> 9"):
        controlled.run(small_controlled(study__permutations=9), folder)


APT_LAST = ("level-2-of-2", "apt")


def test_a_method_that_fails_is_one_line_and_the_others_cells_are_kept(tmp_path):
    asked, folder = small_controlled(method__heads=3), tmp_path / "study"
    with pytest.raises(
        UserError, match=r"2 cells failed, the first \(level-1-of-2, apt"
    ):
        controlled.run(asked, folder)
    assert len(list(Cells(folder).contents())) == 4
    assert not (folder / "controlled.json").exists()


def begun_by_an_older_version(asked, folder):
    """A study whose cells are one file for all methods."""
    Workdir(folder).settle(asked)
    write_json(folder / "cells/variance-0-seed-1.json", {"rows": {}})


def test_what_an_older_version_began_is_refused_and_what_it_finished_is_printed(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(work, "fill", None)
    asked, folder = small("controlled_variance"), tmp_path / "study"
    begun_by_an_older_version(asked, folder)
    with pytest.raises(UserError, match="cells are other files; choose another --work"):
        controlled.run(asked, folder)
    summary = summary_of(cells_at(1.0, 1, (0.5, 1.0), (0.4, 1.5), (0.5, 1.0)))
    write_text(folder / "controlled.md", "what came out then")
    write_json(folder / "controlled.json", summary)
    assert controlled.run(asked, folder) == summary
    assert "what came out then" in capsys.readouterr().out


def test_a_controlled_study_of_older_recipes_is_not_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "fill", None)
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
    unknown = small("controlled_variance", study__rivals="cop")
    with pytest.raises(UserError, match="unknown method 'cop'; did you mean coop"):
        controlled.run(unknown, tmp_path / "c")
    assert not list(tmp_path.iterdir())
