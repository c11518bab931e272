"""Adapt a frozen CLIP to a few labelled photographs, and say how sure the result is.

import apt_jax
classifier = apt_jax.fit(images, labels)  # paths, PIL images, arrays; names
classifier = apt_jax.load("runs/birds")  # or a finished run, or a saved classifier
prediction = classifier.predict("a.jpg")  # or a folder, a PIL image, bytes, an array, many
prediction.labels, prediction.confidence, prediction.mutual_information
"""

__version__ = "0.1.0"
LATER = ("Classifier", "fit", "prepare")  # what `import apt_jax` does not load


def load(folder, *, clip=None):
    """The `classifier.Classifier` of a saved classifier or of a finished run.

    `clip` says where its backbone is now, if that was moved. What is wrong is a
    `UserError`, which is a `ValueError`: that there is none, or that it is damaged.
    """
    # Heavy: `import apt_jax` stays light.
    from apt_jax.arguments import plain, require_sound
    from apt_jax.classifier import saved
    from apt_jax.errors import UserError
    from apt_jax.places import folder_of
    from apt_jax.runs import restore

    holds = f"{saved.HOLDS} or a finished run"
    folder = folder_of(folder, holds)
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; name the `folder` of {holds}")
    if clip is not None:
        clip = plain(clip)
        require_sound(clip=clip)
    is_saved = any((folder / name).exists() for name in saved.FILES)
    return (saved if is_saved else restore).load(folder, clip=clip)


def __getattr__(name):
    """`fit`, `prepare` and `Classifier`, imported when they are asked for."""
    if name in LATER:
        from apt_jax import classifier

        return getattr(classifier, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*globals(), *LATER]
