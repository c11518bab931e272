"""What training 1, 3 and 10 seeds together costs against one seed after the other.

    python -m benchmarks.seeds [--methods apt coop clip_adapter] [--shots 4] [--epochs 5]
        [--at-once]

The classes are the quickstart's, the tower the small CLIP of the package; features are
made up, since their values cost nothing. One by one, each seed is a call of the same
compiled epoch. Times are medians over epochs of seeds together and one by one in turns,
in one process; the first epoch, which compiles, is told apart. On a CPU the seeds of a
program take turns; with --at-once they are a `vmap` there as they are elsewhere.
ratio = one by one over together: above 1 together is faster.
"""

import argparse
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from apt_jax import config as configuration
from apt_jax import data
from apt_jax.clip import checkpoint
from apt_jax.methods import make
from apt_jax.methods.base import Recipe
from apt_jax.methods.task import Shots, make_task
from apt_jax.training import loop
from benchmarks.heading import heading

VIEWS = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--methods", nargs="+", default=["apt", "coop", "clip_adapter"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 3, 10])
    parser.add_argument("--shots", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--at-once", action="store_true")
    options = parser.parse_args()
    if options.at_once:
        loop.IN_TURNS = ()
    print(heading(options))
    print(
        "                        ms an epoch, all seeds         first epoch, s\n"
        "method        seeds   together  one by one   ratio   together    alone"
    )
    clip = checkpoint.load("tiny", dtype="float32")
    config = configuration.default(source="synthetic")
    classes = data.load(configuration.source_of(config), seed=1)
    task = make_task(clip, classes.classes, classes.templates)
    for name in options.methods:
        for seeds in options.seeds:
            first, usual = measure(make(name), task, seeds, options)
            ratio = usual["alone"] / usual["together"]
            print(
                f"{name:13} {seeds:5}  {1000 * usual['together']:9.1f}  "
                f"{1000 * usual['alone']:10.1f}  {ratio:6.2f}  {first['together']:9.2f}"
                f"{first['alone']:9.2f}",
                flush=True,
            )


def measure(method, task, seeds, options):
    """Seconds of the first epoch and of a usual one, together and one by one."""
    held, count = with_shots(task, options.shots * seeds), options.shots
    of_seed = count * task.num_classes
    tasks = [held.take(seed * of_seed + np.arange(of_seed)) for seed in range(seeds)]
    recipe = method.recipe(tasks[0], {}) or Recipe(learning_rate=1e-3, epochs=1)
    keys = jnp.stack([jax.random.key(seed) for seed in range(seeds)])
    states = [
        loop.start(method, of_seed, recipe, key, {})
        for of_seed, key in zip(tasks, keys, strict=True)
    ]
    state, joined = loop.stack(states), loop.together(tasks)
    loop.run_epoch.clear_cache()
    times = {"together": [], "alone": []}
    for _ in range(options.epochs + 1):
        began = time.perf_counter()
        state, *figures = loop.run_epoch(method, recipe, state, joined, keys)
        jax.block_until_ready(figures)
        times["together"].append(time.perf_counter() - began)
        began = time.perf_counter()
        for seed, of_seed in enumerate(tasks):
            states[seed], *figures = loop.run_epoch(
                method, recipe, states[seed], of_seed, keys[seed]
            )
            jax.block_until_ready(figures)
        times["alone"].append(time.perf_counter() - began)
    first = {way: seconds[0] for way, seconds in times.items()}
    usual = {way: statistics.median(seconds[1:]) for way, seconds in times.items()}
    return first, usual


def with_shots(task, shots):
    """The task with made-up features of `shots` images a class."""
    generator = np.random.default_rng(0)
    dim, count = task.text.shape[-1], shots * task.num_classes
    clip = task.backbone
    patches = (clip.pixels.size // clip.config.vision.patch_size) ** 2
    embedding = generator.normal(size=(count, VIEWS, dim))
    tokens = generator.normal(size=(count, VIEWS, patches, dim))
    stored = {
        "embedding": jnp.asarray(embedding, jnp.float32),
        "patches": jnp.asarray(tokens, jnp.float16),
    }
    labels = jnp.arange(count, dtype=jnp.int32) % task.num_classes
    return task.replace(shots=Shots(stored, stored, labels))


if __name__ == "__main__":
    main()
