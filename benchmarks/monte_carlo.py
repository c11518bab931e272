"""What Monte-Carlo samples cost: T passes against one deterministic pass, per image.

    python -m benchmarks.monte_carlo [--dtype float32] [--classes 20 100] [--batch 8]

One deterministic pass is the B/16 image tower at 224 px (random weights) and the
head. T samples add masks and dot products to it: all that lies upstream of the first
mask runs once. Times are medians of interleaved runs in one process, compilation
outside the clock. Bar: T = 30 costs at most 1.3 times the deterministic pass.
"""

import argparse
import dataclasses
import functools
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from apt_jax.clip.config import ClipConfig
from apt_jax.clip.model import CLIP
from apt_jax.methods import APT
from apt_jax.methods.task import Task, Texts
from apt_jax.uncertainty.monte_carlo import monte_carlo
from apt_jax.uncertainty.softmax import deterministic
from benchmarks.heading import heading

SAMPLES = (1, 10, 30, 100)
DIM, SIZE = 512, 224
B16 = {"model_type": "clip", "vision_config": {"patch_size": 16}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--classes", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    print(heading(options))
    print("  K    T   ms/image   x deterministic   head alone, ms/image")
    for classes in options.classes:
        for samples, tower, head in measure(classes, options):
            if samples is None:
                base = tower + head
            name = "-" if samples is None else samples
            total = tower + head
            print(
                f"{classes:3d}  {name:>3}   {1000 * total:8.1f}   {total / base:15.3f}"
                f"   {1000 * head:10.2f}"
            )


def measure(classes, options):
    """Yields (T or None, tower seconds an image, head seconds an image)."""
    generator = np.random.default_rng(0)
    tower = tower_program(options.dtype)
    pixels = jnp.asarray(
        generator.normal(size=(options.batch, SIZE, SIZE, 3)), "float32"
    )
    tokens = jax.block_until_ready(tower(pixels))
    task, method, params = made_up_head(classes, generator)
    contents = jnp.arange(2 * options.batch, dtype=jnp.uint32).reshape(-1, 2)
    heads = {None: lambda: _deterministic(method, params, task, tokens)}
    for samples in SAMPLES:
        heads[samples] = functools.partial(
            _sampled, method, params, task, tokens, contents, samples
        )
    jobs = {"tower": lambda: tower(pixels), **heads}
    seconds = medians(jobs, options.runs)
    for samples in heads:
        per_image = 1 / options.batch
        yield samples, seconds["tower"] * per_image, seconds[samples] * per_image


def medians(jobs, runs) -> dict:
    """Median seconds of each job; the jobs take turns, after one run to compile."""
    times = {name: [] for name in jobs}
    for job in jobs.values():
        jax.block_until_ready(job())
    for _ in range(runs):
        for name, job in jobs.items():
            start = time.perf_counter()
            jax.block_until_ready(job())
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def tower_program(dtype):
    """A compiled B/16 image tower with random weights: pixels to tokens."""
    model = CLIP(ClipConfig.from_json(B16), dtype)
    shapes = jax.eval_shape(
        lambda key: model.init(
            key, jnp.zeros((1, SIZE, SIZE, 3)), method="image_tokens"
        ),
        jax.random.key(0),
    )
    generator = np.random.default_rng(0)
    params = jax.tree.map(
        lambda x: jnp.asarray(0.02 * generator.normal(size=x.shape), x.dtype), shapes
    )
    program = jax.jit(
        lambda params, pixels: model.apply(params, pixels, method="image_tokens")
    )
    return functools.partial(program, params)


def made_up_head(classes, generator):
    """A task of random classes and a head with its default options."""
    text = generator.normal(size=(classes, DIM))
    text /= np.linalg.norm(text, axis=-1, keepdims=True)
    nothing = dict.fromkeys(field.name for field in dataclasses.fields(Texts))
    texts = Texts(**nothing | {"features": jnp.asarray(text, jnp.float32)})
    task = Task(texts=texts, logit_scale=jnp.float32(100))
    method = APT()
    return task, method, method.init(jax.random.key(0), task, {})


@functools.partial(jax.jit, static_argnames="method")
def _deterministic(method, params, task, tokens):
    return deterministic(method, params, task, tokens, method.classes(params, task))


@functools.partial(jax.jit, static_argnames=("method", "samples"))
def _sampled(method, params, task, tokens, contents, samples):
    key = jax.random.key(1)
    classes = method.classes(params, task)  # of its default, without chance
    batch, chance = (tokens, contents, classes), {"key": key, "samples": samples}
    return monte_carlo(method, params, task, *batch, **chance)


if __name__ == "__main__":
    main()
