"""How predictions of an evaluation came out; `figures` makes figures of them.

Of an image with class probabilities p [K] and label y:

    correct  whether argmax p = y       NLL    -ln p_y                   nats
    confidence  max p                   Brier  |p - onehot(y)|^2, in [0, 2]

and the entropies of `uncertainty`: predictive H(p), expected (of the Monte-Carlo samples)
and their difference, the mutual information.
"""

import dataclasses

import numpy as np

from apt_jax.metrics.calibration import Bins, bin_by_confidence
from apt_jax.metrics.entropy import entropy, mutual_information

NUMBERS_AT_ONCE = 2**22  # probabilities in float64; bounds the memory


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """Of n predictions, in order; [n] float64 where nothing else is said."""

    log_probs: np.ndarray  # [n, K], as given
    labels: np.ndarray  # [n] integers
    correct: np.ndarray  # 1 or 0; of equally probable classes the first is predicted
    confidence: np.ndarray
    nll: np.ndarray
    brier: np.ndarray
    predictive_entropy: np.ndarray
    expected_entropy: np.ndarray
    mutual_information: np.ndarray
    bins: Bins  # by confidence

    @classmethod
    def of(cls, log_probs, labels, *, expected_entropy=None, num_bins=15):
        """The outcomes of predictions.

        Args:
            log_probs: [n, K] natural logarithms of class probabilities.
            labels: [n] integers in [0, K).
            expected_entropy: [n] mean entropy of the Monte-Carlo samples, nats; None for
                one deterministic pass, whose samples cannot disagree.
            num_bins: of the calibration error.

        Raises:
            ValueError: if the shapes do not fit, or there is no prediction.
        """
        log_probs, labels = np.asarray(log_probs), np.asarray(labels)
        if log_probs.ndim != 2 or labels.shape != log_probs.shape[:1]:
            raise ValueError(
                f"expected log_probs [n, K] and labels [n], got {log_probs.shape} and "
                f"{labels.shape}; average Monte-Carlo samples first"
            )
        if not len(labels):
            raise ValueError("no examples to score")
        size = max(1, NUMBERS_AT_ONCE // log_probs.shape[1])
        parts = [
            _scored(log_probs[start : start + size], labels[start : start + size])
            for start in range(0, len(labels), size)
        ]
        correct, confidence, nll, brier, total = map(np.concatenate, zip(*parts))
        expected = total
        if expected_entropy is not None:
            expected = np.asarray(expected_entropy, np.float64)
        return cls(
            log_probs,
            labels,
            correct,
            confidence,
            nll,
            brier,
            predictive_entropy=total,
            expected_entropy=expected,
            mutual_information=mutual_information(total, expected),
            bins=bin_by_confidence(confidence, correct, num_bins=num_bins),
        )


def _scored(log_probs, labels):
    """Correct, confidence, NLL, Brier and entropy of some of the predictions."""
    log_probs, rows = np.asarray(log_probs, np.float64), np.arange(len(labels))
    probs = np.exp(log_probs)
    correct = (probs.argmax(-1) == labels).astype(np.float64)
    confidence, total = probs.max(-1), entropy(probs)
    probs[rows, labels] -= 1
    return (
        correct,
        confidence,
        -log_probs[rows, labels],
        np.square(probs).sum(-1),
        total,
    )
