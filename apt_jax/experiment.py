"""The story of a run, from a configuration to a report, top to bottom.

prepare   everything that can be wrong is found: settings, images, class names
encode    the frozen tower runs once over the shots and the test images
adapt     the method trains on the shots; the test split is not among its arguments
judge     zero-shot, deterministic and Monte-Carlo rows over the test split
publish   predictions, figures, results.json; then the table
"""

import dataclasses
import resource
import shlex
import sys

import jax.numpy as jnp
import numpy as np

from apt_jax import data, keys
from apt_jax.config import PLACES
from apt_jax.data.listing import listed
from apt_jax.data.roots import note
from apt_jax.evaluation import evaluations
from apt_jax.features.encode import seconds_per_image
from apt_jax.features.store import Store
from apt_jax.lock import working_in
from apt_jax.methods import require_fit
from apt_jax.methods.task import Shots, make_task
from apt_jax.metrics import base_to_new
from apt_jax.preparation import (
    encode_new,
    encode_selection,
    encode_shots,
    encode_test,
    prepare,
    usage_line,
)
from apt_jax.record import describe, resolved, set_by_hand, split_of
from apt_jax.report.figures import write_figures
from apt_jax.report.parameters import count, parameters_table
from apt_jax.report.predictions import write_predictions
from apt_jax.report.protocol import device
from apt_jax.report.tables import (
    base_to_new_text,
    protocol_line,
    results_text,
)
from apt_jax.restore import (
    belongs_to,
    require_own,
    require_saved,
    require_there,
    restore,
)
from apt_jax.training.checkpoints import Checkpoints
from apt_jax.training.fit import Kept, fit, recipe_of, require_members
from apt_jax.training.fitted import Fitted
from apt_jax.words import form
from apt_jax.workdir import Workdir


def run(config, folder) -> dict:
    """Runs, or finishes, the run of `config` in `folder`; returns its results."""
    workdir = Workdir(folder)
    if not workdir.finished:
        workdir.require_recipes()
    workdir.claim(config)
    if not workdir.finished:
        with working_in(workdir.folder):
            workdir.claim(config)  # another process may have come first
            _run(config, workdir)
    elif workdir.moved(config):
        config = workdir.as_begun(config)
        require_there(config, *PLACES)
        prepared = prepare(config)
        require_own(workdir, prepared, split_of(prepared), whole_splits(prepared))
    return show(workdir)


def _run(given, workdir):
    asked = workdir.as_begun(given)
    if workdir.begun:
        require_there(asked, *PLACES)
    prepared = prepare(asked)
    if workdir.begun:
        require_own(workdir, prepared, split_of(prepared), whole_splits(prepared))
    dataset = prepared.dataset
    task = make_task(prepared.clip, *dataset.texts)
    labelled = task.replace(
        shots=Shots(None, None, jnp.asarray(labels_of(prepared.shots))),
        dataset=prepared.known_as,
    )
    require_fit(prepared.method, labelled)
    new_task = task_of_new(prepared)
    recipe = recipe_of(prepared.method, labelled, train=asked.train)
    require_members(prepared.method, prepared.members, recipe)
    tell_of_unused(asked, recipe)
    config = resolved(asked, prepared, recipe)
    workdir.log.lines()
    require_saved(workdir, config, prepared)
    workdir.settle(given)
    print(usage_line(asked, prepared))

    store = Store(asked.features.cache_dir)
    shots = encode_shots(prepared, store)
    selection = encode_selection(prepared, store)
    test = encode_test(prepared, store)
    new_test = encode_new(prepared, store)
    with_shots = task.replace(**training_images(prepared, shots, selection))
    describe(workdir, config, prepared, set_by_hand(asked))

    fitted = adapt(workdir, config, prepared, with_shots)
    labels = [item.label for item in dataset.test]
    part = config.data.classes
    judged = judge(config, fitted, task, test, labels, part)
    of_new = judge_new(config, prepared, fitted, new_task, new_test)
    shifted = judge_shifted(config, prepared, fitted, task, store)
    cost = {
        "trainable_parameters": count(fitted.method.parts(fitted.params)[0]),
        "encode_seconds": sum(
            features.seconds
            for features in (shots, selection, test, new_test)
            if features is not None
        ),
        "train_seconds": sum(line["seconds"] for line in workdir.log.lines()),
        **cost_of_testing(prepared.clip, prepared.method, judged[-1]),
    }
    publish(workdir, prepared, judged, of_new, shifted, cost)


