"""Images through the frozen tower, once.

Decoding runs in threads ahead of the tower; batches have one fixed size (the last is
padded), so there is one compilation. What is encoded goes to disk block by block
(`features.blocks`), so a set may be larger than memory, a killed encoding goes on where it
was, and processes that encode the same images share the work.
"""

import collections
import concurrent.futures
import dataclasses
import functools
import itertools
import os
import time
from collections.abc import Iterable, Iterator

import jax
import numpy as np

from apt_jax.data.images import ImageError, decode
from apt_jax.errors import UserError
from apt_jax.features import cache
from apt_jax.features.blocks import Blocks, bytes_of, gigabytes
from apt_jax.features.stored import KINDS
from apt_jax.features.views import Views, content, make_views
from apt_jax.files import digest, of_disk
from apt_jax.progress import progress

BATCH = {"cpu": 16}  # larger batches are slower there: fresh buffers, page faults
BATCH_ELSEWHERE = 256
CENTRE = Views()  # the centre crop alone


@dataclasses.dataclass(frozen=True)
class Features:
    """Of n images in R views each; the layout of `stored` is in `features.stored`."""

    stored: dict[str, np.ndarray]  # each [n, R, ...]
    contents: np.ndarray  # [n, R, 2] uint32 hash of the pixels of each view
    seconds: float  # spent encoding; 0 when they came from the cache

    def view(self, index: int) -> dict[str, np.ndarray]:
        """What was kept of one view, [n, ...]."""
        return {name: array[:, index] for name, array in self.stored.items()}


def encode(
    dataset,
    items,
    hashes: dict[str, str],
    clip,
    *,
    inputs: str,
    token_source: str = "last",
    views: Views = CENTRE,
    cache_dir: str = "",
    what: str = "images",
) -> Features:
    """Frozen outputs of `items`, from the cache where they are there.

    Args:
        hashes: SHA-256 of each item's bytes by path, as `data.scan` returns it.
        inputs: what the method reads: "embedding", "tokens" or "pixels".
        views: random views of each image, or the centre crop.
        cache_dir: where features are kept; empty keeps them in memory only.
        what: how the progress bar calls them.

    Raises:
        UserError: if memory or disk are too small, the cache cannot be written, or an
            image that was checked cannot be read any more.
    """
    n, start = len(items), time.monotonic()
    shapes = _shapes(clip, inputs, (n, views.per_image))

    def views_of(chosen):
        return _decoded(dataset, chosen, hashes, views, clip)

    def kept_of(crops):
        return encode_crops(clip, crops, inputs, token_source)

    encoded = functools.partial(_encoded, items, views_of, kept_of, shapes, what)
    folder = cache.location(cache_dir)
    if folder is None or n == 0:
        require_memory(bytes_of(shapes))
        found = dict(encoded([(0, slice(0, n))], n)) if n else {}
        empty = {name: np.empty(*shape) for name, shape in shapes.items() if n == 0}
        return _features(found.get(0, empty), time.monotonic() - start)
    folder /= digest(_key(items, hashes, clip, inputs, token_source, views))
    arrays = cache.load(folder, shapes)
    if arrays is not None:
        return _features(arrays, 0.0)
    try:
        _fill(folder, shapes, encoded)
    except OSError as error:
        if not of_disk(error):
            raise
        raise UserError(
            f"cannot write the feature cache {folder.parent}: {error.strerror}; name "
            "another with --config.features.cache_dir=DIR, or none with an empty one"
        ) from None
    return _features(cache.load(folder, shapes), time.monotonic() - start)


def features_of_crops(clip, crops, inputs, token_source="last") -> Features:
    """Frozen outputs of [S, S, 3] uint8 crops, one view each, not cached."""
    start = time.monotonic()
    kept = list(encode_crops(clip, crops, inputs, token_source))
    stored = jax.tree.map(lambda *of_crops: np.stack(of_crops)[:, None], *kept)
    contents = np.stack([content(crop) for crop in crops])[:, None]
    return Features(stored, contents, time.monotonic() - start)


def encode_crops(clip, crops: Iterable, inputs: str, token_source: str) -> Iterator:
    """Yields what is kept of each [S, S, 3] uint8 crop, a dict of arrays, in order."""
    if inputs == "pixels":
        for crop in crops:
            yield {"crop": crop}
        return
    size = BATCH.get(jax.default_backend(), BATCH_ELSEWHERE)
    for batch in _batches(crops, size):
        padded = np.zeros((size, *batch[0].shape), np.uint8)
        padded[: len(batch)] = batch
        out = _forward(
            clip.module, inputs, token_source, clip.params, clip.pixels, padded
        )
        out = {name: np.asarray(array) for name, array in out.items()}
        require_directions(out["embedding"][: len(batch)], clip, "images")
        for row in range(len(batch)):
            yield {name: array[row] for name, array in out.items()}


def require_directions(features, clip, what: str):
    """Refuses features without a direction: NaN, infinite or all zero.

    Raises:
        UserError: that blames the backbone, whatever method comes after it.
    """
    lengths = np.linalg.norm(np.asarray(features, np.float64), axis=-1)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise UserError(
            f"the backbone {clip.name} gives features of {what} that are zero or not "
            f"finite in {clip.dtype}; use --config.clip.dtype=float32, or another "
            "checkpoint"
        )


