"""What every method adds to zero-shot CLIP when it judges: time and memory, by classes.

    python -m benchmarks.overhead [--backbone tiny] [--classes 10 100] [--samples 30]
        [--methods apt coop] [--batch 8] [--shots 4] [--runs 21]

An image is a program from its pixels to its probabilities: the frozen tower and the
method behind it, in one deterministic pass and, where the method has dropout, in the mean
of T samples. What depends on no image (a text tower over learned prompts) is another
program, which runs once for a list of classes and not for an image; it is told apart,
with all T samples if they differ there. CoCoOp's text tower depends on the image.

`x` is over zero-shot CLIP's program, measured in turns with all others of a number of
classes: medians of interleaved runs in one process, compilation outside the clock. Memory
is the compiler's account: weights that the program reads, a batch, what lies in between.
`text` is CLIP's text tower over one prompt a class, for comparison with the class list.

Parameters are untrained, class names, shots and pixels made up: neither time nor memory
hangs on their values. `--backbone b16` is a ViT-B/16 with random weights; give it few
samples and classes on a small machine, or name the methods.
"""

import argparse
import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from apt_jax.clip.checkpoint import TINY, Clip, load
from apt_jax.clip.pixels import Preprocessing
from apt_jax.clip.tokens import Tokenizer
from apt_jax.methods import METHODS, make, require_fit
from apt_jax.methods.task import Shots, make_task
from apt_jax.training.fit import bytes_of
from apt_jax.uncertainty.monte_carlo import monte_carlo
from apt_jax.uncertainty.predictive import class_sides
from apt_jax.uncertainty.softmax import deterministic
from benchmarks.heading import heading
from benchmarks.image_tower import B16, random_parameters
from benchmarks.monte_carlo import medians

# What a name stands for, where it is not a method with its defaults.
VARIANTS = {
    "coop_dropout": make("coop", drop_context=0.3),
    "prompt_src": make("prompt_src", teacher="task"),  # only training reads the teacher
}
BASE, MEGABYTE = "zero_shot", 2**20


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled program with its arguments."""

    run: Callable
    bytes: int


def parser():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backbone", default="tiny", choices=("tiny", "b16"))
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--methods", nargs="+", default=[*METHODS, "coop_dropout"])
    parser.add_argument("--samples", type=int, default=30)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--shots", type=int, default=4, help="of those who fit at once")
    parser.add_argument("--runs", type=int, default=21)
    return parser


def main():
    options = parser().parse_args()
    print(heading(options))
    clip = load("tiny") if options.backbone == "tiny" else random_b16()
    for classes in options.classes:
        print(f"\n{classes} classes\n\n{table(clip, classes, options)}", flush=True)


def table(clip, classes, options) -> str:
    """The Markdown table of one number of classes."""
    names = [BASE, *(name for name in options.methods if name != BASE)]
    task, batch = (
        made_up_task(clip, classes, options.shots),
        pixels(clip, options.batch),
    )
    made = {name: VARIANTS.get(name) or make(name) for name in names}
    found = {
        name: programs(method, task, batch, options.samples)
        for name, method in made.items()
    }
    jobs = {
        (name, kind): program.run
        for name, of_method in found.items()
        for kind, program in of_method.items()
    }
    text = functools.partial(text_tower, task.module, task.clip, *prompts_of(task))
    seconds = medians(jobs | {"text": text}, options.runs)
    rows = [row(name, found, seconds, options.batch) for name in names]
    sampled = f"T = {options.samples}"
    columns = ("", "ms an image", "x", f"{sampled}, ms", "x", "MB", "x")
    columns += (f"{sampled}, MB", "x", "class list, ms", "MB")
    note = f"text: {1000 * seconds['text']:.2f} ms"
    lines = [columns, ["---", *["--:"] * (len(columns) - 1)], *rows]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", note])


def row(name, found, seconds, batch) -> list[str]:
    """Milliseconds an image and megabytes, each beside its ratio to zero-shot CLIP's."""
    times, sizes = [], []
    for kind in ("one", "sampled"):
        if kind not in found[name]:
            times += ["", ""]
            sizes += ["", ""]
            continue
        own, base = seconds[name, kind], seconds[BASE, "one"]
        times += [f"{1000 * own / batch:.2f}", f"{own / base:.2f}"]
        own, base = found[name][kind].bytes, found[BASE]["one"].bytes
        sizes += [f"{own / MEGABYTE:.1f}", f"{own / base:.2f}"]
    of_list = found[name]["classes"].bytes / MEGABYTE
    return [
        name,
        *times,
        *sizes,
        f"{1000 * seconds[name, 'classes']:.2f}",
        f"{of_list:.1f}",
    ]


