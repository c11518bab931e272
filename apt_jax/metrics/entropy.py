"""Entropy of class probabilities, and what samples disagree about, in nats; 0 ln 0 = 0."""

import numpy as np


def entropy(probs) -> np.ndarray:
    """[...] entropies of probabilities [..., K]."""
    probs = np.asarray(probs, np.float64)
    logs = np.log(probs, out=np.zeros_like(probs), where=probs > 0)
    return -(probs * logs).sum(-1)


def mutual_information(predictive, expected) -> np.ndarray:
    """Entropy of the mean less the mean of the samples' entropies: they disagree."""
    # Rounding leaves -1e-8 where the samples agree.
    return np.maximum(predictive - expected, 0)
