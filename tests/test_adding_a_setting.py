"""The worked example of docs/adding_a_setting.md works."""

import json
import re
from pathlib import Path

import pytest
from test_run import settings
from toy import photo_folder

from apt_jax import config, fields
from apt_jax.commands import evaluate, train
from apt_jax.errors import UserError
from apt_jax.grid import study
from apt_jax.runs import story
from apt_jax.runs.workdir import Workdir

PAGE = Path(__file__).parents[1] / "docs/adding_a_setting.md"
NAME = "eval.runners_up"


@pytest.fixture
def line(monkeypatch):
    """The line on the page, in the table where it says."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (added,) = eval(f"{{{code}}}", vars(fields)).items()
    monkeypatch.setitem(config.COMMON, *added)
    monkeypatch.setitem(study.OF_ALL, *added)
    monkeypatch.setitem(evaluate.FIELDS, *added)
    return added[1]


def test_the_example_is_set_listed_and_checked_by_its_line_alone(line, capsys):
    asked, _ = config.read(
        ["--config", "configs/quickstart.py", f"--config.{NAME}", "5"]
    )
    assert asked.eval.runners_up == 5
    train.main(["--help", "--config", "configs/quickstart.py"])
    listed = " ".join(capsys.readouterr().out.split())
    assert f"{NAME} 2 {line.meaning} [int, at least 0]" in listed
    for option, words in (
        (f"--config.{NAME}=-1", r"eval\.runners_up=-1 must be at least 0"),
        (f"--config.{NAME}=many", "expected int, such as 2"),
        ("--config.eval.runnersup=3", r"did you mean eval\.runners_up\?"),
    ):
        with pytest.raises(UserError, match=words):
            config.read(["--config", "configs/quickstart.py", option])


def test_the_example_is_kept_with_a_run_and_may_change_afterwards(line, tmp_path):
    asked = settings(photo_folder(tmp_path / "photos"))
    asked.eval.runners_up = 3
    story.run(asked, tmp_path / "run")
    kept = json.loads((tmp_path / "run/config.json").read_text())
    assert kept["eval"]["runners_up"] == 3
    given = ["--workdir", str(tmp_path / "run"), f"--config.{NAME}=1"]
    assert config.eval_overrides(given)[1] == {"runners_up": 1}


def test_a_run_of_before_did_what_the_default_says(line, tmp_path):
    asked = settings(photo_folder(tmp_path / "photos"))
    del asked.eval["runners_up"]
    Workdir(tmp_path / "run").settle(asked)
    found = config.completed(Workdir(tmp_path / "run").read_config("asked.json"))
    assert found.eval.runners_up == line.default


def test_the_example_reaches_every_cell_of_a_grid(line):
    asked = study.load("configs/studies/own.py", [("data.root", "tests")])
    study.set_field(asked, NAME, "4")
    assert {cell.config.eval.runners_up for cell in study.cells(asked)} == {4}
