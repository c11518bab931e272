"""Hyper-parameters chosen on the validation split, the protocol of VPT and VAPT.

Jia et al. 2022, arXiv:2203.12119; arXiv:2501.18936. Of every combination of candidates
one training on the training images. Chosen is the one whose last epoch has the highest
top-1 accuracy on the validation split, dropout off; of equals the one with the smallest
learning rate, then the first. A training whose loss stops being finite is out.

A trial is a file, written when it is done, under a name made of all that it depends on:
it is never trained again, and one that depends on other things is another trial.

The test split is not at hand here: a trial gets the task with the training images, and
the validation images.
"""

import dataclasses
import itertools
import time

import numpy as np

from apt_jax import keys
from apt_jax.config import RECIPES, method_of
from apt_jax.errors import NotFinite, UserError
from apt_jax.evaluation import evaluate
from apt_jax.features.encoder import Features
from apt_jax.files import digest, read_json, write_json
from apt_jax.grid.study import with_values
from apt_jax.methods.selection import Selection
from apt_jax.methods.task import Task
from apt_jax.progress import progress
from apt_jax.runs.restore import NOT_TRAINED
from apt_jax.training.fit import fit

PUBLISHED = Selection().inside_shots
LEARNING_RATE = "train.learning_rate"
TRIAL = {  # a combination, and what it came to
    "values": dict,  # by field
    "accuracy": (float, type(None)),  # top-1 on validation; None: the loss diverged
    "seconds": (int, float),
}


@dataclasses.dataclass(frozen=True)
class Material:
    """What trials are trained and judged on."""

    task: Task  # with the training images
    images: Features  # the validation images' centre crops
    labels: np.ndarray  # of these, [m]
    identity: dict  # JSON that names all of the above: backbone, classes, images


def search(config, candidates: dict[str, tuple], material, folder) -> list[dict]:
    """A `TRIAL` of every combination; those that `folder` has are read from there.

    Args:
        config: the configuration of the run, each trial's but for the candidates.
        candidates: values by dotted field.
    """
    trials = []
    combinations = combinations_of(candidates)
    with progress(len(combinations), "searching", "trials") as advance:
        for values in combinations:
            trials.append(finished_trial(config, values, material, folder))
            advance(accuracy=trials[-1]["accuracy"] or 0.0)
    return trials


def combinations_of(candidates) -> list[dict]:
    """Every combination, the last field changing fastest."""
    product = itertools.product(*candidates.values())
    return [dict(zip(candidates, values, strict=True)) for values in product]


def best(trials: list[dict]) -> dict:
    """The trial that is chosen.

    Raises:
        UserError: if no training stayed finite.
    """
    finite = [trial for trial in trials if trial["accuracy"] is not None]
    if not finite:
        raise UserError(
            "in every trial of the search the loss stopped being finite; add smaller "
            f"candidates to --config.search.{LEARNING_RATE}"
        )
    rate = lambda trial: trial["values"].get(LEARNING_RATE, 0.0)  # noqa: E731
    return min(finite, key=lambda trial: (-trial["accuracy"], rate(trial)))


def finished_trial(config, values, material, folder) -> dict:
    """The trial of a combination: read if it is done, else done and written."""
    config = with_values(config, values)
    asked = config.to_dict()
    trained = {name: asked[name] for name in asked if name not in NOT_TRAINED}
    name = digest([RECIPES, trained, material.identity])
    path = folder / f"{name[:16]}.json"
    if not path.exists():
        began = time.monotonic()
        accuracy = validation_accuracy(config, material)
        seconds = time.monotonic() - began
        write_json(path, {"values": values, "accuracy": accuracy, "seconds": seconds})
    return read_json(path, TRIAL, "remove it, and it is trained again")


def validation_accuracy(config, material) -> float | None:
    """Top-1 accuracy on validation after the last epoch; None if it diverged."""
    task = material.task
    method = method_of(config).settled(task.dataset, task.backbone)
    how = {"train": config.train, "members": config.method.members}
    judged_on = (task.bare, material.images, material.labels)
    try:
        fitted, _ = fit(method, task, keys.of_seed(config.seed, keys.TRAIN), **how)
        return evaluate("validation", fitted, *judged_on).row["accuracy"]
    except NotFinite:
        return None


def on_card(card: dict, record: dict) -> dict:
    """The protocol card of a run whose hyper-parameters were searched; see `record_of`."""
    fields = f"validation split: {', '.join(record['candidates'])}"
    own = card["selected_by"]
    return card | {
        "protocol": {
            "name": "validation_search",
            "validation_images": record["validation_images"],
            "validation_sha256": record["validation_sha256"],
            "candidates": record["candidates"],
            "chosen": record["chosen"],
        },
        "selected_by": fields + ("" if own == PUBLISHED else f"; the rest: {own}"),
    }


def record_of(candidates, trials: list[dict], material: Material) -> dict:
    """What a cell keeps of its search."""
    chosen = best(trials)
    return {
        "candidates": candidates,
        "chosen": chosen["values"],
        "accuracy": chosen["accuracy"],
        "seconds": sum(trial["seconds"] for trial in trials),
        "validation_images": len(material.labels),
        "validation_sha256": digest(material.identity["validation"]),
        "trials": trials,
    }
