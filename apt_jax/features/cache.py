"""The cache of frozen outputs: what the tower said of a view of a picture is kept.

    CACHE_DIR/features/<kind>/<block>.safetensors

A kind is all that rows of one folder have in common: backbone, preprocessing, what is
kept, dtype, device and JAX version. Within it a row is known by the picture's hash and the
view. Without a cache folder rows stay in memory, as long as the store lives.

Processes that want the same rows share the work. Who encodes a picture holds a lock of one
byte in `CACHE_DIR/features/claims`, at a place that the picture's hash gives. The system
drops locks with their process (POSIX record locks): what a killed one has not written is
anybody's again.
"""

import dataclasses
import fcntl
import functools
import os
import shutil
import time
from pathlib import Path

import jax
import numpy as np
import psutil

from apt_jax.data.roots import note
from apt_jax.errors import UserError
from apt_jax.features import blocks
from apt_jax.features.reads import KINDS, Reads
from apt_jax.features.views import View
from apt_jax.files import digest, telling
from apt_jax.lock import NO_LOCKS

USUAL = "~/.cache/apt_jax"
FORMAT = 3  # counts changes of what is stored under equal keys
KNOWN_GOOD = "decoded-2.txt"  # another number where formats are no longer read
WORTH_SAYING = 10**8  # bytes
ABANDONED = 86_400  # seconds after which a half-written file is nobody's
SETTLED = 10**8  # nanoseconds, coarser than any clock of a file system
ROW_BITS = 32  # of a place: block << ROW_BITS | row

Shapes = dict[str, tuple[tuple[int, ...], str]]  # of each array of a row: shape, dtype


class Store:
    """Rows of frozen outputs; see the module."""

    def __init__(self, cache_dir: str = ""):
        """`cache_dir` is the folder of the cache; empty keeps all in memory."""
        self._folder = Path(cache_dir).expanduser() / "features" if cache_dir else None
        self._blocks: list[Path | blocks.Arrays] = []
        self._places: dict[bytes, int] = {}
        self._seen: dict[str, tuple[int, set[str]]] = {}  # of a kind: age, blocks

    def place(self, clip, reads: Reads, sha256: str, view: View) -> int | None:
        """Where a row is; None if it is not there."""
        for holder in reads.holders:
            kind = kind_of(clip, holder)
            if kind not in self._seen:
                self._look(kind)
            found = self._places.get(_key(kind, sha256, view))
            if found is not None:
                return found
        return None

    def refresh(self):
        """Finds what other processes have written since."""
        for kind in self._seen:
            self._look(kind)

    def add(self, clip, reads: Reads, rows: list[tuple[str, View]], arrays):
        """Keeps rows: each the hash of a picture and a view; `arrays` each [rows, ...].

        Raises:
            UserError: if the cache cannot be written.
        """
        kind = kind_of(clip, reads)
        keys = [_key(kind, sha256, view) for sha256, view in rows]
        if self._folder is None:
            self._enter(keys, arrays)
            return
        path = blocks.write(self._folder / kind, keys, arrays)
        self._seen[kind][1].add(path.name)
        self._enter(keys, path)

    def arrays(self, place: int) -> tuple[blocks.Arrays, int]:
        """The arrays of the block of a place, and the row in it."""
        block = self._blocks[place >> ROW_BITS]
        arrays = blocks.read(block) if isinstance(block, Path) else block
        return arrays, place & (1 << ROW_BITS) - 1

    def claim(self, sha256: str) -> bool:
        """Whether the picture is ours to encode: no other process is at it."""
        try:
            self._lock(sha256, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def release(self, sha256: str):
        """Lets other processes encode a picture that was claimed."""
        self._lock(sha256, fcntl.LOCK_UN)

    def wait(self, sha256: str):
        """Returns when no other process is at the picture any more."""
        if not self.claim(sha256):
            note("waiting for another process that encodes the same images")
            self._lock(sha256, fcntl.LOCK_EX)
        self.release(sha256)

    def require_room(self, needed: int):
        """Refuses `needed` more bytes that disk or memory have no room for."""
        if self._folder is None:
            available = psutil.virtual_memory().available
            if needed > available:
                raise UserError(
                    f"the frozen outputs need {gigabytes(needed)}, and "
                    f"{gigabytes(available)} of memory are free; keep them on disk with "
                    "`cache_dir`=DIR"
                )
            return
        _make(self._folder)
        free = shutil.disk_usage(self._folder).free
        if needed > free:
            raise UserError(
                f"the frozen outputs need {gigabytes(needed)}, and {gigabytes(free)} are "
                f"free in {self._folder}; free some, name another place with "
                "`cache_dir`, or lower `views`"
            )
        if needed >= WORTH_SAYING:
            note(
                f"keeping {gigabytes(needed)} of frozen outputs in {self._folder} "
                f"({gigabytes(free)} free)"
            )

    def _look(self, kind):
        """Takes in the blocks of a kind that were not seen before."""
        age, names = self._seen.setdefault(kind, (0, set()))
        if self._folder is None:
            return
        folder = self._folder / kind
        try:
            now = folder.stat().st_mtime_ns
            if now == age:
                return
            found = sorted(path.name for path in folder.glob("*.safetensors"))
            for left in folder.glob("*.tmp-*"):  # by a process that was killed
                if time.time() - left.stat().st_mtime > ABANDONED:
                    left.unlink()
        except FileNotFoundError:
            return
        for name in found:
            if name not in names:
                names.add(name)
                self._enter(blocks.keys_in(folder / name), folder / name)
        # Soon after a change the next may carry the same time.
        self._seen[kind] = (now if time.time_ns() - now > SETTLED else 0, names)

    def _enter(self, keys, block):
        first = len(self._blocks) << ROW_BITS
        self._blocks.append(block)
        for row, key in enumerate(keys):
            self._places.setdefault(key, first | row)

    def _lock(self, sha256, how):
        if self._folder is None:
            return
        try:
            fcntl.lockf(_claims(self._folder), how, 1, int(sha256[-15:], 16))
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise


class Kept:
    """Rows of a store as one array [n, R, ...], read where they are asked for."""

    def __init__(self, store: Store, places: np.ndarray, name: str):
        """`places` [n, R] are from `Store.place`."""
        self._store, self._places, self._name = store, places, name
        arrays, _ = store.arrays(int(places.flat[0]))
        self._row = arrays[name].shape[1:]
        self.dtype = np.dtype(arrays[name].dtype.newbyteorder("="))

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self._places.shape, *self._row)

    def __len__(self):
        return len(self._places)

    def __getitem__(self, key):
        """The rows that `key` names along the first axes; an array, or `Kept` if many.

        A single view of all images stays unread.
        """
        if isinstance(key, tuple) and isinstance(key[0], slice):
            return Kept(self._store, self._places[key], self._name)
        return self._read(self._places[key])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._read(self._places), dtype)

    def _read(self, places):
        places = np.asarray(places)
        found = np.empty((*places.shape, *self._row), self.dtype)
        of_block = places >> ROW_BITS
        for block in np.unique(of_block):
            here = of_block == block
            arrays, _ = self._store.arrays(int(block) << ROW_BITS)
            rows = places[here] & (1 << ROW_BITS) - 1
            found[here] = arrays[self._name][rows]
        return found


