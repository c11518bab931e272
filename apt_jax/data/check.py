"""What can be wrong with a data set as a whole, all of it said at once."""

import collections

from apt_jax.data.listing import listed
from apt_jax.data.templates import clean_name
from apt_jax.errors import UserError


def check(dataset, shots: int) -> list[str]:
    """Notes on what is unusual but allowed.

    Raises:
        UserError: for what cannot be trained or judged, all faults in one line.
    """
    faults = list(_faults(dataset))
    if faults:
        raise UserError(f"data set {dataset.name!r}: {'; '.join(faults)}")
    return list(_notes(dataset, shots))


def _faults(dataset):
    classes = dataset.classes
    yield from _listed_twice(dataset.splits)
    items = [item for of_split in dataset.splits.values() for item in of_split]
    odd = [item.path for item in items if not 0 <= item.label < len(classes)]
    if odd:
        yield f"labels that are no class ({listed(odd)}); mend or leave out these images"
    if len(classes) < 2:
        yield (
            f"{len(classes)} classes ({_quoted(classes)}); a classifier needs two or "
            "more: add images of others"
        )
    if odd := [name for name in classes if not (_read(name) and name.isprintable())]:
        yield f"class names that are no words ({_quoted(odd)}); rename them"
    count = collections.Counter(map(_read, classes))
    if twice := [name for name in classes if count[_read(name)] > 1]:
        yield f"class names that CLIP reads as equal ({_quoted(twice)}); rename them"
    if not dataset.sparse:
        for split, items in (("training", dataset.train), ("test", dataset.test)):
            if empty := _without_images(dataset, items):
                yield f"no {split} images of {_quoted(empty)}; add some or remove the class"


def _listed_twice(splits):
    """Images twice in a split, or in training and another split.

    Validation and test may share images: they do in CoOp's ImageNet.
    """
    for split, items in splits.items():
        counts = collections.Counter(item.path for item in items)
        if twice := [path for path, count in counts.items() if count > 1]:
            yield f"images twice in {split} ({listed(twice)}); list each once"
    train = {item.path for item in splits["train"]}
    for split in splits.keys() - {"train"}:
        if both := [item.path for item in splits[split] if item.path in train]:
            yield f"images in train and {split} ({listed(both)}); keep them on one side"


def _notes(dataset, shots):
    counts = collections.Counter(item.label for item in dataset.train)
    few = [
        f"{dataset.classes[label]!r} ({count})"
        for label, count in sorted(counts.items())
        if count < shots
    ]
    if few:
        yield (
            f"fewer than {shots} training images of {listed(few)}: all of them are used"
        )


def _read(name):
    """A class name as CLIP's tokenizer reads it: without case or extra spaces."""
    return " ".join(clean_name(name).split()).casefold()


def _without_images(dataset, items):
    present = {item.label for item in items}
    return [name for label, name in enumerate(dataset.classes) if label not in present]


def _quoted(names):
    return listed(map(repr, names))
