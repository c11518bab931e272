"""Base-to-new: classes to adapt on, and classes to meet only afterwards.

Zhou et al. 2022 (CoCoOp), arXiv:2203.05557. Of K classes in label order the first
ceil(K / 2) are the base. Shots are drawn from all classes first and divided afterwards.
"""

import dataclasses
import math

from apt_jax.data.dataset import Dataset, Item


def base_and_new(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """Both halves as data sets of their own, labels counted from 0 in each."""
    return tuple(_only(dataset, part) for part in ("base", "new"))


def labels_of(part: str, count: int) -> range:
    """The labels of a part of `count` classes: "all", "base" or "new"."""
    middle = math.ceil(count / 2)
    return {
        "all": range(count),
        "base": range(middle),
        "new": range(middle, count),
    }[part]


def items_of(items, labels: range) -> tuple[Item, ...]:
    """The items with these labels, in order, counted from 0."""
    return tuple(
        dataclasses.replace(item, label=item.label - labels.start)
        for item in items
        if item.label in labels
    )


def _only(dataset, part):
    labels = labels_of(part, len(dataset.classes))
    splits = {split: items_of(items, labels) for split, items in dataset.splits.items()}
    return dataclasses.replace(
        dataset.with_splits(splits),
        classes=dataset.classes[labels.start : labels.stop],
        descriptions=dataset.descriptions[labels.start : labels.stop],
    )
