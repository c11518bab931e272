"""What a disk refuses, and files that are not as they were, is one line each."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_checkpoints import OWNER, state_of
from test_run import settings

import apt_jax
from apt_jax import command, files, lock
from apt_jax.errors import UserError, one_line
from apt_jax.features import blocks
from apt_jax.grid.cells import Cells
from apt_jax.grid.study import Cell
from apt_jax.runs import story
from apt_jax.training import log, loop
from apt_jax.training.checkpoints import Checkpoints


def failing(code, suffix=""):
    """What `os.open`, `open` and their like do on a disk that refuses."""

    def refuse(path="", *arguments, **options):
        if str(path).endswith(suffix):
            raise OSError(code, os.strerror(code), str(path))
        return os.open(path, *arguments, **options)

    return refuse


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def refused(pattern):
    return pytest.raises(UserError, match=pattern)


# -- before the work --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EACCES, "Permission denied.*permissions"),
        (errno.EROFS, "Read-only file system.*another place"),
        (errno.ENOSPC, "No space left on device.*free some space"),
        (errno.EDQUOT, "quota.*free some space"),
        (errno.EIO, "error.*check the disk"),
    ],
)
def test_a_directory_that_cannot_be_written_is_refused_before_anything_is_read(
    photos, tmp_path, monkeypatch, code, words
):
    asked, full = settings(photos), lambda *_, **__: failing(code)("lock")
    monkeypatch.setattr(lock.Path, "write_text", full)
    monkeypatch.setattr(story, "prepare", None)
    with refused(f"cannot write in .*run .*{words}"):
        story.run(asked, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("place", ["file", "file/run", "file/deep/run"])
def test_a_file_in_the_place_of_the_directory_is_refused(
    photos, tmp_path, monkeypatch, place
):
    (tmp_path / "file").write_text("precious")
    monkeypatch.setattr(story, "prepare", None)
    with refused("cannot write in .*choose another place"):
        story.run(settings(photos), tmp_path / place)
    assert (tmp_path / "file").read_text() == "precious"


def test_a_name_that_is_too_long_is_one_line(request):
    long = "x" * 300
    found = subprocess.run(
        [sys.executable, "eval.py", "--workdir", long],
        cwd=request.config.rootpath,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert "File name too long" in found.stderr


def test_a_cache_in_whose_place_a_file_stands_is_refused(photos, tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/cache"):
        with refused("cannot (read|write) .*`cache_dir`"):
            story.run(settings(photos, cache=tmp_path / place), tmp_path / "run")
    assert not (tmp_path / "run").exists()


# -- what other writers and the rest of a disk say --------------------------------------


def test_every_file_that_a_full_disk_refuses_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "fsync", lambda _: failing(errno.ENOSPC)("x"))
    with refused(r"cannot write .*a\.json \(No space left on device\); free some"):
        files.write_json(tmp_path / "a.json", {})
    monkeypatch.setattr(log.os, "fsync", lambda _: failing(errno.ENOSPC)("x"))
    with refused(r"cannot write .*metrics\.jsonl"):
        log.Log(tmp_path / "metrics.jsonl").add({"epoch": 1})
    assert os.listdir(tmp_path) == ["metrics.jsonl"]


def test_a_checkpoint_that_does_not_fit_is_refused_before_it_is_begun(
    tmp_path, monkeypatch
):
    small = shutil.disk_usage(tmp_path)._replace(free=2**20)
    with Checkpoints(tmp_path / "checkpoints", OWNER) as checkpoints:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: small)
        with refused(r"a checkpoint takes .* MB, and 1\.05 MB are free.*goes on"):
            checkpoints.save(state_of(1))
    assert not list((tmp_path / "checkpoints").iterdir())


LIMITED = """
import resource, signal, sys, shutil
sys.path.insert(0, "tests")
from test_checkpoints import OWNER, state_of
from apt_jax import command
from apt_jax.training.checkpoints import Checkpoints
def main(arguments):
    with Checkpoints(sys.argv[1], OWNER) as checkpoints:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        checkpoints.save(state_of(1))
sys.exit(command.run(main))
"""


def test_what_the_disk_refuses_orbax_ends_with_one_line(tmp_path, request):
    """TensorStore's own threads may say more around it; what to do is one line."""
    found = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "checkpoints")],
        cwd=request.config.rootpath,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2, found.stderr
    (told,) = re.findall("error: .*", found.stderr)
    assert told.startswith("error: cannot write ")
    assert "File too large" in told


