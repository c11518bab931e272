"""What a person is told of n images: labels, probabilities, and how sure they are."""

import dataclasses

import numpy as np

from apt_jax.metrics import entropy


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Of n images, in the order given; probabilities are fractions, entropies nats."""

    labels: list[str]  # the most probable class of each image
    probabilities: np.ndarray  # [n, K], rows sum to 1
    confidence: np.ndarray  # [n] probability of that class
    predictive_entropy: np.ndarray  # [n] of the mean prediction
    expected_entropy: np.ndarray  # [n] mean over the samples
    mutual_information: np.ndarray  # [n] their difference: the samples' disagreement

    @classmethod
    def of(cls, log_probs, expected_entropy, classes) -> "Predictions":
        """From [n, K] logarithms of probabilities and [n] expected entropies."""
        probs = np.exp(np.asarray(log_probs, np.float64))
        expected = np.asarray(expected_entropy, np.float64)
        total = entropy(probs)
        return cls(
            labels=[classes[index] for index in probs.argmax(-1)],
            probabilities=probs,
            confidence=probs.max(-1),
            predictive_entropy=total,
            expected_entropy=expected,
            mutual_information=np.maximum(total - expected, 0),
        )
