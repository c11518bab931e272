"""The few-shot sampler of CoOp, to the last index.

Zhou et al. 2022, arXiv:2109.01134. One `random.Random(seed)` draws K training images
of each class, classes in the order of their first appearance in the list (not of their
labels), then min(K, 4) validation images from the same stream. A class with fewer
images gives all it has, and draws nothing.
"""

import random

MAX_VALIDATION = 4


def few_shot(dataset, shots: int, seed: int, most_validation: int = MAX_VALIDATION):
    """The labelled images of a task: (train items, validation items).

    `shots` = 0 takes every image of both splits.
    """
    if shots == 0:
        return dataset.train, dataset.val
    generator = random.Random(seed)
    train = draw(dataset.train, shots, generator)
    val = draw(dataset.val, min(shots, most_validation), generator)
    return train, val


def validation(dataset, kind: str, shots: int, seed: int) -> tuple:
    """The validation images that a published protocol selects on.

    `kind` is "none", "few_shot" (CoOp's, drawn as above), "as_many" (LP++'s: as many of a
    class as shots, from the same stream) or "whole" (the split).
    """
    if kind == "none":
        return ()
    if kind == "whole":
        return dataset.val
    most = {"few_shot": MAX_VALIDATION, "as_many": shots}[kind]
    return few_shot(dataset, shots, seed, most)[1]


def draw(items, count: int, generator: random.Random) -> tuple:
    """`count` items of each label, drawn without replacement."""
    groups = {}
    for item in items:
        groups.setdefault(item.label, []).append(item)
    drawn = []
    for group in groups.values():
        drawn += generator.sample(group, count) if len(group) >= count else group
    return tuple(drawn)
