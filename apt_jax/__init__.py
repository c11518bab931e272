"""Adapt a frozen CLIP to a few labelled photographs, and say how sure the result is.

import apt_jax
classifier = apt_jax.load("runs/birds")            # a finished run
prediction = classifier.predict(["a.jpg", array])  # paths, PIL images, arrays
prediction.labels, prediction.confidence, prediction.mutual_information
"""

__version__ = "0.1.0"


def load(workdir):
    """The `predict.Classifier` of a finished run; `UserError` if there is none."""
    from apt_jax import predict  # heavy: `import apt_jax` stays light

    return predict.load(workdir)
