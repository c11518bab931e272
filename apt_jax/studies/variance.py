"""How far the classes of a data set lie apart in CLIP's eyes, against how far they spread.

A split is encoded with the frozen tower and its embeddings are made unit before they are
analysed (`metrics.variance`).
"""

import math
import random

import numpy as np

from apt_jax.data.few_shot import draw
from apt_jax.errors import UserError
from apt_jax.features.encoder import Encoder
from apt_jax.features.reads import EMBEDDING
from apt_jax.files import read_json, read_text, write_json, write_text
from apt_jax.lock import working_in
from apt_jax.metrics.variance import analysis
from apt_jax.provenance import commit, device
from apt_jax.report import variance as report
from apt_jax.report.figures import write_figure
from apt_jax.runs.preparation import prepare
from apt_jax.runs.workdir import Workdir
from apt_jax.words import counted


def run(settings, folder) -> dict:
    """Runs the study of `settings` in `folder`, or finds it done; returns the result."""
    shown = (report.analysis_markdown, report.classes_figure)
    return once(settings, folder, "variance", measure, *shown)


def once(settings, folder, name, make, table, figure) -> dict:
    """The result of a study in `folder`, its file NAME.json, with the table printed.

    If it is not there it is what `make(settings, workdir)` returns, while nobody else
    works there; `table` and `figure` show it, in NAME.md and figures/NAME.png.
    """
    workdir = Workdir(folder)
    workdir.claim(settings)
    result, text = workdir.folder / f"{name}.json", workdir.folder / f"{name}.md"
    if not result.exists():
        with working_in(workdir.folder):
            workdir.claim(settings)  # another process may have come first
            found = make(settings, workdir)
            write_figure(workdir.figures / f"{name}.png", figure(found))
            write_text(text, table(found))
            write_json(result, found)  # last: it marks the study done
    again = f"remove {result} and repeat the command, which makes it again"
    print(f"{read_text(text, again)}\ntable and figure: {workdir.folder}")
    return read_json(result, dict, again)


def measure(settings, workdir) -> dict:
    """The analysis of one split's embeddings."""
    study = settings.study
    prepared = prepare(settings, validation=study.split == "val")
    dataset = prepared.dataset
    workdir.settle(settings)
    asked = (study.split, study.per_class, study.permutations)
    found = analysis_of(settings, prepared, *asked)
    labels = sorted({item.label for item in dataset.splits[study.split]})
    of = {
        "data": dataset.name,
        "split": study.split,
        "seed": settings.seed,
        "backbone": prepared.clip.name,
        "backbone_sha256": prepared.clip.sha256,
        "device": device(),
        "commit": commit(),
        "classes": [dataset.classes[label] for label in labels],
    }
    return of | found


def analysis_of(settings, prepared, split, per_class, permutations) -> dict:
    """The analysis of variance of a split's centre crops, by the frozen tower.

    Of all images, or of `per_class` of each class, drawn by the seed; 0 = all.
    """
    dataset = prepared.dataset
    items = images_of(dataset, split, per_class, settings.seed)
    encoder = Encoder(prepared.clip, settings.features.cache_dir)
    what = f"{split} images of {dataset.name}"
    features = encoder.encode(dataset.pictures(items), EMBEDDING, what=what)
    embedding, labels = features.stored["embedding"][:, 0], [i.label for i in items]
    return analyse(embedding, labels, permutations, settings.seed)


def images_of(dataset, split, per_class, seed):
    """The items of a split, or so many of each class, drawn by the seed.

    Raises:
        UserError: if they cannot be analysed.
    """
    items = dataset.splits[split]
    labels = [item.label for item in items]
    if not 2 <= len(set(labels)) < len(labels):
        raise UserError(
            f"split {split!r} of {dataset.name!r} has {counted(len(labels), 'image')} of "
            f"{counted(len(set(labels)), 'class', 'classes')}: variance needs two "
            "classes, and one of two images; choose another --config.study.split"
        )
    return draw(items, per_class, random.Random(seed)) if per_class else items


def analyse(embedding, labels, permutations, seed) -> dict:
    """`metrics.variance.analysis` of [N, D] made unit; None for what is not finite."""
    x = np.asarray(embedding, np.float64)
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    return finite(analysis(x, labels, permutations=permutations, seed=seed))


def finite(value):
    """`value` as JSON can say it."""
    if isinstance(value, dict):
        return {name: finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
