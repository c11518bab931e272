"""A validation split for data sets whose authors made none: a tenth of the training images.

VPT (Jia et al. 2022, arXiv:2203.12119) holds out a random tenth of its fine-grained sets,
rounded up; which images those were cannot be had any more. Here the tenth with the
lowest MD5 of its path is held out: the same for every seed and on every machine, and of
the published size (600, 2,393, 1,200 and 815 images of CUB, NABirds, Dogs and Cars).
"""

import hashlib

from apt_jax.data.dataset import Item

SHARE = 10  # one of as many images


def without_a_tenth(items) -> dict[str, tuple[Item, ...]]:
    """{"train": ..., "val": ...}, both in the order of `items`."""
    ranked = sorted(items, key=lambda item: hashlib.md5(item.path.encode()).digest())
    held_out = set(ranked[: -(-len(ranked) // SHARE)])
    return {
        "train": tuple(item for item in items if item not in held_out),
        "val": tuple(item for item in items if item in held_out),
    }
