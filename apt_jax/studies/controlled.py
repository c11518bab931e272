"""What adaptive prompts gain as the classes spread: one knob turned, all else equal.

A cell is a level of `data.variance` and a seed: zero-shot CLIP, every method of
`study.rivals` and the configured method, trained on the same shots and judged on the same
test images, and the analysis of variance of those images' embeddings. It is a file in
cells/, written when it is done, and is not computed again.
"""

import statistics

from apt_jax import config, keys
from apt_jax.errors import UserError
from apt_jax.evaluation import evaluate
from apt_jax.features.encoder import Encoder, wanted
from apt_jax.features.stored import EMBEDDING
from apt_jax.files import write_text
from apt_jax.lock import working_in
from apt_jax.methods import make
from apt_jax.methods.task import make_task, shots_of
from apt_jax.progress import progress
from apt_jax.provenance import commit, device
from apt_jax.report import variance as report
from apt_jax.report.figures import write_figure
from apt_jax.runs.parts import reads_of_test
from apt_jax.runs.preparation import (
    prepare,
    views_of,
)
from apt_jax.runs.workdir import Workdir
from apt_jax.studies.variance import analyse
from apt_jax.training.fit import fit

STATISTICS = (
    "pseudo_f",
    "p",
    "r2_adjusted",
    "intra_over_inter",
    "fisher",
    "dispersion_f",
)
LAYOUT = {  # of a cell
    "rows": dict,
    "variance": {"examples": int, **dict.fromkeys(STATISTICS, object)},
    "level": (int, float),
    "seed": int,
    "device": str,
    "commit": (str, type(None)),
}


def run(settings, folder) -> dict:
    """Runs what is missing of the study in `folder`; returns its summary."""
    require_knob(settings)
    with working_in(folder):
        return run_cells(settings, Workdir(folder))


def run_cells(settings, workdir) -> dict:
    """Runs the missing cells and sums up all of them; returns the summary."""
    cells = [
        (level / (settings.study.levels - 1), seed)
        for level in range(settings.study.levels)
        for seed in range(1, settings.study.seeds + 1)
    ]
    left = {cell for cell in cells if not (workdir.folder / file_of(*cell)).exists()}
    if left:
        workdir.require_recipes()
    workdir.claim(settings)
    if left:
        workdir.settle(settings)
    origin = {"device": device(), "commit": commit()}  # of the code now in memory
    with progress(len(cells), "study", "cells") as advance:
        for level, seed in cells:
            if (level, seed) in left:
                found = run_cell(cell_settings(settings, level, seed))
                named = found | origin | {"level": level, "seed": seed}
                workdir.write(file_of(level, seed), named)
            advance()
    found = [workdir.read(file_of(*cell), LAYOUT) for cell in cells]
    summary = summarise(found, settings)
    workdir.write("controlled.json", summary)
    text = report.controlled_markdown(summary)
    write_text(workdir.folder / "controlled.md", text)
    figure = workdir.figures / "controlled.png"
    write_figure(figure, report.controlled_figure(summary))
    print(f"{text}\ntables and figure: {workdir.folder}")
    return summary


def file_of(level, seed) -> str:
    return f"cells/variance-{level:g}-seed-{seed}.json"


def require_knob(settings):
    """Refuses data without the knob, and a method compared with itself."""
    if "variance" not in settings.data:
        raise UserError(
            f"data.source={settings.data.source} has no data.variance to turn; use "
            "--config.data.source=synthetic"
        )
    for name in settings.study.rivals:
        make(name)  # refuses unknown ones before anything is written
    if settings.method.name in (*settings.study.rivals, "zero_shot"):
        raise UserError(
            f"method.name={settings.method.name} is compared with itself; leave it out "
            "of --config.study.rivals, or choose another method"
        )


def cell_settings(settings, level, seed):
    """The configuration of one cell."""
    cell = config.from_json(config.to_json(settings))
    cell.data.variance, cell.seed = float(level), seed
    return cell


