"""What encoding and training would cost, from a few images: seconds, bytes, memory."""

import concurrent.futures
import os
import resource
import sys
import time
from typing import NamedTuple

import jax
import numpy as np

from apt_jax import keys
from apt_jax.data.images import decode
from apt_jax.features.cache import bytes_of, shapes_of
from apt_jax.features.encoder import Encoder, Features
from apt_jax.features.reads import Reads
from apt_jax.features.views import Views, make_view
from apt_jax.methods.base import Method, Recipe, steps_of
from apt_jax.methods.task import Task
from apt_jax.training import loop

STEPS = 2  # of training that are timed


class Estimate(NamedTuple):
    """Of one view of one image."""

    tower_seconds: float  # 0 for a method that keeps pixels
    making_seconds: float  # reading, decoding, cropping, on all cores
    bytes: int  # that are kept
    peak_bytes: int  # of the process's memory, the backbone in it
    features: Features  # of one of them


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
    return Estimate(
        tower_seconds=encoder.seconds_per_image(reads),
        making_seconds=making,
        bytes=bytes_of(shapes_of(encoder.clip, reads)),
        peak_bytes=peak_bytes(),
        features=features,
    )


def epoch_seconds(method: Method, task: Task, recipe: Recipe, images: int) -> float:
    """Seconds of an epoch over so many images, compilation apart: a few steps are timed.

    The task has a shot, which stands for all.
    """
    some = min(images, STEPS * recipe.batch_size)
    task = task.take(np.zeros(some, int))
    key = keys.of_seed(0, keys.TRAIN)
    chosen = method.choose(jax.random.clone(key), task)
    state = loop.start(method, task, recipe, key, chosen)
    start = time.monotonic()
    for _ in range(2):  # the first compiles
        start = time.monotonic()
        of_epoch = (state, task, jax.random.clone(key))
        state, *figures = loop.run_epoch(method, recipe, *of_epoch)
        jax.block_until_ready(figures)
    step = (time.monotonic() - start) / steps_of(some, recipe)
    return step * steps_of(images, recipe)


def peak_bytes() -> int:
    """The most memory that this process has held, which psutil does not tell here."""
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
