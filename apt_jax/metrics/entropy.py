"""Entropy of class probabilities, in nats; 0 ln 0 = 0."""

import numpy as np


def entropy(probs) -> np.ndarray:
    """[...] entropies of probabilities [..., K]."""
    probs = np.asarray(probs, np.float64)
    logs = np.log(probs, out=np.zeros_like(probs), where=probs > 0)
    return -(probs * logs).sum(-1)
