"""Images through the frozen tower, once.

A picture is decoded once, in threads ahead of the tower, into all the views that are
missing of it; each view then goes through the tower once, whatever reads it afterwards
(`features.cache`). Batches have one fixed size (the last is padded), so there is one
compilation. What is encoded is kept block by block: a set may be larger than memory, and a
killed encoding goes on where it was.
"""

import collections
import concurrent.futures
import dataclasses
import functools
import os
import time
from collections.abc import Iterable, Iterator, Sequence

import jax
import numpy as np

from apt_jax.clip.checkpoint import Clip
from apt_jax.data.dataset import Picture
from apt_jax.data.images import ImageError, decode
from apt_jax.errors import UserError
from apt_jax.features import blocks
from apt_jax.features.cache import Kept, Store, bytes_of, shapes_of
from apt_jax.features.reads import KINDS, Reads
from apt_jax.features.views import CENTRE, View, content, make_view
from apt_jax.progress import progress

BATCH = {"cpu": 16}  # larger batches are slower there: fresh buffers, page faults
BATCH_ELSEWHERE = 256

Wanted = dict[Reads, tuple[View, ...]]  # of a picture: which views, and what of them


@dataclasses.dataclass(frozen=True)
class Features:
    """Of n images in R views each; the layout of `stored` is in `features.reads`."""

    stored: dict[str, np.ndarray | Kept]  # each [n, R, ...]
    contents: np.ndarray | Kept  # [n, R, 2] uint32 hash of the pixels of each view
    seconds: float  # spent encoding; 0 when they were there

    def view(self, index: int) -> dict[str, np.ndarray | Kept]:
        """What was kept of one view, [n, ...]."""
        return {name: array[:, index] for name, array in self.stored.items()}


class Encoder:
    """A frozen backbone, and where what it says of pictures is kept."""

    def __init__(self, clip: Clip, cache_dir: str = ""):
        """`cache_dir` is the folder of the cache; empty keeps all in memory."""
        self.clip, self.store = clip, Store(cache_dir)

    def encode(
        self, pictures: Sequence[Picture], reads, views=CENTRE, *, what: str = "images"
    ) -> Features:
        """Frozen outputs of pictures in these views, from the store where they are there.

        Args:
            reads: what is read of each view, a `Reads` or several of them.
            what: how the progress bar calls the pictures.

        Raises:
            UserError: as `fill` does.
        """
        seconds = self.fill(wanted(pictures, reads, views), what=what)
        return dataclasses.replace(self.found(pictures, reads, views), seconds=seconds)

    def found(self, pictures: Sequence[Picture], reads, views=CENTRE) -> Features:
        """Frozen outputs of pictures that are in the store, of all `reads` together."""
        each = [self._found(pictures, one, views) for one in several(reads)]
        stored = {name: array for of in each for name, array in of.stored.items()}
        return dataclasses.replace(each[0], stored=stored)

    def fill(
        self, wanted: Iterable[tuple[Picture, Wanted]], *, what: str = "images"
    ) -> float:
        """Encodes what the store lacks of all that is wanted; returns the seconds it took.

        What is wanted of one picture in several places is wanted once: it is decoded once,
        and the tower runs once over a view, whatever reads it.

        Raises:
            UserError: if memory or disk are too small, the cache cannot be written, or an
                image that was checked cannot be read any more.
        """
        pictures = _merged(wanted)
        missing = self._missing(pictures, pictures)
        if not missing:
            return 0.0
        start = time.monotonic()
        sizes = {one: bytes_of(shapes_of(self.clip, one)) for one in _kinds(missing)}
        needed = _total(missing, lambda reads, views: sizes[reads] * len(views))
        self.store.require_room(needed)
        count = _total(missing, lambda _, views: len(views))
        with progress(count, f"encoding {what}") as advance:
            while missing:
                left = self._round(pictures, missing, advance)
                for sha256 in left:  # another process has them
                    self.store.wait(sha256)
                self.store.refresh()
                missing = self._missing(pictures, left)
        return time.monotonic() - start

    def crops(self, crops, reads: Reads) -> Features:
        """Frozen outputs of [S, S, 3] uint8 crops, one view each, not kept."""
        if not len(crops):
            return self._found((), reads, CENTRE)
        start = time.monotonic()
        encoded = list(encode_crops(self.clip, crops, reads))
        stored = jax.tree.map(lambda *of_crops: np.stack(of_crops)[:, None], *encoded)
        contents = np.stack([content(crop) for crop in crops])[:, None]
        return Features(stored, contents, time.monotonic() - start)

    def seconds_per_image(self, reads: Reads) -> float:
        """Seconds that the tower takes for one image, decoding apart; 0 without one."""
        if reads.inputs == "pixels":
            return 0.0
        size, side = _batch_size(), self.clip.pixels.size
        crops = [np.zeros((side, side, 3), np.uint8)] * size
        list(encode_crops(self.clip, crops, reads))  # compiles
        start = time.monotonic()
        list(encode_crops(self.clip, crops, reads))
        return (time.monotonic() - start) / size

    def _found(self, pictures, reads, views) -> Features:
        if not pictures:
            lead, shapes = (0, len(views.each)), shapes_of(self.clip, reads)
            none = {k: np.empty((*lead, *of), kind) for k, (of, kind) in shapes.items()}
            return Features(none, none.pop("contents"), 0.0)
        place = functools.partial(self.store.place, self.clip, reads)
        places = np.array([[place(p.sha256, v) for v in views.each] for p in pictures])
        stored = {name: Kept(self.store, places, name) for name in KINDS[reads.inputs]}
        return Features(stored, Kept(self.store, places, "contents"), 0.0)

    def _missing(self, pictures, hashes) -> dict[str, Wanted]:
        """By hash, what the store lacks of pictures."""
        lacking = {sha: _lacking(self, sha, pictures[sha][1]) for sha in hashes}
        return {sha256: lacks for sha256, lacks in lacking.items() if lacks}

    def _round(self, pictures, missing, advance) -> list[str]:
        """Encodes the missing pictures that nobody else is at; returns the others."""
        others, store = [], self.store
        ways = {
            reads: _Way(self.clip, reads, self.store, advance)
            for reads in _kinds(missing)
        }
        owed = collections.Counter()  # rows of claimed pictures that are not kept yet

        def claimed():
            for sha256 in missing:
                if not store.claim(sha256):
                    others.append(sha256)
                    continue
                owed[sha256] = 1  # claimed, whatever happens
                store.refresh()  # perhaps it was written since
                picture, of_picture = pictures[sha256]
                if lacks := _lacking(self, sha256, of_picture):
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
            for sha256, lacks, crops in _decoded(claimed(), self.clip.pixels):
                for reads, views in lacks.items():
                    for view in views:
                        done(ways[reads].put((sha256, view), crops[view]))
            for way in ways.values():
                done(way.rest())
        finally:
            for sha256 in +owed:
                store.release(sha256)
        return others


