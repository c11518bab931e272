"""What can be wrong with a data set as a whole, all of it said at once."""

import collections
import unicodedata

from apt_jax.data.listing import listed
from apt_jax.data.templates import clean_name
from apt_jax.errors import UserError
from apt_jax.words import counted


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
    odd = [item.path for item in dataset.items if not 0 <= item.label < len(classes)]
    if odd:
        yield f"labels that are no class ({listed(odd)}); fix or leave out these images"
    yield from _faults_of_classes(classes)
    if dataset.sparse:
        return
    if empty := _without_images(dataset, dataset.train):
        yield f"no training images of {_quoted(empty)}; add some or remove the class"
    if not dataset.test:
        yield "no test images; add some"


def require_classes(classes):
    """Refuses class names that cannot be told apart; raises `UserError`."""
    if faults := list(_faults_of_classes(classes)):
        raise UserError("; ".join(faults))


def _faults_of_classes(classes):
    if len(classes) < 2:
        yield (
            f"{counted(len(classes), 'class', 'classes')} ({_quoted(classes)}); a "
            "classifier needs two or more: add images of others"
        )
    if odd := [name for name in classes if not _is_word(name)]:
        yield f"class names that are no words ({_quoted(odd)}); rename them"
    count = collections.Counter(map(_composed, classes))
    if twice := [name for name in classes if count[_composed(name)] > 1]:
        yield (
            f"class names that are there twice ({_quoted(twice)}), or in two spellings "
            "of Unicode; rename them"
        )


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
    if (empty := _without_images(dataset, dataset.test)) and not dataset.sparse:
        yield (
            f"no test images of {_quoted(empty)}: they are trained and stay among the "
            "classes to tell apart, and no figure tells how well they are known"
        )
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


def _composed(name):
    """A class name in Unicode's composed form: "é" is one letter, however it is typed."""
    return unicodedata.normalize("NFC", name)


def _is_word(name):
    return bool(clean_name(name).strip()) and name.isprintable()


def _without_images(dataset, items):
    present = {item.label for item in items}
    return [name for label, name in enumerate(dataset.classes) if label not in present]


def _quoted(names):
    return listed(map(repr, names))
