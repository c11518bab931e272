"""Tasks that come in HDF5 files.

PatchCamelyon: camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5 with x [N, 96, 96, 3]
uint8 and y [N, 1, 1, 1]. dSprites: imgs [N, 64, 64] of 0 and 1, latents/classes [N, 6]:
colour, shape, scale, orientation 0..39, x position 0..31, y position; or the same as .npz.

An image of dSprites is spread over many compressed pieces, and all are 3 GB: the file is
read through once, and the images wanted are kept in memory at a bit a pixel.
"""

import contextlib
import zipfile
from collections.abc import Iterator

import numpy as np

from apt_jax.data.published.lists import broken, intact
from apt_jax.data.published.vtab.stored import Records, portable, ready
from apt_jax.progress import progress

CAMELYON_NAMES = {"train": "train", "validation": "valid", "test": "test"}
CAMELYON_FILE = "camelyonpatch_level_2_split_{}_{}.h5"
DSPRITES = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64"
ORIENTATION, X_POSITION = 3, 4  # columns of the classes
SIDE = 64
AT_LEAST = 4096  # images read together


def patch_camelyon(places) -> dict[str, Records]:
    """The three official splits; keys are train_0, valid_0, test_0 and so on."""
    return {
        split: _patches(
            places[f"{name} x"] / CAMELYON_FILE.format(name, "x"),
            places[f"{name} y"] / CAMELYON_FILE.format(name, "y"),
            name,
        )
        for split, name in CAMELYON_NAMES.items()
    }


def _patches(x_path, y_path, prefix):
    with _opened(y_path) as file:
        labels = file["y"][...].ravel().tolist()
    with _opened(x_path) as file:
        if file["x"].shape != (len(labels), 96, 96, 3):
            raise broken(x_path, f"{file['x'].shape} for {len(labels)} labels")

    def read(place):
        import h5py

        # Opened for each patch: threads then share no file.
        with h5py.File(x_path) as file:
            return portable(file["x"][place])

    keys = [f"{prefix}_{number}" for number in range(len(labels))]
    return Records(keys, labels, ready(read))


def dsprites_location(places) -> dict[str, Records]:
    """Labelled by x position: floor(x / 2) of 32 positions, 0 to 15."""
    return _dsprites(places, lambda classes: classes[:, X_POSITION] // 2)


def dsprites_orientation(places) -> dict[str, Records]:
    """Labelled by orientation: floor(o / 2.5) of 40 orientations, 0 to 15."""
    return _dsprites(places, lambda classes: classes[:, ORIENTATION] * 2 // 5)


def _dsprites(places, labels_of):
    """All images in one split; a key is the image's number."""
    hdf5, npz = (places["images"] / f"{DSPRITES}{end}" for end in (".hdf5", ".npz"))
    path, classes, blocks = (
        (hdf5, _classes_of_hdf5, _blocks_of_hdf5)
        if hdf5.is_file()
        else (npz, _classes_of_npz, _blocks_of_npz)
    )
    found = classes(path)
    if found.ndim != 2 or found.shape[1] != 6:
        raise broken(path, f"classes {found.shape}")
    labels = labels_of(found.astype(np.int64))

    def open_sprites(places, on_error):
        del on_error
        wanted = np.sort(np.asarray(places, np.int64))
        kept = _packed(path, blocks(path), wanted, len(labels))
        rows = {int(place): row for row, place in enumerate(wanted)}
        return lambda place: _sprite(kept[rows[place]])

    return {"train": Records(range(len(labels)), labels, open_sprites)}


def _packed(path, blocks, wanted, total):
    """[W, 512] bytes: the images at the places `wanted` (in order), a bit a pixel."""
    kept = np.empty((len(wanted), SIDE * SIDE // 8), np.uint8)
    start = 0
    with progress(total, f"reading {path.name}") as advance:
        for block in blocks:
            if block.shape[1:] != (SIDE, SIDE):
                raise broken(path, f"images {block.shape[1:]}")
            low, high = np.searchsorted(wanted, (start, start + len(block)))
            pixels = block[wanted[low:high] - start].reshape(high - low, SIDE * SIDE)
            kept[low:high] = np.packbits(pixels, axis=1)
            start += len(block)
            advance(len(block))
    if start != total:
        raise broken(path, f"{start} images for {total} labels")
    return kept


def _sprite(bits):
    return portable(np.unpackbits(bits).reshape(SIDE, SIDE) * np.uint8(255))


def _classes_of_hdf5(path):
    with _opened(path) as file:
        return file["latents"]["classes"][...]


def _blocks_of_hdf5(path) -> Iterator[np.ndarray]:
    """Images in blocks that end where the file's pieces do."""
    with _opened(path) as file:
        images = file["imgs"]
        piece = images.chunks[0] if images.chunks else 1
        step = -(-AT_LEAST // piece) * piece
        for start in range(0, len(images), step):
            yield images[start : start + step]


def _classes_of_npz(path):
    # What a damaged archive raises varies. NumPy refuses pickled arrays.
    with intact(path, Exception), np.load(path) as arrays:
        return arrays["latents_classes"]


def _blocks_of_npz(path) -> Iterator[np.ndarray]:
    """Images as they come out of the archive, never all of them at once."""
    size = AT_LEAST * SIDE * SIDE
    with (
        intact(path, Exception),
        zipfile.ZipFile(path) as whole,
        whole.open("imgs.npy") as file,
    ):
        np.lib.format.read_magic(file)
        shape, in_columns, dtype = np.lib.format.read_array_header_1_0(file)
        if in_columns or dtype != "u1" or shape[1:] != (SIDE, SIDE):
            raise ValueError(f"images {shape} of {dtype}")
        while data := file.read(size):
            yield np.frombuffer(data, np.uint8).reshape(-1, SIDE, SIDE)


@contextlib.contextmanager
def _opened(path):
    """An HDF5 file; that it, or what is asked of it, is not there is the user's to fix."""
    import h5py  # only here: most tasks need no HDF5

    with intact(path, OSError, KeyError), h5py.File(path) as file:
        yield file
