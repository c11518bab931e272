"""Frozen outputs go to disk block by block: nothing is lost, shared, or begun in vain."""

import dataclasses
import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_features import hashes_of
from toy import Drawn, drawn_dataset, toy_clip

from apt_jax.data.dataset import Item
from apt_jax.errors import UserError
from apt_jax.features import blocks, cache
from apt_jax.features import encode as encoding
from apt_jax.features.blocks import Blocks, bytes_of
from apt_jax.features.encode import encode
from apt_jax.features.views import Views

SHAPES = {"x": ((5, 2), "float32"), "y": ((5, 3, 4), "uint8")}


@pytest.fixture
def small(monkeypatch):
    """Blocks of two images, so that six make three of them."""
    monkeypatch.setattr(blocks, "IMAGES", 2)


def encoded(dataset, cache_dir="", **options):
    options = {"inputs": "tokens", "views": Views(2, seed=1)} | options
    chosen = (dataset, dataset.train, hashes_of(dataset), toy_clip())
    return encode(*chosen, cache_dir=str(cache_dir), **options)


def equal(a, b):
    np.testing.assert_array_equal(a.contents, b.contents)
    for name in a.stored:
        np.testing.assert_array_equal(a.stored[name], b.stored[name])


def random_arrays():
    generator = np.random.default_rng(0)
    return {
        name: generator.integers(0, 200, shape).astype(kind)
        for name, (shape, kind) in SHAPES.items()
    }


def test_blocks_written_in_any_order_are_the_arrays(small, tmp_path):
    arrays = random_arrays()
    with Blocks(tmp_path / "key", SHAPES) as parts:
        for block in list(parts.claims())[::-1]:
            rows = parts.rows(block)
            parts.write(block, {name: array[rows] for name, array in arrays.items()})
        assert parts.missing == []
        parts.publish()
    found = cache.load(tmp_path / "key", SHAPES)
    assert found.keys() == arrays.keys()
    for name, array in found.items():
        assert isinstance(array, np.memmap)
        np.testing.assert_array_equal(array, arrays[name])


def test_what_was_not_written_stays_missing(small, tmp_path):
    arrays = random_arrays()
    with Blocks(tmp_path / "key", SHAPES) as parts:
        claims = parts.claims()
        next(claims)
        parts.write(0, {name: array[:2] for name, array in arrays.items()})
        next(claims)  # claimed, and given up with the process
        assert (parts.missing, parts.images_missing) == ([1, 2], 3)
    with Blocks(tmp_path / "key", SHAPES) as parts:
        assert list(parts.claims()) == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["key.part"]


def test_whoever_finishes_second_keeps_the_first_set(small, tmp_path):
    (tmp_path / "key").mkdir()
    (tmp_path / "key/x.npy").touch()
    with Blocks(tmp_path / "key", SHAPES) as parts:
        parts.publish()
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert [path.name for path in (tmp_path / "key").iterdir()] == ["x.npy"]


def test_an_interrupted_encoding_goes_on_where_it_was(small, tmp_path, monkeypatch):
    dataset, read = drawn_dataset(), []

    def broken(item):
        if item == dataset.train[4]:
            raise KeyboardInterrupt
        return dataset.read(item)

    def counted(item):
        read.append(item)
        return dataset.read(item)

    monkeypatch.setattr(encoding, "BATCH", {"cpu": 2})
    with pytest.raises(KeyboardInterrupt):
        encoded(dataclasses.replace(dataset, read=broken), tmp_path)
    found = encoded(dataclasses.replace(dataset, read=counted), tmp_path)
    assert read == list(dataset.train[4:])
    equal(found, encoded(dataset))
    (folder,) = (tmp_path / "features").iterdir()
    assert folder.suffix == ""


def many() -> Drawn:
    """24 training images: each drawn one under four names."""
    few = drawn_dataset()
    items = tuple(Item(f"{n}/{i.path}", i.label) for n in range(4) for i in few.train)

    def read(item):
        return few.read(Item(item.path.partition("/")[2], item.label))

    return dataclasses.replace(few, train=items, read=read)


PROGRAM = """
import dataclasses, pathlib, sys, time
sys.path.insert(0, "tests")
import test_blocks
from apt_jax.features import blocks
from apt_jax.features import encode as encoding

blocks.IMAGES, encoding.BATCH, encoding.os.cpu_count = 2, {"cpu": 2}, lambda: 1
cache, log, together = sys.argv[1:]
dataset = test_blocks.many()

def slow(item):
    with open(log, "a") as file:
        print(item.path, file=file, flush=True)
    time.sleep(0.2)
    return dataset.read(item)

test_blocks.toy_clip()
pathlib.Path(f"{log}.ready").touch()
while len(list(pathlib.Path(log).parent.glob("*.ready"))) < int(together):
    time.sleep(0.01)
test_blocks.encoded(dataclasses.replace(dataset, read=slow), cache)
"""


