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

import jax
import jax.numpy as jnp
import numpy as np

from apt_jax.config import PLACES
from apt_jax.data.dataset import Item
from apt_jax.data.listing import listed
from apt_jax.data.own import KINDS
from apt_jax.data.roots import note
from apt_jax.evaluation import evaluate
from apt_jax.features.encode import seconds_per_image
from apt_jax.features.store import Store
from apt_jax.features.views import CENTRE
from apt_jax.lock import working_in
from apt_jax.methods import make, require_fit
from apt_jax.methods.restricted import restricted
from apt_jax.methods.task import make_task
from apt_jax.metrics import base_to_new
from apt_jax.preparation import (
    encode_new,
    encode_selection,
    encode_shots,
    encode_test,
    prepare,
    usage_line,
)
from apt_jax.progress import progress
from apt_jax.record import chosen_recipe, describe, resolved, set_by_hand, split_of
from apt_jax.report.figures import write_figures
from apt_jax.report.parameters import count, parameters_table
from apt_jax.report.predictions import write_predictions
from apt_jax.report.protocol import device
from apt_jax.report.tables import (
    base_to_new_table,
    protocol_line,
    results_table,
)
from apt_jax.restore import (
    belongs_to,
    require_own,
    require_saved,
    require_there,
    restore,
    seed_key,
)
from apt_jax.training import loop
from apt_jax.training.checkpoints import Checkpoints
from apt_jax.uncertainty.ensemble import member_keys, require_members
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
        shot_labels=jnp.asarray(labels_of(prepared.shots)), dataset=prepared.known_as
    )
    require_fit(prepared.method, labelled)
    new_task = task_of_new(prepared)
    recipe = chosen_recipe(prepared.method, labelled, asked.train)
    require_members(prepared.method, recipe)
    tell_of_unused(asked, recipe)
    config = resolved(asked, prepared, recipe)
    workdir.read_metrics()
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

    params = adapt(workdir, config, prepared, with_shots, recipe)
    labels = [item.label for item in dataset.test]
    part = config.data.classes
    evaluations = judge(config, prepared.method, params, task, test, labels, part)
    of_new = judge_new(config, prepared, params, new_task, new_test)
    shifted = judge_shifted(config, prepared, prepared.method, params, task, store)
    cost = {
        "trainable_parameters": count(prepared.method.parts(params)[0]),
        "encode_seconds": sum(
            features.seconds
            for features in (shots, selection, test, new_test)
            if features is not None
        ),
        "train_seconds": sum(line["seconds"] for line in workdir.read_metrics()),
        **cost_of_testing(prepared.clip, prepared.method, evaluations[-1]),
    }
    publish(workdir, prepared, evaluations, of_new, shifted, cost)


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
    fields = {"shots": shots.views.stored, "shot_labels": labels_of(prepared.shots)}
    if prepared.views != CENTRE:  # else they are there already
        fields |= {"centre": shots.centre.stored}
    if selection is not None:
        fields |= {"val": selection.stored, "val_labels": labels_of(prepared.selection)}
    on_device = jax.tree.map(lambda array: jnp.asarray(np.asarray(array)), fields)
    return {"centre": on_device["shots"], **on_device, "dataset": prepared.known_as}


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
    workdir.read_metrics()
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
    method, params, part = restored.method, restored.params, config.data.classes
    evaluations = judge(config, method, params, restored.task, test, labels, part)
    of_new = judge_new(config, prepared, params, task_of_new(prepared), new_test)
    shifted = judge_shifted(config, prepared, method, params, restored.task, store)
    cost |= cost_of_testing(restored.clip, method, evaluations[-1])
    publish(workdir, prepared, evaluations, of_new, shifted, cost)


def adapt(workdir, config, prepared, task, recipe):
    """The trained parameters: from the newest checkpoint on, or from the start."""
    method, key = prepared.method, seed_key(config.seed, "train")
    print(f"device: {device()}   backbone: {prepared.clip.name}, {prepared.clip.dtype}")
    owner = belongs_to(config, prepared.clip, prepared.dataset.classes)
    with Checkpoints(workdir.checkpoints, owner) as checkpoints:
        if recipe is None:
            state = checkpoints.restore()
            if state is None:
                state, line = loop.fit(method, task, key)
                workdir.keep_metrics(0)
                workdir.add_metrics(line._asdict())
                checkpoints.save(state)
            print(parameters_table(prepared.clip.params, *method.parts(state.params)))
            return state.params
        key = member_keys(key, method.members)
        start = loop.start(method, task, recipe, key)
        print(parameters_table(prepared.clip.params, *method.parts(start.params)))
        state = checkpoints.restore(start) or start
        done = int(state.epoch)
        workdir.keep_metrics(done)

        with progress(recipe.epochs, "training", "epochs") as advance:
            advance(done)

            def after_epoch(state, line):
                # The line comes first: a run killed in between drops lines that no
                # checkpoint has, and could not write again one that is missing.
                workdir.add_metrics(line._asdict())
                last = line.epoch == recipe.epochs
                if last or line.epoch % config.train.checkpoint_every == 0:
                    checkpoints.save(state)
                advance(1, loss=line.loss, accuracy=line.accuracy)

            return loop.train(method, task, recipe, state, key, after_epoch=after_epoch)


