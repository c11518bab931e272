"""Tasks whose images are arrays: in a file of raw bytes, in pickles, in MATLAB's files.

CIFAR-100, binary: records of 1 byte coarse label, 1 byte label, 3 x 32 x 32 bytes, in
train.bin and test.bin; names in fine_label_names.txt. Python: pickled dictionaries in
train, test and meta, of the same images in the same order as far as is known.

small NORB: a file of magic number, number of dimensions, at least three sizes, all little-
endian int32, then the array: "dat" holds [N, 2, 96, 96] bytes, two views of which the left
one is used, "info" [N, 4] int32: instance, elevation 0..8, azimuth 0, 2, ..., 34, lighting.

SVHN: X is [32, 32, 3, N] uint8, y is [N, 1] from 1, where 10 is the digit 0.
"""

import pickle
import struct

import numpy as np

from apt_jax.data.published.lists import broken, intact, lines, variables
from apt_jax.data.published.vtab.stored import Records, portable, ready

SPLITS = ("train", "test")
# What pickled arrays call. NumPy's own name for what makes an empty one, before version 2
# and since.
RECONSTRUCT = np.zeros(0).__reduce__()[0]
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
CIFAR_RECORD = 2 + 3 * 32 * 32  # bytes
NORB_FILES = {
    "train": "smallnorb-5x46789x9x18x6x2x96x96-training-{}.mat",
    "test": "smallnorb-5x01235x9x18x6x2x96x96-testing-{}.mat",
}
NORB_TYPES = {0x1E3D4C55: np.dtype("u1"), 0x1E3D4C54: np.dtype("<i4")}


def cifar100(places) -> dict[str, Records]:
    """Both splits; a key is the image's number in its file."""
    folder = places["images"]
    kind = _binary if (folder / "train.bin").is_file() else _pickled
    return {split: kind(folder, split) for split in SPLITS}


def cifar100_names(places) -> tuple[str, ...]:
    """Names in the order of the labels, from the archive."""
    folder = places["images"]
    if (folder / "train.bin").is_file():
        return tuple(lines(folder / "fine_label_names.txt"))
    meta = load_pickle(folder / "meta")
    with intact(folder / "meta", TypeError, KeyError, AttributeError):
        return tuple(name.decode() for name in meta[b"fine_label_names"])


def _binary(folder, split):
    path = folder / f"{split}.bin"
    with intact(path, OSError, ValueError):  # ValueError: empty, or no whole records
        rows = np.memmap(path, np.uint8, "r").reshape(-1, CIFAR_RECORD)
    images = ready(lambda place: _planes(rows[place, 2:]))
    return Records(range(len(rows)), rows[:, 1].tolist(), images)


def _pickled(folder, split):
    path = folder / split
    content = load_pickle(path)
    with intact(path, TypeError, KeyError, AttributeError):
        labels, rows = content[b"fine_labels"], content[b"data"]
        if rows.shape != (len(labels), CIFAR_RECORD - 2) or rows.dtype != "u1":
            raise broken(
                path, f"{rows.dtype} data {rows.shape} of {len(labels)} labels"
            )

    def open_rows(places, on_error):
        del on_error
        kept = dict(zip(places, rows[list(places)]))
        return lambda place: _planes(kept[place])

    return Records(range(len(rows)), labels, open_rows)


def load_pickle(path):
    """What was pickled in a file, text of Python 2 as bytes.

    A pickle may call any function by its name. Only what arrays are made of is called.

    Raises:
        UserError: if it cannot be read, or is more than arrays, lists and text.
    """
    # What a damaged pickle raises varies.
    with intact(path, Exception), open(path, "rb") as file:
        return _Arrays(file, encoding="bytes").load()


class _Arrays(pickle.Unpickler):
    def find_class(self, module, name):
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it calls {module}.{name}, which no array needs"
            ) from None


def _planes(row):
    """A row of red, green and blue planes as an image file."""
    return portable(row.reshape(3, 32, 32).transpose(1, 2, 0))


def smallnorb_azimuth(places) -> dict[str, Records]:
    """Labelled by azimuth: 0 to 17, of 20 degrees each."""
    return _smallnorb(places, lambda info: info[:, 2] // 2)


def smallnorb_elevation(places) -> dict[str, Records]:
    """Labelled by elevation: 0 to 8, from 30 to 70 degrees."""
    return _smallnorb(places, lambda info: info[:, 1])


def _smallnorb(places, labels_of):
    """Both splits; a key is the image's number in its file."""
    return {split: _left_views(places, split, labels_of) for split in SPLITS}


def _left_views(places, split, labels_of):
    images, facts = (
        places[f"{split} {kind}"] / NORB_FILES[split].format(kind)
        for kind in ("dat", "info")
    )
    views, info = _matrix(images), _matrix(facts)
    if views.ndim != 4 or info.shape != (len(views), 4):
        raise broken(facts, f"{info.shape} beside images {views.shape}")
    read = ready(lambda place: portable(views[place, 0]))
    return Records(range(len(views)), labels_of(info).tolist(), read)


def _matrix(path):
    """The array of a small NORB file, mapped and not read."""
    with intact(path, OSError, struct.error, KeyError, ValueError):
        with open(path, "rb") as file:
            magic, dimensions = struct.unpack("<ii", file.read(8))
            shape = struct.unpack(f"<{dimensions}i", file.read(4 * dimensions))
        kind, start = NORB_TYPES[magic], 8 + 4 * max(3, dimensions)
        return np.memmap(path, kind, "r", start).reshape(shape)


def svhn(places) -> dict[str, Records]:
    """Training and test digits; a key is the image's number in its file."""
    return {split: _digits(places[split] / f"{split}_32x32.mat") for split in SPLITS}


def _digits(path):
    (digits,) = variables(path, "y")
    if digits.size and not 1 <= digits.min() <= digits.max() <= 10:
        raise broken(path, "digits that are not 1 to 10")
    return Records(range(len(digits)), (digits % 10).tolist(), _columns(path, digits))


def _columns(path, digits):
    def open_columns(places, on_error):
        del on_error
        (pixels,) = variables(path, "X")
        if pixels.shape != (32, 32, 3, len(digits)) or pixels.dtype != "u1":
            raise broken(path, f"pixels {pixels.shape} for {len(digits)} digits")
        rows = np.moveaxis(pixels[..., list(places)], -1, 0)
        kept = dict(zip(places, rows))
        return lambda place: portable(kept[place])

    return open_columns
