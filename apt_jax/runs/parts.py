"""What a run is tested on: its own classes, classes met afterwards, shifted pictures."""

import dataclasses

import numpy as np

from apt_jax.data.dataset import Item, label_array
from apt_jax.evaluation import Evaluation, evaluations
from apt_jax.features.reads import EMBEDDING
from apt_jax.runs.preparation import Prepared


@dataclasses.dataclass(frozen=True)
class Part:
    """Test images, and the classes to tell apart."""

    split: str  # "test", or a shifted one
    classes: str  # "all", "base" or "new"
    texts: tuple  # of the task: class names, templates, descriptions
    names: tuple[str, ...]  # of the classes that are told apart
    items: tuple[Item, ...]  # their labels count `names`
    among: tuple[int, ...] | None = None  # `names` as labels of the task; None = all
    file: str = ""  # the end of the name of its predictions

    @property
    def labels(self) -> np.ndarray:
        """[n] int32."""
        return label_array(self.items)


def parts_of(prepared: Prepared, classes: str) -> list[Part]:
    """The own classes first, then new ones, then shifted splits."""
    dataset, new = prepared.dataset, prepared.new
    parts = [Part("test", classes, dataset.texts, dataset.classes, dataset.test)]
    if new is not None:
        parts.append(Part("test", "new", new.texts, new.classes, new.test, file="_new"))
    return [*parts, *(shifted(dataset, split, classes) for split in dataset.shifted)]


def shifted(dataset, split, classes) -> Part:
    """A shifted split: only the classes that it has are told apart."""
    items = dataset.shifted[split]
    among = tuple(sorted({item.label for item in items}))
    place = {label: at for at, label in enumerate(among)}
    renumbered = tuple(dataclasses.replace(i, label=place[i.label]) for i in items)
    names = tuple(dataset.classes[label] for label in among)
    return Part(split, classes, dataset.texts, names, renumbered, among, f"_{split}")


def reads_of_test(method, clip) -> tuple:
    """What is read of a test image: by the method, and by zero-shot CLIP."""
    zero_shot = () if clip.tokenizer is None else (EMBEDDING,)
    return (method.reads, *zero_shot)


def evaluated(part: Part, classifier, features, bins, **how) -> list[Evaluation]:
    """The rows of a part, by `evaluation.evaluations`, of a classifier over its classes."""
    return evaluations(
        classifier.fitted,
        classifier.task,
        features,
        part.labels,
        seed=classifier.seed,
        samples=classifier.samples,
        bins=bins,
        classes=part.classes,
        split=part.split,
        among=part.among,
        **how,
    )