def programs(method, task, batch, samples) -> dict[str, Program]:
    """`one` pass, `sampled` if the method has dropout, and `classes`, all compiled."""
    require_fit(method, task)
    chosen = method.choose(jax.random.key(0), task)
    fits = method.recipe(task, chosen) is None
    params = (method.fit if fits else method.init)(jax.random.key(0), task, chosen)
    task = task.bare
    judged = {"one": (None, None)}
    if method.stochastic:
        judged["sampled"] = (jax.random.key(1), samples)
    found = {}
    for kind, chance in judged.items():
        classes = compiled(class_sides, (method, params, task), chance)
        found["classes"] = classes  # of the samples, if there are any
        inputs = (method, params, task, *batch, jax.block_until_ready(classes.run()))
        found[kind] = compiled(probabilities, inputs, chance)
    return found


def compiled(function, inputs, chance) -> Program:
    """`function` (method, ..., key, samples), compiled: method and samples are static."""
    method, *arrays = inputs
    key, samples = chance
    program = function.lower(method, *arrays, key, samples).compile()

    def run():
        again = None if key is None else jax.random.clone(key)
        return program(*arrays, again)

    return Program(run, bytes_of(program))


@functools.partial(jax.jit, static_argnames=("method", "samples"))
def probabilities(method, params, task, crops, contents, classes, key, samples):
    """[B, K] log-probabilities of [B, S, S, 3] crops, given what depends on no image."""
    images = read(method, task, method.preprocessing(task.backbone).normalise(crops))
    if key is None:
        return deterministic(method, params, task, images, classes).log_probs
    batch, chance = (images, contents, classes), {"key": key, "samples": samples}
    return monte_carlo(method, params, task, *batch, **chance).log_probs


def read(method, task, images):
    """What the method reads of each image, by the frozen tower."""
    if method.inputs == "pixels":
        return images
    if method.inputs == "embedding":
        return task.backbone.apply("image_embedding", images)
    source = {"token_source": method.token_source}
    return task.backbone.apply("image_tokens", images, **source)


@functools.partial(jax.jit, static_argnames="module")
def text_tower(module, params, ids, eos):
    return module.apply({"params": params}, ids, eos, method="text_features")


def prompts_of(task):
    """[K, L] ids and [K] ends of the one prompt of each class."""
    return task.texts.prompt_ids[:, 0], task.texts.prompt_eos[:, 0]


def made_up_task(clip, classes, shots):
    """A task of K classes that no one knows, with `shots` embeddings near each text."""
    names = [f"kind {number}" for number in range(classes)]
    task = make_task(clip, names, ("a photo of a {}.",))
    labels = np.tile(np.arange(classes), shots)
    noise = np.random.default_rng(0).normal(size=(len(labels), task.embedding_dim))
    spread = 0.5 / task.embedding_dim**0.5
    near = np.asarray(task.text)[labels] + spread * noise
    stored = {"embedding": jnp.asarray(near[:, None], jnp.float32)}
    shots = Shots(stored, stored, jnp.asarray(labels, jnp.int32))
    return task.replace(shots=shots)


def pixels(clip, batch):
    """[B, S, S, 3] crops of noise and [B, 2] contents."""
    shape = (batch, clip.pixels.size, clip.pixels.size, 3)
    crops = np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8)
    contents = np.arange(2 * batch, dtype=np.uint32).reshape(batch, 2)
    return jnp.asarray(crops), jnp.asarray(contents)


def random_b16() -> Clip:
    """A CLIP ViT-B/16 of random weights that reads the words of the small CLIP."""
    size = B16.vision.image_size
    return Clip(
        name="b16, random weights",
        revision=None,
        config=B16,
        params=jax.tree.map(jnp.asarray, random_parameters()),
        tokenizer=Tokenizer(TINY, B16.text.max_position_embeddings),
        pixels=Preprocessing(size, size),
        sha256="",
        dtype="float32",
    )


if __name__ == "__main__":
    main()
