"""Pickles of arrays, lists and text, and of nothing else.

A pickle may call any function by its name. This reader knows four names, which is what
NumPy arrays are made of, and refuses all others before anything is called.
"""

import pickle
from pathlib import Path

import numpy as np

from apt_jax.data.published.vtab.stored import intact

# NumPy's own name for what makes an empty array, before version 2 and since.
RECONSTRUCT = np.zeros(0).__reduce__()[0]
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def load_pickle(path: Path):
    """What was pickled in a file, text of Python 2 as bytes.

    Raises:
        UserError: if it cannot be read, or is more than arrays, lists and text.
    """
    # What a damaged pickle raises varies.
    with intact(path, Exception), open(path, "rb") as file:
        return _Arrays(file, encoding="bytes").load()


class _Arrays(pickle.Unpickler):
    def find_class(self, module, name):
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it calls {module}.{name}, which no array needs"
            ) from None
