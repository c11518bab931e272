"""Files are whole or not there."""

import os

import pytest

from apt_jax import files


def test_a_file_is_replaced_in_one_step(tmp_path):
    path = tmp_path / "deep/er/x.json"
    files.write_json(path, {"a": 1.0000000000000002})
    files.write_json(path, {"a": "ö"})
    assert path.read_text() == '{\n  "a": "ö"\n}\n'
    assert os.listdir(path.parent) == ["x.json"]


def test_a_failed_write_leaves_the_old_content_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "x"
    files.write_text(path, "old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_equal_values_have_equal_digests():
    assert files.digest({"a": 1, "b": [2]}) == files.digest({"b": [2], "a": 1})
    assert files.digest({"a": 1}) != files.digest({"a": 2})
    assert len(files.digest([])) == 64
