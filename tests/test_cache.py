"""The store of frozen outputs: each view once, nothing lost, work shared, room first."""

import collections
import contextlib
import dataclasses
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from test_features import EMBEDDING, PIXELS, TOKENS
from toy import Drawn, drawn_dataset, toy_clip

from apt_jax import files
from apt_jax.data.dataset import Item
from apt_jax.errors import UserError
from apt_jax.features import blocks
from apt_jax.features import cache as storing
from apt_jax.features import encoder as encoding
from apt_jax.features.cache import Store, bytes_of, shapes_of
from apt_jax.features.encoder import Encoder
from apt_jax.features.views import CENTRE, Views

VIEWS = Views(2, 0.5)


@pytest.fixture
def small(monkeypatch):
    """Blocks of two rows, batches of two crops."""
    monkeypatch.setattr(blocks, "ROWS", 2)
    monkeypatch.setattr(encoding, "BATCH", {"cpu": 2})


@pytest.fixture
def worked(monkeypatch):
    """What was decoded, and how many crops went through the tower."""
    counts, decode, put = collections.Counter(), encoding.decode, encoding.Tower.put

    def counted_decode(data):
        counts["decoded"] += 1
        return decode(data)

    def counted_put(tower, name, crop):
        counts[tower._reads.inputs] += 1
        return put(tower, name, crop)

    monkeypatch.setattr(encoding, "decode", counted_decode)
    monkeypatch.setattr(encoding.Tower, "put", counted_put)
    return counts


def encoded(dataset, cache_dir="", reads=TOKENS, views=VIEWS, store=None):
    encoder = Encoder(toy_clip(), str(cache_dir))
    encoder.store = store or encoder.store
    return encoder.encode(dataset.pictures(dataset.train), reads, views)


def equal(a, b):
    assert a.stored.keys() == b.stored.keys()
    np.testing.assert_array_equal(a.contents, b.contents)
    for name in a.stored:
        np.testing.assert_array_equal(a.stored[name], b.stored[name])


@pytest.mark.parametrize("reads", [TOKENS, EMBEDDING, PIXELS], ids=str)
def test_what_is_kept_on_disk_is_what_was_encoded(tmp_path, worked, reads):
    dataset = drawn_dataset()
    first, by_hand = encoded(dataset, tmp_path, reads), encoded(dataset, reads=reads)
    worked.clear()
    again = encoded(dataset, tmp_path, reads)
    assert not worked
    assert first.seconds > 0 == again.seconds
    equal(first, again)
    equal(first, by_hand)


@pytest.mark.parametrize("kept", ["disk", "memory"])
def test_a_view_is_encoded_once_whatever_reads_it(tmp_path, worked, kept):
    dataset, n = drawn_dataset(), 6
    store = Store(str(tmp_path) if kept == "disk" else "")
    encoded(dataset, store=store, views=Views(2, 0.5))
    assert worked == {"decoded": n, "tokens": 2 * n}
    encoded(dataset, store=store, views=Views(3, 0.5))
    assert worked == {"decoded": 2 * n, "tokens": 3 * n}, "only the third was missing"
    encoded(dataset, store=store, views=Views(2, 0.5), reads=EMBEDDING)
    assert worked == {"decoded": 2 * n, "tokens": 3 * n}, "the tokens hold it"
    encoded(dataset, store=store, views=Views(2, 0.3))
    assert worked == {"decoded": 3 * n, "tokens": 5 * n}, "another area, other crops"
    fewer = dataclasses.replace(dataset, train=dataset.train[3:])
    encoded(fewer, store=store)
    assert worked == {"decoded": 3 * n, "tokens": 5 * n}, "a set is no part of a row"


def test_a_picture_is_decoded_once_for_all_that_is_wanted_of_it(worked):
    dataset = drawn_dataset()
    twice = [*dataset.train, *dataset.train]
    views = Views(2, 0.5).each + Views(1, 0.1).each + CENTRE.each
    wanted = {EMBEDDING: views, TOKENS: CENTRE.each, PIXELS: views[:1]}
    pictures = dataset.pictures(twice)
    Encoder(toy_clip()).fill([(picture, wanted) for picture in pictures])
    assert worked == {"decoded": 6, "embedding": 18, "tokens": 6, "pixels": 6}


def test_copies_of_a_picture_are_one_to_the_store(worked):
    dataset = drawn_dataset()
    copies = [dataclasses.replace(item, sha256="a" * 64) for item in dataset.train]
    found = Encoder(toy_clip()).encode(dataset.pictures(copies), EMBEDDING, VIEWS)
    assert worked == {"decoded": 1, "embedding": 2}
    rows = np.asarray(found.stored["embedding"])
    assert rows.shape == (6, 2, 8)
    assert (rows == rows[:1]).all()


