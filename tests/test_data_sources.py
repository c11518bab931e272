"""What is common to all sources."""

import subprocess
import sys

import pytest
from photos import load, write

from apt_jax import data
from apt_jax.errors import UserError


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
    with pytest.raises(UserError, match=r"no \{\} where the class"):
        load("folder", tmp_path, templates=("mine",))


def test_the_embedded_source_passes_all_checks():
    dataset = data.load(data.make("synthetic"), seed=1)
    assert data.check(dataset, 16) == []
