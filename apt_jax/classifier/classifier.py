"""What was fitted, ready to predict.

An image gets the same numbers alone, in any batch, in any order: masks are keyed by its
pixels, and batches are padded to one size.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from apt_jax import keys
from apt_jax.arguments import plain, require_sound
from apt_jax.classifier.handed import (
    as_features,
    descriptions_of,
    labels_among,
    names_in_order,
    require_one_each,
)
from apt_jax.data.check import require_classes
from apt_jax.data.listing import listed
from apt_jax.data.pictures import name_of, one_by_one, picture
from apt_jax.data.templates import templates_of
from apt_jax.errors import UserError, reason
from apt_jax.evaluation import evaluate
from apt_jax.features.encoder import Encoder, Features
from apt_jax.features.reads import EMBEDDING, Reads
from apt_jax.methods import require_fit
from apt_jax.methods.readable import require_prompts
from apt_jax.methods.task import Task, make_task
from apt_jax.metrics.figures import Figures
from apt_jax.tables import Table
from apt_jax.training.fitted import Fitted
from apt_jax.uncertainty.predictions import Predictions
from apt_jax.uncertainty.predictive import predict_batches
from apt_jax.uncertainty.softmax import Prediction
from apt_jax.words import counted

CHUNK = 256  # images that are read and encoded at a time, so that memory is bounded


class Chunk(NamedTuple):
    """Some of the images of a stream, and what is said of them."""

    images: list
    predictions: Predictions  # of those that could be read, in order
    faults: dict[int, str]  # why others could not, by their place


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Classifier:
    """A fitted model: a frozen backbone, class texts, a method with its parameters.

    What `apt_jax.fit` returns, and `apt_jax.load`.
    """

    task: Task  # the backbone and the class texts
    fitted: Fitted
    seed: int = 1  # of the Monte-Carlo samples
    samples: int = 30  # T, if the method has dropout
    card: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # how it was made

    @property
    def classes(self) -> list[str]:
        """The class names, in the order of their probabilities."""
        return list(self.task.names)

    def predict(self, images) -> Predictions:
        """Labels, probabilities and uncertainty of one image or many.

        Args:
            images: of any kind that `data.pictures` names, [n, D] raw embeddings, or
                `Features` that `encode` made. Of one image there is one row.

        Raises:
            UserError: for what is no readable image, all of it at once; a ValueError.
        """
        return self._predicted(self.encode(images))

    def predict_proba(self, images) -> np.ndarray:
        """[n, K] probabilities, in the order of `classes`."""
        return self.predict(images).probabilities

    def embed(self, images) -> np.ndarray:
        """[n, D] raw embeddings of images, by the frozen backbone."""
        features = self.encode(images, EMBEDDING)
        return np.asarray(features.stored["embedding"][:, 0])

    def evaluate(self, images, labels, *, bins: int = 15) -> Figures:
        """Accuracy, NLL, Brier, ECE and the others, of the prediction that it gives.

        Args:
            labels: names among `classes`, or their places.
            bins: of the calibration error.

        Raises:
            UserError: as `predict`; for labels that are none, or not one for each image.
        """
        bins = plain(bins)
        require_sound(bins=bins)
        truth = labels_among(labels, self.classes)
        features = self.encode(images)
        require_one_each(len(features.contents), labels=truth)
        chance = self._chance()
        found = evaluate(
            "", self.fitted, self.task, features, truth, bins=bins, **chance
        )
        return Figures(found.figures)

    def encode(self, images, reads: Reads | None = None) -> Features:
        """What the backbone says of images, to predict or evaluate from.

        By default what the method reads. Raises `UserError` as `predict` does.
        """
        reads = self.fitted.method.reads if reads is None else reads
        given = as_features(images, reads, self.task.backbone)
        if given is not None:
            return given
        images = one_by_one(images)
        crops, faults = self._read(images)
        if faults:
            raise unreadable(images, faults, "leave them out or fix them")
        return Encoder(self.task.backbone).crops(crops, reads)

    def stream(self, images: Iterable) -> Iterator[Chunk]:
        """Predicts images some at a time, whatever of them can be read."""
        images = iter(images)
        while some := list(itertools.islice(images, CHUNK)):
            crops, faults = self._read(some)
            features = Encoder(self.task.backbone).crops(
                crops, self.fitted.method.reads
            )
            yield Chunk(some, self._predicted(features), faults)

    def for_classes(
        self, names: Sequence[str], *, templates=(), descriptions=()
    ) -> "Classifier":
        """The same parameters over other class names.

        Args:
            templates: prompts with {} for the name; by default the usual one.
            descriptions: of each class, a tuple of texts.

        Raises:
            UserError: if the parameters belong to the classes that they were fitted to,
                or if the backbone cannot read the names.
        """
        names = names_in_order(names)
        self._require_served(names)
        require_classes(names)
        texts = names, templates_of("", templates), descriptions_of(descriptions, names)
        require_prompts(self.task.backbone, texts)
        task = make_task(self.task.backbone, *texts)
        require_fit(self.fitted.method, task)
        return self.over(task)

    def over(self, task: Task) -> "Classifier":
        """The same parameters over a task that is made already.

        Raises:
            UserError: if the parameters belong to the classes that they were fitted to.
        """
        self._require_served(task.names)
        return dataclasses.replace(self, task=task)

    def save(self, folder) -> None:
        """Writes the small part, as safetensors and JSON; `apt_jax.load` reads it."""
        from apt_jax.classifier.saved import save

        save(self, folder)

    def _require_served(self, names):
        """Refuses class names that the parameters are not of."""
        method = self.fitted.method
        if tuple(names) != self.task.names and not method.names_new_classes:
            raise UserError(
                f"{type(method).__name__} has parameters of each class, so it cannot tell "
                "others apart; fit it to them, or fit a method that serves any class "
                "name, such as apt"
            )

    def _predicted(self, features) -> Predictions:
        if not len(features.contents):
            none = np.zeros((0, len(self.classes)))
            return Predictions.of(Prediction(none, none, none[:, 0]), self.classes)
        parts = predict_batches(self.fitted, self.task, features, **self._chance())
        found = jax.tree.map(lambda *rows: np.concatenate(rows), *parts)
        return Predictions.of(found, self.classes)

    def _chance(self) -> dict:
        if not self.fitted.method.stochastic:
            return {}
        key = keys.of_seed(self.seed, keys.PREDICT)
        return {"key": key, "samples": self.samples}

    def _read(self, images: list) -> tuple[list[np.ndarray], dict[int, str]]:
        """[S, S, 3] uint8 crops of what can be read; of the rest place and reason."""
        crops, faults = [], {}
        for place, image in enumerate(images):
            try:
                crops.append(self.task.backbone.pixels.centre_crop(picture(image)))
            except (OSError, ValueError) as error:
                faults[place] = reason(error)
        return crops, faults

    @property
    def _said(self) -> dict[str, str]:
        """What stands in a `repr`, by its head."""
        method, clip = self.fitted.method, self.task.backbone
        chosen = "".join(f", {k}={_short(v)}" for k, v in self.fitted.chosen.items())
        samples = f", {self.samples} samples" if method.stochastic else ""
        count = counted(len(self.classes), "class", "classes")
        return {
            "classifier of": f"{count} ({listed(self.classes)})",
            "method": f"{type(method).__name__}{chosen}{samples}",
            "backbone": f"{clip.name}, {clip.dtype}",
        }

    def __repr__(self):
        classes, method, clip = self._said.values()
        return f"Classifier of {classes}: {method}, on {clip}"

    def _repr_html_(self):
        return Table(list(self._said), [list(self._said.values())], texts=3).html()


def _short(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def unreadable(images, faults: dict[int, str], remedy: str) -> UserError:
    """The error for images that cannot be read."""
    named = (f"{name_of(images[place], place)}: {why}" for place, why in faults.items())
    return UserError(
        f"{len(faults)} of {len(images)} images cannot be read "
        f"({listed(named, separator='; ')}); {remedy}"
    )
