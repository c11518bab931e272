"""What can be wrong with a data set as a whole, all of it said at once."""

import collections

from apt_jax.errors import UserError

SHOWN = 10


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
    if len(dataset.classes) < 2:
        yield (
            f"only {len(dataset.classes)} class ({_named(dataset.classes)}); a classifier "
            "needs two or more: add folders or lines for other classes"
        )
    names = collections.Counter(name.casefold() for name in dataset.classes)
    if twice := sorted(name for name, count in names.items() if count > 1):
        yield f"class names occur more than once ({_named(twice)}); rename them"
    if empty := _without_images(dataset, dataset.train):
        yield f"no training images of {_named(empty)}; add some or remove the class"
    if untested := _without_images(dataset, dataset.test):
        yield (
            f"no test images of {_named(untested)}; add some, or let a folder of classes "
            "be split by the seed"
        )


def _notes(dataset, shots):
    counts = collections.Counter(item.label for item in dataset.train)
    few = {
        dataset.classes[label]: count
        for label, count in sorted(counts.items())
        if count < shots
    }
    if few:
        listed = [f"{name!r} ({count})" for name, count in list(few.items())[:SHOWN]]
        more = f" and {len(few) - SHOWN} more" if len(few) > SHOWN else ""
        yield (
            f"fewer than {shots} training images of {', '.join(listed)}{more}: all of "
            "them are used"
        )


def _without_images(dataset, items):
    present = {item.label for item in items}
    return [name for label, name in enumerate(dataset.classes) if label not in present]


def _named(names):
    listed = ", ".join(repr(name) for name in names[:SHOWN])
    return listed + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
