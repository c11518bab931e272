"""Images through the frozen tower, once.

A picture is decoded once, in threads ahead of the tower, into all the views that are
missing of it; each view then goes through the tower once, whatever reads it afterwards
(`features.store`). Batches have one fixed size (the last is padded), so there is one
compilation. What is encoded is kept block by block: a set may be larger than memory, and a
killed encoding goes on where it was.
"""

import collections
import concurrent.futures
import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import jax
import numpy as np

from apt_jax.data.images import ImageError, decode
from apt_jax.errors import UserError
from apt_jax.features import blocks
from apt_jax.features.store import Kept, Store, bytes_of, shapes_of
from apt_jax.features.stored import KINDS, Reads
from apt_jax.features.views import CENTRE, View, Views, content, make_view
from apt_jax.progress import progress

BATCH = {"cpu": 16}  # larger batches are slower there: fresh buffers, page faults
BATCH_ELSEWHERE = 256

Wanted = dict[Reads, tuple[View, ...]]  # of a picture: which views, and what of them


class Picture(NamedTuple):
    """A picture, known by its bytes, wherever they are."""

    sha256: str
    path: str  # how messages call it
    read: Callable[[], bytes]


@dataclasses.dataclass(frozen=True)
class Features:
    """Of n images in R views each; the layout of `stored` is in `features.stored`."""

    stored: dict[str, np.ndarray | Kept]  # each [n, R, ...]
    contents: np.ndarray | Kept  # [n, R, 2] uint32 hash of the pixels of each view
    seconds: float  # spent encoding; 0 when they were there

    def view(self, index: int) -> dict[str, np.ndarray | Kept]:
        """What was kept of one view, [n, ...]."""
        return {name: array[:, index] for name, array in self.stored.items()}


@dataclasses.dataclass(frozen=True)
class ShotFeatures:
    """Of labelled images: their views, which train, and their centre crops."""

    views: Features
    centre: Features  # as a test image is read
    seconds: float = 0.0  # spent encoding


def encode(
    dataset,
    items,
    clip,
    *,
    reads: Reads,
    views: Views = CENTRE,
    store: Store | None = None,
    what: str = "images",
) -> Features:
    """Frozen outputs of `items` in these views, from the store where they are there.

    Args:
        items: with the hash of their bytes, as `data.scan` returns them.
        store: where they are kept; by default in memory.
        what: how the progress bar calls them.

    Raises:
        UserError: as `fill` does.
    """
    store = store or Store()
    pictures = pictures_of(dataset, items)
    wanted = [(picture, {reads: views.each}) for picture in pictures]
    seconds = fill(wanted, clip, store=store, what=what)
    found = kept(store, items, clip, reads=reads, views=views)
    return dataclasses.replace(found, seconds=seconds)


def pictures_of(dataset, items) -> list[Picture]:
    """The pictures of items, which `data.scan` has hashed."""
    if unknown := [item.path for item in items if not item.sha256]:
        raise ValueError(f"{unknown[0]} has no hash; scan the data set first")
    return [
        Picture(item.sha256, item.path, functools.partial(dataset.read, item))
        for item in items
    ]


def kept(store: Store, items, clip, *, reads: Reads, views: Views) -> Features:
    """Frozen outputs of `items` that are in the store."""
    if not items:
        lead, shapes = (0, len(views.each)), shapes_of(clip, reads)
        none = {k: np.empty((*lead, *shape), of) for k, (shape, of) in shapes.items()}
        return Features(none, none.pop("contents"), 0.0)
    places = np.array(
        [
            [store.place(clip, reads, item.sha256, view) for view in views.each]
            for item in items
        ]
    )
    stored = {name: Kept(store, places, name) for name in KINDS[reads.inputs]}
    return Features(stored, Kept(store, places, "contents"), 0.0)