def judge(
    config,
    method,
    params,
    task,
    test,
    labels,
    classes="all",
    *,
    split="test",
    among=None,
    zero_shot=None,
) -> list:
    """The rows of the report: zero-shot CLIP, the method, the method's samples.

    Of a method with several members, their mean stands for the method. `among` are the
    labels to tell apart, if not all; those of `labels` count them. `zero_shot` is its
    evaluation if another run on the same images has it already; a backbone without text
    has no such row.
    """
    common = {"bins": config.eval.bins, "classes": classes, "split": split}
    rows = []
    if zero_shot is None and task.text is not None:
        rows.append(("zero_shot", make("zero_shot"), {}, {}))
    if config.method.name != "zero_shot":
        name = "deterministic" if method.members == 1 else "ensemble"
        rows.append((name, method, params, {}))
    if method.stochastic:
        chance = {"key": seed_key(config.seed, "judge"), "samples": config.eval.samples}
        rows.append(("mc_dropout", method, params, chance))
    evaluations = [
        evaluate(
            name,
            restricted(one, among),
            its_params,
            task,
            test,
            labels,
            **chance,
            **common,
        )
        for name, one, its_params, chance in rows
    ]
    return [zero_shot, *evaluations] if zero_shot else evaluations


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


def judge_new(config, prepared, params, task, test) -> list:
    """The rows of the classes met only after training; the parameters are as they were."""
    if task is None:
        return []
    labels = labels_of(prepared.new.test)
    return judge(config, prepared.method, params, task, test, labels, "new")


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
            test=tuple(Item(item.path, place[item.label]) for item in items),
        )
        found.append((split, among, dataclasses.replace(prepared, dataset=part)))
    return found


def judge_shifted(config, prepared, method, params, task, store) -> list:
    """(part, rows) of each shifted split, one after the other to bound memory."""
    judged = []
    for split, among, part in shifted_parts(prepared):
        test = encode_test(part, store)
        labels, classes = labels_of(part.dataset.test), config.data.classes
        of_part = (config, method, params, task, test, labels, classes)
        judged.append((part, judge(*of_part, split=split, among=among)))
    return judged


def publish(workdir, prepared, evaluations, of_new, shifted, cost):
    """Writes what the run found; results.json last, since it marks the run finished."""
    for dataset, judged, path in (
        (prepared.dataset, evaluations, workdir.predictions),
        (prepared.new, of_new, workdir.predictions_of("new")),
        *(
            (part.dataset, rows, workdir.predictions_of(rows[0].split))
            for part, rows in shifted
        ),
    ):
        if judged:
            last = judged[-1].prediction
            write_predictions(path, dataset.test, dataset.classes, last)
    write_figures(workdir.figures, evaluations, workdir.read_metrics(), of_new)
    of_shifted = [evaluation for _, rows in shifted for evaluation in rows]
    rows = [evaluation.row for evaluation in (*evaluations, *of_new, *of_shifted)]
    results = {"protocol": workdir.read("protocol.json"), "evaluations": rows}
    if compared := base_to_new(rows):
        results["base_to_new"] = compared
    workdir.write("results.json", results | {"cost": cost})


def show(workdir) -> dict:
    """Prints what a finished run found and what to do with it; returns its results."""
    results = workdir.read("results.json")
    print(results_table(results["evaluations"]))
    if "base_to_new" in results:
        print(base_to_new_table(results["base_to_new"]))
    print(protocol_line(results["protocol"]))
    print(f"\nreport, predictions and figures: {workdir.folder}")
    folder = shlex.quote(str(workdir.folder))
    print(f"try it: python -m apt_jax.predict --workdir {folder} PHOTO_OR_FOLDER")
    if results["protocol"]["data"]["source"] not in KINDS:
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