def start(tmp_path, name, together=1):
    """A process that encodes `many` slowly, and writes down what it reads."""
    arguments = [str(tmp_path / "cache"), str(tmp_path / name), str(together)]
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.Popen(command, cwd=Path(__file__).parents[1])


def read_by(tmp_path, name):
    file = tmp_path / name
    return file.read_text().split() if file.exists() else []


@pytest.mark.slow
def test_two_processes_share_the_work_and_get_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "BATCH", {"cpu": 2})
    processes = [start(tmp_path, name, together=2) for name in ("a", "b")]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    a, b = read_by(tmp_path, "a"), read_by(tmp_path, "b")
    assert a
    assert b
    assert sorted(a + b) == sorted(item.path for item in many().train)
    found = encoded(many(), tmp_path / "cache")
    assert found.seconds == 0
    equal(found, encoded(many()))


@pytest.mark.slow
def test_a_killed_process_loses_only_what_it_had_not_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "BATCH", {"cpu": 2})
    process, finished = start(tmp_path, "a"), 0
    while process.poll() is None and finished < 4:
        time.sleep(0.02)
        states = list((tmp_path / "cache").rglob("blocks"))
        finished = sum(map(sum, map(Path.read_bytes, states)))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert start(tmp_path, "b").wait(timeout=300) == 0
    assert 0 < len(read_by(tmp_path, "b")) <= 24 - 2 * 4
    equal(encoded(many(), tmp_path / "cache"), encoded(many()))


def test_sizes_are_those_of_the_arrays():
    assert bytes_of({"embedding": ((10**6, 512), "float32")}) == 2_048_000_000
    assert bytes_of({"patches": ((10**5, 197, 512), "float16")}) == 20_172_800_000


def test_large_sets_are_said_before_they_begin(tmp_path, capsys):
    shapes = {"embedding": ((10**6, 1, 512), "float32")}
    with Blocks(tmp_path / "key", shapes) as parts:
        assert len(parts.missing) == 15_625
    said = capsys.readouterr().err
    assert "keeping 1000000 x 1 x 512 float32, 2.05 GB in all" in said
    assert sum(file.stat().st_blocks for file in tmp_path.rglob("*")) * 512 < 10**6


def test_a_disk_that_is_too_small_is_refused_before_any_work(tmp_path, monkeypatch):
    free = blocks.shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(blocks.shutil, "disk_usage", lambda path: free)
    shapes = {"patches": ((10**5, 1, 197, 512), "float16")}
    with (
        pytest.raises(UserError, match=r"need 20\.2 GB, and 1 GB are free in"),
        Blocks(tmp_path / "key", shapes),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(encoding, "decode", None)  # it would come too late
    monkeypatch.setattr(blocks.shutil, "disk_usage", lambda path: free._replace(free=9))
    with pytest.raises(UserError, match=r"name another place with --config\.features"):
        encoded(drawn_dataset(), tmp_path)


def test_without_a_cache_what_does_not_fit_into_memory_is_refused(monkeypatch):
    monkeypatch.setattr(encoding, "available_memory", lambda: 100)
    monkeypatch.setattr(encoding, "decode", None)
    with pytest.raises(UserError, match=r"memory are free; keep them on disk with"):
        encoded(drawn_dataset())
    monkeypatch.undo()
    assert encoding.available_memory() > 10**6


def test_a_cache_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    def refused(*arguments):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Blocks, "__enter__", refused)
    with pytest.raises(UserError, match=r"cannot write the feature cache .*denied"):
        encoded(drawn_dataset(), tmp_path)


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_picture_that_is_lost_meanwhile_is_named(tmp_path, content):
    dataset = drawn_dataset()
    hashes = hashes_of(dataset)

    def lost(item):
        if content is None:
            raise PermissionError(errno.EACCES, "Permission denied")
        return content

    broken = dataclasses.replace(dataset, read=lost)
    why = r"Permission denied" if content is None else "not an image"
    with pytest.raises(UserError, match=rf"cannot be read now \({why}\); mend it"):
        encode(
            broken,
            dataset.train,
            hashes,
            toy_clip(),
            inputs="tokens",
            cache_dir=str(tmp_path),
        )
