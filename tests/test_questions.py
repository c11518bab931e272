"""docs/questions.md: every command in it can be read, and plans what the text says."""

import math
import re
import shlex
from pathlib import Path

import pytest

from apt_jax import config
from apt_jax.commands.study import controlled, follow
from apt_jax.errors import UserError
from apt_jax.grid import study
from apt_jax.methods.visual_prompts import VPT_CROPS
from apt_jax.runs.preparation import views_of
from benchmarks import overhead

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/questions.md").read_text()


def commands(text):
    """The indented commands of a document, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", text)
    return re.findall(r"^    (python .*)$", joined, re.MULTILINE)


def grid(arguments):
    cells = study.cells(study.read(arguments)[0])
    assert cells
    return cells


READERS = {
    "-m apt_jax grid": grid,
    "-m apt_jax study controlled": lambda arguments: config.read(
        arguments, controlled.NEEDED, controlled.EXAMPLE
    ),
    "-m apt_jax study follow": follow.read,
    "-m benchmarks.overhead": lambda arguments: overhead.parser().parse_args(arguments),
}


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("line", commands(TEXT))
def test_every_command_is_one_that_can_be_read(line):
    command, *given = re.split(r" (?=--)", line, maxsplit=1)
    assert READERS[command.removeprefix("python ")](shlex.split(" ".join(given)))


def test_every_question_has_a_command_what_is_published_and_what_it_takes():
    _, *questions = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    *answered, unknown = questions
    assert len(answered) == 5
    for question in answered:
        title = question.splitlines()[0]
        assert commands(question), title
        for words in ("Published", "known to us", "Time"):
            assert words in question, title
    assert "Not there yet" in unknown
    assert not commands(unknown)
    for place in ("README.md", "docs/datasets.md"):
        assert "questions.md" in (ROOT / place).read_text()


def cells_of(words):
    """The cells of the one command that has these words."""
    (line,) = [line for line in commands(TEXT) if words in line]
    return grid(shlex.split(line)[4:])


def test_the_question_of_apt_has_its_rivals_sets_and_shots():
    cells = cells_of("datasets=birds,flowers,aircraft,caltech101")
    assert {cell.method for cell in cells} == {"zero_shot", "coop", "vpt", "apt"}
    assert {cell.shots for cell in cells} == {1, 2, 4, 8, 16}
    assert len({cell.dataset for cell in cells}) == 4
    assert {cell.config.clip.checkpoint for cell in cells} == {
        "openai/clip-vit-base-patch16"
    }


def test_the_grid_over_published_sets_has_vpt_unless_it_is_narrowed():
    cells = study.cells(study.load("configs/studies/benchmarks.py"))
    assert "vpt" in {cell.method for cell in cells}


@pytest.mark.parametrize(
    ("argument", "methods", "trials", "batch", "highest"),
    [
        ("", {"vpt", "vapt"}, 40, 64, 50 / 4),
        (":128", {"vpt", "vapt"}, 40, 128, 50 / 2),
        (":full", {"fine_tune"}, 4, 64, 5e-3 / 4),
        (":full,128", {"fine_tune"}, 4, 128, 5e-3 / 2),
    ],
)
def test_prompts_and_fine_tuning_are_each_searched_on_their_own_grid(
    argument, methods, trials, batch, highest
):
    cells = study.cells(study.load(f"configs/studies/visual_prompts.py{argument}"))
    assert {cell.method for cell in cells} == methods
    for cell in cells:
        assert math.prod(map(len, cell.candidates.values())) == trials
        assert max(cell.candidates["train.learning_rate"]) == pytest.approx(highest)
        assert cell.config.train.batch_size == batch
        assert cell.config.method.head == "linear"
        assert cell.refit == "train+val"


@pytest.mark.parametrize("module", ["docs/questions.md", "configs/fgvc.py"])
def test_the_crops_of_the_fine_grained_sets_are_the_recipes(module):
    text = (ROOT / module).read_text()
    lines = [line for line in commands(text) if "search_refit=train " in line]
    assert lines
    for line in lines:
        assert "augment.area" not in line
        for cell in grid(shlex.split(line)[4:]):
            method = config.method_of(cell.config)
            assert views_of(cell.config, method, 1000) == VPT_CROPS
            assert cell.config.augment.views == 10


@pytest.mark.parametrize("argument", ["ful", "0", "full,x", "128,full"])
def test_another_argument_of_visual_prompts_is_told_what_there_is(argument):
    with pytest.raises(UserError, match=r"write visual_prompts\.py:full"):
        study.load(f"configs/studies/visual_prompts.py:{argument}")