def tell_of_unused(asked, recipe):
    """Notes settings of training that have nothing to act on."""
    name, unused = asked.method.name, {}
    if recipe is None:
        unused["is fitted at once"] = "train"
    if name == "zero_shot":
        unused["trains on no images"] = "augment"
    for why, part in unused.items():
        if given := [field for field in asked[part] if asked[part][field] is not None]:
            note(
                f"{name} {why}: {listed(f'--config.{part}.{field}' for field in given)} "
                f"{form(len(given), 'has', 'have')} no effect"
            )


def training_images(prepared, shots, selection) -> dict:
    """The fields of a task that only training sees: shots, and what selects."""
    fields = {
        "shots": shots_of(shots.views, shots.centre, labels_of(prepared.shots)),
        "dataset": prepared.known_as,
    }
    if selection is not None:
        labels = labels_of(prepared.selection)
        fields["val"] = shots_of(selection, selection, labels)
    return fields


def shots_of(views, centre, labels) -> Shots:
    """Labelled images with what is kept of their views and their centre crops."""
    stored = on_device(views.stored)
    centre = stored if centre is views else on_device(centre.stored)
    return Shots(stored, centre, jnp.asarray(labels))


def on_device(stored) -> dict:
    """Frozen outputs as arrays of JAX."""
    return {name: jnp.asarray(np.asarray(array)) for name, array in stored.items()}


def labels_of(items):
    """[n] int32 labels."""
    return np.array([item.label for item in items], np.int32)


def whole_splits(prepared) -> list[str]:
    """The names in split.json that stand for images with labels and hashes."""
    return [*prepared.dataset.splits, "new_test"]


def evaluate_again(folder, overrides, places=None) -> dict:
    """Judges a finished run anew, with other `eval.*` fields; returns its results.

    `places` are where its files are now, by field of `config.PLACES`.
    """
    workdir = Workdir(folder)
    workdir.read("results.json")
    with working_in(workdir.folder):
        _judge_again(workdir, overrides, places)
    return show(workdir)


def _judge_again(workdir, overrides, places):
    cost = workdir.read("results.json")["cost"]
    workdir.log.lines()
    restored = restore(workdir, places)
    config = restored.config
    config.eval.update(overrides)
    require_there(config, *PLACES)
    prepared = prepare(config, load_clip=lambda _: restored.clip)
    judged = [name for name in whole_splits(prepared) if name not in ("train", "val")]
    require_own(workdir, prepared, split_of(prepared), judged)
    store = Store(config.features.cache_dir)
    test = encode_test(prepared, store)
    new_test = encode_new(prepared, store)
    labels = [item.label for item in prepared.dataset.test]
    fitted, part = restored.fitted, config.data.classes
    judged = judge(config, fitted, restored.task, test, labels, part)
    of_new = judge_new(config, prepared, fitted, task_of_new(prepared), new_test)
    shifted = judge_shifted(config, prepared, fitted, restored.task, store)
    cost |= cost_of_testing(restored.clip, fitted.method, judged[-1])
    publish(workdir, prepared, judged, of_new, shifted, cost)


def adapt(workdir, config, prepared, task) -> Fitted:
    """The fitted method: from the newest checkpoint on, or from the start."""
    method, clip = prepared.method, prepared.clip
    print(f"device: {device()}   backbone: {clip.name}, {clip.dtype}")
    owner = belongs_to(config, clip, prepared.dataset.classes)

    def started(params):
        print(parameters_table(clip.params, *method.parts(params)))

    with Checkpoints(workdir.checkpoints, owner) as checkpoints:
        fitted, _ = fit(
            method,
            task,
            keys.of_seed(config.seed, keys.TRAIN),
            train=config.train,
            members=prepared.members,
            kept=Kept(checkpoints, workdir.log, config.train.checkpoint_every),
            shown=True,
            started=started,
        )
    return fitted


