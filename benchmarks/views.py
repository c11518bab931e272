"""How large should random crops be? Methods on crops of several least areas.

    python -m benchmarks.views --config configs/studies/photos.py --methods apt linear_probe
        [--areas 0.08 0.25 0.5 0.77] [--views N] [--shots 4 16] [--sets NAME ...]
        [--config.FIELD=VALUE ...]

Trains each method on crops of each area and judges it on the validation split; the test
split is not read. The configuration is a study's, of which data sets, seeds and backbone
count. Mean ± standard deviation (ddof 0) over seeds, of the samples' mean where a method
samples.
"""

import argparse
import functools
import sys

from apt_jax import command, keys
from apt_jax.evaluation import evaluate
from apt_jax.grid import study
from apt_jax.grid.shared import Shared
from apt_jax.runs.preparation import load_clip
from apt_jax.training.fit import fit
from benchmarks.heading import heading
from benchmarks.selection import FIGURES, narrowed, spreads


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--methods", nargs="+", required=True)
    parser.add_argument(
        "--areas", type=float, nargs="+", default=[0.08, 0.25, 0.5, 0.77]
    )
    parser.add_argument("--views", type=int)
    parser.add_argument("--shots", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--sets", nargs="+")
    options, fields = parser.parse_known_args(argv)
    print(heading(options), *fields)
    print("| set | shots | method | area | accuracy, % | NLL, nats | ECE, % |")
    print("|---|---|---|---|---|---|---|")
    backbone = functools.cache(lambda: load_clip(planned[0].config))
    for area in options.areas:
        of_area = [*fields, f"--config.augment.area={area:g}"]
        if options.views is not None:
            of_area.append(f"--config.augment.views={options.views}")
        settings = narrowed(options, options.methods, of_area)
        planned = study.cells(settings)
        for name in settings.datasets:
            cells = [cell for cell in planned if cell.dataset == name]
            shared = Shared(backbone, cells)
            for shots in settings.shots:
                for method in settings.methods:
                    of_seeds = [
                        c for c in cells if (c.method, c.shots) == (method, shots)
                    ]
                    figures = [judged(shared, cell) for cell in of_seeds]
                    row = [name, str(shots), method, f"{area:g}", *spreads(figures)]
                    print(f"| {' | '.join(row)} |", flush=True)


def judged(shared, cell) -> list[float]:
    """The figures of a cell on validation."""
    prepared = shared.prepared(cell)
    [task] = shared.with_shots([cell], [prepared])
    validation = shared.material(cell, prepared, task)
    key, chance = keys.of_seed(cell.seed, keys.TRAIN), {}
    fitted, _ = fit(prepared.method, task, key, train=cell.config.train)
    if prepared.method.stochastic:
        samples = cell.config.eval.samples
        chance = {"key": keys.of_seed(cell.seed, keys.PREDICT), "samples": samples}
    judged_on = (task, validation.images, validation.labels)
    row = evaluate("", fitted, *judged_on, **chance).row
    return [factor * row[figure] for figure, factor, _ in FIGURES]


if __name__ == "__main__":
    sys.exit(command.run(main))
