"""Lists as authors publish them: text, a line an entry, or MATLAB's files.

And the error for what is not as it was published, of lists and of other files.
"""

import contextlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from apt_jax.errors import UserError, one_line
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


def package_file(path: str) -> Path:
    """The place of a file of the installed tensorflow-datasets package, not imported."""
    spec = find_spec("tensorflow_datasets")
    return Path(spec.submodule_search_locations[0]) / path


def variables(path, *names: str) -> tuple[np.ndarray, ...]:
    """The named variables of a .mat file, without axes of length 1 and single cells.

    Raises:
        UserError: if the file cannot be read or lacks one of them.
    """
    from scipy import io

    if not path.is_file():
        raise UserError(f"there is no {path}; download it, or unpack its archive again")
    with intact(path, Exception):  # scipy raises many kinds for a damaged file
        content = io.loadmat(
            str(path), variable_names=names, squeeze_me=True, chars_as_strings=True
        )
    if missing := [name for name in names if name not in content]:
        raise broken(path, f"no {', '.join(missing)}")
    return tuple(np.atleast_1d(content[name]) for name in names)


def broken(path: Path, reason) -> UserError:
    """The error for a file whose content is not as published."""
    return UserError(
        f"{path} is damaged or not of this data set ({one_line(reason)}); download or "
        "unpack it again"
    )


@contextlib.contextmanager
def intact(path: Path, *errors: type[Exception]):
    """Makes `errors`, which a damaged file raises, the error `broken` of `path`."""
    try:
        yield
    except UserError:  # a ValueError too
        raise
    except errors as error:
        raise broken(path, error) from None
