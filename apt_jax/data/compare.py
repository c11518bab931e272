"""Whether two split files, or two runs, used the same images, split by split.

Images are compared by path and, where both know it, by content; the order counts, because
the few-shot sampler depends on it. Classes are compared by name, since numbers may differ.
"""

from pathlib import Path
from typing import NamedTuple

from apt_jax.data.published.coop import CoOp, class_names, one_spelling, read_split
from apt_jax.data.scan import scan
from apt_jax.files import read_json

DRAWN = ("few_shot_train", "few_shot_val")  # of a run: which of the others were drawn


class Image(NamedTuple):
    """An image of a split."""

    path: str
    label: str  # the name of its class
    sha256: str | None  # of its bytes, if they are known


def images_of(place: str, root: str | None = None) -> dict[str, list[Image]]:
    """The images of each split of a split file or a work directory, in their order."""
    path = Path(place).expanduser()
    if path.is_dir():
        return _of_run(path)
    if root is not None:
        return _hashed(place, root)
    rows = read_split(place)
    names = class_names(rows)
    return {
        split: [
            Image(one_spelling(path), names[label], None) for path, label, _ in of_split
        ]
        for split, of_split in rows.items()
    }


def _of_run(folder):
    split, names = (
        read_json(folder / file, layout, "name the directory of a run, or a split file")
        for file, layout in (("split.json", dict), ("classes.json", list))
    )
    lists = {
        name: [Image(path, names[label], sha) for path, label, sha in rows]
        for name, rows in split.items()
        if rows and isinstance(rows[0], list) and name != "new_test"
    }
    known = {image.path: image for images in lists.values() for image in images}
    drawn = {name: [known[path] for path in split.get(name, ())] for name in DRAWN}
    return lists | {name: images for name, images in drawn.items() if images}


def _hashed(place, root):
    """Those of a split file, read below `root`: with the hash of their bytes."""
    dataset = scan(CoOp(root=root, split_file=place).load(0))
    return {
        split: [
            Image(item.path, dataset.classes[item.label], item.sha256) for item in items
        ]
        for split, items in dataset.splits.items()
    }


def compared(a, b) -> dict:
    """Counts by split and way of comparing, and images on both sides of a test."""
    names = [name for name in a if name in b]
    splits = {name: _split(a[name], b[name]) for name in names}
    return {
        "splits": splits,
        "only_a": [name for name in a if name not in b],
        "only_b": [name for name in b if name not in a],
        "trained_in_a_tested_in_b": _leaking(a, b),
        "trained_in_b_tested_in_a": _leaking(b, a),
        "verdict": _verdict(splits),
    }


def _split(a, b) -> dict:
    """How two lists of images agree, by path and, where both know it, by content."""
    found = {}
    for way, field in (("path", "path"), ("content", "sha256")):
        of_a, of_b = ([getattr(image, field) for image in of] for of in (a, b))
        if None in of_a or None in of_b:
            continue
        label_of = {key: image.label for key, image in zip(of_b, b, strict=True)}
        odd = [
            image.path
            for key, image in zip(of_a, a, strict=True)
            if label_of.get(key, image.label) != image.label
        ]
        found[way] = {
            "both": len(set(of_a) & set(of_b)),
            "only_a": len(set(of_a) - set(of_b)),
            "only_b": len(set(of_b) - set(of_a)),
            "same_order": of_a == of_b,
            "other_label": odd,
        }
    return found


def _leaking(a, b) -> list[str]:
    """Images that `a` trains on and `b` tests on: by content, or else by path."""
    known = all(image.sha256 for image in (*a.get("train", ()), *b.get("test", ())))
    key = (lambda image: image.sha256) if known else (lambda image: image.path)
    tested = {key(image) for image in b.get("test", ())}
    return [image.path for image in a.get("train", ()) if key(image) in tested]


def _verdict(splits) -> str:
    """In a line: the same, the same in another order, or not the same."""
    ways = [of.get("content") or of["path"] for of in splits.values()]
    by = "content" if all("content" in of for of in splits.values()) else "path"
    if not ways:
        return "nothing to compare: no split of one name"
    if any(way["only_a"] or way["only_b"] for way in ways):
        return f"not the same images, by {by}"
    if any(way["other_label"] for way in ways):
        return f"the same images, by {by}, with other labels"
    if not all(way["same_order"] for way in ways):
        return f"the same images, by {by}, in another order: other shots are drawn"
    return f"the same images, by {by}, in the same order: the same shots are drawn"
