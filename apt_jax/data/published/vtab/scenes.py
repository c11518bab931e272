"""Tasks that count the objects of a scene, or ask how near the nearest is.

CLEVR: images/train/CLEVR_train_000000.png, and scenes/CLEVR_train_scenes.json with

    {"info": {...}, "scenes": [{"image_filename": ..., "objects": [
        {"pixel_coords": [x, y, depth], ...}, ...]}, ...]}

TFDS's validation split is "val"; its "test" has no scenes. Labels of VTAB: the number of
objects less 3; and the last of the `STEPS` that the smallest depth is above.

KITTI: training/image_2/000000.png with training/label_2/000000.txt, a line an object: type,
truncated, occluded, alpha, box (4), dimensions (3), location x y z, rotation. The label is
the last of the `BOUNDS` that z of the nearest vehicle is above, z = 1000 where there is
none. Distances are compared as float32, in which TFDS stores them.
"""

import json
from collections.abc import Iterator

import numpy as np

from apt_jax.data.published.lists import broken, intact, lines
from apt_jax.data.published.vtab.drives import split_by_drive
from apt_jax.data.published.vtab.stored import Records, files
from apt_jax.progress import progress

CLEVR_NAMES = {"train": "train", "validation": "val"}
FEWEST = 3  # objects in a scene
STEPS = (0, 8, 8.5, 9, 9.5, 10, 100)
VEHICLES = ("Car", "Van", "Truck")
BOUNDS = (-100, 8, 20, 999)
NO_VEHICLE = 1000
MEGABYTE = 2**20


def clevr_count(places) -> dict[str, Records]:
    """Labelled by the number of objects, 3 to 10."""
    return _clevr(places, lambda depths: len(depths) - FEWEST)


def clevr_distance(places) -> dict[str, Records]:
    """Labelled by the distance of the nearest object, in six steps."""
    return _clevr(places, lambda depths: last_below(STEPS, depths))


def kitti_distance(places) -> dict[str, Records]:
    """Labelled by the distance of the nearest vehicle, in three steps, or none."""
    found = {}
    for split, numbers in split_by_drive(places["drives"]).items():
        paths = [f"training/label_2/{number:06d}.txt" for number in numbers]
        labels = [
            last_below(BOUNDS, [*_vehicles(places["labels"] / path), NO_VEHICLE])
            for path in paths
        ]
        keys = [f"{number:06d}.png" for number in numbers]
        images = files(places["images"] / "training/image_2", keys)
        found[split] = Records(keys, labels, images)
    return found


def last_below(steps, distances) -> int:
    """The place of the last of `steps` that is below the smallest distance; -1 for none."""
    nearest = np.float32(min(distances, default=np.nan))
    return int(np.sum(np.float32(steps) < nearest)) - 1


def _clevr(places, label_of):
    """Both splits that have scenes; a key is the image's file name."""
    found = {}
    for split, name in CLEVR_NAMES.items():
        keys, labels = [], []
        path = places["scenes"] / f"scenes/CLEVR_{name}_scenes.json"
        for scene in _scenes(path):
            try:
                depths = [thing["pixel_coords"][2] for thing in scene["objects"]]
                keys.append(str(scene["image_filename"]))
                labels.append(label_of(depths))
            except (TypeError, KeyError, IndexError) as error:
                raise broken(path, f"a scene without {error}") from None
        images = files(places["scenes"] / "images" / name, keys)
        found[split] = Records(keys, labels, images)
    return found


def _scenes(path) -> Iterator[dict]:
    """The scenes of a file, one after another: 70,000 at once are gigabytes."""
    decode = json.JSONDecoder().raw_decode
    # ValueError: no JSON, or no UTF-8
    with intact(path, OSError, ValueError), open(path, encoding="utf-8") as file:
        text = file.read(MEGABYTE)
        start = text.index("[", text.index('"scenes"')) + 1
        total = path.stat().st_size // MEGABYTE
        with progress(total, f"reading {path.name}", "MB") as advance:
            while not text.startswith("]", start := _next(text, start)):
                try:
                    scene, start = decode(text, start)
                except json.JSONDecodeError:
                    more = file.read(MEGABYTE)
                    if not more:
                        raise
                    text, start = text[start:] + more, 0
                    advance()
                else:
                    yield scene


def _next(text, start):
    """Where what is no comma and no space begins."""
    while text[start : start + 1] in (",", " ", "\n", "\r", "\t"):
        start += 1
    return start


def _vehicles(path) -> list[float]:
    """The distance z of each vehicle in a file of labels."""
    rows = [line.split(" ") for line in lines(path)]
    with intact(path, ValueError, IndexError):
        return [float(row[13]) for row in rows if row[0] in VEHICLES]
