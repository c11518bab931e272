"""How far the classes of a data set lie apart in CLIP's eyes, against how far they spread.

    python -m apt_jax study variance --config configs/studies/variance.py
        [--config.data.source=folder --config.data.root=PHOTOS] [--workdir DIR]

Encodes a split with the frozen tower, makes the embeddings unit and writes variance.json
(`metrics.variance.analysis`), variance.md and figures/variance.png. The same command
again prints what was found. F grows with the number of images: compare data sets with
`study.per_class` alike.
"""

import math
import random
import sys

from apt_jax import command, config
from apt_jax.words import counted
from apt_jax.workdir import Workdir

EXAMPLE = "configs/studies/variance.py"
NEEDED = ("study.split", "study.per_class", "study.permutations")
RESULT = "variance.json"
LAYOUT = {  # what is printed of it
    **dict.fromkeys(("data", "split", "backbone"), str),
    **dict.fromkeys(("examples", "groups", "permutations", "dimensions"), int),
    **dict.fromkeys(("pseudo_f", "p", "r2_adjusted", "intra", "inter"), object),
    **dict.fromkeys(("intra_over_inter", "fisher", "dispersion_f"), object),
    **dict.fromkeys(("classes", "intra_by_group", "nearest_by_group"), list),
    "f_quantiles": dict,
}


def main(argv):
    if config.wants_help(argv):
        print(config.help_text(__doc__, argv))
        return
    settings, folder = config.read(argv, NEEDED, EXAMPLE)
    run(settings, folder or f"runs/variance-{config.run_name(settings)}")


def run(settings, folder) -> dict:
    """Runs the study of `settings` in `folder`, or finds it done; returns the result."""
    from apt_jax.lock import working_in
    from apt_jax.report import variance as report

    workdir = Workdir(folder)
    workdir.claim(settings)
    if not (workdir.folder / RESULT).exists():
        with working_in(folder):
            workdir.claim(settings)  # another process may have come first
            write(measure(settings, workdir), workdir)
    found = workdir.read(RESULT, LAYOUT)
    print(report.analysis_markdown(found))
    print(f"table and figure: {workdir.folder}")
    return found


def write(found, workdir):
    """Writes figure, table and the result."""
    from apt_jax.files import write_text
    from apt_jax.report import variance as report
    from apt_jax.report.figures import write_figure

    figure = workdir.figures / "variance.png"
    write_figure(figure, report.classes_figure(found))
    write_text(workdir.folder / "variance.md", report.analysis_markdown(found))
    workdir.write(RESULT, found)  # last: it marks the study done


def measure(settings, workdir) -> dict:
    """The analysis of one split's embeddings, with what it is of."""
    from apt_jax.data.few_shot import draw
    from apt_jax.preparation import prepare
    from apt_jax.report.protocol import commit, device

    study = settings.study
    prepared = prepare(settings, validation=study.split == "val")
    items = require_images(prepared.dataset, study.split)
    if study.per_class:
        items = draw(items, study.per_class, random.Random(settings.seed))
    workdir.settle(settings)
    embedding = embeddings(prepared, items, settings, f"{study.split} images")
    labels = [item.label for item in items]
    of = {
        "data": prepared.dataset.name,
        "split": study.split,
        "seed": settings.seed,
        "backbone": prepared.clip.name,
        "backbone_sha256": prepared.clip.sha256,
        "device": device(),
        "commit": commit(),
        "classes": [prepared.dataset.classes[label] for label in sorted(set(labels))],
    }
    return of | analyse(embedding, labels, study.permutations, settings.seed)


def embeddings(prepared, items, settings, what):
    """[N, D] of the items' centre crops, by the frozen tower."""
    from apt_jax.features.encode import encode
    from apt_jax.features.store import Store
    from apt_jax.features.stored import EMBEDDING

    features = encode(
        prepared.dataset,
        items,
        prepared.hashes,
        prepared.clip,
        reads=EMBEDDING,
        store=Store(settings.features.cache_dir),
        what=what,
    )
    return features.stored["embedding"][:, 0]


def analyse(embedding, labels, permutations, seed) -> dict:
    """`metrics.variance.analysis` of [N, D] made unit; None for what is not finite."""
    import numpy as np

    from apt_jax.metrics.variance import analysis

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
    from apt_jax.errors import UserError

    items = dataset.splits[split]
    labels = [item.label for item in items]
    if not 2 <= len(set(labels)) < len(labels):
        raise UserError(
            f"split {split!r} of {dataset.name!r} has {counted(len(labels), 'image')} of "
            f"{counted(len(set(labels)), 'class', 'classes')}: variance needs two "
            "classes, and one of two images; choose another --config.study.split"
        )
    return items


if __name__ == "__main__":
    sys.exit(command.run(main))
