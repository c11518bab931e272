"""What is common to all sources."""

import dataclasses
import subprocess
import sys

import pytest
from photos import load, write

from apt_jax import data
from apt_jax.errors import UserError
from apt_jax.fields import defaults


def test_an_unknown_source_is_told_which_exist():
    with pytest.raises(UserError, match="'foldr'; did you mean folder"):
        load("foldr", "anywhere")
    with pytest.raises(UserError, match=r"'xyz'; choose one of aircraft, coop, cub, "):
        load("xyz", "anywhere")


def test_data_imports_no_jax():
    code = "import sys, apt_jax.data; assert not {'jax', 'flax'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_name_and_the_templates_can_be_set(tmp_path):
    write(tmp_path, {"a/1.png": 1, "a/2.png": 2, "b/1.png": 3, "b/2.png": 4})
    assert load("folder", tmp_path, name="dtd").templates == ("{} texture.",)
    assert load("folder", tmp_path, name="dtd").name == "dtd"
    assert load("folder", tmp_path, templates=("my {}", "{}")).templates == (
        "my {}",
        "{}",
    )
    with pytest.raises(UserError, match=r"\('mine',\) must be texts with \{\} where"):
        load("folder", tmp_path, templates=("mine",))


def test_the_embedded_source_passes_all_checks():
    dataset = data.load(data.make("synthetic"), seed=1)
    assert data.check(dataset, 16) == []


@pytest.mark.parametrize("name", data.SOURCES)
def test_a_source_is_a_value_whose_fields_are_its_settings(name):
    settings = defaults(data.fields(name))
    assert settings.pop("source") == name
    made = data.make(name)
    assert vars(made) == settings
    assert made == data.make(name, **settings)
    assert hash(made) == hash(data.make(name))
    assert made != data.make(name, root="elsewhere")
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.root = "elsewhere"


def test_a_source_refuses_fields_and_values_that_it_does_not_know():
    with pytest.raises(UserError, match=r"'refits'; did you mean refit\?"):
        data.make("vtab", refits=True)
    with pytest.raises(UserError, match=r"data\.refit=1 must be bool"):
        data.make("vtab", refit=1)
    said = r"data\.on_error='skp' must be 'stop' or 'skip'.*; data\.size=4 must be at least"
    with pytest.raises(UserError, match=said):
        data.make("synthetic", on_error="skp", size=4)


def test_a_source_needs_nothing_but_its_fields():
    few = data.make("synthetic", size=8, train_images=1, val_images=0, test_images=1)
    dataset = few.load(1)
    assert dataset.name == few.called == "synthetic"
    assert len(dataset.train) == len(dataset.test) == len(dataset.classes)
    assert data.make("synthetic", name="mine").called == "mine"
