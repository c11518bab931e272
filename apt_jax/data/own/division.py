"""A seeded, stratified split of images that nobody has split.

Of each class 50 % train, 20 % val, 30 % test (CoOp's proportions), at least one of train
and test. Images of one group stay on one side, whatever their classes.
"""

import collections
import itertools
import random

from apt_jax.data.dataset import SPLITS, Item

SHARE_OF_VAL, SHARE_OF_TEST = 0.2, 0.3  # of a class; the rest is train


def divide(
    found, classes, groups, seed: int, wider=None
) -> dict[str, tuple[Item, ...]]:
    """The three splits, items by class and path.

    Args:
        found: paths by class name.
        classes: class names in label order.
        groups: a key for each path; paths with equal keys stay together. A group of
            several classes goes where the first of them puts it.
        wider: a second key for each path, of groups that hold whole groups of the first
            kind and stay together too. Chance knows nothing of it: a class without a
            wider group is divided as if there were none.
    """
    wider = groups if wider is None else wider
    generator = random.Random(seed)
    splits = {split: [] for split in SPLITS}
    places = {}  # the split of each group that is dealt
    for label, name in enumerate(classes):
        together = collections.defaultdict(list)
        for path in found[name]:
            together[groups[path]].append(path)
        dealt, free = {split: [] for split in SPLITS}, []
        for paths in together.values():
            dealt.get(places.get(wider[paths[0]]), free).append(paths)
        generator.shuffle(free)
        for split, paths in deal(_joined(free, wider), dealt).items():
            places |= {wider[path]: split for path in paths}
            splits[split] += [Item(path, label) for path in sorted(paths)]
    return {split: tuple(items) for split, items in splits.items()}


def deal(groups, dealt) -> dict[str, list[str]]:
    """Groups of paths, dealt to test, val and train in turn until each has its share.

    Test gets an image first, and the last group is always for training. `dealt` are the
    groups that have their split already.
    """
    dealt = {split: list(itertools.chain(*there)) for split, there in dealt.items()}
    count = sum(map(len, (*groups, *dealt.values())))
    wanted = {
        "test": max(1, round(count * SHARE_OF_TEST)),
        "val": round(count * SHARE_OF_VAL),
    }
    last = [] if dealt["train"] else groups[-1:]
    for group in groups[: len(groups) - len(last)]:
        short = (split for split in wanted if len(dealt[split]) < wanted[split])
        dealt[next(short, "train")] += group
    dealt["train"] += itertools.chain(*last)
    return dealt


def _joined(groups, wider):
    """The groups, those of one wider group made one in the place of the first."""
    joined = collections.defaultdict(list)
    for paths in groups:
        joined[wider[paths[0]]] += paths
    return list(joined.values())
