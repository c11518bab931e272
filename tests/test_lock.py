"""One process works in a directory; the second is told which one does."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from test_run import settings
from toy import photo_folder, toy_folder

from apt_jax import config
from apt_jax.errors import UserError
from apt_jax.lock import holds_more, working_in
from apt_jax.runs import story

HOLDER = """
import sys, time
from apt_jax.lock import working_in
with working_in(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path, request):
    """A process that works in `tmp_path / "run"`."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    root = request.config.rootpath
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def told(holder):
    return f"process {holder.pid} on {socket.gethostname()} works in"


def test_a_second_run_is_refused_with_process_and_host(holder, tmp_path, request):
    photos = photo_folder(tmp_path / "photos")
    command = [sys.executable, "train.py", "--config", "configs/folder.py"]
    command += [f"--workdir={tmp_path / 'run'}", f"--config.data.root={photos}"]
    command += [f"--config.clip.checkpoint={toy_folder()}", "--config.method.heads=2"]
    root = request.config.rootpath
    found = subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert found.stderr.startswith(f"error: {told(holder)}")
    assert found.stderr.count("\n") == 1
    assert "--workdir" in found.stderr


def test_a_lock_ends_with_its_process_and_leaves_nothing_in_the_way(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert not holds_more(tmp_path / "run")  # what it left is no run
    with working_in(tmp_path / "run"):
        assert (tmp_path / "run/lock").read_text().startswith(f"process {os.getpid()} ")
    assert not (tmp_path / "run/lock").exists()


def test_judging_a_grid_and_studies_hold_the_directory(tmp_path, monkeypatch, request):
    from apt_jax.grid import work
    from apt_jax.studies import controlled, variance

    run = tmp_path / "run"
    photos = photo_folder(tmp_path / "photos")
    story.run(settings(photos), run)
    monkeypatch.setattr(work, "cells", lambda study: [])
    with working_in(run), pytest.raises(UserError, match="works in"):
        story.evaluate_again(run, {})
    empty, of_study = tmp_path / "empty", "configs/studies/controlled_variance.py"
    knob = config.load(str(request.config.rootpath / of_study))
    starts = (work.run, settings(photos)), (variance.run, settings(photos))
    for start, asked in (*starts, (controlled.run, knob)):
        with working_in(empty), pytest.raises(UserError, match="works in"):
            start(asked, empty)
    assert not empty.exists()


def test_a_finished_run_is_printed_and_predicts_while_another_judges_it(tmp_path):
    import apt_jax

    photos, run = photo_folder(tmp_path / "photos"), tmp_path / "run"
    story.run(settings(photos), run)
    with working_in(run):
        story.run(settings(photos), run)
        assert apt_jax.load(run).predict(sorted(photos.rglob("*.png"))[:1]).labels


def test_whoever_waits_for_a_lock_that_is_removed_locks_the_new_file(tmp_path):
    for _ in range(20):
        with working_in(tmp_path / "a/b"):
            began = time.monotonic()
            with pytest.raises(UserError), working_in(tmp_path / "a/b"):
                pass
            assert time.monotonic() - began < 1  # it does not wait
        assert not (tmp_path / "a").exists()


def test_a_disk_without_locks_is_worked_on(tmp_path, monkeypatch):
    def unsupported(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with working_in(tmp_path / "run"):
        assert (tmp_path / "run/lock").exists()
