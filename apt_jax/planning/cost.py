"""What encoding would cost, from a few images: seconds, bytes to keep, memory."""

import concurrent.futures
import os
import resource
import sys
import time
from typing import NamedTuple

from apt_jax.data.images import decode
from apt_jax.features.encoder import Encoder
from apt_jax.features.stored import Reads
from apt_jax.features.views import Views, make_view


class Estimate(NamedTuple):
    """Of one view of one image."""

    tower_seconds: float  # 0 for a method that keeps pixels
    making_seconds: float  # reading, decoding, cropping, on all cores
    bytes: int  # that are kept
    peak_bytes: int  # of the process's memory, the backbone in it


def estimate(encoder: Encoder, pictures, reads: Reads, views: Views) -> Estimate:
    """Encodes a few views of pictures with the frozen tower, and times it."""
    pixels = encoder.clip.pixels

    def crops_of(picture):
        image = decode(picture.read())
        return [make_view(image, picture.sha256, view, pixels) for view in views.each]

    start = time.monotonic()
    workers = os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        crops = [crop for of_one in pool.map(crops_of, pictures) for crop in of_one]
    making = (time.monotonic() - start) / len(crops)
    features = encoder.crops(crops[:1], reads)
    stored = sum(array.nbytes for array in features.stored.values())
    return Estimate(
        tower_seconds=encoder.seconds_per_image(reads),
        making_seconds=making,
        bytes=stored + features.contents.nbytes,
        peak_bytes=peak_bytes(),
    )


def peak_bytes() -> int:
    """The most memory that this process has held."""
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
