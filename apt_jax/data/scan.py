"""Every image read once before any work: broken ones are found, all of them together.

The SHA-256 of each file's bytes comes out of the same pass; it names the image in
caches, in split.json and in random views. A hash that once decoded need not be decoded
again, so a second run only reads and hashes.
"""

import concurrent.futures
import dataclasses
import hashlib
import os
import sys
from pathlib import Path

from apt_jax.data.images import ImageError, decode
from apt_jax.errors import UserError
from apt_jax.files import write_text
from apt_jax.progress import progress

SHOWN = 10  # broken files named in one error


def scan(dataset, *, on_error: str = "stop", known_good_file: Path | None = None):
    """The data set without unreadable images, and the hash of each image by path.

    Args:
        on_error: "stop" raises for unreadable images; "skip" drops them and says so.
        known_good_file: hashes of images that decoded before; read and extended.

    Raises:
        UserError: naming the first ten unreadable images and their number.
    """
    items = [item for split in dataset.splits.values() for item in split]
    known = _read_known(known_good_file)
    hashes, faults = {}, {}

    def check(item):
        try:
            data = dataset.read(item)
            sha256 = hashlib.sha256(data).hexdigest()
            if sha256 not in known:
                decode(data)
            return sha256, None
        except ImageError as error:
            return None, str(error)
        except OSError as error:
            return None, error.strerror or str(error)

    workers = min(os.cpu_count() or 1, 8)
    with (
        concurrent.futures.ThreadPoolExecutor(workers) as pool,
        progress(len(items), "checking images") as advance,
    ):
        for item, (sha256, fault) in zip(items, pool.map(check, items), strict=True):
            if fault is None:
                hashes[item.path] = sha256
            else:
                faults[item.path] = fault
            advance()
    _write_known(known_good_file, known | set(hashes.values()))
    if faults:
        dataset = _without(dataset, faults, on_error)
    return dataset, hashes


def _without(dataset, faults, on_error):
    listed = "; ".join(f"{path}: {why}" for path, why in list(faults.items())[:SHOWN])
    more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    if on_error == "stop":
        raise UserError(
            f"{len(faults)} files cannot be read as images ({listed}{more}); mend or "
            "remove them, or drop them with --config.data.on_error=skip"
        )
    print(f"note: dropped {len(faults)} unreadable files ({listed}{more})", file=sys.stderr)
    kept = {
        name: tuple(item for item in split if item.path not in faults)
        for name, split in dataset.splits.items()
    }
    return dataclasses.replace(dataset, **kept)


def _read_known(path) -> set[str]:
    if path is None or not path.exists():
        return set()
    return set(path.read_text().split())


def _write_known(path, hashes):
    if path is not None and hashes != _read_known(path):
        write_text(path, "\n".join(sorted(hashes)) + "\n")
