"""The few-shot sampler of CoOp, to the last index.

Zhou et al. 2022, arXiv:2109.01134. One `random.Random(seed)` draws K training images
of each class, classes in the order of their first appearance in the list (not of their
labels), then min(K, 4) validation images from the same stream. A class with fewer
images gives all it has, and draws nothing.

A share of the images instead (`shots` below 1) is ours. Each class is shuffled, and image
k = 0, 1, ... of a class with m of them stands at (k + u) / m, u uniform in [0, 1): the
first n of all are about the same share of every class, and of classes alike in size
differ by one image at most. The shares of one seed are nested. A class may go without: of
24 classes with 32 images, 1 % are 8 images. Labels count all classes, whichever are there.
"""

import random

MAX_VALIDATION = 4


def few_shot(dataset, shots: float, seed: int, most_validation: int = MAX_VALIDATION):
    """The labelled images of a task: (train items, validation items).

    `shots` = 0 takes every image of both splits, `shots` below 1 that share of them.
    """
    generator = random.Random(seed)
    train = drawn(dataset.train, shots, generator)
    return train, drawn(dataset.val, min(shots, most_validation), generator)


def drawn(items, shots: float, generator: random.Random) -> tuple:
    """`shots` items of each label, or that share of all; for 0 all of them."""
    if shots == 0:
        return items
    return (share if shots < 1 else draw)(items, shots, generator)


def validation(dataset, kind: str, shots: float, seed: int) -> tuple:
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
    drawn = []
    for group in by_label(items):
        drawn += generator.sample(group, count) if len(group) >= count else group
    return tuple(drawn)


def share(items, part: float, generator: random.Random) -> tuple:
    """round(`part` of n) of n items, at least one, the share of each label alike."""
    places = {}
    for group in by_label(items):
        for k, item in enumerate(generator.sample(group, len(group))):
            places[item] = (k + generator.random()) / len(group)
    count = max(1, round(part * len(items)))
    return tuple(sorted(places, key=places.get)[:count])


def by_label(items) -> list[list]:
    """The items of each label, labels in the order of their first appearance."""
    groups = {}
    for item in items:
        groups.setdefault(item.label, []).append(item)
    return list(groups.values())
