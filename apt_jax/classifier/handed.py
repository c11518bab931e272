"""What a person hands over in memory: images with labels as a data set, embeddings."""

import io
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from apt_jax.arguments import plain
from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.few_shot import drawn
from apt_jax.data.listing import listed
from apt_jax.data.pictures import BYTES, PATHS, name_of, one_by_one, picture
from apt_jax.data.roots import read_file
from apt_jax.errors import UserError
from apt_jax.features.encoder import Features
from apt_jax.features.reads import KINDS, Reads
from apt_jax.features.views import content
from apt_jax.methods.task import Shots
from apt_jax.words import counted


def dataset_of(images, labels, texts, groups=None) -> Dataset:
    """Images and labels as a data set of training images alone.

    Pictures that are no files are kept as PNG, which loses nothing. `texts` are names,
    templates and descriptions.

    Raises:
        UserError: if there is not one label, and one group, for each image.
    """
    images = one_by_one(images)
    classes, templates, descriptions = texts
    labels = labels_among(labels, classes)
    require_one_each(len(images), labels=labels, groups=groups)
    places = {}
    for place, image in enumerate(images):
        name = name_of(image, place)
        places[f"{name} ({place})" if name in places else name] = image
    groups = [""] * len(images) if groups is None else map(str, groups)
    items = tuple(
        Item(name, int(label), group=group)
        for name, label, group in zip(places, labels, groups, strict=True)
    )
    return Dataset(
        name="images",
        classes=classes,
        train=items,
        val=(),
        test=(),
        templates=templates,
        read=lambda item: bytes_of(places[item.path]),
        descriptions=descriptions,
        sparse=True,
    )


def require_one_each(count: int, **given):
    """Refuses what is not one for each of `count` images, and no images."""
    if not count:
        raise UserError("there are no images; give some, each with a label")
    for what, values in given.items():
        if values is not None and len(values) != count:
            raise UserError(
                f"{counted(count, 'image')} and {len(values)} {what}; give one for each "
                "image"
            )


def descriptions_of(given, classes) -> tuple[tuple[str, ...], ...]:
    """The texts of each class, in order or by its name; one text may be given as it is.

    Raises:
        UserError: if there are texts, and not of each class.
    """
    if isinstance(given, Mapping):
        given = [given[name] for name in classes if name in given]
    found = tuple((one,) if isinstance(one, str) else tuple(one) for one in given or ())
    if found and len(found) != len(classes):
        raise UserError(
            f"{len(classes)} classes and {len(found)} descriptions; give texts of each "
            "class, in the same order, or by its name"
        )
    return found


def class_names(labels, classes) -> tuple[str, ...]:
    """The names that are given, or those of the labels in alphabetical order.

    Raises:
        UserError: for labels that are none or numbers, if there are no names.
    """
    if classes is not None:
        return names_in_order(classes)
    labels = labels_in_order(labels)
    if not labels.size:
        raise UserError("there are no labels; give one for each image")
    if labels.dtype.kind not in "OUT":
        raise UserError(
            f"labels are {labels.dtype}, places among class names that nobody gave; "
            "give `classes`, or labels that are names"
        )
    return tuple(sorted(set(map(str, labels.tolist()))))


def names_in_order(classes) -> tuple[str, ...]:
    """Class names that somebody gives; their places are the labels.

    Raises:
        UserError: for what is not a list of texts.
    """
    if isinstance(classes, str | set | frozenset) or not isinstance(classes, Iterable):
        raise UserError(
            f"`classes`={classes!r} is not a list; give the names in a list"
        )
    names = tuple(classes)
    if odd := [name for name in names if not isinstance(name, str)]:
        raise UserError(
            f"class names that are not text ({listed(map(repr, odd))}); give a list of "
            "names"
        )
    return tuple(map(str, names))