def wanted(pictures: Iterable[Picture], reads, views=CENTRE) -> list:
    """The views of pictures, for all of `reads`; see `Encoder.fill`."""
    of_each = dict.fromkeys(several(reads), views.each)
    return [(picture, of_each) for picture in pictures]


def several(reads) -> tuple[Reads, ...]:
    """One `Reads` or several, each once."""
    return tuple(dict.fromkeys([reads] if isinstance(reads, Reads) else reads))


def _merged(wanted) -> dict[str, tuple[Picture, Wanted]]:
    """By hash, each picture and all that is wanted of it."""
    pictures = {}
    for picture, also in wanted:
        _, of_picture = pictures.setdefault(picture.sha256, (picture, {}))
        for reads, views in also.items():
            of_picture[reads] = tuple(dict.fromkeys(of_picture.get(reads, ()) + views))
    return pictures


def _lacking(encoder, sha256, wanted: Wanted) -> Wanted:
    """What is to be encoded of a picture; where tokens are, the embedding comes along."""
    lacking, coming = {}, set()
    for reads in sorted(wanted, key=lambda reads: reads.inputs == "embedding"):
        views = tuple(
            view
            for view in wanted[reads]
            if encoder.store.place(encoder.clip, reads, sha256, view) is None
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
        self._size = _batch_size()
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
        clip = self._clip
        out = _forward(clip, self._reads, padded)
        out = {name: np.asarray(array) for name, array in out.items()}
        require_directions(out["embedding"][: len(crops)], clip, "images")
        return [
            (name, {kind: array[row] for kind, array in out.items()})
            for row, name in enumerate(names)
        ]


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
            f"finite in {clip.dtype}; use `dtype`=float32, or another checkpoint"
        )


def _batch_size() -> int:
    return BATCH.get(jax.default_backend(), BATCH_ELSEWHERE)


@functools.partial(jax.jit, static_argnames="reads")
def _forward(clip, reads, crops):
    images = clip.pixels.normalise(crops)
    embedding = clip.apply("image_embedding", images)
    if reads.inputs == "embedding":
        return {"embedding": embedding}
    # Whatever the source of the patches, the embedding is the last block's: the logits
    # hang on it. XLA sees that both calls run the same tower and runs it once.
    tokens = clip.apply("image_tokens", images, token_source=reads.token_source)
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
                f"({reason}); fix it and start the same command again"
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
