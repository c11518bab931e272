"""A split that the seed draws of image files, what belongs together on one side.

`division` deals the images of each class; here is what it may not take apart: files with
the same bytes, and near copies and bursts of a class (`groups`). The same bytes under two
classes are an error.
"""

import collections

from apt_jax.data.dataset import Item
from apt_jax.data.listing import listed
from apt_jax.data.own.copies import refuse_or_drop
from apt_jax.data.own.division import divide
from apt_jax.data.own.found import Found
from apt_jax.data.own.groups import groups_of
from apt_jax.data.roots import note
from apt_jax.errors import UserError

AS_THEY_COME = "--config.data.group=none"


def drawn(found: Found, looks, seed: int, on_error: str) -> dict[str, tuple[Item, ...]]:
    """The three splits.

    Args:
        found: all pictures, and what `data.group` keeps together if it names a column.
        looks: gives what is known of the images (`looks.look_at`), by path; called when
            what costs nothing has been checked.

    Raises:
        UserError: for copies in two classes, and for a class that cannot be divided.
    """
    (by_class,) = found.by_class.values()
    if found.groups is not None:
        return divide(by_class, found.classes, found.groups, seed)
    keys = found.keys([item.path for item in found.items])
    contradictions = _contradictions(by_class, keys)
    if contradictions:
        refuse_or_drop(
            f"{len(contradictions)} images have byte-identical copies in another class "
            f"({listed(contradictions)})",
            on_error,
        )
    alone = {
        name: [path for path in paths if path not in contradictions]
        for name, paths in by_class.items()
    }
    groups = groups_of(alone, keys, looks())
    _tell_of_groups(alone, keys, groups)
    return divide(alone, found.classes, keys, seed, groups)


def _tell_of_groups(by_class, keys, groups):
    """Notes what stays together though the bytes differ.

    Raises:
        UserError: if a whole class would have to.
    """
    whole = [
        name
        for name, paths in by_class.items()
        if len({groups[path] for path in paths}) == 1 < len({keys[p] for p in paths})
    ]
    if whole:
        raise UserError(
            f"all images of {listed(map(repr, whole))} are near copies or one burst and "
            "stay on one side of the split, so that none is left to test or to train; add "
            f"others, or divide them as they come with {AS_THEY_COME}"
        )
    sizes = collections.Counter(
        group for _, group in {(keys[path], group) for path, group in groups.items()}
    )
    if together := [size for size in sizes.values() if size > 1]:
        note(
            f"{sum(together)} images are near copies or of one burst, {len(together)} "
            "groups that stay on one side of the split each (python -m "
            f"apt_jax.data.inspect names them; {AS_THEY_COME} divides them as they come)"
        )


def _contradictions(by_class, keys):
    """Paths whose bytes occur under more than one class."""
    classes = collections.defaultdict(set)
    for name, paths in by_class.items():
        for path in paths:
            classes[keys[path]].add(name)
    return [
        path
        for paths in by_class.values()
        for path in paths
        if len(classes[keys[path]]) > 1
    ]
