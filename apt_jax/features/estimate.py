"""What encoding would cost, from a few images: seconds, bytes to keep, memory."""

import concurrent.futures
import os
import resource
import sys
import time
from typing import NamedTuple

from apt_jax.data.images import decode
from apt_jax.features.encode import features_of_crops, seconds_per_image
from apt_jax.features.views import Views, make_view


class Estimate(NamedTuple):
    """Of one view of one image."""

    tower_seconds: float  # 0 for a method that keeps pixels
    making_seconds: float  # reading, decoding, cropping, on all cores
    bytes: int  # that are kept
    peak_bytes: int  # of the process's memory, the backbone in it


def estimate(dataset, items, clip, method, views: Views) -> Estimate:
    """Encodes a few views of `items` with the frozen tower, and times it."""

    def crops_of(item):
        image = decode(dataset.read(item))
        return [make_view(image, item.sha256, view, clip.pixels) for view in views.each]

    start = time.monotonic()
    workers = os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        crops = [crop for of_item in pool.map(crops_of, items) for crop in of_item]
    making = (time.monotonic() - start) / len(crops)
    features = features_of_crops(clip, crops[:1], method.reads)
    stored = sum(array.nbytes for array in features.stored.values())
    return Estimate(
        tower_seconds=seconds_per_image(clip, method.reads),
        making_seconds=making,
        bytes=stored + features.contents.nbytes,
        peak_bytes=peak_bytes(),
    )


def peak_bytes() -> int:
    """The most memory that this process has held."""
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
