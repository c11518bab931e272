"""Photographs that are nearly the same picture: by a hash of what they show.

Perceptual hash: after pHash (Zauner 2010, "Implementation and Benchmarking of Perceptual
Image Hash Functions") with as many bits as PDQ (Facebook 2019). With G the picture in
grey, squashed to 64 x 64, and D the orthonormal DCT-II,

    C = D G D^T        bit of (u, v) = C_uv > 0

for the 256 (u, v) of the smallest u^2 + v^2 without (0, 0), which is the brightness. It
is taken of the whole picture and of what is left without 2.5 % and 5 % at each side.
Two pictures are near copies when the whole of one and any of the other's three differ in
at most 40 of the 256 bits, and in at most 16 of the 64 lowest (a fast first look). So a
copy may be encoded again, resized, squashed, brightened, cropped by up to 5 % at each side.

The sign of a coefficient that is hardly there is chance: where half of them are below 4
(grey levels times 32), the picture is flat and has no hash, nor has one below 16 pixels.
The thresholds: `benchmarks/near_copies.py`, measured on photographs, drawings and
satellite tiles. The signs may differ in a bit or two between versions of Pillow.
"""

import concurrent.futures
import os
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from apt_jax.progress import progress

SIDE, BITS = 64, 256
MARGINS = (0.0, 0.025, 0.05)  # left away at each side
MOST_BITS, MOST_LOWEST = 40, 16  # that may differ: of all, of the 64 lowest
FLAT = 4.0
TOO_SMALL = 16  # pixels of the shorter side
ENOUGH = 4 * SIDE  # pixels of a side; more are not looked at
ROWS, COLUMNS = 64, 4096  # of a tile of comparisons, which stays in a core's cache
MANY = 20_000  # images from which on comparing them takes seconds
ALIGNMENTS = ((0, 0), (0, 1), (0, 2), (1, 0), (2, 0))  # of the margins of two pictures


def hash_of(picture: Image.Image) -> bytes | None:
    """The three 256-bit hashes of an RGB picture; None for one that says too little."""
    from scipy import fft

    if min(picture.size) < TOO_SMALL:
        return None
    grey = _grey(picture)
    inside = np.stack([_without(margin, grey) for margin in MARGINS])
    found = fft.dctn(inside, axes=(1, 2), norm="ortho")[:, *_LOWEST]  # [margin, 256]
    if np.count_nonzero(np.abs(found[0]) < FLAT) > BITS / 2:
        return None
    return np.packbits(found > 1e-6).tobytes()  # rounding must choose no sign


def _grey(picture):
    size = tuple(min(side, ENOUGH) for side in picture.size)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)
    return picture.convert("L")


def _without(margin, grey):
    """[64, 64] of what is left without a margin at each side."""
    width, height = grey.size
    x, y = margin * width, margin * height
    box = (x, y, width - x, height - y)
    return np.asarray(
        grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box), np.float64
    )


def _lowest(count):
    """Indices (u, v) of the lowest frequencies but (0, 0); of equal ones lower u first."""
    u, v = np.mgrid[:count, :count]
    order = np.lexsort((u.ravel(), (u**2 + v**2).ravel()))[1 : BITS + 1]
    return np.unravel_index(order, u.shape)


_LOWEST = _lowest(24)


def near_pairs(
    hashes: Iterable[bytes | None], most: int = MOST_BITS, lowest: int = MOST_LOWEST
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields arrays i, j with i < j of near copies, some at a time.

    All are compared with all, in machine words: 5 n^2 / 2 XORs and population counts.
    """
    hashes = list(hashes)
    places = np.array([i for i, one in enumerate(hashes) if one is not None], int)
    words = np.frombuffer(b"".join(filter(None, hashes)), np.uint64)
    words = words.reshape(len(places), len(MARGINS), BITS // 64)
    of_lowest = np.ascontiguousarray(words[..., 0].T)  # [margin, n]

    def of_rows(start):
        return _near(words, of_lowest, start, most, lowest)

    starts = range(0, len(places), ROWS)
    pool = concurrent.futures.ThreadPoolExecutor(min(os.cpu_count() or 1, 8))
    try:
        many = len(places) >= MANY
        with progress(len(places), "comparing images", shown=many) as advance:
            for start, (i, j) in zip(starts, pool.map(of_rows, starts), strict=True):
                if len(i):
                    yield places[i], places[j]
                advance(min(ROWS, len(places) - start))
    finally:
        pool.shutdown(cancel_futures=True)


def _near(words, of_lowest, start, most, lowest):
    """Pairs of the rows from `start` on with all that come after them."""
    rows = min(ROWS, len(words) - start)
    kinds = (np.uint64, np.uint8, bool, bool)
    buffers = [np.empty((rows, COLUMNS), kind) for kind in kinds]
    found = [np.zeros((2, 0), int)]
    for left in range(start, len(words), COLUMNS):
        columns = min(COLUMNS, len(words) - left)
        differing, counts, few, near = (buffer[:, :columns] for buffer in buffers)
        near[:] = False
        for a, b in ALIGNMENTS:
            ours = of_lowest[a, start : start + rows, None]
            np.bitwise_xor(ours, of_lowest[b, None, left : left + columns], differing)
            np.less_equal(np.bitwise_count(differing, counts), lowest, few)
            i, j = np.divmod(np.flatnonzero(few), columns)
            bits = np.bitwise_count(words[i + start, a] ^ words[j + left, b]).sum(-1)
            near[i, j] |= bits <= most
        i, j = np.divmod(np.flatnonzero(near), columns)
        found.append(np.stack([i + start, j + left])[:, i + start < j + left])
    return np.concatenate(found, axis=1)
