"""The worked example of docs/adding_a_method.md works."""

import json
import re
import sys
import textwrap
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import small_images, small_task
from test_run import settings
from toy import photo_folder

import apt_jax
from apt_jax import config
from apt_jax.errors import UserError
from apt_jax.methods import METHODS
from apt_jax.methods.base import batch_logits
from apt_jax.runs import story

PAGE = Path(__file__).parents[1] / "docs/adding_a_method.md"


@pytest.fixture
def shift(monkeypatch):
    """The class on the page, in the table under its name."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    module = types.ModuleType("apt_jax.methods.shift")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(textwrap.dedent(code), str(PAGE), "exec"), module.__dict__)
    monkeypatch.setitem(METHODS, "shift", module.Shift)
    return module.Shift


def test_the_example_starts_as_zero_shot_clip(shift):
    task, (images, _) = small_task(), small_images(3)
    params = shift().init(jax.random.key(0), task, {})
    f = images[:, 0] / jnp.linalg.norm(images[:, 0], axis=-1, keepdims=True)
    np.testing.assert_allclose(
        batch_logits(shift(), params, task, images[:, 0]),
        task.logit_scale * f @ task.text.T,
        rtol=1e-4,
        atol=1e-4,
    )


def test_the_example_trains_is_judged_and_predicts_by_one_new_file_and_one_line(
    shift, tmp_path
):
    photos = photo_folder(tmp_path / "photos")
    asked = settings(photos)
    asked.method = config.default("shift", "folder").method
    fields = [("method.drop_shift", "0.5"), ("method.longest", "0.25")]
    config.change(asked, fields)
    assert asked.method.longest == 0.25
    results = story.run(asked, tmp_path / "run")
    names = [row["name"] for row in results["evaluations"]]
    assert names == ["zero_shot", "deterministic", "mc_dropout"]
    losses = [
        json.loads(line)["loss"]
        for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    ]
    assert losses[-1] < losses[0]
    photo = next((photos / "test/red").iterdir())
    assert len(apt_jax.load(tmp_path / "run").predict([photo]).labels) == 1


def test_a_field_that_may_be_left_open_is_set_checked_and_left_open_again(shift):
    asked = config.default("shift", "synthetic")
    asked.clip.checkpoint = "tiny"
    for text, value in (("2", 2.0), ("None", None)):
        config.change(asked, [("method.longest", text)])
        assert asked.method.longest == value
    again = config.from_json(config.to_json(asked))
    config.require_sound(again)
    with pytest.raises(UserError, match=r"method\.longest=-1\.0 must be above 0"):
        config.change(asked, [("method.longest", "-1")])
    with pytest.raises(UserError, match=r"longest=far: expected float, or None"):
        config.change(asked, [("method.longest", "far")])
