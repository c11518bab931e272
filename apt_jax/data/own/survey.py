"""Facts about somebody's photographs, from a look at each. Pure, nothing refused.

All of it is JSON: numbers, texts, paths as the source names them.
"""

import collections
import statistics

from apt_jax.data.dataset import SPLITS
from apt_jax.data.own.bursts import burst_pairs
from apt_jax.data.own.found import Found
from apt_jax.data.own.groups import linked, same_pairs
from apt_jax.data.own.looks import Look
from apt_jax.data.own.near_copies import near_pairs
from apt_jax.words import counted

UNEQUAL = 10  # times as many images as a class of the fewest: worth a word
NO_CLASS = "(no class)"
APART = {  # what it means that copies lie in several of these
    "splits": "who trains on one tests what was seen; keep one of each, or move them "
    "together",
    "classes": "a label is wrong, or the classes overlap; keep one of each",
}


def classes(found: Found, looks: dict[str, Look], dataset=None) -> list[dict]:
    """A row a class: images there, of them readable, where they go, their usual size.

    `dataset` is what is left of them to train, val and test; None where nothing is.
    """
    places = collections.Counter()
    if dataset is not None:
        for split, items in dataset.splits.items():
            places.update((split, item.label) for item in items)
    rows = []
    for label, name in enumerate(found.classes):
        paths = found.by_class[name]
        read = [looks[path] for path in paths if path in looks]
        rows.append(
            {
                "folder": name,
                "name": dataset.classes[label] if dataset else name,
                "files": len(paths),
                "images": len(read),
                **{split: places[split, label] for split in SPLITS},
                "width": _median(look.width for look in read),
                "height": _median(look.height for look in read),
            }
        )
    return rows


def files(looks: dict[str, Look], faults: dict[str, str]) -> dict:
    """Formats and sizes; files that cannot be read, are turned, or show too little."""
    sides = [min(look.width, look.height) for look in looks.values()]
    formats = collections.Counter(
        f"{look.format} ({look.mode})" for look in looks.values()
    )
    return {
        "formats": dict(formats.most_common()),
        "shorter_side": {
            "least": min(sides, default=None),
            "median": _median(sides),
            "most": max(sides, default=None),
        },
        "unreadable": faults,
        "turned": [path for path, look in looks.items() if look.turned],
        "flat": [path for path, look in looks.items() if look.hash is None],
    }


def smaller_than(looks: dict[str, Look], side: int) -> int:
    """Images whose shorter side has fewer pixels."""
    return sum(min(look.width, look.height) < side for look in looks.values())


def copies(found: Found, looks: dict[str, Look]) -> dict:
    """Groups of files that are the same picture or nearly so, by kind.

    Near copies are told among files of different bytes, whatever their classes; bursts
    within a class.
    """
    same = same_pairs(look.sha256 for look in looks.values())
    of_bytes = linked(list(looks), [same])
    firsts = [paths[0] for paths in of_bytes]
    place = {
        item.path: (split, found.class_of(item) or NO_CLASS)
        for split, items in found.splits.items()
        for item in items
    }
    shots = [looks[path].shot for path in firsts]
    bursts = burst_pairs(shots, [place[path][1] for path in firsts])
    groups = {
        "same bytes": of_bytes,
        "near copies": linked(firsts, near_pairs(looks[path].hash for path in firsts)),
        "burst": linked(firsts, [bursts]),
    }
    return {
        kind: [
            {
                "paths": paths,
                "splits": sorted({place[path][0] for path in paths}),
                "classes": sorted({place[path][1] for path in paths}),
            }
            for paths in of_kind
            if len(paths) > 1
        ]
        for kind, of_kind in groups.items()
    }


def imbalance(rows: list[dict]) -> float | None:
    """Images of the largest class for one of the smallest; None where one is empty."""
    counts = [row["images"] for row in rows]
    return max(counts) / min(counts) if counts and min(counts) else None


def advice(rows: list[dict], copies: dict) -> list[str]:
    """What nothing refuses and somebody had better fix."""
    found = []
    for kind, groups in copies.items():
        for where, meaning in APART.items():
            if apart := sum(len(group[where]) > 1 for group in groups):
                found.append(
                    f"{counted(apart, f'group of {kind} lies', f'groups of {kind} lie')} "
                    f"in several {where}: {meaning}"
                )
    ratio = imbalance(rows)
    if ratio is not None and ratio >= UNEQUAL:
        most = max(rows, key=lambda row: row["images"])
        least = min(rows, key=lambda row: row["images"])
        found.append(
            f"{most['folder']!r} has {counted(most['images'], 'image')} and "
            f"{least['folder']!r} {least['images']}: accuracy over all images is that "
            "of the large classes"
        )
    return found


def _median(values):
    values = list(values)
    return int(statistics.median(values)) if values else None
