"""Work directories of earlier commits still predict, are judged and printed."""

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import apt_jax
from apt_jax import config
from apt_jax.errors import UserError
from apt_jax.runs import story
from apt_jax.runs.workdir import Workdir
from apt_jax.training.checkpoints import Checkpoints

ARCHIVES = sorted(Path(__file__).parent.glob("goldens/run_*.zip"))


def unpacked(archive, folder):
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder


@pytest.fixture
def place(tmp_path):
    """A folder with the oldest `run/` and its `photos/`, named by that alone."""
    return unpacked(ARCHIVES[-1], tmp_path)


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.stem)
def each(request, tmp_path):
    """The same of every format."""
    return unpacked(request.param, tmp_path)


def reported(place):
    with open(place / "run/predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


def rows_of(place):
    return json.loads((place / "run/results.json").read_text())["evaluations"]


def test_an_old_run_predicts_what_it_reported(each):
    rows = reported(each)
    found = apt_jax.load(each / "run").predict(
        [each / "photos" / row["path"] for row in rows]
    )
    assert found.labels == [row["predicted"] for row in rows]
    confidence = [float(row["confidence"]) for row in rows]
    np.testing.assert_allclose(found.confidence, confidence, rtol=1e-4)


def test_an_old_run_is_judged_again_from_any_directory(each):
    before = rows_of(each)
    after = story.evaluate_again(each / "run", {})["evaluations"]
    for then, now in zip(before, after, strict=True):
        assert now["nll"] == pytest.approx(then["nll"], rel=1e-4)
        assert now["accuracy"] == then["accuracy"]


def test_an_old_run_is_printed_again(each, capsys):
    story.run(Workdir(each / "run").read_config("asked.json"), each / "run")
    assert "zero-shot CLIP" in capsys.readouterr().out


def test_settings_that_came_later_are_no_difference_at_their_defaults(place):
    asked = json.loads((place / "run/asked.json").read_text())
    now = config.from_json(json.dumps(asked))
    del asked["eval"]["bins"], asked["method"]["ratio"], asked["data"]["group"]
    (place / "run/asked.json").write_text(json.dumps(asked))
    layout = Workdir(place / "run")
    with pytest.raises(UserError, match="damaged"):  # what every run has
        layout.claim(now)
    asked["eval"]["bins"] = 15
    (place / "run/asked.json").write_text(json.dumps(asked))
    layout.claim(now)
    now.data.group = "none"
    with pytest.raises(UserError, match=r"data\.group: 'auto' -> 'none'"):
        layout.claim(now)


def test_a_default_that_changed_since_is_named_with_the_command_to_go_on(place):
    asked = config.from_json((place / "run/asked.json").read_text())
    now = config.from_json(config.to_json(asked))
    now.shots = 0
    with pytest.raises(
        UserError, match=r"shots: 2 -> 0.*own settings: --config\.shots=2"
    ):
        story.run(now, place / "run")


def test_an_old_checkpoint_of_another_epoch_is_refused(place, monkeypatch):
    restore = Checkpoints.restore
    older = lambda self: restore(self)._replace(epoch=np.int32(2))  # noqa: E731
    monkeypatch.setattr(Checkpoints, "restore", older)
    with pytest.raises(UserError, match="epoch 2, and the run was finished at epoch 3"):
        apt_jax.load(place / "run")


def test_an_unfinished_run_of_older_recipes_is_not_gone_on_with(place):
    asked = config.from_json((place / "run/asked.json").read_text())
    (place / "run/results.json").unlink()
    with pytest.raises(
        UserError,
        match="made by the recipes of an older version; choose another --workdir, or "
        "finish it with that version",
    ):
        story.run(asked, place / "run")


def test_a_run_says_by_which_recipes_it_is_made(place, tmp_path):
    asked = config.from_json((place / "run/asked.json").read_text())
    layout = Workdir(tmp_path / "new")
    layout.settle(asked)
    layout.require_recipes()
    layout.claim(asked)
    assert layout.read("asked.json")["recipes"] == config.RECIPES > 1
    assert layout.read_config("asked.json") == config.completed(asked)
