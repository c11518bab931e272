"""Photographs in, labels with honest uncertainty out, by any finished run.

    python -m apt_jax.predict --workdir DIR PHOTO_OR_FOLDER ... [--format=table|json|csv]
        [--out FILE] [--on-error=stop|skip]

An image gets the same numbers alone, in any batch, in any order: masks are keyed by its
pixels, and batches are padded to one size.

Of a folder all files are read but hidden ones and those of systems; a file that is named
is read whatever it is called. Each file has one row, where it is named first. What cannot
be read has a row too, with the reason and no figures; then the exit status is 2, or 0 with
--on-error=skip as long as anything could be read. CSV has a column p:CLASS of each class's
probability, JSON has them under `probabilities`.
"""

import os
import sys

import numpy as np

from apt_jax import command
from apt_jax.data.listing import listed
from apt_jax.data.pictures import name_of, one_by_one, paths_of, picture
from apt_jax.errors import UserError, reason
from apt_jax.files import require_writable, telling, write_text
from apt_jax.report.predictions import FORMATS, render, rows
from apt_jax.uncertainty.predictions import Predictions
from apt_jax.workdir import Workdir

ON_ERROR = ("stop", "skip")


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
        import jax

        from apt_jax.evaluation import predict_batches
        from apt_jax.features.encode import features_of_crops
        from apt_jax.restore import seed_key

        run, chance = self._run, {}
        features = features_of_crops(
            run.clip, crops, run.method.inputs, run.method.token_source
        )
        if run.method.stochastic:
            key = seed_key(run.config.seed, "judge")
            chance = {"key": key, "samples": run.config.eval.samples}
        parts = predict_batches(run.method, run.params, run.task, features, **chance)
        return jax.tree.map(lambda *rows: np.concatenate(rows), *parts)


def load(workdir, *, clip=None) -> Classifier:
    """The classifier of a finished run; raises `UserError` if there is none.

    `clip` says where its backbone is now, if that was moved.
    """
    from apt_jax.restore import restore  # heavy: not before it is asked for

    places = {"clip.checkpoint": str(clip)} if clip else {}
    return Classifier(restore(Workdir(workdir), places))


def unreadable(images, faults: dict[int, str], remedy: str) -> UserError:
    """The error for images that cannot be read."""
    named = (f"{name_of(images[place], place)}: {why}" for place, why in faults.items())
    return UserError(
        f"{len(faults)} of {len(images)} images cannot be read "
        f"({listed(named, separator='; ')}); {remedy}"
    )


def main(argv):
    options = read_options(argv)
    if options.out:
        require_writable(options.out)
    paths = find_photos(options.paths, options.out)
    classifier = load(options.workdir, clip=options.clip)
    crops, faults = classifier.read(paths)
    answered = rows(paths, classifier.judge(crops), classifier.classes, faults)
    encoding = "utf-8" if options.out else command.encoding()
    told = render(answered, classifier.classes, options.format, encoding)
    deliver(told, options.out)
    if faults and (options.on_error == "stop" or not crops):
        remedy = "mend them, leave them out or let them be with --on-error=skip"
        raise unreadable(paths, faults, remedy)


def read_options(argv):
    parser = command.Arguments("python -m apt_jax.predict", __doc__)
    parser.add_argument("paths", nargs="+", metavar="PHOTO_OR_FOLDER")
    parser.add_argument("--workdir", required=True, help="of a finished run")
    parser.add_argument(
        "--config.clip.checkpoint",
        dest="clip",
        metavar="PLACE",
        help="where the run's own backbone is now",
    )
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    parser.add_argument("--out", metavar="FILE", help="write there, and not to stdout")
    parser.add_argument(
        "--on-error",
        choices=ON_ERROR,
        default=ON_ERROR[0],
        help="exit status 2 or 0 where images cannot be read; they have a row anyway",
    )
    return parser.parse_args(argv)


def find_photos(places: list[str], out: str | None = None) -> list[str]:
    """The files named and all files below the folders named, each of them once.

    Raises:
        UserError: if there are none, or if `out` is one of them.
    """
    once = {}
    for place in places:
        for path in paths_of(place):
            once.setdefault(os.path.abspath(path), path)
    if not once:
        raise UserError(f"no files below {listed(places)}; name a photograph")
    if out and os.path.abspath(out) in once:
        raise UserError(f"--out={out} is one of the photographs; name another file")
    return list(once.values())


def deliver(text: str, out: str | None):
    """Writes to the file `out`, whole or not at all, or to standard output."""
    if not out:
        print(text, end="")
        return
    with telling("write", out, "name another --out"):
        write_text(out, text)


if __name__ == "__main__":
    sys.exit(command.run(main))
