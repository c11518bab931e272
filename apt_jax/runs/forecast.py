"""What a run would say and do, told before it begins: refusals, splits, shots, cost.

A run stops at the first thing that is wrong; here each check is tried by itself, and what
is wrong is told all at once.
"""

import contextlib
import io
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from apt_jax import data
from apt_jax.clip.checkpoint import Clip
from apt_jax.config import source_of
from apt_jax.data.base_new import items_of, labels_of
from apt_jax.data.dataset import Dataset, label_array
from apt_jax.data.few_shot import few_shot, validation
from apt_jax.data.scan import hashed, refuse_or_note
from apt_jax.errors import UserError
from apt_jax.features.encoder import Encoder
from apt_jax.methods.base import Method
from apt_jax.methods.readable import require_distinct_prompts, require_whole_prompts
from apt_jax.methods.task import Shots, make_task
from apt_jax.options import as_options
from apt_jax.planning.cost import epoch_seconds, estimate
from apt_jax.runs.preparation import (
    known_as,
    parts,
    require_validation,
    selects_on,
    views_of,
    worded,
)
from apt_jax.training.fit import recipe_of

MEASURED = 4  # images that an estimate is made from
AT_ONCE = "fitting, at once on the frozen outputs: seconds"
COMPILING = "compilation, and judging the test"


class Judged(NamedTuple):
    """What a configuration says of its photographs."""

    dataset: (
        Dataset | None
    )  # without unreadable images; None where there is none to have
    refused: list[str]  # a message for each thing that a run would stop at
    notes: list[str]


def judged(
    settings, method: Method, clip: Clip | None, looks, faults: dict[str, str]
) -> Judged:
    """Tries all checks of `preparation.prepare`, those of a CLIP only if it is there.

    Args:
        looks: what is known of the images (`looks.look_at`), by path.
        faults: why files are no images, by path.
    """
    refused, notes = [], []

    def tried(check: Callable):
        """What a check returns; None where it refuses."""
        try:
            with contextlib.redirect_stderr(io.StringIO()) as said:
                return check()
        except UserError as error:
            refused.append(str(error))
        finally:
            notes.extend(
                line.removeprefix("note: ")
                for line in said.getvalue().splitlines()
                if line.startswith("note: ")
            )

    def loaded(on_error, faults):
        return data.load(
            source_of(settings, on_error=on_error),
            seed=settings.seed,
            look_at=lambda *given: (looks, faults),
            validation=selects_on(settings, method) != "none",
        )

    on_error = settings.data.on_error
    stops = on_error == "stop"
    # A run stops at broken files; here what else is wrong is told beside them.
    dataset = tried(lambda: loaded(on_error, {} if stops else faults))
    if faults:
        tried(lambda: refuse_or_note(faults, on_error))
    if stops and (faults or dataset is None):
        told = len(notes)
        dataset = tried(lambda: loaded("skip", faults))  # for the other checks
        del notes[told:]
    if dataset is not None:
        hashes = {path: look.sha256 for path, look in looks.items()}
        dataset = hashed(dataset, hashes)  # without what is no image
        for check in _checks(settings, method, clip, dataset):
            notes += tried(check) or []
    return Judged(dataset, _told(refused), _told(notes))


def _checks(settings, method, clip, dataset):
    """What is refused of a data set, each by itself; they return notes or nothing."""
    part = settings.data.classes

    def of_part():
        return data.check(parts(dataset, part, method)[0], settings.shots)

    yield of_part
    if selects_on(settings, method) != "none":
        yield lambda: require_validation(dataset, settings.method.name)
    if clip is not None and clip.tokenizer is not None:
        texts = worded(settings, method, dataset).texts
        yield lambda: require_whole_prompts(clip.tokenizer, texts)
        yield lambda: require_distinct_prompts(clip.tokenizer, texts)


def planned(
    settings, method: Method, clip: Clip | None, dataset, *, sound: bool
) -> dict:
    """Splits, shots and images to encode; with a CLIP also time and memory.

    Training is timed where nothing is refused (`sound`).
    """
    part, seed = settings.data.classes, settings.seed
    labels = labels_of(part, len(dataset.classes))
    kind = selects_on(settings, method)
    shots = list(items_of(few_shot(dataset, settings.shots, seed)[0], labels))
    selection = list(items_of(validation(dataset, kind, settings.shots, seed), labels))
    tested = dataset.test
    if part == "new" or not method.names_new_classes:
        tested = list(items_of(dataset.test, labels))
    views = views_of(settings, method, len(shots))
    plan = {
        "splits": {split: len(items) for split, items in dataset.splits.items()},
        "shots": len(shots),
        "views": views.count,
        "others": len(selection) + len(tested),
    }
    if clip is None or not shots:
        return plan
    images = shots[:: max(1, len(shots) // MEASURED)][:MEASURED]
    pictures = dataset.pictures(images)
    cost = estimate(Encoder(clip), pictures, method.reads, views)
    count = plan["shots"] * (plan["views"] + 1) + plan["others"]
    training = {}
    if sound:
        training = of_training(settings, method, clip, dataset, shots, cost.features)
    return plan | {
        "backbone": f"{clip.name}, {clip.dtype}",
        "device": jax.devices()[0].device_kind,
        "tower_ms": 1000 * cost.tower_seconds,
        "making_ms": 1000 * cost.making_seconds,
        "seconds": count * (cost.tower_seconds + cost.making_seconds),
        "bytes": count * cost.bytes,
        "peak_bytes": cost.peak_bytes,
        "not_counted": AT_ONCE if sound and not training else COMPILING,
        **training,
    }


def of_training(settings, method, clip, dataset, shots, features) -> dict:
    """Epochs of the recipe and seconds of one; nothing of a method that fits at once."""
    method = method.settled(known_as(settings, dataset), clip)
    labels = jnp.asarray(label_array(shots))
    task = make_task(clip, *worded(settings, method, dataset).texts)
    task = task.replace(dataset=known_as(settings, dataset))
    labelled = task.replace(shots=Shots(None, None, labels))
    recipe = recipe_of(method, labelled, train=settings.train)
    if recipe is None:
        return {}
    one = Shots.of(features, features, labels[:1])
    seconds = epoch_seconds(method, task.replace(shots=one), recipe, len(shots))
    return {
        "epochs": recipe.epochs,
        "epoch_seconds": seconds,
        "train_seconds": recipe.epochs * seconds,
    }


def _told(messages):
    """Each message once, with the options that it names."""
    return list(dict.fromkeys(map(as_options, messages)))
