"""The story of a run, from a configuration to a report, top to bottom.

prepare   everything that can be wrong is found: settings, images, class names
encode    the frozen tower runs once over the shots and the test images
adapt     the method trains on the shots; the test split is not among its arguments
evaluate  zero-shot, deterministic and Monte-Carlo rows over the test split
publish   predictions, figures, results.json; then the table
"""

import dataclasses
import shlex

import jax.numpy as jnp

from apt_jax import data, keys
from apt_jax.classifier import Classifier
from apt_jax.config import source_of
from apt_jax.data.dataset import label_array
from apt_jax.data.listing import listed
from apt_jax.data.roots import note
from apt_jax.errors import UserError
from apt_jax.features.encoder import Encoder, Features
from apt_jax.lock import working_in
from apt_jax.methods import require_fit
from apt_jax.methods.task import Shots, encode_shots, make_task, shots_of
from apt_jax.metrics import base_to_new
from apt_jax.planning.cost import peak_bytes
from apt_jax.provenance import device
from apt_jax.report.figures import write_figures
from apt_jax.report.parameters import count, parameters_table
from apt_jax.report.predictions import write_predictions
from apt_jax.report.tables import base_to_new_text, protocol_line, results_text
from apt_jax.runs.parts import evaluated, parts_of, reads_of_test
from apt_jax.runs.preparation import prepare, usage_line
from apt_jax.runs.record import describe, resolved, set_by_hand, split_of
from apt_jax.runs.restore import (
    belongs_to,
    require_files,
    require_own,
    require_saved,
    restore,
)
from apt_jax.runs.workdir import Workdir
from apt_jax.training.checkpoints import Checkpoints
from apt_jax.training.fit import Kept, fit, recipe_of, require_members
from apt_jax.training.fitted import Fitted
from apt_jax.words import form


def run(config, folder) -> dict:
    """Runs, or finishes, the run of `config` in `folder`; returns its results."""
    workdir = Workdir(folder)
    if not workdir.finished:
        workdir.require_recipes()
        if not workdir.begun:
            require_apart(workdir.folder, source_of(config))
    workdir.claim(config)
    if not workdir.finished:
        with working_in(workdir.folder):
            workdir.claim(config)  # another process may have come first
            _run(config, workdir)
    elif workdir.moved(config):
        config = workdir.as_begun(config)
        require_files(config)
        prepared = prepare(config)
        require_own(workdir, prepared, split_of(prepared), whole_splits(prepared))
    return show(workdir)


def _run(given, workdir):
    asked = workdir.as_begun(given)
    if workdir.begun:
        require_files(asked)
    prepared = prepare(asked)
    if workdir.begun:
        require_own(workdir, prepared, split_of(prepared), whole_splits(prepared))
    method, clip, dataset = prepared.method, prepared.clip, prepared.dataset
    parts = parts_of(prepared, asked.data.classes)
    tasks = tasks_of(clip, parts)
    labelled = tasks[dataset.texts].replace(
        shots=Shots(None, None, jnp.asarray(label_array(prepared.shots))),
        dataset=prepared.known_as,
    )
    for task in (labelled, *tasks.values()):
        require_fit(method, task)
    recipe = recipe_of(method, labelled, train=asked.train)
    require_members(method, prepared.members, recipe)
    tell_of_unused(asked, recipe)
    config = resolved(asked, prepared, recipe)
    workdir.log.lines()
    require_saved(workdir, config, prepared)
    workdir.settle(given)
    print(usage_line(asked, prepared))

    encoder = Encoder(clip, asked.features.cache_dir)
    task, seconds = with_shots(labelled, encoder, prepared)
    for part in parts:  # what cannot be encoded is known before anything is trained
        seconds += encoded(encoder, part, prepared).seconds
    describe(workdir, config, prepared, set_by_hand(asked))

    fitted = adapt(workdir, config, prepared, task)
    card = workdir.read("protocol.json") | {"chosen": dict(fitted.chosen)}
    workdir.write("protocol.json", card)
    sampling = (config.seed, config.eval.samples)
    classifier = Classifier(tasks[dataset.texts], fitted, *sampling, card=card)
    classifier.save(workdir.classifier)
    rows = evaluate_parts(config.eval, encoder, parts, tasks, prepared, classifier)
    cost = {
        "trainable_parameters": count(method.parts(fitted.params)[0]),
        "encode_seconds": seconds,
        "train_seconds": sum(line["seconds"] for line in workdir.log.lines()),
        **cost_of_testing(encoder, method, rows[0][1][-1]),
    }
    publish(workdir, rows, cost)


