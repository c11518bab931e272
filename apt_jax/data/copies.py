"""Files with the same bytes, found without reading what cannot be a copy."""

import collections
import os
from pathlib import Path

from apt_jax.files import sha256_of_file


def content_keys(root: Path, paths) -> dict[str, str]:
    """A key for each path; two are equal if and only if the files' bytes are.

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


def _hash(path):
    try:
        return sha256_of_file(path)
    except OSError:
        return None