def labels_in_order(labels) -> np.ndarray:
    """[n] labels that somebody gives, names or numbers.

    Raises:
        UserError: for a table of labels, and where one is missing.
    """
    if labels is None or isinstance(labels, Iterator):
        labels = list(labels or ())
    if isinstance(labels, list | tuple):
        labels = list(map(plain, labels))
    each, labels = (np.atleast_1d(np.asarray(labels, kind)) for kind in (object, None))
    if labels.ndim != 1:
        raise UserError(
            f"labels are {labels.dtype} {list(labels.shape)}; give a list, one for each "
            "image"
        )
    # A hole in a table is None or NaN, which does not equal itself.
    if holes := [n for n, x in enumerate(each) if x is None or x != x]:
        raise UserError(
            f"no label for {counted(len(holes), 'image')} ({listed(map(str, holes))}); "
            "give one for each, or leave these images out"
        )
    return labels


def labels_among(labels, classes: Sequence[str]) -> np.ndarray:
    """[n] int32 places of labels among the class names, whose names they may be.

    Raises:
        UserError: for labels that are none of them.
    """
    labels = labels_in_order(labels)
    if not labels.size:
        return np.zeros(0, np.int32)
    if labels.dtype.kind in "OUT":
        place = {name: at for at, name in enumerate(classes)}
        if odd := sorted({str(label) for label in labels.tolist()} - place.keys()):
            raise UserError(
                f"labels that are no class ({listed(odd)}); the classes are "
                f"{listed(classes)}"
            )
        return np.array([place[str(label)] for label in labels.tolist()], np.int32)
    if labels.dtype.kind not in "iu":
        raise UserError(
            f"labels are {labels.dtype}; give names, or whole numbers from 0, one for "
            "each image"
        )
    if not 0 <= labels.min() <= labels.max() < len(classes):
        raise UserError(
            f"labels from {labels.min()} to {labels.max()}, and there are "
            f"{len(classes)} classes; they count from 0"
        )
    return labels.astype(np.int32)


def drawn_of(features: Features, labels, groups, shots, seed) -> Shots:
    """The shots that `few_shot` draws of images that are encoded, by their labels."""
    require_one_each(len(features.contents), labels=labels, groups=groups)
    items = tuple(Item(str(row), int(label)) for row, label in enumerate(labels))
    kept = drawn(items, shots, random.Random(seed))
    rows = np.array([int(item.path) for item in kept], int)
    stored = {name: np.asarray(x)[rows] for name, x in features.stored.items()}
    some = Features(stored, np.asarray(features.contents)[rows], features.seconds)
    if groups is not None:
        _, groups = np.unique(np.asarray(groups)[rows], return_inverse=True)
        groups = groups.astype(np.int32)
    return Shots.of(some, some, labels[rows], groups)


def bytes_of(image) -> bytes:
    """An image file's bytes; of what is no file, those of a PNG of it."""
    if isinstance(image, PATHS):
        return read_file(Path(image))
    if isinstance(image, BYTES):
        return bytes(image)
    file = io.BytesIO()
    picture(image).save(file, "png")
    return file.getvalue()


def as_features(images, reads: Reads, clip) -> Features | None:
    """`Features`, or [n, D] raw embeddings, as they are read; None of pictures.

    Raises:
        UserError: if they are not what the method reads.
    """
    if isinstance(images, Features):
        if missing := set(KINDS[reads.inputs]) - images.stored.keys():
            raise UserError(
                f"the features have no {listed(sorted(missing))}, which is read; encode "
                "the images with this classifier"
            )
        return images
    array = images if isinstance(images, np.ndarray) else None
    if array is None or array.dtype.kind != "f" or array.ndim != 2:
        return None
    if reads.inputs != "embedding":
        raise UserError(
            f"the method reads {reads.inputs} of an image, which embeddings do not hold; "
            "give pictures"
        )
    if array.shape[1] != clip.config.embedding_dim:
        raise UserError(
            f"embeddings of width {array.shape[1]}, and those of {clip.name} have "
            f"{clip.config.embedding_dim}; encode the images with the same backbone"
        )
    rows = np.ascontiguousarray(array, np.float32)
    length = np.linalg.norm(rows, axis=1)
    if odd := np.flatnonzero(~(np.isfinite(length) & (length > 0))).tolist():
        raise UserError(
            f"{counted(len(odd), 'embedding is', 'embeddings are')} zero or not finite "
            f"({listed(map(str, odd))}); leave them out, or encode the images again"
        )
    contents = np.array([content(row) for row in rows], np.uint32).reshape(-1, 1, 2)
    return Features({"embedding": rows[:, None]}, contents, 0.0)
