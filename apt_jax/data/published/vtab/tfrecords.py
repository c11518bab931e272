"""TFRecord files, and the task that comes in them: DMLab.

A record is its length (8 bytes, little-endian), a checksum of it (4), the data, a checksum
of the data (4). Lengths are checked, the checksums (CRC-32C) are not. The data of
dmlab-{train,validation,test}.tfrecord* is a tf.train.Example with the features image (a
JPEG file), filename, which is the key, and label.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from apt_jax.data.published.lists import broken
from apt_jax.data.published.vtab.stored import Records, ready
from apt_jax.progress import progress_of_bytes

HEAD, TAIL = 12, 4  # bytes around the data
DMLAB_SPLITS = ("train", "validation", "test")


class Place(NamedTuple):
    """Where a record's data is."""

    path: Path
    start: int
    length: int


def dmlab(places) -> dict[str, Records]:
    """The three splits as stored."""
    return {split: _examples(places["records"], split) for split in DMLAB_SPLITS}


def data_places(path: Path) -> Iterator[Place]:
    """Where the data of each record of a file is.

    Raises:
        UserError: if the file ends within a record.
    """
    size, start = path.stat().st_size, 0
    with open(path, "rb") as file:
        while start < size:
            file.seek(start)
            head = file.read(HEAD)
            length = struct.unpack("<Q", head[:8])[0] if len(head) == HEAD else size
            if start + HEAD + length + TAIL > size:
                raise broken(path, f"it ends within the record at byte {start}")
            yield Place(path, start + HEAD, length)
            start += HEAD + length + TAIL


def _examples(folder, split):
    paths = sorted(folder.glob(f"dmlab-{split}.tfrecord*"))
    if not paths:
        raise broken(folder, f"no dmlab-{split}.tfrecord")
    keys, labels, found = [], [], []
    total, done = sum(path.stat().st_size for path in paths), 0
    with progress_of_bytes(total, f"reading labels of {split}") as reach:
        for path in paths:
            for place in data_places(path):
                features = _features(place)
                keys.append(features["filename"].bytes_list.value[0])
                labels.append(features["label"].int64_list.value[0])
                found.append(place)
                done += place.length
                reach(done)

    def read(place):
        return _features(found[place])["image"].bytes_list.value[0]

    return Records(keys, labels, ready(read))


def _features(place):
    """The features by name, each of one value."""
    # The first import of the package takes a second.
    from google.protobuf.message import DecodeError
    from tensorflow_datasets.proto import tf_example_generated_pb2

    with open(place.path, "rb") as file:
        file.seek(place.start)
        data = file.read(place.length)
    try:
        features = tf_example_generated_pb2.Example.FromString(data).features.feature
        values = (
            features["image"].bytes_list,
            features["filename"].bytes_list,
            features["label"].int64_list,
        )
        faults = [] if all(len(one.value) == 1 for one in values) else ["a feature"]
    except DecodeError as error:
        faults = [error]
    if faults:
        raise broken(place.path, f"{faults[0]} at byte {place.start}")
    return features
