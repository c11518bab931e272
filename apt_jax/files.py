"""Files that are whole or not there: write beside, flush to disk, rename.

A reader, or a run that starts after `kill -9`, sees the old content or the new,
never a half of either.
"""

import hashlib
import json
import os
from pathlib import Path


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
    """`write_bytes` of `text` in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path, value):
    """`write_bytes` of `value` as indented JSON, floats in full precision."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


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
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
