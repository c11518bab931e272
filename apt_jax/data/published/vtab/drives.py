"""KITTI's images divided by drive, so that no drive is on two sides, as TFDS 4.9.10 does.

mapping/train_rand.txt, numbers between commas: the n-th is the line (from 1) of
mapping/train_mapping.txt that image n (from 0) was taken from; such a line is "<date>
<drive> <frame>". Of the drives in sorted order max(1, n // 10) are drawn for the test, then
of the others as many for validation, by NumPy's generator of seed 123.
"""

import collections

import numpy as np

from apt_jax.data.published.lists import broken, intact, lines

SEED, PERCENT = 123, 10


def split_by_drive(folder) -> dict[str, list[int]]:
    """The numbers of the images of each split."""
    images = collections.defaultdict(list)
    for number, drive in enumerate(_drives(folder)):
        images[drive].append(number)
    count = max(1, PERCENT * len(images) // 100)
    if len(images) < 2 * count + 1:
        raise broken(folder / "mapping", f"{len(images)} drives for three splits")
    generator = np.random.RandomState(SEED)
    test = set(generator.choice(sorted(images), count, replace=False))
    others = sorted(images.keys() - test)
    validation = set(generator.choice(others, count, replace=False))
    drives = {"train": images.keys() - test - validation}
    drives |= {"validation": validation, "test": test}
    return {
        split: sorted(number for drive in of for number in images[drive])
        for split, of in drives.items()
    }


def _drives(folder) -> list[str]:
    """The drive of each image."""
    order, mapping = (
        folder / f"mapping/train_{name}.txt" for name in ("rand", "mapping")
    )
    taken = [line.split(" ") for line in lines(mapping)]
    ordered = ",".join(lines(order)).split(",")
    with intact(order, ValueError, IndexError):
        numbers = [int(text) for text in ordered]
        if min(numbers) < 1:
            raise ValueError("a line below 1")
        return [taken[number - 1][1] for number in numbers]
