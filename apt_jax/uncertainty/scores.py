"""Scores of an image: how sure its prediction is, where nobody knows the label.

    confidence  max p      predictive entropy  H(p)      expected entropy  mean of H(p_t)

and the mutual information, what the samples p_t disagree about; entropies in nats. Here a
score of what is none of the classes has its place, from the raw logits too.
"""

import numpy as np

from apt_jax.metrics.entropy import entropy, mutual_information


def scores_of(prediction) -> dict[str, np.ndarray]:
    """By name the scores [n] of a `softmax.Prediction` of n images, in float64."""
    probs = np.exp(np.asarray(prediction.log_probs, np.float64))
    total = entropy(probs)
    expected = np.asarray(prediction.expected_entropy, np.float64)
    return {
        "confidence": probs.max(-1),
        "predictive_entropy": total,
        "expected_entropy": expected,
        "mutual_information": mutual_information(total, expected),
    }
