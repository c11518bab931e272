"""Whether a copy of a published data set has all its images.

An archive that was half downloaded, or a class folder that lost its files, shows in the
number of images of a split.
"""

import collections

from apt_jax.data.listing import listed
from apt_jax.data.roots import note
from apt_jax.errors import UserError
from apt_jax.words import counted

FEWEST = 3  # classes that are named


def require(dataset, published: dict[str, int], on_error: str = "stop"):
    """Refuses splits that have not as many images as were published.

    Args:
        published: images by split; of the named ones in all, as "train + val".
        on_error: "skip" goes on with what there is, and says so.
    """
    if not (faults := list(differences(dataset, published))):
        return
    told = f"{dataset.name} is not as published: {'; '.join(faults)}"
    if on_error == "skip":
        note(told)
        return
    raise UserError(
        f"{told}; download or unpack it again, or go on with what is there by "
        "`on_error`=skip"
    )


def differences(dataset, published: dict[str, int]):
    """A sentence for each split that has more or fewer images than were published."""
    for names, count in published.items():
        items = [item for name in names.split(" + ") for item in dataset.splits[name]]
        if len(items) != count:
            yield (
                f"{names} has {counted(len(items), 'image')} and not {count:,} (fewest of "
                f"{_fewest(dataset, items)})"
            )


def _fewest(dataset, items) -> str:
    counts = collections.Counter(item.label for item in items)
    labels = sorted(range(len(dataset.classes)), key=lambda label: counts[label])
    named = [
        f"{dataset.classes[label]!r}: {counts[label]}" for label in labels[:FEWEST]
    ]
    return listed(named)
