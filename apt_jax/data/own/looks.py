"""A look at every photograph before any split: what it is, and what others it resembles.

One pass reads and decodes each file once, a JPEG at a fraction of its size (libjpeg scales
while it decodes, and still reads all of the file, so what is broken is found). What came
out is remembered by content beside the hashes of good images, so that neither a second
run nor the `scan` of the first decodes a file again.
"""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from PIL import ExifTags, Image

from apt_jax.data.images import bits_of, decode, has_16_bits, opened, quiet, to_rgb
from apt_jax.data.listing import listed
from apt_jax.data.own.bursts import Shot, shot_of
from apt_jax.data.own.near_copies import ENOUGH, hash_of
from apt_jax.data.remembered import add_lines, read_lines
from apt_jax.data.roots import note
from apt_jax.data.scan import examined
from apt_jax.words import counted

FILE = "looks-2.jsonl"  # another number for other facts
# EXIF's orientations.
UPRIGHT, TURNED, ON_THE_SIDE = 1, range(2, 9), range(5, 9)


class Look(NamedTuple):
    """What is known of an image file that can be read."""

    sha256: str  # of its bytes
    format: str  # as Pillow calls it
    mode: str
    width: int  # of the upright picture, in pixels
    height: int
    turned: bool  # not stored upright: EXIF says how to turn it
    hash: bytes | None  # `near_copies.hash_of`; None for what is flat or tiny
    shot: Shot | None
    bits: int | None  # of 16, that it uses at most; None where nothing is amiss


def look_at(
    read, items, known_good_file: Path | None = None
) -> tuple[dict[str, Look], dict[str, str]]:
    """(what is known of each image, why a file is none), both by path.

    Args:
        read: gives the bytes of an item; raises OSError.
        known_good_file: that of `scan`; what is remembered lies beside it.
    """
    memory = known_good_file and known_good_file.with_name(FILE)
    known = dict(filter(None, map(_read, read_lines(memory))))
    looks, faults = {}, {}

    def examine(data):
        sha256 = hashlib.sha256(data).hexdigest()
        return known.get(sha256) or look(data, sha256)

    try:
        results = examined(read, items, examine, "looking at images")
        with contextlib.closing(results):
            for item, found, fault in results:
                if fault is None:
                    looks[item.path] = found
                else:
                    faults[item.path] = fault
    finally:  # an interrupted run too remembers what it has seen
        new = {one.sha256: one for one in looks.values() if one.sha256 not in known}
        add_lines(memory, map(json.dumps, map(_spelled, new.values())))
        add_lines(known_good_file, new)
    return looks, faults


def tell_of_unused_bits(looks: dict[str, Look]):
    """Notes which pictures of 16 bits are dark, because few of them are used."""
    dark = {path: one.bits for path, one in looks.items() if one.bits}
    if dark:
        named = listed(f"{path}: {bits}" for path, bits in dark.items())
        note(
            f"few of 16 bits are used in {counted(len(dark), 'picture')} "
            f"({named}), read as dark as that is: if a camera of 10, 12 or 14 bits made "
            "them, scale their values to 16 bits"
        )


def look(data: bytes, sha256: str) -> Look:
    """What the bytes of a file show; raises `ImageError` if that is no picture."""
    try:
        with quiet, opened(data) as file:
            return _look(file, sha256)
    except Exception:
        decode(data)  # has the words for what is wrong
        raise


def small(data: bytes) -> Image.Image:
    """The picture in a file that can be read, in no more detail than a look needs."""
    with quiet, opened(data) as file:
        return _reduced(file)


def _look(file, sha256):
    width, height, mode, deep = *file.size, file.mode, has_16_bits(file)
    picture, exif = _reduced(file), _exif(file)
    orientation = exif.get(ExifTags.Base.Orientation, UPRIGHT)
    if orientation in ON_THE_SIDE:
        width, height = height, width
    return Look(
        sha256=sha256,
        format=file.format,
        mode=mode,
        width=width,
        height=height,
        turned=orientation in TURNED,
        hash=hash_of(picture),
        shot=shot_of(exif),
        bits=bits_of(picture) if deep else None,
    )


def _reduced(file):
    if file.format in ("JPEG", "MPO"):
        file.draft(file.mode, (ENOUGH, ENOUGH))
    return to_rgb(file)


def _exif(file):
    """The file's EXIF; none at all where it is broken, which harms no pixel."""
    try:
        exif = file.getexif()
        exif.get_ifd(ExifTags.IFD.Exif)
        return exif
    except Exception:
        return Image.Exif()


def _spelled(one):
    hexadecimal = one.hash and one.hash.hex()
    return {**one._asdict(), "hash": hexadecimal, "shot": one.shot}


def _read(line):
    """(sha256, look) of a line; None for half a line."""
    try:
        fields = json.loads(line)
        hexadecimal, shot = fields["hash"], fields["shot"]
        fields["hash"] = hexadecimal and bytes.fromhex(hexadecimal)
        fields["shot"] = shot and Shot(*shot)
        return fields["sha256"], Look(**fields)
    except (ValueError, TypeError, KeyError):
        return None
