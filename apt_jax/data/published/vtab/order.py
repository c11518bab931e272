"""The order in which TensorFlow Datasets stores the records of a split.

Ascending md5 of the split's name followed by the record's key, over all files of the
split (tensorflow_datasets/core/hashing.py and shuffle.py, version 4.9.10). So "the first
800 of train" are the 800 records with the smallest digests. A key is a number, in
decimal digits; text, in UTF-8 with "/" for "\\"; or bytes as they are.
"""

import hashlib
from collections.abc import Sequence


def tfds_order(split: str, keys: Sequence[int | str | bytes]) -> list[int]:
    """The places of `keys`, in the order in which `split` stores their records."""
    salted = hashlib.md5(split.encode(), usedforsecurity=False)

    def digest(place):
        md5 = salted.copy()
        md5.update(_bytes(keys[place]))
        return md5.digest()

    return sorted(range(len(keys)), key=digest)


def _bytes(key):
    return key if isinstance(key, bytes) else str(key).replace("\\", "/").encode()
