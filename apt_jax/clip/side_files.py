"""The files of a checkpoint as they lie in its folder, judged before they are read.

Whatever can be wrong with a file as a file is a sentence of here: it is absent, a folder,
not ours to read, empty, a Git LFS pointer, no UTF-8, no JSON, or JSON of another kind.
"""

import json
import math
import os
from pathlib import Path

from apt_jax.errors import UserError
from apt_jax.files import telling

REMEDY = "change its permissions, or download it again"
LFS_POINTER = b"version https://git-lfs"  # how the stand-in for a large file begins


def names_in(folder: Path) -> set[str]:
    """Names of all that is in a folder."""
    with telling("read", folder, REMEDY):
        return set(os.listdir(folder))


def require_file(path: Path):
    """Refuses what is no file with a content of its own."""
    with telling("read", path, REMEDY):
        try:
            with open(path, "rb") as file:
                start = file.read(len(LFS_POINTER))
        except FileNotFoundError:
            raise UserError(
                f"{path.parent} has no {path.name}; it is no checkpoint in the Hugging "
                "Face layout, or not all of one: download it again"
            ) from None
        except IsADirectoryError:
            raise UserError(
                f"{path} is a folder where a file belongs; download it again"
            ) from None
    if not start:
        raise UserError(f"{path} is empty; download it again")
    if start == LFS_POINTER:
        raise UserError(
            f"{path} is a Git LFS pointer and not the file itself; run git lfs pull in "
            f"{path.parent}, or download it again"
        )


def read_text(path: Path) -> str:
    """The text of a file in UTF-8."""
    require_file(path)
    try:
        with telling("read", path, REMEDY):
            return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is no UTF-8 text; download it again") from None


def read_mapping(path: Path) -> dict:
    """The named values of a JSON file, all of its numbers finite."""
    text = read_text(path)
    try:
        fields = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error}); download it again") from None
    if not isinstance(fields, dict):
        raise UserError(
            f"{path} holds no named values but a {type(fields).__name__}; download it "
            "again"
        )
    return fields


def _finite(spelled: str) -> float:
    number = float(spelled)
    if not math.isfinite(number):
        raise ValueError(f"{spelled} is no finite number")
    return number
