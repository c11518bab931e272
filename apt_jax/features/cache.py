"""Frozen outputs on disk, under a key of everything that they depend on.

A set of features is a folder `<cache>/<key>/` of plain .npy files, filled block by block
under another name and renamed when whole (`features.blocks`). The key is a hash over
the images' bytes, the backbone's weights, the preprocessing, the views, the kind of
features, dtype, device and JAX version: nothing under a key can be stale.
"""

from pathlib import Path

import numpy as np

from apt_jax.errors import UserError, one_line

FORMAT = 2  # counts changes of what is stored under equal keys
KNOWN_GOOD = "decoded-2.txt"  # another number where formats are no longer read


def location(cache_dir: str) -> Path | None:
    """The folder of the cache; None for an empty `cache_dir` (no cache)."""
    return Path(cache_dir).expanduser() / "features" if cache_dir else None


def load(folder: Path, shapes) -> dict[str, np.ndarray] | None:
    """The arrays of a complete set, memory-mapped; None if it is not there.

    Raises:
        UserError: if they are not of these `shapes`, as `features.blocks` wrote them.
    """
    if not folder.is_dir():
        return None
    try:
        found = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes
        }
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, one_line(error)) from None
    if odd := [name for name in shapes if _form(found[name]) != shapes[name]]:
        raise _damaged(folder, f"{odd[0]}.npy is of another shape")
    return found


def _form(array):
    return array.shape, array.dtype.name


def _damaged(folder, why):
    return UserError(
        f"frozen outputs in {folder} are damaged ({why}); remove that folder, and they "
        "are encoded again"
    )


def known_good_file(cache_dir: str) -> Path | None:
    """Where hashes of images that once decoded are remembered (`data.scan`)."""
    return Path(cache_dir).expanduser() / KNOWN_GOOD if cache_dir else None
