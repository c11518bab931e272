"""How far the classes of a data set lie apart in CLIP's eyes, against how far they spread.

A split is encoded with the frozen tower and its embeddings are made unit before they are
analysed (`metrics.variance`).
"""

import math
import random
from pathlib import Path

import numpy as np

from apt_jax.data.few_shot import draw
from apt_jax.errors import UserError
from apt_jax.features.encoder import Encoder
from apt_jax.features.stored import EMBEDDING
from apt_jax.files import write_text
from apt_jax.lock import working_in
from apt_jax.metrics.variance import analysis
from apt_jax.provenance import commit, device
from apt_jax.report import variance as report
from apt_jax.report.figures import write_figure
from apt_jax.runs.preparation import prepare
from apt_jax.runs.workdir import Workdir
from apt_jax.words import counted

RESULT = "variance.json"
LAYOUT = {  # what is printed of it
    **dict.fromkeys(("data", "split", "backbone"), str),
    **dict.fromkeys(("examples", "groups", "permutations", "dimensions"), int),
    **dict.fromkeys(("pseudo_f", "p", "r2_adjusted", "intra", "inter"), object),
    **dict.fromkeys(("intra_over_inter", "fisher", "dispersion_f"), object),
    **dict.fromkeys(("classes", "intra_by_group", "nearest_by_group"), list),
    "f_quantiles": dict,
}


def run(settings, folder) -> dict:
    """Runs the study of `settings` in `folder`, or finds it done; returns the result."""
    found = once(settings, folder, RESULT, LAYOUT, measure)
    print(report.analysis_markdown(found))
    print(f"table and figure: {Path(folder)}")
    return found


def once(settings, folder, name, layout, make) -> dict:
    """The result of a study in `folder`, its file `name`.

    If it is not there `make(settings, workdir)` writes it, while nobody else works there.
    """
    workdir = Workdir(folder)
    workdir.claim(settings)
    if not (workdir.folder / name).exists():
        with working_in(folder):
            workdir.claim(settings)  # another process may have come first
            make(settings, workdir)
    return workdir.read(name, layout)


def write(found, workdir):
    """Writes figure, table and the result."""
    figure = workdir.figures / "variance.png"
    write_figure(figure, report.classes_figure(found))
    write_text(workdir.folder / "variance.md", report.analysis_markdown(found))
    workdir.write(RESULT, found)  # last: it marks the study done


def measure(settings, workdir):
    """Analyses one split's embeddings, and writes what was found."""
    study = settings.study
    prepared = prepare(settings, validation=study.split == "val")
    dataset = prepared.dataset
    items = images_of(dataset, study.split, study.per_class, settings.seed)
    workdir.settle(settings)
    labels = sorted({item.label for item in items})
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
    what = f"{study.split} images"
    found = analysed(settings, prepared, items, study.permutations, what)
    write(of | found, workdir)


def images_of(dataset, split, per_class, seed):
    """The items of a split, or so many of each class, drawn by the seed."""
    items = require_images(dataset, split)
    return draw(items, per_class, random.Random(seed)) if per_class else items


def analysed(settings, prepared, items, permutations, what) -> dict:
    """The analysis of variance of the items' centre crops, by the frozen tower."""
    encoder = Encoder(prepared.clip, settings.features.cache_dir)
    pictures = prepared.dataset.pictures(items)
    embedding = encoder.encode(pictures, EMBEDDING, what=what).stored["embedding"][:, 0]
    labels = [item.label for item in items]
    return analyse(embedding, labels, permutations, settings.seed)


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


def require_images(dataset, split) -> tuple:
    """The items of a split; raises `UserError` if they cannot be analysed."""
    items = dataset.splits[split]
    labels = [item.label for item in items]
    if not 2 <= len(set(labels)) < len(labels):
        raise UserError(
            f"split {split!r} of {dataset.name!r} has {counted(len(labels), 'image')} of "
            f"{counted(len(set(labels)), 'class', 'classes')}: variance needs two "
            "classes, and one of two images; choose another --config.study.split"
        )
    return items