def test_progress_goes_on_with_every_batch(monkeypatch):
    advanced = []

    @contextlib.contextmanager
    def progress(total, what):
        yield lambda count: advanced.append((total, count))

    monkeypatch.setattr(encoding, "progress", progress)
    monkeypatch.setattr(encoding, "BATCH", {"cpu": 5})
    encoded(drawn_dataset())
    assert advanced == [(12, 5), (12, 5), (12, 2)]


def test_rows_are_read_from_disk_where_they_are_asked_for(small, tmp_path):
    dataset = drawn_dataset()
    found, whole = encoded(dataset, tmp_path), encoded(dataset)
    lazy, array = found.stored["patches"], np.asarray(whole.stored["patches"])
    assert not isinstance(lazy[:, 1], np.ndarray), "a view of all images stays unread"
    assert (lazy.shape, lazy.dtype) == (array.shape, array.dtype)
    np.testing.assert_array_equal(lazy[:, 1], array[:, 1])
    np.testing.assert_array_equal(lazy[2:5], array[2:5])
    np.testing.assert_array_equal(lazy[np.array([5, 0])], array[[5, 0]])
    np.testing.assert_array_equal(lazy[3, 1], array[3, 1])


def test_of_no_images_there_are_no_rows(tmp_path):
    none = dataclasses.replace(drawn_dataset(), train=())
    found = encoded(none, tmp_path)
    assert found.stored["embedding"].shape == (0, 2, 8)
    assert found.contents.shape == (0, 2, 2)


def test_an_interrupted_encoding_goes_on_where_it_was(small, tmp_path):
    dataset, read = drawn_dataset(), []

    def broken(item):
        if item == dataset.train[4]:
            raise KeyboardInterrupt
        return dataset.read(item)

    def counted(item):
        read.append(item)
        return dataset.read(item)

    with pytest.raises(KeyboardInterrupt):
        encoded(dataclasses.replace(dataset, read=broken), tmp_path)
    found = encoded(dataclasses.replace(dataset, read=counted), tmp_path)
    assert set(read) == set(dataset.train[4:])
    equal(found, encoded(dataset))
    left = {path.name.partition(".")[2] for path in tmp_path.rglob("*.*")}
    assert left == {"safetensors"}


def many() -> Drawn:
    """24 training images: each drawn one under four names."""
    few = drawn_dataset()
    items = tuple(
        Item(f"{n}/{i.path}", i.label, sha256=f"{n}{i.sha256[1:]}")
        for n in range(4)
        for i in few.train
    )

    def read(item):
        return few.read(Item(item.path.partition("/")[2], item.label))

    return dataclasses.replace(few, train=items, read=read)


