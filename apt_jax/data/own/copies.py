"""Files with the same bytes: found, and refused or dropped where they do harm."""

import collections
import hashlib
import os
from pathlib import Path

from apt_jax.data.dataset import Item
from apt_jax.data.listing import listed
from apt_jax.data.own.found import Found
from apt_jax.data.roots import note
from apt_jax.errors import UserError
from apt_jax.files import sha256_of_file
from apt_jax.words import counted


def content_keys(root: Path, paths) -> dict[str, str]:
    """A key for each path; two are equal if and only if the files' bytes are.

    What cannot be a copy, because no other file has its size, is not read.
    Empty files and those that cannot be read are like no other: `scan` reports them.
    """
    keys = {path: f"path {path}" for path in paths}
    by_size = collections.defaultdict(list)
    for path in paths:
        if os.path.isfile(root / path):
            by_size[os.path.getsize(root / path)].append(path)
    by_size.pop(0, None)
    for alike in by_size.values():
        if len(alike) > 1:
            keys.update((path, _hash(root / path) or keys[path]) for path in alike)
    return keys


def keys_of_content(read, paths) -> dict[str, str]:
    """A key for each path, equal where the bytes are: all are read, by `Found.read`."""

    def key(path):
        try:
            return hashlib.sha256(read(Item(path, 0))).hexdigest()
        except OSError:
            return f"path {path}"

    return {path: key(path) for path in paths}


def without_contradictions(found: Found, keys: dict[str, str], on_error: str) -> Found:
    """The pictures whose bytes occur under one label only.

    Raises:
        UserError: for others, if `on_error` is "stop".
    """
    labels = collections.defaultdict(set)
    for item in found.items:
        labels[keys[item.path]].add(item.label)
    odd = dict.fromkeys(i.path for i in found.items if len(labels[keys[i.path]]) > 1)
    if odd:
        refuse_or_drop(
            f"{counted(len(odd), 'image has', 'images have')} byte-identical copies in "
            "another class "
            f"({listed(odd)})",
            on_error,
        )
    return found.without(odd)


def refuse_or_drop(what: str, on_error: str):
    """Says what is dropped; with "stop" by raising `UserError`."""
    if on_error == "stop":
        raise UserError(
            f"{what}; remove them, or drop them with --config.data.on_error=skip"
        )
    note(f"dropped: {what}")


def _hash(path):
    try:
        return sha256_of_file(path)
    except OSError:
        return None
