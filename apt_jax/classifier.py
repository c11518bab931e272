"""What was fitted, ready to predict: a finished run, back from its directory.

An image gets the same numbers alone, in any batch, in any order: masks are keyed by its
pixels, and batches are padded to one size.
"""

import jax
import numpy as np

from apt_jax import keys
from apt_jax.data.listing import listed
from apt_jax.data.pictures import name_of, one_by_one, picture
from apt_jax.errors import UserError, reason
from apt_jax.features.encode import features_of_crops
from apt_jax.restore import restore
from apt_jax.uncertainty.predictions import Predictions
from apt_jax.uncertainty.predictive import predict_batches
from apt_jax.workdir import Workdir


class Classifier:
    """A finished run, ready to predict."""

    def __init__(self, restored):
        self._run = restored
        self.classes = list(restored.classes)

    def predict(self, images) -> Predictions:
        """Predicts one image or many, of any kind that `data.pictures` names.

        Of one image the result has one row, of none it has no rows.

        Raises:
            UserError: for what is no readable image, all of it at once; a ValueError.
        """
        images = one_by_one(images)
        crops, faults = self.read(images)
        if faults:
            raise unreadable(images, faults, "leave them out or mend them")
        return self.judge(crops)

    def read(self, images: list) -> tuple[list[np.ndarray], dict[int, str]]:
        """[S, S, 3] uint8 crops of what can be read; of the rest place and reason."""
        crops, faults = [], {}
        for place, image in enumerate(images):
            try:
                crops.append(self._run.clip.pixels.centre_crop(picture(image)))
            except (OSError, ValueError) as error:
                faults[place] = reason(error)
        return crops, faults

    def judge(self, crops: list[np.ndarray]) -> Predictions:
        """Predicts crops that `read` made."""
        if not crops:
            none = np.zeros((0, len(self.classes)))
            return Predictions.of(none, none[:, 0], self.classes)
        predicted = self._sample(crops)
        return Predictions.of(
            predicted.log_probs, predicted.expected_entropy, self.classes
        )

    def _sample(self, crops):
        run, chance = self._run, {}
        features = features_of_crops(run.clip, crops, run.fitted.method.reads)
        if run.fitted.method.stochastic:
            key = keys.of_seed(run.config.seed, keys.PREDICT)
            chance = {"key": key, "samples": run.config.eval.samples}
        parts = predict_batches(run.fitted, run.task, features, **chance)
        return jax.tree.map(lambda *rows: np.concatenate(rows), *parts)


def load(workdir, *, clip=None) -> Classifier:
    """The classifier of a finished run; raises `UserError` if there is none.

    `clip` says where its backbone is now, if that was moved.
    """
    places = {"clip.checkpoint": str(clip)} if clip else {}
    return Classifier(restore(Workdir(workdir), places))


def unreadable(images, faults: dict[int, str], remedy: str) -> UserError:
    """The error for images that cannot be read."""
    named = (f"{name_of(images[place], place)}: {why}" for place, why in faults.items())
    return UserError(
        f"{len(faults)} of {len(images)} images cannot be read "
        f"({listed(named, separator='; ')}); {remedy}"
    )
