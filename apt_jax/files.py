"""Files that are whole or not there: write beside, flush to disk, rename.

A reader, or a run that starts after `kill -9`, sees the old content or the new,
never a half of either.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path

from apt_jax.errors import UserError, reason


def write_bytes(path, data: bytes):
    """Replaces the file `path` by `data` in one step, making its folder if needed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_text(path, text: str):
    """`write_bytes` of `text` in UTF-8, what that cannot hold escaped."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path, value):
    """`write_bytes` of `value` as `json_text`."""
    write_text(path, json_text(value))


def json_text(value, encoding: str = "utf-8") -> str:
    """`value` as indented JSON, floats in full precision.

    Letters are escaped if the encoding lacks one of them: what escapes them later, as a
    terminal's stream does, knows no JSON.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    return text + "\n"


def require_writable(path):
    """Refuses, before any work, a file that could not be written after it.

    Raises:
        UserError: if its folder takes no files, or if something else has its name.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no file that can be written; name another")
    there = next(above for above in path.absolute().parents if os.path.lexists(above))
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise UserError(
            f"cannot write {path} ({reason(error)}); name a file in a folder of yours"
        ) from None


def sync_folder(folder):
    """Flushes a folder's entries, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of_file(path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value) -> str:
    """One spelling for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value) -> str:
    """Hex SHA-256 of a JSON value; equal values have equal digests."""
    text = canonical_json(value).encode("utf-8", "backslashreplace")
    return hashlib.sha256(text).hexdigest()