@functools.cache
def _claims(folder: Path) -> int:
    """The file of the claims, open until the process ends: closing it drops its locks."""
    _make(folder)
    with telling("write", folder / "claims", blocks.REMEDY):
        return os.open(folder / "claims", os.O_RDWR | os.O_CREAT, 0o666)


def _make(folder):
    with telling("write", folder, blocks.REMEDY):
        folder.mkdir(parents=True, exist_ok=True)


def kind_of(clip, reads: Reads) -> str:
    """The folder of rows that were made alike."""
    return _kind(clip.sha256, clip.dtype, clip.pixels, reads)


@functools.cache
def _kind(backbone, dtype, pixels, reads):
    crops = dataclasses.asdict(pixels) | {"view": pixels.view}
    made = {"format": FORMAT, "reads": dataclasses.asdict(reads)}
    if reads.inputs == "pixels":  # before any tower, and its normalisation
        del crops["mean"], crops["std"]
        return digest(made | {"preprocessing": crops})[:32]
    tower = {
        "backbone": backbone,
        "dtype": dtype,
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
    }
    return digest(made | tower | {"preprocessing": crops})[:32]


def shapes_of(clip, reads: Reads) -> Shapes:
    """What is kept of one view."""
    size, dim = clip.pixels.size, clip.config.embedding_dim
    patches = (size // clip.config.vision.patch_size) ** 2
    shapes = {
        "embedding": ((dim,), "float32"),
        "patches": ((patches, dim), "float16"),
        "crop": ((size, size, 3), "uint8"),
    }
    return {name: shapes[name] for name in KINDS[reads.inputs]} | {
        "contents": ((2,), "uint32")
    }


def bytes_of(shapes: Shapes) -> int:
    """What a row takes."""
    return sum(
        int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
        for shape, kind in shapes.values()
    )


def gigabytes(count: int) -> str:
    """Bytes in words."""
    return f"{count / 1e9:.3g} GB"


def _key(kind, sha256, view):
    area = None if view.area is None else float(view.area)
    return blocks.key_of(kind, sha256, area, view.number)


def known_good_file(cache_dir: str) -> Path | None:
    """Where hashes of images that once decoded are remembered (`data.scan`)."""
    return Path(cache_dir).expanduser() / KNOWN_GOOD if cache_dir else None
