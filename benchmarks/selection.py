"""Hyper-parameters chosen inside the shots: by errors or by NLL, on which view?

    python -m benchmarks.selection --config configs/studies/few_shot.py
        [--by errors nll] [--on centre view] [--shots 2 4 8 16] [--sets NAME ...]
        [--config.FIELD=VALUE ...]

Fits each method that is cross-validated on the shots by each rule, its held-out shots
judged on their centre crops or on a random view, and judges it on the validation split;
the test split is not read. The configuration is a study's, of which data sets, seeds and
backbone count. Mean ± standard deviation (ddof 0) over seeds.
"""

import argparse
import contextlib
import functools
import itertools
import statistics
import sys
from unittest import mock

import jax

from apt_jax import command, keys
from apt_jax.evaluation import evaluate
from apt_jax.grid import study
from apt_jax.grid.shared import Shared
from apt_jax.methods import linear_probe, lp_plus_plus, selection, tip_adapter
from apt_jax.runs.preparation import load_clip
from apt_jax.training.fit import fit
from benchmarks.heading import heading

METHODS = ("gda", "tip_adapter", "lp_plus_plus", "linear_probe")
CHOOSING = (selection, linear_probe, lp_plus_plus, tip_adapter)
RULES = ("errors", "nll")
VIEWS = ("centre", "view")  # what a held-out shot is judged on
FIGURES = (("accuracy", 100, 1), ("nll", 1, 2), ("ece", 100, 1))


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--by", nargs="+", choices=RULES, default=RULES)
    parser.add_argument("--on", nargs="+", choices=VIEWS, default=VIEWS[:1])
    parser.add_argument("--shots", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--sets", nargs="+")
    options, fields = parser.parse_known_args(argv)
    print(heading(options), *fields)
    settings = narrowed(options, METHODS, fields)
    planned = study.cells(settings)
    backbone = functools.cache(lambda: load_clip(planned[0].config))
    print(
        "| set | shots | method | chosen by | on | accuracy, % | NLL, nats | ECE, % |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in settings.datasets:
        cells = [cell for cell in planned if cell.dataset == name]
        shared = Shared(backbone, cells)
        for shots in settings.shots:
            for method in METHODS:
                of_seeds = [c for c in cells if (c.method, c.shots) == (method, shots)]
                for rule, on in itertools.product(options.by, options.on):
                    figures = [judged(shared, cell, rule, on) for cell in of_seeds]
                    row = [name, str(shots), method, rule, on, *spreads(figures)]
                    print(f"| {' | '.join(row)} |", flush=True)


def narrowed(options, methods, fields):
    """The study, narrowed to what is compared here."""
    lists = {"methods": methods, "shots": options.shots}
    if options.sets:
        lists["datasets"] = options.sets
    lists = [(name, ",".join(map(str, of))) for name, of in lists.items()]
    settings = study.load(options.config, lists)
    for field in fields:
        name, _, text = field.removeprefix("--config.").partition("=")
        study.set_field(settings, name, text)
    return settings


def judged(shared, cell, rule, on) -> list[float]:
    """The figures of a cell on validation, its hyper-parameters chosen by `rule`."""
    prepared = shared.prepared(cell)
    [task] = shared.with_shots([cell], [prepared])
    validation = shared.material(cell, prepared, task)
    if on == "view":
        first = jax.tree.map(lambda views: views[:, :1], task.shots.stored)
        task = task.replace(shots=task.shots.replace(centre=first))
    with choosing_by(rule):
        fitted, _ = fit(prepared.method, task, keys.of_seed(cell.seed, keys.TRAIN))
    row = evaluate("", fitted, task, validation.images, validation.labels).row
    return [factor * row[figure] for figure, factor, _ in FIGURES]


@contextlib.contextmanager
def choosing_by(rule):
    """Every choice inside the shots is made by `rule`."""
    cross_validated = selection.cross_validated

    def by_rule(*arguments, by=None):
        return cross_validated(*arguments, by=rule)

    with contextlib.ExitStack() as stack:
        for module in CHOOSING:
            stack.enter_context(mock.patch.object(module, "cross_validated", by_rule))
        yield


def spreads(of_seeds) -> list[str]:
    """Each figure's mean and spread over the seeds."""
    return [
        f"{statistics.fmean(of):.{digits}f} ± {statistics.pstdev(of):.{digits}f}"
        for (_, _, digits), of in zip(FIGURES, zip(*of_seeds))
    ]


if __name__ == "__main__":
    sys.exit(command.run(main))
