"""A fitted method over a split: predictions of every image, and what they score."""

import dataclasses
import time

import jax
import numpy as np

from apt_jax import keys
from apt_jax.methods.zero_shot import ZeroShot
from apt_jax.metrics import Outcomes, figures_of
from apt_jax.training.fitted import Fitted
from apt_jax.uncertainty.predictive import predict_batches
from apt_jax.uncertainty.softmax import Prediction


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A row of the report and the predictions behind it."""

    name: str  # "zero_shot", "deterministic", "ensemble", "mc_dropout"
    samples: int | None  # passes in the mean: T of each member; None for a single one
    outcomes: Outcomes
    prediction: Prediction  # of all n images, NumPy arrays
    seconds_per_image: float  # the method's passes, not the tower's
    classes: str = "all"  # or "base", "new" (`data.base_new`)
    split: str = "test"  # or a shifted one

    @property
    def figures(self) -> dict:
        """The figures by name, those of `metrics.figures`."""
        return figures_of(self.outcomes)

    @property
    def row(self) -> dict:
        """The entry of results.json."""
        named = {"name": self.name, "samples": self.samples, "split": self.split}
        return {**named, "classes": self.classes, **self.figures}


def evaluate(
    name,
    fitted: Fitted,
    task,
    features,
    labels,
    *,
    key=None,
    samples=None,
    bins=15,
) -> Evaluation:
    """Predicts every image of `features` (first view) and scores it against `labels`.

    With a `key`, `samples` Monte-Carlo passes; without, one deterministic pass. Either
    of each member, if there are several.
    """
    single = key is None and fitted.members == 1
    passes = fitted.members * (1 if key is None else samples)
    labels = np.asarray(labels)
    start = time.monotonic()
    parts = list(predict_batches(fitted, task, features, key, samples))
    seconds = time.monotonic() - start
    prediction = jax.tree.map(lambda *rows: np.concatenate(rows), *parts)
    expected = None if single else prediction.expected_entropy
    scored = {"expected_entropy": expected, "num_bins": bins}
    return Evaluation(
        name,
        None if single else passes,
        Outcomes.of(prediction.log_probs, labels, **scored),
        prediction,
        seconds / len(labels),
    )


def evaluations(
    fitted: Fitted,
    task,
    features,
    labels,
    *,
    seed: int,
    samples: int,
    bins: int = 15,
    classes: str = "all",
    split: str = "test",
    among: tuple[int, ...] | None = None,
    zero_shot: Evaluation | None = None,
) -> list[Evaluation]:
    """The rows of a report: zero-shot CLIP, the method, the method's samples.

    Of a method with several members, their mean stands for the method. `among` are the
    labels to tell apart, if not all; those of `labels` count them. `zero_shot` is its
    evaluation if somebody has it already; a backbone without text has no such row. The
    time of a row is that of its passes, compilation apart.
    """
    rows, base = [], Fitted(ZeroShot(), {}, {})
    if zero_shot is None and task.texts is not None:
        rows.append(("zero_shot", base, {}))
    if fitted.method != base.method:
        name = "deterministic" if fitted.members == 1 else "ensemble"
        rows.append((name, fitted, {}))
    if fitted.method.stochastic:
        key = keys.of_seed(seed, keys.PREDICT)
        rows.append(("mc_dropout", fitted, {"key": key, "samples": samples}))
    found = [zero_shot] if zero_shot else []
    for name, one, chance in rows:
        one = one.among(among)
        next(predict_batches(one, task, features, **chance))  # compiled, before timing
        row = evaluate(name, one, task, features, labels, bins=bins, **chance)
        found.append(dataclasses.replace(row, classes=classes, split=split))
    return found
