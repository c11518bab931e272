"""The figures of an evaluation, kept as sums so that a test set may be streamed.

Of n examples with probabilities p [K] and label y:

    accuracy  mean of argmax p = y        NLL    mean of -ln p_y          nats
    ECE       see `calibration`           Brier  mean of |p - onehot(y)|^2, in [0, 2]
    accuracy_low, accuracy_high           ends of its 95 % interval, see `interval`

and means of the entropies of `uncertainty`: predictive H(p), expected (of the Monte-Carlo
samples) and their difference, the mutual information.
"""

import dataclasses

import numpy as np

from apt_jax.metrics.calibration import (
    Bins,
    bin_by_confidence,
    expected_calibration_error,
)
from apt_jax.metrics.entropy import entropy
from apt_jax.metrics.interval import wilson

SUMS = (
    "accuracy",
    "nll",
    "brier",
    "predictive_entropy",
    "expected_entropy",
    "mutual_information",
)


@dataclasses.dataclass(frozen=True)
class Scores:
    """Sums over the examples seen so far."""

    examples: int
    sums: dict[str, float]  # one for each name in SUMS
    bins: Bins

    @classmethod
    def of(cls, log_probs, labels, *, expected_entropy=None, mask=None, num_bins=15):
        """The scores of a part of the examples.

        Args:
            log_probs: [n, K] natural logarithms of class probabilities.
            labels: [n] integers in [0, K).
            expected_entropy: [n] mean entropy of the Monte-Carlo samples, nats; None for
                one deterministic pass, whose samples cannot disagree.
            mask: [n] bool, False for padding; by default every example counts.

        Raises:
            ValueError: if the shapes do not fit.
        """
        log_probs = np.asarray(log_probs, np.float64)
        labels = np.asarray(labels)
        if log_probs.ndim != 2 or labels.shape != log_probs.shape[:1]:
            raise ValueError(
                f"expected log_probs [n, K] and labels [n], got {log_probs.shape} and "
                f"{labels.shape}; average Monte-Carlo samples first"
            )
        real = np.ones(len(labels), bool) if mask is None else np.asarray(mask)
        log_probs, labels = log_probs[real], labels[real]
        probs = np.exp(log_probs)
        correct = (probs.argmax(-1) == labels).astype(np.float64)
        total = entropy(probs)
        expected = total
        if expected_entropy is not None:
            expected = np.asarray(expected_entropy, np.float64)[real]
        one_hot = np.eye(probs.shape[-1])[labels]
        per_example = {
            "accuracy": correct,
            "nll": -log_probs[np.arange(len(labels)), labels],
            "brier": np.square(probs - one_hot).sum(-1),
            "predictive_entropy": total,
            "expected_entropy": expected,
            # Rounding leaves -1e-8 where the samples agree.
            "mutual_information": np.maximum(total - expected, 0),
        }
        sums = {name: float(values.sum()) for name, values in per_example.items()}
        bins = bin_by_confidence(probs.max(-1), correct, num_bins=num_bins)
        return cls(len(labels), sums, bins)

    def merge(self, other: "Scores") -> "Scores":
        """The scores of both sets of examples together."""
        sums = {name: self.sums[name] + other.sums[name] for name in SUMS}
        return Scores(self.examples + other.examples, sums, self.bins.merge(other.bins))

    def summary(self) -> dict:
        """Means by name, as results.json has them; fractions and nats.

        Raises:
            ValueError: when no example was counted.
        """
        ece = expected_calibration_error(self.bins)
        means = {name: self.sums[name] / self.examples for name in SUMS}
        accuracy = means.pop("accuracy")
        low, high = wilson(accuracy, self.examples)
        return {
            "examples": self.examples,
            "accuracy": accuracy,
            "accuracy_low": low,
            "accuracy_high": high,
            "nll": means.pop("nll"),
            "brier": means.pop("brier"),
            "ece": ece,
            **means,
        }