def fill(
    wanted: Iterable[tuple[Picture, Wanted]],
    clip,
    *,
    store: Store,
    what: str = "images",
) -> float:
    """Encodes what the store lacks of all that is wanted; returns the seconds it took.

    What is wanted of one picture in several places is wanted once.

    Raises:
        UserError: if memory or disk are too small, the cache cannot be written, or an
            image that was checked cannot be read any more.
    """
    pictures = _merged(wanted)
    missing = {
        sha256: lacks
        for sha256, (_, of_picture) in pictures.items()
        if (lacks := _lacking(store, clip, sha256, of_picture))
    }
    if not missing:
        return 0.0
    start = time.monotonic()
    sizes = {reads: bytes_of(shapes_of(clip, reads)) for reads in _kinds(missing)}
    store.require_room(_total(missing, lambda reads, views: sizes[reads] * len(views)))
    count = _total(missing, lambda _, views: len(views))
    with progress(count, f"encoding {what}") as advance:
        while missing:
            left = _round(pictures, missing, clip, store, advance)
            for sha256 in left:  # another process has them
                store.wait(sha256)
            store.refresh()
            missing = {
                sha256: lacks
                for sha256 in left
                if (lacks := _lacking(store, clip, sha256, pictures[sha256][1]))
            }
    return time.monotonic() - start


def _merged(wanted) -> dict[str, tuple[Picture, Wanted]]:
    """By hash, each picture and all that is wanted of it."""
    pictures = {}
    for picture, also in wanted:
        _, of_picture = pictures.setdefault(picture.sha256, (picture, {}))
        for reads, views in also.items():
            of_picture[reads] = tuple(dict.fromkeys(of_picture.get(reads, ()) + views))
    return pictures


def _lacking(store, clip, sha256, wanted: Wanted) -> Wanted:
    """What is to be encoded of a picture; where tokens are, the embedding comes along."""
    lacking, coming = {}, set()
    for reads in sorted(wanted, key=lambda reads: reads.inputs == "embedding"):
        views = tuple(
            view
            for view in wanted[reads]
            if store.place(clip, reads, sha256, view) is None
            and not any((holder, view) in coming for holder in reads.holders)
        )
        coming |= {(reads, view) for view in views}
        if views:
            lacking[reads] = views
    return lacking


def _kinds(missing) -> set[Reads]:
    return {reads for lacks in missing.values() for reads in lacks}


def _total(missing, size) -> int:
    of_all = (lacks.items() for lacks in missing.values())
    return sum(size(reads, views) for items in of_all for reads, views in items)


def _round(pictures, missing, clip, store, advance) -> list[str]:
    """Encodes the missing pictures that nobody else is at; returns the others."""
    others = []
    ways = {reads: _Way(clip, reads, store, advance) for reads in _kinds(missing)}
    owed = collections.Counter()  # rows of each claimed picture that are not kept yet

    def claimed():
        for sha256 in missing:
            if not store.claim(sha256):
                others.append(sha256)
                continue
            owed[sha256] = 1  # claimed, whatever happens
            store.refresh()  # perhaps it was written since
            picture, of_picture = pictures[sha256]
            if lacks := _lacking(store, clip, sha256, of_picture):
                owed[sha256] = sum(map(len, lacks.values()))
                yield picture, lacks
            else:
                del owed[sha256]
                store.release(sha256)

    def done(rows):
        for sha256, _ in rows:
            owed[sha256] -= 1
            if not owed[sha256]:
                store.release(sha256)

    try:
        for sha256, lacks, crops in _decoded(claimed(), clip.pixels):
            for reads, views in lacks.items():
                for view in views:
                    done(ways[reads].put((sha256, view), crops[view]))
        for way in ways.values():
            done(way.rest())
    finally:
        for sha256 in +owed:
            store.release(sha256)
    return others


