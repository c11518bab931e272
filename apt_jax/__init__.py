"""Adapt a frozen CLIP to a few labelled photographs, and say how sure the result is.

import apt_jax
classifier = apt_jax.load("runs/birds")  # a finished run
prediction = classifier.predict("a.jpg")  # or a folder, a PIL image, bytes, an array, many
prediction.labels, prediction.confidence, prediction.mutual_information
"""

__version__ = "0.1.0"


def load(folder, *, clip=None):
    """The `classifier.Classifier` of a finished run.

    `clip` says where its backbone is now, if that was moved. `predict` takes one image or
    many: paths, folders, PIL images, bytes, file objects and uint8 arrays
    (`data.pictures` has the list). What is wrong is a `UserError`, which is a
    `ValueError`: that there is no run, or which images cannot be read.
    """
    from apt_jax import classifier  # heavy: `import apt_jax` stays light

    return classifier.load(folder, clip=clip)
