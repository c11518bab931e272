"""Base-to-new: classes to adapt on, and classes to meet only afterwards.

Zhou et al. 2022 (CoCoOp), arXiv:2203.05557. Of K classes in label order the first
ceil(K / 2) are the base. Shots are drawn from all classes first and divided afterwards.
"""

import dataclasses
import math

from apt_jax.data.dataset import Dataset, Item


def base_and_new(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """Both halves as data sets of their own, labels counted from 0 in each."""
    count = len(dataset.classes)
    middle = math.ceil(count / 2)
    return _only(dataset, range(middle)), _only(dataset, range(middle, count))


def _only(dataset, labels):
    splits = {
        split: tuple(
            Item(item.path, item.label - labels.start)
            for item in items
            if item.label in labels
        )
        for split, items in dataset.splits.items()
    }
    classes = tuple(dataset.classes[label] for label in labels)
    return dataclasses.replace(dataset, classes=classes, **splits)
