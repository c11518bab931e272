"""How long the encoder waits for pictures, and how much memory encoding takes.

    python -m benchmarks.encoding FOLDER [--backbone b16|tiny|CHECKPOINT] [--count 2000]
    python -m benchmarks.encoding --made-up 200000 [--backbone tiny] [--views 1]

The first reads `--count` photographs below FOLDER, decodes them on all cores ahead of the
tower and keeps their embeddings on disk, as a run does; the waiting is the time in which
the tower had no batch. Bar: under 5 % with a ViT-B/16 (random weights), one view and ten.
The second does the same with small pictures that are made when they are read, as many as
asked for: its figure is the peak of memory, which must not grow with their number.
"""

import argparse
import io
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from apt_jax.clip.checkpoint import load
from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.roots import reader
from apt_jax.features import encoder as encoding
from apt_jax.features.reads import Reads
from apt_jax.features.views import Views
from benchmarks.heading import heading
from benchmarks.overhead import random_b16

ENDINGS = (".jpg", ".jpeg", ".png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--backbone", default="b16")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--made-up", type=int, default=0)
    parser.add_argument(
        "--views", type=int, default=0, help="random views; 0: the centre"
    )
    parser.add_argument("--inputs", default="embedding")
    options = parser.parse_args()
    if not options.folder and not options.made_up:
        parser.error("name a FOLDER of photographs, or --made-up N")
    dataset = made_up(options.made_up) if options.made_up else photographs(options)
    if not dataset.train:
        parser.error(f"{options.folder} holds no photographs ({', '.join(ENDINGS)})")
    print(heading(options))
    clip = random_b16() if options.backbone == "b16" else load(options.backbone)
    warm_up(dataset, clip, options)
    before = peak_megabytes()
    with tempfile.TemporaryDirectory() as cache:
        seconds, waited, size = measure(dataset, clip, options, cache)
    views = len(dataset.train) * max(1, options.views)
    print(
        f"{'views':>10} {'views/s':>10} {'waiting':>10} {'kept, MB':>10} {'peak, MB':>22}"
    )
    print(
        f"{views:10,d} {views / seconds:10.1f} {100 * waited / seconds:9.2f}%"
        f" {size / 1e6:10.1f} {f'{before:.0f} before, {peak_megabytes():.0f} after':>22}"
    )


def photographs(options) -> Dataset:
    """Photographs below a folder, evenly from first to last."""
    root = Path(options.folder)
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in ENDINGS)
    count = min(options.count, len(paths))
    chosen = [paths[at * len(paths) // count] for at in range(count)]
    paths = [path.relative_to(root).as_posix() for path in chosen]
    items = tuple(Item(path, 0, hash_of(at)) for at, path in enumerate(paths))
    return Dataset("photographs", ("photograph",), items, (), (), (), reader(root))


def made_up(count) -> Dataset:
    """Small JPEG files of noise, each of its own, made when they are read."""

    def read(item) -> bytes:
        colours = np.random.default_rng(int(item.path)).integers(0, 256, (4, 4, 3))
        image = Image.fromarray(colours.astype(np.uint8)).resize((48, 48))
        file = io.BytesIO()
        image.save(file, "jpeg")
        return file.getvalue()

    items = tuple(Item(str(number), 0, hash_of(number)) for number in range(count))
    return Dataset("made up", ("noise",), items, (), (), (), read)


def hash_of(number) -> str:
    """One of its own for each picture."""
    return f"{number:064x}"


def warm_up(dataset, clip, options):
    """Compiles, outside the clock."""
    some = dataset.pictures(dataset.train[:2])
    encoding.Encoder(clip).encode(some, Reads(options.inputs))


def measure(dataset, clip, options, cache):
    """(seconds, of them without a batch, bytes kept)."""
    views = Views(options.views)
    waited, decoded = 0.0, encoding._decoded

    def timed(*arguments):
        nonlocal waited
        pictures = decoded(*arguments)
        while True:
            start = time.perf_counter()
            picture = next(pictures, None)
            waited += time.perf_counter() - start
            if picture is None:
                return
            yield picture

    encoding._decoded = timed
    start = time.perf_counter()
    pictures = dataset.pictures(dataset.train)
    encoding.Encoder(clip, cache).encode(pictures, Reads(options.inputs), views)
    seconds = time.perf_counter() - start
    encoding._decoded = decoded
    size = sum(file.stat().st_size for file in Path(cache).rglob("*.safetensors"))
    return seconds, waited, size


def peak_megabytes() -> float:
    """The most memory that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
