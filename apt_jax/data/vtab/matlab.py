"""Tasks that come in MATLAB files.

Oxford Flowers: setid.mat lists the images of trnid, valid and tstid, counted from 1;
imagelabels.mat has the label of each, from 1; image 1 is jpg/image_00001.jpg. SVHN: X is
[32, 32, 3, N] uint8, y is [N, 1] from 1, where 10 is the digit 0.
"""

import numpy as np

from apt_jax.data.vtab.pixels import portable
from apt_jax.data.vtab.stored import Records, broken, files

FLOWER_SETS = {"train": "trnid", "validation": "valid", "test": "tstid"}


def flowers(places) -> dict[str, Records]:
    """The three official sets; a key is the file's name."""
    labels = _variable(places["labels"] / "imagelabels.mat", "labels").ravel()
    found = {}
    for split, name in FLOWER_SETS.items():
        path = places["sets"] / "setid.mat"
        numbers = _variable(path, name).ravel().astype(int)
        if numbers.size and not 1 <= numbers.min() <= numbers.max() <= len(labels):
            raise broken(path, f"{name} lists images that have no label")
        keys = [f"image_{number:05d}.jpg" for number in numbers]
        of_split = [int(labels[number - 1]) - 1 for number in numbers]
        found[split] = Records(keys, of_split, files(places["images"], keys))
    return found


def svhn(places) -> dict[str, Records]:
    """Training and test digits; a key is the image's number in its file."""
    return {
        split: _digits(places[split] / f"{split}_32x32.mat")
        for split in ("train", "test")
    }


def _digits(path):
    digits = _variable(path, "y").ravel()
    if digits.size and not 1 <= digits.min() <= digits.max() <= 10:
        raise broken(path, "digits that are not 1 to 10")
    return Records(range(len(digits)), (digits % 10).tolist(), _columns(path, digits))


def _columns(path, digits):
    def open_columns(places, on_error):
        del on_error
        pixels = _variable(path, "X")
        if pixels.shape != (32, 32, 3, len(digits)) or pixels.dtype != "u1":
            raise broken(path, f"pixels {pixels.shape} for {len(digits)} digits")
        rows = np.moveaxis(pixels[..., list(places)], -1, 0)
        kept = dict(zip(places, rows))
        return lambda place: portable(kept[place])

    return open_columns


def _variable(path, name) -> np.ndarray:
    from scipy import io

    try:
        return io.loadmat(path, variable_names=[name])[name]
    except Exception as error:  # what a damaged file makes scipy raise varies
        raise broken(path, error) from None
