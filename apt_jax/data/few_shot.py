"""The few-shot sampler of CoOp, to the last index.

Zhou et al. 2022, arXiv:2109.01134. One `random.Random(seed)` draws K training images
of each class, classes in the order of their first appearance in the list (not of their
labels), then min(K, 4) validation images from the same stream. A class with fewer
images gives all it has, and draws nothing.
"""

import random

MAX_VALIDATION = 4


def few_shot(dataset, shots: int, seed: int):
    """The labelled images of a task: (train items, validation items).

    `shots` = 0 takes every image of both splits.
    """
    if shots == 0:
        return dataset.train, dataset.val
    generator = random.Random(seed)
    train = draw(dataset.train, shots, generator)
    val = draw(dataset.val, min(shots, MAX_VALIDATION), generator)
    return train, val


def draw(items, count: int, generator: random.Random) -> tuple:
    """`count` items of each label, drawn without replacement."""
    groups = {}
    for item in items:
        groups.setdefault(item.label, []).append(item)
    drawn = []
    for group in groups.values():
        drawn += generator.sample(group, count) if len(group) >= count else group
    return tuple(drawn)