PROGRAM = """
import dataclasses, pathlib, sys, time
sys.path.insert(0, "tests")
import test_cache
from apt_jax.features import blocks
from apt_jax.features import encoder as encoding

blocks.ROWS, encoding.BATCH, encoding.os.cpu_count = 2, {"cpu": 2}, lambda: 1
cache, log, together = sys.argv[1:]
dataset = test_cache.many()

def slow(item):
    with open(log, "a") as file:
        print(item.path, file=file, flush=True)
    time.sleep(0.2)
    return dataset.read(item)

test_cache.toy_clip()
pathlib.Path(f"{log}.ready").touch()
while len(list(pathlib.Path(log).parent.glob("*.ready"))) < int(together):
    time.sleep(0.01)
test_cache.encoded(dataclasses.replace(dataset, read=slow), cache)
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
def test_two_processes_share_the_work_and_get_the_same(small, tmp_path):
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
def test_a_killed_process_loses_only_what_it_had_not_finished(small, tmp_path):
    process, finished = start(tmp_path, "a"), 0
    while process.poll() is None and finished < 4:
        time.sleep(0.02)
        finished = len(list((tmp_path / "cache").rglob("*.safetensors")))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert start(tmp_path, "b").wait(timeout=300) == 0
    assert 0 < len(read_by(tmp_path, "b")) <= 24 - 4
    equal(encoded(many(), tmp_path / "cache"), encoded(many()))


def test_what_another_process_has_written_meanwhile_is_not_encoded_again(
    tmp_path, worked
):
    dataset, ours = drawn_dataset(), Store(str(tmp_path))
    claim = ours.claim

    def late(sha256):
        encoded(dataset, tmp_path)  # just before we get the lock
        return claim(sha256)

    ours.claim = late
    encoded(dataset, store=ours)
    assert worked == {"decoded": 6, "tokens": 12}


def test_sizes_are_those_of_the_arrays():
    clip = toy_clip()
    assert bytes_of(shapes_of(clip, EMBEDDING)) == 4 * 8 + 8
    assert bytes_of(shapes_of(clip, TOKENS)) == 4 * 8 + 2 * 16 * 8 + 8
    assert bytes_of(shapes_of(clip, PIXELS)) == 16 * 16 * 3 + 8


def test_large_sets_are_said_before_they_begin(tmp_path, capsys, monkeypatch):
    free = storing.shutil.disk_usage(tmp_path)._replace(free=3 * 10**9)
    monkeypatch.setattr(storing.shutil, "disk_usage", lambda path: free)
    Store(str(tmp_path)).require_room(2 * 10**9)
    said = capsys.readouterr().err
    assert "keeping 2 GB of frozen outputs in" in said
    assert "(3 GB free)" in said


def test_a_disk_that_is_too_small_is_refused_before_any_work(tmp_path, monkeypatch):
    free = storing.shutil.disk_usage(tmp_path)._replace(free=9)
    monkeypatch.setattr(storing.shutil, "disk_usage", lambda path: free)
    monkeypatch.setattr(encoding, "decode", None)  # it would come too late
    with pytest.raises(
        UserError, match=r"need .* GB, and .* are free in .*; free some, name another"
    ):
        encoded(drawn_dataset(), tmp_path)


def test_without_a_cache_what_does_not_fit_into_memory_is_refused(monkeypatch):
    memory = psutil.virtual_memory()._replace(available=100)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(encoding, "decode", None)
    with pytest.raises(UserError, match=r"memory are free; keep them on disk with"):
        encoded(drawn_dataset())


@pytest.mark.parametrize("what", ["fsync", "mkdir"])
def test_a_cache_that_cannot_be_written_is_told(tmp_path, monkeypatch, what):
    def refused(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    dataset, of = drawn_dataset(), files.os if what == "fsync" else Path
    monkeypatch.setattr(of, what, refused)
    with pytest.raises(UserError, match=r"cannot write .*No space .*`cache_dir`=DIR"):
        encoded(dataset, tmp_path)


def test_a_block_costs_one_open_file_and_what_cannot_be_read_is_not_called_damaged(
    tmp_path, monkeypatch
):
    encoded(drawn_dataset(), tmp_path)
    (path,) = tmp_path.rglob("*.safetensors")
    blocks.read.cache_clear()
    before = len(os.listdir("/proc/self/fd"))
    arrays = blocks.read(path)
    assert len(arrays) == 4
    assert len(os.listdir("/proc/self/fd")) == before + 1
    blocks.read.cache_clear()

    def refused(*arguments):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(blocks.np, "memmap", refused)
    with pytest.raises(UserError, match=r"cannot read .*Too many open files"):
        blocks.read(path)


OTHER = """
import sys
sys.path.insert(0, "tests")
from apt_jax.features.cache import Store
print(Store(sys.argv[1]).claim(sys.argv[2]))
"""


def claimed_by_another(cache_dir, sha256):
    command = [sys.executable, "-c", OTHER, str(cache_dir), sha256]
    root = Path(__file__).parents[1]
    found = subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=True
    )
    return found.stdout.strip() == "True"


@pytest.mark.slow
def test_a_claim_lasts_until_it_is_released_whatever_other_stores_do(tmp_path):
    store = Store(str(tmp_path))
    assert store.claim("a" * 64)
    other = Store(str(tmp_path))
    other.claim("b" * 64)
    del other
    assert not claimed_by_another(tmp_path, "a" * 64)
    store.release("a" * 64)
    assert claimed_by_another(tmp_path, "a" * 64)


def test_what_was_claimed_is_released_when_something_fails(tmp_path, monkeypatch):
    store, held = Store(str(tmp_path)), set()

    def claim(sha256):
        held.add(sha256)
        return True

    def broken():
        raise UserError("a block is damaged")

    store.claim, store.release, store.refresh = claim, held.discard, broken
    with pytest.raises(UserError, match="a block is damaged"):
        encoded(drawn_dataset(), store=store)
    assert held == set()


def test_a_disk_without_locks_is_used_without(tmp_path, monkeypatch):
    def refused(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(storing.fcntl, "lockf", refused)
    equal(encoded(drawn_dataset(), tmp_path), encoded(drawn_dataset()))


def test_what_a_killed_process_left_half_written_goes_after_a_day(tmp_path):
    encoded(drawn_dataset(), tmp_path)
    (block,) = tmp_path.rglob("*.safetensors")
    old, new = (block.with_name(f"{name}.safetensors.tmp-1") for name in "ab")
    for left in (old, new):
        left.write_bytes(b"half")
    os.utime(old, (0, 0))
    encoded(drawn_dataset(), tmp_path)
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_picture_that_is_lost_meanwhile_is_named(tmp_path, content):
    def lost(item):
        if content is None:
            raise PermissionError(errno.EACCES, "Permission denied")
        return content

    broken = dataclasses.replace(drawn_dataset(), read=lost)
    why = r"Permission denied" if content is None else "not an image"
    with pytest.raises(UserError, match=rf"cannot be read now \({why}\); fix it"):
        encoded(broken, tmp_path)
