"""Zero-shot, logistic regression, APT and Monte-Carlo APT over sets, shots and seeds.

    python -m benchmarks.few_shot --clip CHECKPOINT --out FILE.csv
        [--data DATA --splits SPLITS] [--sets caltech101 oxford_flowers17 imagewoof]
        [--shots 1 2 4 8 16] [--seeds 1 2 3] [--judge test|val]
        [--set method.drop_out=0.3 train.epochs=50 ...]

DATA holds the unpacked photographs and SPLITS the split files, laid out as SETS below
says; the set "synthetic", the quickstart's, needs neither. `--judge val` judges on the
validation split, for choosing; the test split is for the final table. Cells already in
FILE.csv are not run again. Prints mean and standard deviation (ddof 0) over seeds.

The logistic regression is scikit-learn's on the same frozen embeddings of the shots'
centre crops, l2-normalised and standardised, C = 0.05.
"""

import argparse
import csv
import statistics
from pathlib import Path

import numpy as np

from apt_jax import config as configuration
from apt_jax import keys
from apt_jax.evaluation import evaluate
from apt_jax.features.encoder import Encoder
from apt_jax.methods import ZeroShot
from apt_jax.methods.task import encode_shots, make_task
from apt_jax.metrics import Outcomes, figures_of
from apt_jax.runs.parts import reads_of_test
from apt_jax.runs.preparation import prepare
from apt_jax.training.fit import fit
from apt_jax.training.fitted import Fitted
from benchmarks.heading import heading

SETS = {  # folder of images below DATA, split file below SPLITS
    "caltech101": (
        "caltech-101/101_ObjectCategories",
        "splits/split_zhou_Caltech101.json",
    ),
    "oxford_flowers17": (
        "oxford_flowers17/jpg",
        "oxford_flowers17/split_seed1_OxfordFlowers17.json",
    ),
    "imagewoof": ("imagewoof", "imagewoof/split_seed1_Imagewoof.json"),
}
COLUMNS = (
    "set",
    "shots",
    "seed",
    "settings",
    "judged",
    "row",
    "accuracy",
    "nll",
    "ece",
)
FIGURES = ("accuracy", "nll", "ece")
PROBE_C = 0.05


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clip", required=True)
    parser.add_argument("--data", type=Path, default=Path())
    parser.add_argument("--splits", type=Path, default=Path())
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", default="")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--judge", choices=("test", "val"), default="test")
    parser.add_argument("--set", dest="fields", nargs="*", default=[])
    options = parser.parse_args()
    print(heading(options))
    settings = " ".join(options.fields)
    for name in options.sets:
        for shots in options.shots:
            for seed in options.seeds:
                cell = (name, str(shots), str(seed), settings, options.judge)
                if not any(row[:5] == cell for row in read(options.out)):
                    append(options.out, cell, run_cell(name, shots, seed, options))
            print_rows(options.out, name, str(shots), settings, options.judge)


def run_cell(name, shots, seed, options) -> dict[str, dict]:
    """The figures of each row of one cell."""
    config = settings_of(name, shots, seed, options)
    prepared = prepare(config, validation=True)
    dataset, method = prepared.dataset, prepared.method
    items = dataset.val if options.judge == "val" else dataset.test
    test_labels = np.array([item.label for item in items])
    encoder = Encoder(prepared.clip, config.features.cache_dir)
    of_shots = (dataset, prepared.shots, method.reads, prepared.views)
    shots, _ = encode_shots(encoder, *of_shots)
    reads = reads_of_test(method, prepared.clip)
    test = encoder.encode(dataset.pictures(items), reads, what="test images")
    task = make_task(prepared.clip, *dataset.texts)
    key = keys.of_seed(seed, keys.TRAIN)
    fitted, _ = fit(method, task.replace(shots=shots), key, train=config.train)
    chance = {"key": keys.of_seed(seed, keys.PREDICT), "samples": config.eval.samples}
    rows = {
        "zero-shot": evaluate("", Fitted(ZeroShot(), {}, {}), task, test, test_labels),
        "APT": evaluate("", fitted, task, test, test_labels),
    }
    if method.stochastic:
        rows["APT + MC"] = evaluate("", fitted, task, test, test_labels, **chance)
    figures = {row: figures_of(evaluation.outcomes) for row, evaluation in rows.items()}
    probe = logistic_regression(shots, test, test_labels)
    return {
        "zero-shot": figures.pop("zero-shot"),
        "logistic regression": probe,
    } | figures


def logistic_regression(shots, test, test_labels) -> dict:
    """The figures of a logistic regression on the embeddings."""
    from sklearn.linear_model import LogisticRegression

    train = unit(np.asarray(shots.crops["embedding"]))
    centre, scale = train.mean(0), train.std(0) + 1e-6
    probe = LogisticRegression(C=PROBE_C, max_iter=1000)
    probe.fit((train - centre) / scale, shots.labels)
    embedding = unit(np.asarray(test.stored["embedding"][:, 0]))
    log_probs = probe.predict_log_proba((embedding - centre) / scale)
    return figures_of(Outcomes.of(log_probs, test_labels))


def settings_of(name, shots, seed, options):
    """The configuration of a cell."""
    quickstart = name == "synthetic"
    config = configuration.load(f"configs/{'quickstart' if quickstart else 'coop'}.py")
    config.clip.checkpoint, config.clip.dtype = options.clip, "float32"
    config.features.cache_dir = options.cache
    config.shots, config.seed = shots, seed
    if not quickstart:
        images, split = SETS[name]
        config.data.name = name
        config.data.root = str(options.data / images)
        config.data.split_file = str(options.splits / split)
    for field in options.fields:
        configuration.set_field(config, *field.split("=", 1))
    return config


def read(path) -> list[tuple]:
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def append(path, cell, rows):
    new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        for row, figures in rows.items():
            writer.writerow([*cell, row, *(figures[name] for name in FIGURES)])


def print_rows(path, *cell):
    """Means over the seeds of one set and number of shots, as rows of a table."""
    name, shots, settings, judged = cell
    by_row = {}
    for found in read(path):
        if (found[0], found[1], found[3], found[4]) == cell:
            by_row.setdefault(found[5], []).append([float(x) for x in found[6:]])
    for row, values in by_row.items():
        accuracy, nll, ece = zip(*values, strict=True)
        print(
            f"| {name} | {shots} | {row} | {spread(accuracy, 100, 1)} | "
            f"{spread(nll, 1, 2)} | {spread(ece, 100, 1)} |  {judged} {settings}",
            flush=True,
        )


def spread(values, unit_of, digits) -> str:
    values = [unit_of * value for value in values]
    mean, deviation = statistics.mean(values), statistics.pstdev(values)
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


if __name__ == "__main__":
    main()
