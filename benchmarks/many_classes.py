"""The memory of a training step with the text tower in the loop, by number of classes.

    python -m benchmarks.many_classes [--classes 100 1000] [--batch 4] [--steps 2]
        [--methods coop cocoop maple prompt_src clip_lora]

CLIP ViT-B/16 at 224 px with random weights, float32; class names of one to four tokens.
`compiled` is XLA's own account of the step (arguments and temporaries), `peak` the
resident memory of the process after `--steps` steps of an epoch, each configuration in a
process of its own. `x first` is the compiled memory over that of the first number of
classes. Bar: 1,000 classes within 8 GB.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from apt_jax.clip.checkpoint import TINY, Clip
from apt_jax.clip.config import ClipConfig
from apt_jax.clip.model import CLIP
from apt_jax.clip.pixels import Preprocessing
from apt_jax.clip.tokens import Tokenizer
from apt_jax.methods import make
from apt_jax.methods.base import Recipe
from apt_jax.methods.task import Shots, Task, Texts
from apt_jax.training import loop
from benchmarks.heading import heading

B16 = ClipConfig.from_json({"model_type": "clip", "vision_config": {"patch_size": 16}})
DIM, SIZE = 512, 224
METHODS = ("coop", "cocoop", "maple", "prompt_src", "clip_lora")
OPTIONS = {"prompt_src": {"teacher": "task"}}
GIGABYTE = 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--classes", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "CLASSES"))
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]), options)))
        return
    print(heading(options))
    print("method           K   compiled GB    x first   peak GB   seconds a step")
    for name in options.methods:
        first = None
        for classes in options.classes:
            found = in_its_own_process(name, classes, options)
            first = first or found["compiled"]
            print(
                f"{name:12} {classes:5d}   {found['compiled']:11.2f}   "
                f"{found['compiled'] / first:8.2f}   {found['peak']:7.2f}   "
                f"{found['seconds']:14.1f}"
            )


def in_its_own_process(name, classes, options) -> dict:
    command = [sys.executable, "-m", "benchmarks.many_classes", "--one", name, classes]
    command += ["--batch", options.batch, "--steps", options.steps]
    found = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return json.loads(found.stdout.splitlines()[-1])


def measure(name, classes, options) -> dict:
    """Gigabytes that XLA accounts for, peak of the process, seconds a step."""
    method = make(name, **OPTIONS.get(name, {}))
    task = made_up_task(method, classes, options.batch * options.steps)
    recipe = Recipe(1e-3, 1, batch_size=options.batch)
    state = loop.start(method, task, recipe, jax.random.key(0))
    epoch = loop.run_epoch.lower(method, recipe, state, task, jax.random.key(1))
    program = epoch.compile()
    account = program.memory_analysis()
    start = time.monotonic()
    jax.block_until_ready(program(recipe, state, task, jax.random.key(1)))
    seconds = (time.monotonic() - start) / options.steps
    compiled = account.argument_size_in_bytes + account.temp_size_in_bytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 2**10
    return {
        "compiled": compiled / GIGABYTE,
        "peak": peak / GIGABYTE,
        "seconds": seconds,
    }


def made_up_task(method, classes, shots):
    """A task of K classes on a B/16 of random weights, with random shots."""
    generator = np.random.default_rng(0)
    module = CLIP(B16)
    ids, eos = names(classes, generator)
    shapes = jax.eval_shape(
        module.init,
        jax.random.key(0),
        jnp.zeros((1, SIZE, SIZE, 3)),
        jnp.zeros((1, 4), jnp.int32),
        jnp.zeros(1, jnp.int32),
    )["params"]
    params = jax.tree.map(
        lambda x: jnp.asarray(generator.normal(size=x.shape) * 0.02, x.dtype), shapes
    )
    text = jnp.asarray(generator.normal(size=(classes, DIM)), jnp.float32)
    stored = {
        "embedding": jnp.asarray(generator.normal(size=(shots, 1, DIM)), jnp.float32),
        "crop": jnp.zeros((shots, 1, SIZE, SIZE, 3), jnp.uint8),
    }
    kept = "crop" if method.inputs == "pixels" else "embedding"
    held, labels = {kept: stored[kept]}, jnp.arange(shots, dtype=jnp.int32) % classes
    return Task(
        backbone=Clip(
            params=params,
            name="random weights",
            revision=None,
            config=module.config,
            tokenizer=Tokenizer(TINY, 77),
            pixels=Preprocessing(SIZE, SIZE),
            sha256="",
            dtype=module.dtype,
        ),
        texts=Texts(
            features=text / jnp.linalg.norm(text, axis=-1, keepdims=True),
            raw=text,
            prompt_ids=jnp.asarray(ids)[:, None],
            prompt_eos=jnp.asarray(eos)[:, None],
            prompt_shares=jnp.ones((classes, 1)),
            name_ids=jnp.asarray(ids),
            name_eos=jnp.asarray(eos),
        ),
        logit_scale=jnp.float32(100),
        shots=Shots(held, held, labels),
    )


def names(classes, generator):
    """[K, L] ids of made-up names between start and end, and [K] their ends."""
    vocabulary = B16.text.vocab_size
    ids = generator.integers(3, vocabulary - 2, size=(classes, 7)).astype(np.int32)
    eos = generator.integers(3, 7, size=classes).astype(np.int32)
    ids[np.arange(7)[None] >= eos[:, None]] = vocabulary - 1
    return ids, eos


if __name__ == "__main__":
    main()
