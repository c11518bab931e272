"""A file from the web, whole and checked, or not there; what was cut off goes on.

The bytes so far stand in FILE.part; the next start asks the server for the rest (HTTP
Range) and begins again where it refuses. The file gets its name when its hash is right.
"""

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from apt_jax.errors import UserError
from apt_jax.progress import MEGABYTE, progress_of_bytes

TIMEOUT = 60  # seconds without a byte


def fetch(url: str, file: Path, *, md5: str) -> Path:
    """`file`, downloaded from `url` unless it is there already.

    Raises:
        UserError: if the server cannot be reached, the disk is too small, or the bytes
            are not those with the hash `md5`.
    """
    if not file.exists():
        part = file.with_name(f"{file.name}.part")
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            _complete(url, part)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise UserError(
                f"cannot download {url} ({reason}); the same command goes on from where "
                f"it stopped, or put the file to {file} yourself"
            ) from None
        _require_hash(part, md5, url)
        os.replace(part, file)
    return file


def _complete(url, part):
    """Appends what is missing to `part`."""
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "apt_jax"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is missing
            return
        raise
    with answer:
        if answer.status != 206:  # the server sends all of it
            done = 0
        missing = int(answer.headers.get("Content-Length") or 0)
        _require_room(part, missing)
        total = done + missing
        shown = progress_of_bytes(total, "downloading")
        with open(part, "ab" if done else "wb") as file, shown as reach:
            reach(done)
            while chunk := answer.read(MEGABYTE):
                file.write(chunk)
                done += len(chunk)
                reach(done)
    if done < total:
        raise ConnectionError(f"cut off after {done} bytes")


def _require_room(part, missing):
    free = shutil.disk_usage(part.parent).free
    if missing > free:
        raise OSError(
            f"{missing / 1e9:.1f} GB are missing and {free / 1e9:.1f} GB are free in "
            f"{part.parent}"
        )


def _require_hash(part, md5, url):
    with open(part, "rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != md5:
        part.unlink()
        raise UserError(
            f"what came from {url} is another file than expected (MD5 {found}, not "
            f"{md5}) and was removed; try again later, or get it elsewhere"
        )
