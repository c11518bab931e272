"""Photographs in, labels with honest uncertainty out, by any finished run.

    python -m apt_jax.predict --workdir DIR PHOTO_OR_FOLDER ... [--format=table|json|csv]

An image gets the same numbers alone, in any batch, in any order: masks are keyed by its
pixels, and batches are padded to one size.
"""

import argparse
import csv
import dataclasses
import io
import json
import sys
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from apt_jax import command
from apt_jax.data.images import decode, to_rgb
from apt_jax.errors import UserError
from apt_jax.evaluation import predict_batches
from apt_jax.features.encode import features_of_crops
from apt_jax.metrics import entropy
from apt_jax.restore import restore, seed_key
from apt_jax.workdir import Workdir

FORMATS = ("table", "json", "csv")
FIGURES = (
    "confidence",
    "predictive_entropy",
    "expected_entropy",
    "mutual_information",
)


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Of n images, in the order given; probabilities are fractions, entropies nats."""

    labels: list[str]  # the most probable class of each image
    probabilities: np.ndarray  # [n, K], rows sum to 1
    confidence: np.ndarray  # [n] probability of that class
    predictive_entropy: np.ndarray  # [n] of the mean prediction
    expected_entropy: np.ndarray  # [n] mean over the samples
    mutual_information: np.ndarray  # [n] their difference: the samples' disagreement


class Classifier:
    """A finished run, ready to predict."""

    def __init__(self, restored):
        self._run = restored
        self.classes = list(restored.classes)

    def predict(self, images) -> Predictions:
        """Predicts paths, PIL images or [H, W, 3] uint8 arrays.

        Raises:
            UserError: for what is no readable image, naming all of it at once.
        """
        crops = read_crops(list(images), self._run.clip.pixels)
        predicted = self._sample(crops)
        probs = np.exp(predicted.log_probs.astype(np.float64))  # [n, K]
        total = entropy(probs)
        expected = predicted.expected_entropy.astype(np.float64)
        return Predictions(
            labels=[self.classes[index] for index in probs.argmax(-1)],
            probabilities=probs,
            confidence=probs.max(-1),
            predictive_entropy=total,
            expected_entropy=expected,
            mutual_information=np.maximum(total - expected, 0),
        )

    def _sample(self, crops):
        run, chance = self._run, {}
        features = features_of_crops(
            run.clip, crops, run.method.inputs, run.method.token_source
        )
        if run.method.stochastic:
            key = seed_key(run.config.seed, "judge")
            chance = {"key": key, "samples": run.config.eval.samples}
        parts = predict_batches(run.method, run.params, run.task, features, **chance)
        return jax.tree.map(lambda *rows: np.concatenate(rows), *parts)


def load(workdir) -> Classifier:
    """The classifier of a finished run; raises `UserError` if there is none."""
    return Classifier(restore(Workdir(workdir)))


def read_crops(images: list, pixels) -> list[np.ndarray]:
    """[S, S, 3] uint8 centre crops; unreadable images raise one error for all."""
    crops, faults = [], []
    for index, image in enumerate(images):
        try:
            crops.append(pixels.centre_crop(as_picture(image)))
        except (OSError, ValueError, TypeError) as error:
            name = image if isinstance(image, str | Path) else f"image {index}"
            reason = getattr(error, "strerror", None) or error
            faults.append(f"{name}: {reason}")
    if faults:
        raise UserError(
            f"{len(faults)} of {len(images)} images cannot be read "
            f"({'; '.join(faults[:10])}); leave them out or mend them"
        )
    if not crops:
        raise UserError("no images given; name at least one photograph")
    return crops


def as_picture(image) -> Image.Image:
    """An RGB picture from a path, a PIL image or an [H, W, 3] uint8 array."""
    if isinstance(image, str | Path):
        return decode(Path(image).read_bytes())
    if isinstance(image, Image.Image):
        return to_rgb(image)
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[-1] != 3:
        raise TypeError(
            f"an array must be [H, W, 3] uint8, not {list(array.shape)} {array.dtype}"
        )
    return Image.fromarray(array)


def find_photos(paths: list[str]) -> list[str]:
    """The files named, and all files below the folders named, hidden ones apart."""
    found = []
    for path in map(Path, paths):
        if path.is_dir():
            below = sorted(file for file in path.rglob("*") if file.is_file())
            found += [file for file in below if not file.name.startswith(".")]
        elif path.exists():
            found.append(path)
        else:
            raise UserError(f"no file or folder {path}; check the path")
    if not found:
        raise UserError(f"no files below {', '.join(paths)}; name a photograph")
    return [str(path) for path in found]


def rows(paths: list[str], predictions: Predictions) -> list[dict]:
    """A row an image: path, predicted class, and how sure."""
    figures = {name: getattr(predictions, name).tolist() for name in FIGURES}
    return [
        {"path": path, "predicted": label}
        | {name: values[index] for name, values in figures.items()}
        for index, (path, label) in enumerate(
            zip(paths, predictions.labels, strict=True)
        )
    ]


def render(paths, predictions, classes, form: str) -> str:
    """The predictions as a table, as JSON or as CSV (with a column a class)."""
    listed = rows(paths, predictions)
    if form == "table":
        from apt_jax.report.tables import predictions_table

        return predictions_table(listed)
    for row, probabilities in zip(listed, predictions.probabilities, strict=True):
        row["probabilities"] = dict(zip(classes, probabilities.tolist(), strict=True))
    if form == "json":
        return json.dumps(listed, indent=2, ensure_ascii=False)
    text = io.StringIO()
    flat = [row | row.pop("probabilities") for row in listed]
    writer = csv.DictWriter(text, flat[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue().rstrip("\n")


def main(argv):
    parser = argparse.ArgumentParser(
        "python -m apt_jax.predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="PHOTO_OR_FOLDER")
    parser.add_argument("--workdir", required=True, help="of a finished run")
    parser.add_argument("--format", choices=FORMATS, default="table")
    options = parser.parse_args(argv)
    paths = find_photos(options.paths)
    classifier = load(options.workdir)
    predictions = classifier.predict(paths)
    print(render(paths, predictions, classifier.classes, options.format))


if __name__ == "__main__":
    sys.exit(command.run(main))
