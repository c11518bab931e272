"""Every image read once before any work: broken ones are found, all of them together.

The SHA-256 of each file's bytes comes out of the same pass; it names the image in
caches, in split.json and in random views. A hash that once decoded need not be decoded
again, so a second run only reads and hashes.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import os
import string
from pathlib import Path

from apt_jax.data.images import ImageError, decode
from apt_jax.data.listing import listed
from apt_jax.data.roots import note
from apt_jax.errors import UserError
from apt_jax.progress import progress


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
    with contextlib.closing(_checked(dataset.read, items, known)) as checked:
        for item, (sha256, fault) in checked:
            if fault is None:
                hashes[item.path] = sha256
            else:
                faults[item.path] = fault
    _add_known(known_good_file, set(hashes.values()) - known)
    if faults:
        _refuse_or_note(faults, on_error)
        dataset = _without(dataset, faults)
    return dataset, hashes


def _checked(read, items, known):
    """Yields each item with (SHA-256, None) or (None, reason); threads read ahead."""

    def check(item):
        try:
            item.path.encode()  # what is no UTF-8 cannot be written to split.json
            data = read(item)
            sha256 = hashlib.sha256(data).hexdigest()
            if sha256 not in known:
                decode(data)
            return sha256, None
        except UnicodeEncodeError:
            return None, "file name is not UTF-8"
        except ImageError as error:
            return None, str(error)
        except OSError as error:
            return None, error.strerror or str(error)

    pool = concurrent.futures.ThreadPoolExecutor(min(os.cpu_count() or 1, 8))
    try:
        with progress(len(items), "checking images") as advance:
            for item, result in zip(items, pool.map(check, items), strict=True):
                yield item, result
                advance()
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C must not wait for what is left


def _refuse_or_note(faults, on_error):
    named = listed((f"{path}: {why}" for path, why in faults.items()), separator="; ")
    if on_error == "stop":
        raise UserError(
            f"{len(faults)} files cannot be read as images ({named}); mend or remove "
            "them, or drop them with --config.data.on_error=skip"
        )
    reasons = collections.Counter(faults.values()).most_common()
    counted = listed(f"{count} {why}" for why, count in reasons)
    note(f"dropped {len(faults)} unreadable files: {counted} ({named})")


def _without(dataset, faults):
    kept = {
        split: tuple(item for item in items if item.path not in faults)
        for split, items in dataset.splits.items()
    }
    return dataclasses.replace(dataset, **kept)


def _read_known(path) -> set[str]:
    if path is None or not path.exists():
        return set()
    # A line cut short by a crash is no hash.
    return {line for line in path.read_text(errors="replace").split() if _is_hash(line)}


def _is_hash(text):
    return len(text) == 64 and set(text) <= set(string.hexdigits)


def _add_known(path, hashes):
    """Appends in one write, so that runs side by side lose nothing of each other's."""
    if path is None or not hashes:
        return
    text = "\n" + "\n".join(sorted(hashes)) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab", buffering=0) as file:
            file.write(text.encode())
    except OSError as error:
        raise UserError(
            f"cannot write {path} ({error.strerror}); set --config.features.cache_dir "
            "to a folder of yours, or to nothing for no cache"
        ) from None
