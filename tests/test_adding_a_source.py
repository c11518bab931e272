"""The worked example of docs/adding_a_source.md works."""

import json
import re
import sys
import textwrap
import types
from pathlib import Path

import pytest
from photos import load, paths, write
from test_run import settings
from toy import photo_folder

import apt_jax
from apt_jax import config, data, usage
from apt_jax.data.scan import scan
from apt_jax.errors import UserError
from apt_jax.runs import story

PAGE = Path(__file__).parents[1] / "docs/adding_a_source.md"


@pytest.fixture(autouse=True)
def named(monkeypatch):
    """The source on the page, in the table under its name."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    module = types.ModuleType("apt_jax.data.published.named")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(textwrap.dedent(code), str(PAGE), "exec"), module.__dict__)
    monkeypatch.setitem(data.SOURCES, "named", module.Named)


@pytest.fixture
def photos(tmp_path):
    """Photographs of three colours, seven each, in one folder."""
    apart = photo_folder(tmp_path / "apart")
    for file in apart.glob("*/*/*.png"):
        split, colour, number = file.relative_to(apart).parts
        place = tmp_path / f"photos/{colour}_{split}{number}"
        place.parent.mkdir(exist_ok=True)
        file.rename(place)
    return tmp_path / "photos"


def test_the_example_lists_labelled_images_of_two_splits(tmp_path):
    write(tmp_path, {f"{name}_{n}.png": n for name in ("owl", "ant") for n in range(5)})
    dataset = load("named", tmp_path, every=2)
    assert (dataset.name, dataset.classes) == ("named", ("ant", "owl"))
    assert paths(dataset.test)[:3] == ["ant_0.png", "ant_2.png", "ant_4.png"]
    assert [item.label for item in dataset.train] == [0, 0, 1, 1]
    assert data.check(scan(dataset), 1) == []
    with pytest.raises(
        UserError, match=r"data\.root is empty; name the folder with ph"
    ):
        load("named", "")


def test_its_field_is_a_setting_with_a_rule_and_a_line_of_help(photos):
    asked = settings(photos)
    config.change(asked, [("data.source", "named"), ("data.every", "3")])
    assert asked.data.every == 3
    listed = usage.listed(config.fields_of(asked), config.flat(asked))
    said = "data.every 3 one photograph of so many is for the test [int, at least 2]"
    assert said in " ".join(listed.split())
    with pytest.raises(UserError, match=r"data\.every=1 must be at least 2"):
        config.change(asked, [("data.every", "1")])


def test_one_trains_on_it_and_predicts_by_one_new_file_and_one_line(photos, tmp_path):
    asked = settings(photos)
    config.change(asked, [("data.source", "named"), ("data.root", str(photos))])
    story.run(asked, tmp_path / "run")
    card = json.loads((tmp_path / "run/protocol.json").read_text())
    assert card["data"]["source"] == card["data"]["name"] == "named"
    split = json.loads((tmp_path / "run/split.json").read_text())
    assert [len(split[name]) for name in ("train", "val", "test")] == [15, 0, 6]
    photo = next(photos.iterdir())
    assert len(apt_jax.load(tmp_path / "run").predict([photo]).labels) == 1
