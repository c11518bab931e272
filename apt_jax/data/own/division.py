"""A seeded, stratified split of images that nobody has split.

Of each class 30 % test, 20 % val where somebody reads it, the rest train (CoOp's
proportions): at least one train and, where there are two, one test. Images of one group
stay on one side, whatever their classes. The test is the same with and without val, and
whatever the order in which the images are listed.
"""

import collections
import random

from apt_jax.data.dataset import Item

SHARE_OF_VAL, SHARE_OF_TEST = 0.2, 0.3  # of a class; the rest is train


def divide(
    found: dict[str, list[str]],
    narrow: dict[str, str],
    wide: dict[str, str],
    seed: int,
    *,
    validation: bool = True,
) -> dict[str, tuple[Item, ...]]:
    """The three splits, items by class and path, each with its wide group.

    Args:
        found: paths by class, classes in label order.
        narrow: a key for each path, of the groups that chance deals. A group of several
            classes goes where the first of them puts it.
        wide: a key for each path, of the groups that stay together: whole narrow ones.
            Chance knows nothing of it: a class without wider groups is divided as if
            there were none.
        validation: whether a share is cut off for validation.
    """
    generator = random.Random(seed)
    sizes = {}  # by class, the images of each wide group, in the order of chance
    for name, paths in found.items():
        dealt = list(dict.fromkeys(narrow[path] for path in sorted(paths)))
        generator.shuffle(dealt)
        images = collections.Counter(wide[path] for path in paths)
        wide_of = {narrow[path]: wide[path] for path in paths}
        sizes[name] = {wide_of[key]: images[wide_of[key]] for key in dealt}
    counts = {name: len(paths) for name, paths in found.items()}
    test = cut(sizes, {n: max(1, round(counts[n] * SHARE_OF_TEST)) for n in counts})
    val = set()
    if validation:
        rest = {
            name: {key: size for key, size in of_class.items() if key not in test}
            for name, of_class in sizes.items()
        }
        val = cut(rest, {n: round(counts[n] * SHARE_OF_VAL) for n in counts})
    splits = {"train": [], "val": [], "test": []}
    for label, paths in enumerate(found.values()):
        for path in sorted(paths):
            key = wide[path]
            split = "test" if key in test else "val" if key in val else "train"
            splits[split].append(Item(path, label, group=key))
    return {split: tuple(items) for split, items in splits.items()}


def cut(sizes: dict[str, dict], wanted: dict[str, int]) -> set:
    """The groups to cut off: of each class in turn until it has what is wanted.

    A class keeps its last group, unless another of its groups is kept already.

    Args:
        sizes: by class, the number of images of each of its groups.
        wanted: by class, how many images to cut off.
    """
    off, kept = set(), set()
    for name, of_class in sizes.items():
        there = sum(size for key, size in of_class.items() if key in off)
        free = [key for key in of_class if key not in off and key not in kept]
        last = [] if kept & of_class.keys() else free[-1:]
        for key in free[: len(free) - len(last)]:
            if there < wanted[name]:
                off.add(key)
                there += of_class[key]
            else:
                kept.add(key)
        kept.update(last)
    return off
