"""One walk for all commands: what it reads, what it leaves out, and what it says."""

import os

import pytest
from photos import forbid, write

from apt_jax.data.walk import HIDDEN, LEADS_BACK, SYSTEM, entries, told, walk


def test_files_come_folder_by_folder_with_slashes_and_without_what_is_no_photograph(
    tmp_path,
):
    write(
        tmp_path,
        {
            "b/2.png": 1,
            "b/1.png": 2,
            "a/deep/3.png": 3,
            ".cache/4.png": 4,
            "a/.DS_Store": b"x",
            "a/Thumbs.db": b"x",
            "__MACOSX/b/5.png": 5,
        },
    )
    found = walk(tmp_path)
    assert found.files == ["a/deep/3.png", "b/1.png", "b/2.png"]
    assert found.left_out == {
        ".cache": HIDDEN,
        "__MACOSX": SYSTEM,
        "a/.DS_Store": HIDDEN,
        "a/Thumbs.db": SYSTEM,
    }
    assert told(found.left_out) == [
        "left out 2 (hidden): .cache, a/.DS_Store",
        "left out 2 (made by a system): __MACOSX, a/Thumbs.db",
    ]
    assert entries(tmp_path) == (["a", "b"], {".cache": HIDDEN, "__MACOSX": SYSTEM})


def test_linked_folders_are_read_and_a_link_that_leads_back_ends_the_walk(tmp_path):
    write(tmp_path, {"far/1.png": 1, "here/2.png": 2})
    os.symlink(tmp_path / "far", tmp_path / "here/linked")
    os.symlink(tmp_path / "here", tmp_path / "here/again")
    os.symlink("nowhere", tmp_path / "here/dead.png")
    found = walk(tmp_path / "here")
    assert found.files == ["2.png", "dead.png", "linked/1.png"]
    assert found.left_out == {"again": LEADS_BACK}


def test_a_folder_that_may_not_be_read_is_a_fault_that_names_it(tmp_path, monkeypatch):
    write(tmp_path, {"a/1.png": 1, "b/2.png": 2})
    forbid(monkeypatch, "a")
    assert walk(tmp_path).faults == {"a": "Permission denied"}
    assert walk(tmp_path).files == ["b/2.png"]
    with pytest.raises(PermissionError):
        entries(tmp_path / "a")
