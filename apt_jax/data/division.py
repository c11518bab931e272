"""A seeded, stratified split of images that nobody has split.

Of each class 50 % train, 20 % val, 30 % test (CoOp's proportions), at least one of train
and test. Images of one group stay on one side.
"""

import collections
import random

from apt_jax.data.dataset import SPLITS, Item

SHARE_OF_VAL, SHARE_OF_TEST = 0.2, 0.3  # of a class; the rest is train


def divide(found, classes, groups, seed: int) -> dict[str, tuple[Item, ...]]:
    """The three splits, items by class and path.

    Args:
        found: paths by class name.
        classes: class names in label order.
        groups: a key for each path; paths of a class with equal keys stay together.
    """
    generator = random.Random(seed)
    splits = {split: [] for split in SPLITS}
    for label, name in enumerate(classes):
        together = collections.defaultdict(list)
        for path in found[name]:
            together[groups[path]].append(path)
        for split, paths in deal(list(together.values()), generator).items():
            splits[split] += [Item(path, label) for path in sorted(paths)]
    return {split: tuple(items) for split, items in splits.items()}


def deal(groups: list[list[str]], generator: random.Random) -> dict[str, list[str]]:
    """Shuffled groups of paths, dealt to test, val and train until each has its share.

    Test gets an image first, and the last group is always for training.
    """
    generator.shuffle(groups)
    count = sum(map(len, groups))
    wanted = {
        "test": max(1, round(count * SHARE_OF_TEST)),
        "val": round(count * SHARE_OF_VAL),
    }
    dealt = {"test": [], "val": [], "train": []}
    for group in groups[:-1]:
        short = (split for split in wanted if len(dealt[split]) < wanted[split])
        dealt[next(short, "train")] += group
    dealt["train"] += [path for group in groups[-1:] for path in group]
    return dealt
