"""Photographs in, labels with honest uncertainty out, by any finished run.

    python -m apt_jax predict --workdir DIR PHOTO_OR_FOLDER ... [--format=table|json|csv]
        [--out FILE] [--on-error=stop|skip]

Of a folder all files are read but hidden ones and those of systems; a file that is named
is read whatever it is called. Each file has one row, where it is named first. What cannot
be read has a row too, with the reason and no figures; then the exit status is 2, or 0 with
--on-error=skip as long as anything could be read. CSV has a column p:CLASS of each class's
probability, JSON has them under `probabilities`.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from apt_jax import command
from apt_jax.errors import UserError
from apt_jax.files import require_writable, telling, write_parts
from apt_jax.report.predictions import FORMATS, render, rows

ON_ERROR = ("stop", "skip")


def main(arguments: list[str]):
    options = read(arguments)
    if options.out is not None:
        require_writable(options.out)
        require_no_part(options.workdir, options.out)
    paths = find_photos(options.paths, options.out)
    import apt_jax  # what it loads is heavy
    from apt_jax.classifier.classifier import unreadable

    classifier, faults = apt_jax.load(options.workdir, clip=options.clip), {}

    def answered():
        """The rows of all paths, as they come."""
        done = 0
        for chunk in classifier.stream(paths):
            found = (chunk.predictions, classifier.classes, chunk.faults)
            yield from rows(chunk.images, *found)
            faults.update({done + place: why for place, why in chunk.faults.items()})
            done += len(chunk.images)

    encoding = "utf-8" if options.out else command.encoding()
    lines = render(answered(), classifier.classes, options.format, encoding)
    deliver(lines, options.out)
    if faults and (options.on_error == "stop" or len(faults) == len(paths)):
        remedy = "fix them, leave them out, or add --on-error=skip"
        raise unreadable(paths, faults, remedy)


def read(arguments):
    parser = command.Arguments("predict", __doc__)
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
    return parser.parse_args(arguments)


def require_no_part(workdir: str, out: str):
    """Refuses to write over what a run left."""
    inside = Path(os.path.realpath(out)).is_relative_to(os.path.realpath(workdir))
    if inside and os.path.exists(out):
        raise UserError(f"--out={out} is a file of the run; name another")


def find_photos(places: list[str], out: str | None = None) -> list[str]:
    """The files named and all files below the folders named, each of them once.

    Raises:
        UserError: if there are none, or if `out` is one of them.
    """
    from apt_jax.data.pictures import paths_of

    once = {}
    for place in places:
        for path in paths_of(place):
            once.setdefault(os.path.abspath(path), path)
    if not once:
        raise UserError(f"no files below {', '.join(places)}; name a photograph")
    if out and os.path.abspath(out) in once:
        raise UserError(f"--out={out} is one of the photographs; name another file")
    return list(once.values())


def deliver(lines: Iterable[str], out: str | None):
    """Writes to the file `out`, whole or not at all, or to standard output."""
    if out is None:
        for text in lines:
            print(text, end="", flush=True)
        return
    with telling("write", out, "name another --out"):
        write_parts(out, lines)
