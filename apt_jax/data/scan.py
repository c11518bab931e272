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
import re
from pathlib import Path

from apt_jax.data.images import ImageError, decode
from apt_jax.data.listing import listed
from apt_jax.data.remembered import add_lines, read_lines
from apt_jax.data.roots import note
from apt_jax.errors import UserError
from apt_jax.progress import progress
from apt_jax.words import counted

FIX = "fix or remove them, or drop them with `on_error`=skip"


def scan(
    dataset,
    *,
    on_error: str = "stop",
    known_good_file: Path | None = None,
    remedy: str = FIX,
):
    """The data set without unreadable images, each item with its hash and its group.

    Args:
        on_error: "stop" raises for unreadable images; "skip" drops them and says so.
        known_good_file: hashes of images that decoded before; read and extended.
        remedy: what to do about unreadable images, where nobody can set `on_error`.

    Raises:
        UserError: naming the first ten unreadable images and their number.
    """
    lines = map(str.strip, read_lines(known_good_file))
    known = {line for line in lines if re.fullmatch("[0-9a-f]{64}", line)}
    hashes, faults = {}, {}

    def examine(data):
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in known:
            decode(data)
        return sha256

    with contextlib.closing(examined(dataset.read, dataset.items, examine)) as results:
        for item, sha256, fault in results:
            if fault is None:
                hashes[item.path] = sha256
            else:
                faults[item.path] = fault
    add_lines(known_good_file, sorted(set(hashes.values()) - known))
    if faults:
        refuse_or_note(faults, on_error, remedy)
    return hashed(dataset, hashes)


def examined(read, items, examine, what: str = "checking images"):
    """Yields (item, what `examine` makes of its bytes, None) or (item, None, reason).

    Threads read ahead. The reason is why the file is no image.
    """

    def check(item):
        try:
            item.path.encode()  # what is no UTF-8 cannot be written to split.json
            return item, examine(read(item)), None
        except UnicodeEncodeError:
            return item, None, "file name is not UTF-8"
        except ImageError as error:
            return item, None, str(error)
        except OSError as error:
            return item, None, error.strerror or str(error)

    pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        with progress(len(items), what) as advance:
            for result in pool.map(check, items):
                yield result
                advance()
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C must not wait for what is left


def refuse_or_note(faults: dict[str, str], on_error: str, remedy: str = FIX):
    """Says which files are no images, and why; with "stop" by raising `UserError`."""
    named = listed((f"{path}: {why}" for path, why in faults.items()), separator="; ")
    if on_error == "stop":
        raise UserError(
            f"{counted(len(faults), 'file')} cannot be read as images ({named}); {remedy}"
        )
    reasons = collections.Counter(faults.values()).most_common()
    why = listed(f"{count} {reason}" for reason, count in reasons)
    note(f"dropped {counted(len(faults), 'unreadable file')}: {why} ({named})")


def hashed(dataset, hashes: dict[str, str]):
    """The data set of the images whose hash is known by path; items have it then.

    An item that its source puts in no group is one with those of the same bytes.
    """
    known = {
        split: tuple(
            dataclasses.replace(
                item, sha256=hashes[item.path], group=item.group or hashes[item.path]
            )
            for item in items
            if item.path in hashes
        )
        for split, items in dataset.splits.items()
    }
    return dataset.with_splits(known)
