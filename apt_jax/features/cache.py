"""Frozen outputs on disk, under a key of everything that they depend on.

A set of features is a folder `<cache>/<key>/` of plain .npy files, filled under another
name and renamed when whole, so what carries a key is complete. The key is a hash over
the images' bytes, the backbone's weights, the preprocessing, the views, the kind of
features, dtype, device and JAX version: nothing under a key can be stale.
"""

import contextlib
import os
import shutil
from pathlib import Path

import numpy as np

from apt_jax.files import sync_folder

FORMAT = 1  # counts changes of what is stored under equal keys


def location(cache_dir: str) -> Path | None:
    """The folder of the cache; None for an empty `cache_dir` (no cache)."""
    return Path(cache_dir).expanduser() / "features" if cache_dir else None


def load(folder: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a complete set, memory-mapped; None if it is not there."""
    if not folder.is_dir():
        return None
    return {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}


@contextlib.contextmanager
def writing(folder: Path, shapes: dict[str, tuple[tuple, str]]):
    """Yields arrays of `shapes` {name: (shape, dtype)} to fill; whole or nothing.

    Filled arrays go straight to disk, so a set may be larger than memory.
    """
    beside = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        arrays = {
            name: np.lib.format.open_memmap(
                beside / f"{name}.npy", mode="w+", dtype=dtype, shape=shape
            )
            for name, (shape, dtype) in shapes.items()
        }
        yield arrays
        for array in arrays.values():
            array.flush()
        _publish(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _publish(beside, folder):
    try:
        os.rename(beside, folder)
    except OSError:
        # Another process finished the same set first; equal keys hold equal features.
        if not folder.is_dir():
            raise
    sync_folder(folder.parent)


def known_good_file(cache_dir: str) -> Path | None:
    """Where hashes of images that once decoded are remembered (`data.scan`)."""
    return Path(cache_dir).expanduser() / "decoded.txt" if cache_dir else None
