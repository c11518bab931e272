"""Photographs of one burst: the same camera, moments after one another, by their EXIF.

Moments are EXIF's DateTimeOriginal with its SubSecTimeOriginal, in the camera's own clock.
A photograph without a moment or without the name of a camera is of no burst.
"""

import datetime
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

SECONDS = 2.0  # between two photographs of a burst, which may go on for longer
CAMERA = (ExifTags.Base.Make, ExifTags.Base.Model)
START = datetime.datetime(1970, 1, 1)


class Shot(NamedTuple):
    """When a photograph was taken, and with what."""

    camera: str  # maker, model and, where the file has it, serial number
    moment: float  # seconds


def shot_of(exif: Image.Exif) -> Shot | None:
    """What a file's EXIF tells; None where that does not do."""
    within = exif.get_ifd(ExifTags.IFD.Exif)
    names = [exif.get(tag) for tag in CAMERA]
    names.append(within.get(ExifTags.Base.BodySerialNumber))
    camera = " ".join(_text(name) for name in names if name)
    moment = _moment(
        _text(within.get(ExifTags.Base.DateTimeOriginal)),
        _text(within.get(ExifTags.Base.SubsecTimeOriginal)),
    )
    return Shot(camera, moment) if camera and moment is not None else None


def burst_pairs(
    shots: Sequence[Shot | None], classes: Sequence
) -> tuple[np.ndarray, np.ndarray]:
    """Arrays i, j of shots of one class that follow one another in a burst."""
    taken = sorted(
        (name, *shot, place)
        for place, (name, shot) in enumerate(zip(classes, shots, strict=True))
        if shot
    )
    pairs = [
        (one[-1], other[-1])
        for one, other in itertools.pairwise(taken)
        if one[:2] == other[:2] and other[2] - one[2] <= SECONDS
    ]
    i, j = np.array(pairs, int).reshape(-1, 2).T
    return i, j


def _moment(text, fraction):
    """Seconds, from "2024:05:17 10:31:02" and the decimals after them."""
    try:
        taken = datetime.datetime.strptime(text, "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None  # absent, or the zeros of a camera whose clock was never set
    decimals = fraction if fraction.isascii() and fraction.isdigit() else "0"
    return (taken - START).total_seconds() + float(f"0.{decimals}")


def _text(value) -> str:
    """A value of EXIF as one clean line, whatever type a camera gave it."""
    return " ".join(str(value or "").replace("\0", " ").split())