def test_other_errors_of_a_disk_end_a_command_with_one_line(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["command"])
    told = lambda _: failing(errno.EROFS)("/mnt/a")  # noqa: E731
    assert command.run(told) == 2
    assert capsys.readouterr().err.startswith("error: /mnt/a: Read-only file system; ")
    with pytest.raises(FileNotFoundError):  # may be our bug
        command.run(lambda _: failing(errno.ENOENT)("/mnt/a"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="NOT CHECKED: no /dev/full")
def test_output_that_a_full_disk_refuses_is_one_line(request):
    program = "import sys; from apt_jax import command; "
    program += "sys.exit(command.run(lambda _: print('x')))"
    with open("/dev/full", "w") as full:
        found = subprocess.run(
            [sys.executable, "-c", program],
            cwd=request.config.rootpath,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert found.returncode == 2
    assert found.stderr.startswith("error: No space left on device; ")
    assert found.stderr.count("\n") == 1


def test_a_damaged_cache_is_refused_and_says_what_to_remove(tmp_path):
    arrays = {"embedding": np.ones((3, 4), np.float32)}
    path = blocks.write(tmp_path, [bytes([row] * 16) for row in range(3)], arrays)
    whole = path.read_bytes()
    np.testing.assert_array_equal(blocks.read(path)["embedding"], arrays["embedding"])
    for damaged in (whole[:-5], b"", b"garbage" * 40, b"\2" + whole[1:], None):
        blocks.read.cache_clear()
        path.unlink() if damaged is None else path.write_bytes(damaged)
        with refused("damaged.*; remove that file|cannot read .*No such file"):
            blocks.read(path)


# -- files that are not as they were ----------------------------------------------------

DAMAGES = {
    "empty": lambda data: b"",
    "cut short": lambda data: data[: len(data) // 2],
    "no JSON": lambda data: b"\x00\x01 hello",
    "no UTF-8": lambda data: b'"\xff\xfe"',
    "another shape": lambda data: b"3" if data[:1] == b"[" else b"[1]",
    "a mapping of nothing": lambda data: b"{}",
    "nested without end": lambda data: b"[" * 100_000,
    "not a number": lambda data: data.replace(b"0", b"NaN"),
}


def damage(path, how):
    path.write_bytes(DAMAGES[how](path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        (name, how)
        for name in ("results.json", "config.json", "classes.json")
        for how in DAMAGES
        if (name, how) != ("classes.json", "not a number")  # it has none
    ],
)
def test_predicting_with_a_damaged_file_is_refused(run, name, how):
    damage(run / name, how)
    with refused("(damaged|fit).*; .*") as told:
        apt_jax.load(run)
    assert "\n" not in one_line(told.value)
    assert name in str(told.value)


@pytest.mark.parametrize("how", ["cut short", "another shape", "no UTF-8"])
@pytest.mark.parametrize("name", ["split.json", "protocol.json", "metrics.jsonl"])
def test_judging_with_a_damaged_file_is_refused_before_the_work(
    run, name, how, monkeypatch
):
    damage(run / name, how)
    if name == "metrics.jsonl" and how != "no UTF-8":
        (run / name).write_text("{}\n")
    monkeypatch.setattr(story, "evaluate_parts", None)
    with refused("damaged"):
        story.evaluate_again(run, {})


@pytest.mark.parametrize("how", DAMAGES)
def test_the_same_command_on_damaged_files_says_what_to_do(run, photos, how):
    shutil.copy(run / "results.json", run / "kept")
    damage(run / "results.json", how)
    with refused(r"remove it and repeat the command.*checkpoint"):
        story.run(settings(photos), run)
    damage(run / "asked.json", how)
    with refused(r"asked\.json"):
        story.run(settings(photos), run)


def test_a_truncated_result_is_had_again_from_the_checkpoint(run, photos, monkeypatch):
    whole = json.loads((run / "results.json").read_text())
    (run / "results.json").unlink()
    monkeypatch.setattr(loop, "run_epoch", None)
    again = story.run(settings(photos), run)
    assert again["evaluations"] == whole["evaluations"]


def test_a_damaged_checkpoint_is_refused_before_images_are_encoded(
    run, photos, monkeypatch
):
    (run / "results.json").unlink()
    largest = max(
        (path for path in (run / "checkpoints").rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(bytes(data))
    monkeypatch.setattr(story, "encode_shots", None)
    with refused("the checkpoint in .* is damaged"):
        story.run(settings(photos), run)


def test_a_file_that_may_not_be_read_is_one_line(run, monkeypatch):
    def read(path, **options):
        failing(errno.EACCES)(path)

    monkeypatch.setattr(Path, "read_text", read)
    with refused(r"cannot read .*results\.json \(Permission denied\)"):
        apt_jax.load(run)


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_cell_of_a_grid_is_refused_and_says_what_to_remove(tmp_path, how):
    cell = Cell("pets", "apt", 4, 1, None)
    cells = Cells(tmp_path)
    path = cells.path(cell)
    path.parent.mkdir(parents=True)
    path.write_text(
        '{"asked": {}, "protocol": {"x": 0}, "evaluations": [], "cost": {}}'
    )
    damage(path, how)
    with refused(r"shot-seed1\.json .*damaged.*; remove it"):
        cells.read(cell)
