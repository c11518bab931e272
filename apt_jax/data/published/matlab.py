"""MATLAB's files, as authors use them for lists, and SVHN for images."""

import numpy as np

from apt_jax.errors import UserError, reason


def variables(path, *names: str) -> tuple[np.ndarray, ...]:
    """The named variables of a .mat file, without axes of length 1 and single cells.

    Raises:
        UserError: if the file cannot be read or lacks one of them.
    """
    from scipy import io

    try:
        content = io.loadmat(
            str(path), variable_names=names, squeeze_me=True, chars_as_strings=True
        )
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise UserError(
            f"cannot read {path} ({reason(error)}); download it again"
        ) from None
    if missing := [name for name in names if name not in content]:
        raise UserError(f"{path} has no {', '.join(missing)}; download it again")
    return tuple(np.atleast_1d(content[name]) for name in names)
