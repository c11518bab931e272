"""Near copies: what the perceptual hash finds, what it takes for alike, how long it takes.

    python -m benchmarks.near_copies FOLDER [FOLDER ...] [--copies 300] [--most 24 32 40 48]

A folder is one of images, or of folders of them (its classes). For each:

- pairs of different files at several thresholds (bits of 256 that may differ), and the
  largest group that they link within a class. Which of them are different photographs
  only an eye can tell: --show N prints the N farthest pairs at the default threshold.
- of `--copies` images that have a hash, the share of edited copies that is found.
- milliseconds to decode and look at an image, and to compare 100,000 (made-up) hashes.
"""

import argparse
import io
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from apt_jax.data.images import decode
from apt_jax.data.own.groups import linked
from apt_jax.data.own.looks import look
from apt_jax.data.own.near_copies import (
    BITS,
    MARGINS,
    MOST_BITS,
    MOST_LOWEST,
    hash_of,
    near_pairs,
)
from benchmarks.heading import heading

MADE_UP = 100_000


def encoded(image, quality):
    file = io.BytesIO()
    image.save(file, "jpeg", quality=quality)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def resized(image, share):
    size = [max(1, round(share * side)) for side in image.size]
    return image.resize(size, Image.Resampling.LANCZOS)


def cropped(image, share, sides=2):
    """Without a share at each side; with `sides` 1 at the left only."""
    x, y = (round(share * side) for side in image.size)
    if sides == 1:
        return image.crop((x, 0, *image.size))
    return image.crop((x, y, image.width - x, image.height - y))


def turned(image, degrees):
    return cropped(image.rotate(degrees, Image.Resampling.BICUBIC), 0.02)


EDITS = {
    "JPEG, quality 30": lambda image: encoded(image, 30),
    "half the size": lambda image: resized(image, 0.5),
    "squashed to 96 x 96": lambda image: image.resize(
        (96, 96), Image.Resampling.BICUBIC
    ),
    "brightness + 25 %": lambda image: ImageEnhance.Brightness(image).enhance(1.25),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "cropped 1 % a side": lambda image: cropped(image, 0.01),
    "cropped 2 % a side": lambda image: cropped(image, 0.02),
    "cropped 3 % a side": lambda image: cropped(image, 0.03),
    "cropped 5 % a side": lambda image: cropped(image, 0.05),
    "cropped 7 % a side": lambda image: cropped(image, 0.07),
    "cropped 3 % at the left": lambda image: cropped(image, 0.03, 1),
    "cropped 5 % at the left": lambda image: cropped(image, 0.05, 1),
    "turned by 1 degree": lambda image: turned(image, 1),
    "cropped 2 %, 0.6 x, quality 50": lambda image: encoded(
        resized(cropped(image, 0.02), 0.6), 50
    ),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--copies", type=int, default=300)
    parser.add_argument("--most", type=int, nargs="+", default=[24, 32, 40, 48, 56])
    parser.add_argument("--show", type=int, default=0)
    options = parser.parse_args()
    print(heading(options))
    print(f"\ncomparing {MADE_UP:,} hashes: {seconds_to_compare():.1f} s")
    for folder in options.folders:
        print(f"\n{measured(folder, options)}", flush=True)


def measured(folder, options) -> str:
    """The Markdown tables of one folder."""
    files = [path for path in sorted(Path(folder).rglob("*")) if is_image(path)]
    hashes, look_ms, decode_ms = looked_at(files)
    hashed = [place for place, one in enumerate(hashes) if one is not None]
    pairs = [("bits that may differ", "pairs", "largest group of a class")]
    for most in options.most:
        pairs.append((f"{most} of {BITS}", *map(str, alike(files, hashes, most))))
    chosen = hashed[:: max(1, len(hashed) // options.copies)][: options.copies]
    originals = [(decode(files[place].read_bytes()), hashes[place]) for place in chosen]
    found = [("found, %", *(f"at {most}" for most in options.most))]
    for name, edit in EDITS.items():
        shares = share_found(originals, edit, options.most)
        found.append((name, *(f"{100 * share:.0f}" for share in shares)))
    lines = [
        f"{folder}: {len(files):,} images, {len(files) - len(hashed):,} of them flat; "
        f"{look_ms:.2f} ms a look, {decode_ms:.2f} ms to decode in full (of one core)",
        table(pairs),
        f"{len(chosen)} images and copies of them:",
        table(found),
        *farthest(files, hashes, options.show),
    ]
    return "\n\n".join(lines)


def is_image(path) -> bool:
    return path.is_file() and path.suffix.lower() in (".jpg", ".jpeg", ".png")


def looked_at(files) -> tuple[list, float, float]:
    """The hashes of files, and milliseconds a look and a full decode take."""
    contents = [path.read_bytes() for path in files]
    start = time.process_time()
    hashes = [look(data, "").hash for data in contents]
    looked = time.process_time()
    for data in contents:
        decode(data)
    decoded = time.process_time()
    each = 1000 / len(files)
    return hashes, each * (looked - start), each * (decoded - looked)


def allowed(most):
    """How many of the 64 lowest bits may differ, in proportion to the default."""
    return max(MOST_LOWEST, MOST_LOWEST * most // MOST_BITS)


def alike(files, hashes, most) -> tuple[int, int]:
    """(pairs of near copies, images in the largest group of a class)."""
    pairs = list(near_pairs(hashes, most, allowed(most)))
    folders = np.array([str(path.parent) for path in files])
    within = [
        (i[same], j[same]) for i, j in pairs if (same := folders[i] == folders[j]).any()
    ]
    return sum(len(i) for i, _ in pairs), max(map(len, linked(files, within)))


def share_found(originals, edit, thresholds) -> list[float]:
    """The share of edited copies that are near their originals, at each threshold."""
    pairs = [(one, hash_of(edit(image))) for image, one in originals]
    return [np.mean([is_near(pair, most) for pair in pairs]) for most in thresholds]


def is_near(pair, most) -> bool:
    return any(len(i) for i, _ in near_pairs(pair, most, allowed(most)))


def farthest(files, hashes, count) -> list[str]:
    """`count` pairs, those first that are nearest to the default threshold."""
    lines = []
    for most in range(MOST_BITS, -1, -1) if count else ():
        nearer = pairs_at(hashes, most - 1) if most else set()
        for i, j in sorted(pairs_at(hashes, most) - nearer):
            lines.append(f"{most} bits: {files[i]} {files[j]}")
    return lines[:count]


def pairs_at(hashes, most) -> set[tuple[int, int]]:
    return {
        pair
        for i, j in near_pairs(hashes, most)
        for pair in zip(i.tolist(), j.tolist())
    }


def seconds_to_compare() -> float:
    """Of hashes drawn by lot, all with all."""
    generator = np.random.default_rng(0)
    made_up = [generator.bytes(len(MARGINS) * BITS // 8) for _ in range(MADE_UP)]
    start = time.monotonic()
    assert not list(near_pairs(made_up))
    return time.monotonic() - start


def table(rows) -> str:
    """Markdown, the first row on top."""
    ruled = [rows[0], ["---", *["--:"] * (len(rows[0]) - 1)], *rows[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in ruled)


if __name__ == "__main__":
    main()