def judge(config, fitted, task, test, labels, classes="all", **how) -> list:
    """The rows of the report, by `evaluation.evaluations`."""
    of_eval = {"samples": config.eval.samples, "bins": config.eval.bins}
    of_run = {"seed": config.seed, "classes": classes, **of_eval}
    return evaluations(fitted, task, test, labels, **of_run, **how)


def task_of_new(prepared):
    """The task of the classes met only after training; None if there are none.

    Raises:
        UserError: if the method cannot work on it.
    """
    if prepared.new is None:
        return None
    task = make_task(prepared.clip, *prepared.new.texts)
    require_fit(prepared.method, task)
    return task


def judge_new(config, prepared, fitted, task, test) -> list:
    """The rows of the classes met only after training; the parameters are as they were."""
    if task is None:
        return []
    labels = labels_of(prepared.new.test)
    return judge(config, fitted, task, test, labels, "new")


def shifted_parts(prepared) -> list:
    """(split, its labels of all, `prepared` with it as the test) of each shifted split.

    There labels count the classes that the split has, and only those are told apart.
    """
    dataset, found = prepared.dataset, []
    for split, items in dataset.shifted.items():
        among = tuple(sorted({item.label for item in items}))
        place = {label: at for at, label in enumerate(among)}
        part = dataclasses.replace(
            dataset,
            classes=tuple(dataset.classes[label] for label in among),
            test=tuple(
                dataclasses.replace(item, label=place[item.label]) for item in items
            ),
        )
        found.append((split, among, dataclasses.replace(prepared, dataset=part)))
    return found


def judge_shifted(config, prepared, fitted, task, store) -> list:
    """(part, rows) of each shifted split, one after the other to bound memory."""
    judged = []
    for split, among, part in shifted_parts(prepared):
        test = encode_test(part, store)
        labels, classes = labels_of(part.dataset.test), config.data.classes
        of_part = (config, fitted, task, test, labels, classes)
        judged.append((part, judge(*of_part, split=split, among=among)))
    return judged


def publish(workdir, prepared, of_own, of_new, shifted, cost):
    """Writes what the run found; results.json last, since it marks the run finished."""
    for dataset, judged, path in (
        (prepared.dataset, of_own, workdir.predictions),
        (prepared.new, of_new, workdir.predictions_of("new")),
        *(
            (part.dataset, rows, workdir.predictions_of(rows[0].split))
            for part, rows in shifted
        ),
    ):
        if judged:
            last = judged[-1].prediction
            write_predictions(path, dataset.test, dataset.classes, last)
    write_figures(workdir.figures, of_own, workdir.log.lines(), of_new)
    of_shifted = [evaluation for _, rows in shifted for evaluation in rows]
    rows = [evaluation.row for evaluation in (*of_own, *of_new, *of_shifted)]
    results = {"protocol": workdir.read("protocol.json"), "evaluations": rows}
    if compared := base_to_new(rows):
        results["base_to_new"] = compared
    workdir.write("results.json", results | {"cost": cost})


def show(workdir) -> dict:
    """Prints what a finished run found and what to do with it; returns its results."""
    results = workdir.read("results.json")
    print(results_text(results["evaluations"]))
    if "base_to_new" in results:
        print(base_to_new_text(results["base_to_new"]))
    print(protocol_line(results["protocol"]))
    print(f"\nreport, predictions and figures: {workdir.folder}")
    folder = shlex.quote(str(workdir.folder))
    print(f"try it: python -m apt_jax predict --workdir {folder} PHOTO_OR_FOLDER")
    source = results["protocol"]["data"]["source"]
    if not data.SOURCES.get(source, data.Source).own:
        print(
            "your own photographs: python train.py --config configs/folder.py "
            "--config.data.root=PHOTOS"
        )
    return results


def cost_of_testing(clip, method, evaluation) -> dict:
    """What one new photograph costs, tower and all samples; and the peak of memory."""
    tower = seconds_per_image(clip, method.reads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {
        "test_ms_per_image": 1000 * (tower + evaluation.seconds_per_image),
        "peak_memory_mb": peak / unit,
    }
