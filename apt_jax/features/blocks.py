"""A set of features while it is being filled, by one process or by several at once.

`<key>.part/` holds every array as an .npy file of its full size, and `blocks`, a byte for
each block of images that is 1 when the block's rows are in the files. Who fills a block
holds the lock of its byte. Locks (POSIX record locks) end with their process, so what a
killed one has not finished is anybody's again, and processes that want the same set share
the work. When every byte is 1 the folder gets its name, so what carries a key is complete.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from apt_jax.data.roots import note
from apt_jax.errors import UserError
from apt_jax.files import sync_folder

IMAGES = 64  # of a block: what is lost, at most, with a killed process
WORTH_SAYING = 10**8  # bytes

Shapes = dict[str, tuple[tuple[int, ...], str]]  # of each array: shape and dtype


def bytes_of(shapes: Shapes) -> int:
    """What arrays of these shapes take."""
    return sum(
        int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
        for shape, kind in shapes.values()
    )


class Blocks:
    """The blocks of a set of features; rows are images, the first axis of `shapes`."""

    def __init__(self, folder: Path, shapes: Shapes):
        """`folder` is where the set will be; nothing is there before `with`.

        Entering raises `UserError` if the disk is too small for it.
        """
        self._folder, self._shapes = folder, shapes
        self._part = folder.with_name(f"{folder.name}.part")
        (self._rows,) = {shape[0] for shape, _ in shapes.values()}
        self._count = -(-self._rows // IMAGES)

    def __enter__(self):
        self._part.mkdir(parents=True, exist_ok=True)
        try:
            self._require_room()
            self._state = os.open(self._part / "blocks", os.O_RDWR | os.O_CREAT, 0o666)
            os.ftruncate(self._state, self._count)
            self._files = {name: self._create(name) for name in self._shapes}
        except UserError:
            with contextlib.suppress(OSError):  # what another has begun stays
                self._part.rmdir()
            raise
        return self

    def __exit__(self, *error):
        for file in (self._state, *(file for file, _ in self._files.values())):
            os.close(file)  # and with the state all locks

    @property
    def missing(self) -> list[int]:
        """The blocks that nobody has finished."""
        done = os.pread(self._state, self._count, 0)
        return [block for block in range(self._count) if not done[block]]

    @property
    def images_missing(self) -> int:
        """How many images they hold."""
        rows = map(self.rows, self.missing)
        return sum(one.stop - one.start for one in rows)

    def rows(self, block: int) -> slice:
        """The images of a block."""
        return slice(block * IMAGES, min((block + 1) * IMAGES, self._rows))

    def claims(self) -> Iterator[int]:
        """Yields missing blocks that nobody else works on; they are then ours."""
        for block in self.missing:
            with contextlib.suppress(BlockingIOError, PermissionError):
                fcntl.lockf(self._state, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, block)
                if os.pread(self._state, 1, block) == b"\0":
                    yield block
                else:
                    self._release(block)

    def write(self, block: int, arrays: dict[str, np.ndarray]):
        """Keeps a block that was claimed: its rows of every array, then its byte."""
        for name, (file, offset) in self._files.items():
            data = np.ascontiguousarray(arrays[name])
            start = offset + self.rows(block).start * (data.nbytes // len(data))
            _write(file, memoryview(data).cast("B"), start)
            os.fsync(file)
        os.pwrite(self._state, b"\1", block)
        self._release(block)

    def wait(self):
        """Returns when nobody works on a missing block, be it done or its process gone."""
        for block in self.missing:
            try:
                fcntl.lockf(self._state, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, block)
            except (BlockingIOError, PermissionError):
                note("waiting for another process that encodes the same images")
                fcntl.lockf(self._state, fcntl.LOCK_EX, 1, block)
            self._release(block)

    def publish(self):
        """Gives the folder its name; whoever comes second finds it there."""
        os.fsync(self._state)
        try:
            os.rename(self._part, self._folder)
        except OSError:
            if not self._folder.is_dir():
                raise
            self.discard()
        (self._folder / "blocks").unlink(missing_ok=True)
        sync_folder(self._folder.parent)

    def discard(self):
        """Removes what was begun: the set is there already."""
        shutil.rmtree(self._part, ignore_errors=True)

    def _release(self, block):
        fcntl.lockf(self._state, fcntl.LOCK_UN, 1, block)

    def _create(self, name):
        """The file of an array, of its full size, and where in it the rows begin."""
        shape, kind = self._shapes[name]
        path = self._part / f"{name}.npy"
        path.touch()
        with open(path, "r+b") as file:  # several write the same header
            fields = {
                "descr": np.dtype(kind).str,
                "fortran_order": False,
                "shape": shape,
            }
            np.lib.format.write_array_header_2_0(file, fields)
            offset = file.tell()
            file.truncate(offset + bytes_of({name: self._shapes[name]}))
        return os.open(path, os.O_RDWR), offset

    def _require_room(self):
        needed, free = bytes_of(self._shapes), shutil.disk_usage(self._part).free
        there = sum(file.stat().st_blocks * 512 for file in self._part.iterdir())
        if needed - there > free:
            raise UserError(
                f"the frozen outputs need {gigabytes(needed)}, and {gigabytes(free)} are "
                f"free in {self._folder.parent}; free some, name another place with "
                "--config.features.cache_dir, or lower --config.augment.views"
            )
        if needed >= WORTH_SAYING:
            largest = max(
                self._shapes, key=lambda name: bytes_of({name: self._shapes[name]})
            )
            shape, kind = self._shapes[largest]
            note(
                f"keeping {' x '.join(map(str, shape))} {kind}, {gigabytes(needed)} in "
                f"all, in {self._folder.parent} ({gigabytes(free)} free)"
            )


def _write(file, data, start):
    """All of `data`: a single write may take only a part of it."""
    while data:
        written = os.pwrite(file, data, start)
        data, start = data[written:], start + written


def gigabytes(count: int) -> str:
    """Bytes in words."""
    return f"{count / 1e9:.3g} GB"