class _Way:
    """The way of crops through the tower, into blocks, into the store."""

    def __init__(self, clip, reads, store, advance):
        self._clip, self._reads, self._store = clip, reads, store
        self._advance = advance
        self._tower = Tower(clip, reads)
        self._most = max(1, blocks.BYTES // bytes_of(shapes_of(clip, reads)))
        self._rows, self._kept, self._contents = [], [], {}

    def put(self, row, crop) -> list:
        """Takes a crop in; returns the rows that are in the store by it."""
        self._contents[row] = content(crop)
        self._take(self._tower.put(row, crop))
        return self._flush() if len(self._rows) >= min(blocks.ROWS, self._most) else []

    def rest(self) -> list:
        """Finishes all; returns the rows that are in the store by it."""
        self._take(self._tower.rest())
        return self._flush() if self._rows else []

    def _take(self, encoded):
        for row, one in encoded:
            self._rows.append(row)
            self._kept.append(one | {"contents": self._contents.pop(row)})
        if encoded:
            self._advance(len(encoded))

    def _flush(self):
        rows, of_rows = self._rows, self._kept
        self._rows, self._kept = [], []
        arrays = {name: np.stack([one[name] for one in of_rows]) for name in of_rows[0]}
        self._store.add(self._clip, self._reads, rows, arrays)
        return rows


class Tower:
    """Crops in, what is kept of them out, in whole batches."""

    def __init__(self, clip, reads: Reads):
        self._clip, self._reads = clip, reads
        self._size = BATCH.get(jax.default_backend(), BATCH_ELSEWHERE)
        self._waiting = []

    def put(self, name, crop) -> list[tuple]:
        """Takes a [S, S, 3] uint8 crop in; returns (name, kept) of what comes out."""
        if self._reads.inputs == "pixels":
            return [(name, {"crop": crop})]
        self._waiting.append((name, crop))
        return self.rest() if len(self._waiting) == self._size else []

    def rest(self) -> list[tuple]:
        """(name, kept) of all that was not a whole batch yet."""
        if not self._waiting:
            return []
        names, crops = zip(*self._waiting, strict=True)
        self._waiting = []
        padded = np.zeros((self._size, *crops[0].shape), np.uint8)
        padded[: len(crops)] = crops
        clip, reads = self._clip, self._reads
        out = _forward(clip.module, reads, clip.params, clip.pixels, padded)
        out = {name: np.asarray(array) for name, array in out.items()}
        require_directions(out["embedding"][: len(crops)], clip, "images")
        return [
            (name, {kind: array[row] for kind, array in out.items()})
            for row, name in enumerate(names)
        ]


def features_of_crops(clip, crops, reads: Reads) -> Features:
    """Frozen outputs of [S, S, 3] uint8 crops, one view each, not kept."""
    start = time.monotonic()
    encoded = list(encode_crops(clip, crops, reads))
    stored = jax.tree.map(lambda *of_crops: np.stack(of_crops)[:, None], *encoded)
    contents = np.stack([content(crop) for crop in crops])[:, None]
    return Features(stored, contents, time.monotonic() - start)


def encode_crops(clip, crops: Iterable, reads: Reads) -> Iterator[dict]:
    """Yields what is kept of each [S, S, 3] uint8 crop, a dict of arrays, in order."""
    tower = Tower(clip, reads)
    for crop in crops:
        yield from (one for _, one in tower.put(None, crop))
    yield from (one for _, one in tower.rest())


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


def seconds_per_image(clip, reads: Reads) -> float:
    """Seconds that the tower takes for one image, decoding apart; 0 without a tower."""
    if reads.inputs == "pixels":
        return 0.0
    size = BATCH.get(jax.default_backend(), BATCH_ELSEWHERE)
    crops = [np.zeros((clip.pixels.size, clip.pixels.size, 3), np.uint8)] * size
    list(encode_crops(clip, crops, reads))  # compiles
    start = time.monotonic()
    list(encode_crops(clip, crops, reads))
    return (time.monotonic() - start) / size


@functools.partial(jax.jit, static_argnames=("module", "reads", "pixels"))
def _forward(module, reads, params, pixels, crops):
    images = pixels.normalise(crops)
    weights = {"params": params}
    embedding = module.apply(weights, images, method="image_embedding")
    if reads.inputs == "embedding":
        return {"embedding": embedding}
    # Whatever the source of the patches, the embedding is the last block's: the logits
    # hang on it. XLA sees that both calls run the same tower and runs it once.
    tokens = module.apply(
        weights, images, token_source=reads.token_source, method="image_tokens"
    )
    return {"embedding": embedding, "patches": tokens[:, 1:].astype(np.float16)}


def _decoded(pictures, pixels):
    """Yields (hash, what it lacks, crops by view) of each picture, ahead in threads."""

    def load(picture, lacks):
        try:
            image = decode(picture.read())
        except (OSError, ImageError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"{picture.path} was an image when it was checked and cannot be read now "
                f"({reason}); mend it and start the same command again"
            ) from None
        views = {view for of_kind in lacks.values() for view in of_kind}
        sha256 = picture.sha256
        crops = {view: make_view(image, sha256, view, pixels) for view in views}
        return sha256, lacks, crops

    workers = os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        window = collections.deque()
        for picture in pictures:
            window.append(pool.submit(load, *picture))
            if len(window) > 2 * workers:
                yield window.popleft().result()
        while window:
            yield window.popleft().result()
