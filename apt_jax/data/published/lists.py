"""Lists as authors publish them: text, a line an entry, or MATLAB's files."""

import numpy as np

from apt_jax.errors import UserError, reason
from apt_jax.files import read_text


def lines(path) -> list[str]:
    """The lines of a UTF-8 text file that are not empty.

    Raises:
        UserError: if it cannot be read.
    """
    text = read_text(path, "unpack the archive again")
    return [line.strip() for line in text.splitlines() if line.strip()]


def table(path) -> dict[str, str]:
    """Lines "KEY VALUE" as a dict, in order; a value may hold spaces."""
    rows = [line.partition(" ") for line in lines(path)]
    return {key: value.strip() for key, _, value in rows}


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
