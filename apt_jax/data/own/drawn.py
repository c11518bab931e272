"""A split that the seed draws of image files, what belongs together on one side.

`division` cuts the images of each class; here is what it may not take apart: files with
the same bytes, near copies and bursts of a class (`groups`), and what has the same value
in the column that `data.group` names. All three link: a copy brings its group along. The
same bytes under two classes are an error.
"""

import collections

from apt_jax.data.dataset import Item
from apt_jax.data.listing import listed
from apt_jax.data.own.copies import without_contradictions
from apt_jax.data.own.division import divide
from apt_jax.data.own.found import Found
from apt_jax.data.own.groups import groups_of, joined
from apt_jax.data.roots import note
from apt_jax.errors import UserError
from apt_jax.words import counted, form

AS_THEY_COME = "--config.data.group=none"


def drawn(
    found: Found, looks, seed: int, on_error: str, validation: bool
) -> dict[str, tuple[Item, ...]]:
    """The three splits.

    Args:
        found: all pictures, and what `data.group` keeps together if it names a column.
        looks: what is known of the images (`looks.look_at`), by path; none where near
            copies may be taken apart.
        validation: whether a share is cut off for validation.

    Raises:
        UserError: for copies in two classes, and for a class that cannot be divided.
    """
    keys = found.keys([item.path for item in found.items])
    sound = without_contradictions(found, keys, on_error)
    (by_class,) = sound.by_class.values()
    groups = groups_of(by_class, keys, looks)
    _tell_of_groups(by_class, keys, groups)
    narrow, wide = keys, groups
    if found.groups is not None:
        narrow, wide = found.groups, joined(found.groups, groups)
        _tell_of_links(narrow, wide)
    options = {"wider": wide, "validation": validation}
    return divide(by_class, found.classes, narrow, seed, **options)


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
            f"{sum(together)} images are near copies or of one burst, "
            f"{counted(len(together), 'group')} that "
            f"{form(len(together), 'stays', 'stay')} on one side of the split (python -m "
            f"apt_jax inspect names them; {AS_THEY_COME} divides them as they come)"
        )


def _tell_of_links(column, wide):
    """Notes groups of the column that copies make one."""
    values = collections.defaultdict(set)
    for path, group in wide.items():
        values[group].add(column[path])
    if linked := [sorted(found) for found in values.values() if len(found) > 1]:
        note(
            "copies or near copies link groups of the column data.group, which stay "
            f"together: {listed((' = '.join(one) for one in linked), separator='; ')}"
        )
