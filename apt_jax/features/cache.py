"""Frozen outputs on disk, under a key of everything that they depend on.

A set of features is a folder `<cache>/<key>/` of plain .npy files, filled block by block
under another name and renamed when whole (`features.blocks`). The key is a hash over
the images' bytes, the backbone's weights, the preprocessing, the views, the kind of
features, dtype, device and JAX version: nothing under a key can be stale.
"""

from pathlib import Path

import numpy as np

FORMAT = 2  # counts changes of what is stored under equal keys


def location(cache_dir: str) -> Path | None:
    """The folder of the cache; None for an empty `cache_dir` (no cache)."""
    return Path(cache_dir).expanduser() / "features" if cache_dir else None


def load(folder: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a complete set, memory-mapped; None if it is not there."""
    if not folder.is_dir():
        return None
    return {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}


def known_good_file(cache_dir: str) -> Path | None:
    """Where hashes of images that once decoded are remembered (`data.scan`)."""
    return Path(cache_dir).expanduser() / "decoded.txt" if cache_dir else None