def require_apart(folder, source):
    """Refuses a work directory among the photographs."""
    if source.own and source.would_read(folder):
        raise UserError(
            f"the work directory {folder} would be a class of the photographs in "
            f"data.root={source.root}; choose another --workdir"
        )


def tasks_of(clip, parts) -> dict:
    """The task of each list of class texts; the text tower runs once over each."""
    return {texts: make_task(clip, *texts) for texts in {p.texts: None for p in parts}}


def with_shots(task, encoder, prepared):
    """The task with all that training sees, and the seconds of encoding it."""
    dataset, reads = prepared.dataset, prepared.method.reads
    shots = (encoder, dataset, prepared.shots, reads, prepared.views)
    held, seconds = encode_shots(*shots)
    fields = {"shots": held}
    if prepared.selection:
        pictures = dataset.pictures(prepared.selection)
        seconds += encoder.encode(pictures, reads, what="validation images").seconds
        fields["val"] = shots_of(encoder, dataset, prepared.selection, reads)
    return task.replace(**fields), seconds


def encoded(encoder, part, prepared) -> Features:
    """Frozen outputs of the test images of a part."""
    reads = reads_of_test(prepared.method, encoder.clip)
    what = f"{part.split} images"
    return encoder.encode(prepared.dataset.pictures(part.items), reads, what=what)


def evaluate_parts(settings, encoder, parts, tasks, prepared, classifier) -> list:
    """(part, its rows), one part after the other to bound memory.

    `settings` are `eval.*`; `tasks` are those of the class texts of parts (`tasks_of`).
    """
    classifier = dataclasses.replace(classifier, samples=settings.samples)
    found = []
    for part in parts:
        there, features = (
            classifier.over(tasks[part.texts]),
            encoded(encoder, part, prepared),
        )
        found.append((part, evaluated(part, there, features, settings.bins)))
    return found


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


def whole_splits(prepared) -> list[str]:
    """The names in split.json that stand for images with labels and hashes."""
    return [*prepared.dataset.splits, "new_test"]


def evaluate_again(folder, overrides, places=None) -> dict:
    """Judges a finished run again, with other `eval.*` fields; returns its results.

    `places` are where its files are now, by field of `config.PLACES`.
    """
    workdir = Workdir(folder)
    workdir.read("results.json")
    with working_in(workdir.folder):
        _evaluate_again(workdir, overrides, places)
    return show(workdir)


def _evaluate_again(workdir, overrides, places):
    cost = workdir.read("results.json")["cost"]
    workdir.log.lines()
    config, classifier = restore(workdir, places)
    config.eval.update(overrides)
    require_files(config)
    clip, method = classifier.task.backbone, classifier.fitted.method
    prepared = prepare(config, load_clip=lambda _: clip)
    tested = [name for name in whole_splits(prepared) if name not in ("train", "val")]
    require_own(workdir, prepared, split_of(prepared), tested)
    parts = parts_of(prepared, config.data.classes)
    new = tasks_of(clip, [part for part in parts if part.classes == "new"])
    tasks = {prepared.dataset.texts: classifier.task, **new}
    encoder = Encoder(clip, config.features.cache_dir)
    rows = evaluate_parts(config.eval, encoder, parts, tasks, prepared, classifier)
    cost |= cost_of_testing(encoder, method, rows[0][1][-1])
    publish(workdir, rows, cost)


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


def publish(workdir, rows, cost):
    """Writes what the run found; results.json last, since it marks the run finished.

    `rows` are from `evaluate_parts`.
    """
    for part, of_part in rows:
        path, last = workdir.predictions_of(part.file), of_part[-1].prediction
        write_predictions(path, part.items, part.names, last)
    by_file = {part.file: of_part for part, of_part in rows}
    of_new = by_file.get("_new", ())
    write_figures(workdir.figures, by_file[""], workdir.log.lines(), of_new)
    found = [evaluation.row for _, of_part in rows for evaluation in of_part]
    results = {"protocol": workdir.read("protocol.json"), "evaluations": found}
    if compared := base_to_new(found):
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


def cost_of_testing(encoder, method, evaluation) -> dict:
    """What one new photograph costs, tower and all samples; and the peak of memory."""
    tower = encoder.seconds_per_image(method.reads)
    return {
        "test_ms_per_image": 1000 * (tower + evaluation.seconds_per_image),
        "peak_memory_mb": peak_bytes() / 2**20,
    }
