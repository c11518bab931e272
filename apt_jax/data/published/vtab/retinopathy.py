"""Diabetic retinopathy of Kaggle 2015, prepared as its winner did (btgraham-300 of TFDS).

train/<name>.jpeg with trainLabels.csv (image, level); test/<name>.jpeg with
retinopathy_solution.csv (image, level, Usage), of whose rows "Public" are TFDS's validation
and "Private" its test. A key is the image's name.

An image is scaled so that the eye's radius is 300 pixels, freed of its local average,

    4 image - 4 gaussian(image, sigma = 10) + 128                       clipped to [0, 255]

made grey (128) outside a disc of 0.9 of the radius, cropped to it, and stored as JPEG of
quality 72. The radius is half the number of pixels of the middle row whose channels sum to
more than a tenth of their mean. TFDS computes this with OpenCV, we with NumPy and SciPy:
the same up to rounding (0.7 grey levels on average), so bytes differ. As it takes a second
an image, results are kept in btgraham-300/ beside the originals, if that can be written.
"""

import contextlib
import csv
import io
import threading

import numpy as np
from PIL import Image

from apt_jax.data.images import ImageError, decode
from apt_jax.data.published.lists import intact, lines
from apt_jax.data.published.vtab.stored import Records, files
from apt_jax.files import write_bytes

RADIUS = 300
SIGMA = RADIUS / 30
SHARE = 0.9  # of the radius that is kept
GREY = 128
QUALITY = 72
FOLDER = "btgraham-300"
LISTS = {
    "train": ("train", "trainLabels.csv", None),
    "validation": ("test", "retinopathy_solution.csv", "Public"),
    "test": ("test", "retinopathy_solution.csv", "Private"),
}
_writing = threading.Lock()


def diabetic_retinopathy(places) -> dict[str, Records]:
    """The official training images, and the two parts of the official test."""
    found = {}
    for split, (images, name, usage) in LISTS.items():
        rows = _rows(places[name] / name, usage)
        keys = [key for key, _ in rows]
        labels = [level for _, level in rows]
        paths = [f"{key}.jpeg" for key in keys]
        found[split] = Records(keys, labels, files(places[images], paths, _prepared))
    return found


def prepare(photo: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 to at most [540, 540, 3]: scaled, sharpened, masked and cropped."""
    scaled = _scaled(photo, RADIUS / _radius(photo))
    sharp = np.clip(4 * scaled - 4 * _blurred(scaled) + GREY, 0, 255)
    height, width = sharp.shape[:2]
    middle_y, middle_x, radius = height // 2, width // 2, int(RADIUS * SHARE)
    y, x = np.ogrid[:height, :width]
    inside = (y - middle_y) ** 2 + (x - middle_x) ** 2 <= radius**2
    masked = np.where(inside[..., None], sharp, GREY).astype(np.uint8)
    rows = slice(max(middle_y - radius, 0), middle_y + radius)
    columns = slice(max(middle_x - radius, 0), middle_x + radius)
    return masked[rows, columns]


def _radius(photo):
    """The eye's, in pixels; half the height where it cannot be told."""
    sums = photo[len(photo) // 2].sum(-1, dtype=np.int64)
    radius = np.sum(sums > sums.mean() / 10) / 2
    return radius if radius >= 1 else len(photo) / 2


def _scaled(photo, factor):
    """Bilinear between the four nearest pixels, without smoothing, rounded."""
    rows, row_shares = _neighbours(photo.shape[0], factor)
    columns, column_shares = _neighbours(photo.shape[1], factor)
    result = 0
    for row, row_share in zip(rows, row_shares):
        for column, column_share in zip(columns, column_shares):
            pixels = photo[row[:, None], column].astype(np.float32)
            result += pixels * (row_share[:, None] * column_share)[..., None]
    return np.rint(result)


def _neighbours(size, factor):
    """([2, n] places, [2, n] shares): what makes each of n pixels along one axis."""
    count = max(1, int(np.rint(size * factor)))
    middle = np.clip((np.arange(count) + 0.5) / factor - 0.5, 0, size - 1)
    below = np.floor(middle).astype(int)
    share = (middle - below).astype(np.float32)
    places = np.stack([below, np.minimum(below + 1, size - 1)])
    return places, np.stack([1 - share, share])


def _blurred(photo):
    """The local average of each channel, mirrored at the edges, rounded."""
    from scipy import ndimage

    widths = (SIGMA, SIGMA, 0)
    return np.rint(
        ndimage.gaussian_filter(photo, widths, mode="mirror", radius=int(3 * SIGMA))
    )


def _rows(path, usage) -> list[tuple[str, int]]:
    """(image, level) of the rows of a list that have this Usage, if one is asked for."""
    rows = csv.DictReader(lines(path))
    with intact(path, KeyError, TypeError, ValueError):
        return [
            (row["image"], int(row["level"]))
            for row in rows
            if usage is None or row["Usage"] == usage
        ]


def _prepared(path) -> bytes:
    """What is made of an original, kept beside it."""
    kept = path.parent / FOLDER / path.name
    if kept.is_file():
        return kept.read_bytes()
    try:
        photo = np.asarray(decode(path.read_bytes()))
    except ImageError as error:
        raise OSError(str(error)) from None
    file = io.BytesIO()
    Image.fromarray(prepare(photo)).save(file, "JPEG", quality=QUALITY)
    # The lock: two threads may want the same image.
    with _writing, contextlib.suppress(OSError):
        write_bytes(kept, file.getvalue())
    return file.getvalue()