def seconds_per_image(clip, inputs: str, token_source: str) -> float:
    """Seconds that the tower takes for one image, decoding apart; 0 without a tower."""
    if inputs == "pixels":
        return 0.0
    size = BATCH.get(jax.default_backend(), BATCH_ELSEWHERE)
    crops = [np.zeros((clip.pixels.size, clip.pixels.size, 3), np.uint8)] * size
    list(encode_crops(clip, crops, inputs, token_source))  # compiles
    start = time.monotonic()
    list(encode_crops(clip, crops, inputs, token_source))
    return (time.monotonic() - start) / size


@functools.partial(
    jax.jit, static_argnames=("module", "inputs", "token_source", "pixels")
)
def _forward(module, inputs, token_source, params, pixels, crops):
    images = pixels.normalise(crops)
    weights = {"params": params}
    embedding = module.apply(weights, images, method="image_embedding")
    if inputs == "embedding":
        return {"embedding": embedding}
    # Whatever the source of the patches, the embedding is the last block's: the logits
    # hang on it. XLA sees that both calls run the same tower and runs it once.
    tokens = module.apply(
        weights, images, token_source=token_source, method="image_tokens"
    )
    return {"embedding": embedding, "patches": tokens[:, 1:].astype(np.float16)}


def _fill(folder, shapes, encoded):
    """Fills the set of features at `folder`, beside others that do the same."""
    try:
        with Blocks(folder, shapes) as blocks:
            if folder.is_dir():  # since it was looked for
                blocks.discard()
                return
            while blocks.missing:
                claims = ((block, blocks.rows(block)) for block in blocks.claims())
                for block, arrays in encoded(claims, blocks.images_missing):
                    blocks.write(block, arrays)
                blocks.wait()
            blocks.publish()
    except FileNotFoundError:  # another gave the folder its name in between
        if not folder.is_dir():
            raise


def _encoded(items, views_of, kept_of, shapes, what, claims, count: int):
    """Yields (block, its arrays) of every claim (block, rows of `items`), in order.

    `views_of` decodes items ahead, into the next block; `kept_of` is the tower. `count`
    images are expected in all.
    """
    claimed = collections.deque()  # blocks on their way
    contents = collections.deque()  # of crops on their way
    _, per_image, *_ = shapes["contents"][0]

    def wanted():
        for block, rows in claims:
            claimed.append((block, rows.stop - rows.start))
            yield from items[rows]

    def crops():
        for of_item in views_of(wanted()):
            for crop in of_item:
                contents.append(content(crop))
                yield crop

    kept = kept_of(crops())
    with progress(count * per_image, f"encoding {what}") as advance:
        for first in kept:
            block, images = claimed.popleft()
            arrays = {
                name: np.empty((images, *shape[1:]), kind)
                for name, (shape, kind) in shapes.items()
            }
            rest = itertools.islice(kept, images * per_image - 1)
            for place, one in enumerate(itertools.chain([first], rest)):
                at = divmod(place, per_image)
                arrays["contents"][at] = contents.popleft()
                for name, array in one.items():
                    arrays[name][at] = array
                advance()
            yield block, arrays


def _decoded(dataset, items, hashes, views, clip):
    """Yields [R, S, S, 3] uint8 views of each item, decoded ahead in threads."""

    def load(item):
        try:
            image = decode(dataset.read(item))
        except (OSError, ImageError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"{item.path} was an image when it was checked and cannot be read now "
                f"({reason}); mend it and start the same command again"
            ) from None
        return make_views(image, hashes[item.path], views, clip.pixels)

    workers = os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        window = collections.deque()
        for item in items:
            window.append(pool.submit(load, item))
            if len(window) > 2 * workers:
                yield window.popleft().result()
        while window:
            yield window.popleft().result()


def require_memory(needed: int):
    """Refuses frozen outputs of `needed` bytes that this machine cannot hold in memory."""
    available = available_memory()
    if available is not None and needed > available:
        raise UserError(
            f"the frozen outputs need {gigabytes(needed)}, and {gigabytes(available)} of "
            "memory are free; keep them on disk with --config.features.cache_dir=DIR"
        )


def available_memory() -> int | None:
    """Bytes of memory that a process may still take; None where that is not told."""
    try:
        with open("/proc/meminfo", encoding="utf-8") as lines:
            fields = dict(line.split(":") for line in lines)
        return 1024 * int(fields["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return None


def _features(arrays, seconds) -> Features:
    stored = {name: array for name, array in arrays.items() if name != "contents"}
    return Features(stored, arrays["contents"], seconds)


def _shapes(clip, inputs, lead) -> dict[str, tuple[tuple, str]]:
    vision, size = clip.config.vision, clip.pixels.size
    patches = (size // vision.patch_size) ** 2
    dim = clip.config.embedding_dim
    shapes = {
        "embedding": ((*lead, dim), "float32"),
        "patches": ((*lead, patches, dim), "float16"),
        "crop": ((*lead, size, size, 3), "uint8"),
    }
    kept = {name: shapes[name] for name in KINDS[inputs]}
    return {**kept, "contents": ((*lead, 2), "uint32")}


def _key(items, hashes, clip, inputs, token_source, views) -> dict:
    return {
        "format": cache.FORMAT,
        "images": [hashes[item.path] for item in items],
        "backbone": clip.sha256,
        "preprocessing": dataclasses.asdict(clip.pixels),
        "views": dataclasses.asdict(views),
        "inputs": inputs,
        "token_source": token_source if inputs == "tokens" else None,
        "dtype": clip.dtype,
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
    }


def _batches(values, size):
    batch = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