def run_cell(settings) -> dict:
    """Rows of results.json by method, and the analysis of the test images."""
    prepared = prepare(settings)
    dataset, clip = prepared.dataset, prepared.clip
    methods = {
        name: make(name).settled(prepared.known_as, clip)
        for name in ("zero_shot", *settings.study.rivals)
    }
    methods[settings.method.name] = prepared.method
    task = make_task(clip, *dataset.texts).replace(dataset=prepared.known_as)
    for method in methods.values():
        method.check(task)
    encoder = Encoder(clip, settings.features.cache_dir)
    shots, test = map(dataset.pictures, (prepared.shots, dataset.test))
    count, labels = len(shots), [item.label for item in dataset.test]
    views = {name: views_of(settings, one, count) for name, one in methods.items()}
    of_test = {name: reads_of_test(one, clip) for name, one in methods.items()}
    encoder.fill(
        of_picture
        for name, method in methods.items()
        for of_picture in (
            *wanted(shots, method.reads, views[name]),
            *wanted(shots, method.reads),
            *wanted(test, of_test[name]),
        )
    )
    rows = {}
    for name, method in methods.items():
        of_method = (method.reads, views[name])
        held = shots_of(encoder, dataset, prepared.shots, *of_method)
        key = keys.of_seed(settings.seed, keys.TRAIN)
        fitted, _ = fit(method, task.replace(shots=held), key, train=settings.train)
        found = encoder.found(test, of_test[name])
        rows[name] = judged(settings, fitted, task, found, labels)
    embedding = encoder.found(test, EMBEDDING).stored["embedding"][:, 0]
    permutations = settings.study.permutations
    found = analyse(embedding, labels, permutations, settings.seed)
    return {"rows": rows, "variance": found}


def judged(settings, fitted, task, test, labels) -> list[dict]:
    """Rows of results.json: one pass, and samples if the method draws any."""
    rows = [("deterministic", {})]
    if fitted.method.stochastic:
        key = keys.of_seed(settings.seed, keys.PREDICT)
        rows.append(("mc_dropout", {"key": key, "samples": settings.eval.samples}))
    return [
        evaluate(
            name, fitted, task, test, labels, bins=settings.eval.bins, **chance
        ).row
        for name, chance in rows
    ]


def summarise(cells, settings) -> dict:
    """Means and deviations over seeds, level by level.

    Of each figure that methods are compared by. A gain above 0 means that the method is
    better. Where a method samples, its samples count.
    """
    from apt_jax.metrics.figures import COMPARED, shown_in
    from apt_jax.metrics.paired import gain

    method, rivals = settings.method.name, ("zero_shot", *settings.study.rivals)
    levels = []
    for level in sorted({cell["level"] for cell in cells}):
        at = [cell for cell in cells if cell["level"] == level]

        def figures(name, figure, at=at):
            return [cell["rows"][name][-1].get(figure) for cell in at]

        def gains(rival, figure, figures=figures):
            both = zip(figures(method, figure), figures(rival, figure), strict=True)
            return [gain(figure, ours, theirs) for ours, theirs in both]

        compared = shown_in(COMPARED)
        levels.append(
            {
                "level": level,
                "methods": {
                    name: {figure: spread(figures(name, figure)) for figure in compared}
                    for name in (*rivals, method)
                },
                "gains": {
                    rival: {figure: spread(gains(rival, figure)) for figure in compared}
                    for rival in rivals
                },
                "variance": {
                    name: spread([cell["variance"][name] for cell in at])
                    for name in STATISTICS
                },
            }
        )
    return {
        "method": method,
        "shots": settings.shots,
        "seeds": settings.study.seeds,
        "test_images": cells[0]["variance"]["examples"],
        "permutations": settings.study.permutations,
        "commits": sorted({cell["commit"] or "unknown" for cell in cells}),
        "devices": sorted({cell["device"] for cell in cells}),
        "levels": levels,
    }


def spread(values) -> dict:
    """Mean and standard deviation (ddof 0) over seeds; None where a value is not finite."""
    if any(value is None for value in values):
        return {"mean": None, "sd": None, "by_seed": values}
    mean, deviation = statistics.fmean(values), statistics.pstdev(values)
    return {"mean": mean, "sd": deviation, "by_seed": values}
