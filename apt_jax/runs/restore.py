"""A finished run, back from its directory, verified."""

import json

from ml_collections import ConfigDict

from apt_jax import config as configuration
from apt_jax.classifier import Classifier, saved
from apt_jax.config import PLACES, method_of
from apt_jax.data.listing import listed
from apt_jax.errors import UserError
from apt_jax.methods.task import make_task
from apt_jax.places import require_there
from apt_jax.runs.preparation import load_clip
from apt_jax.runs.workdir import Workdir
from apt_jax.training.checkpoints import Checkpoints
from apt_jax.training.fitted import Fitted

NOT_TRAINED = ("eval", "features")  # parts of a configuration no parameter depends on
DRAWN = ("few_shot_train", "few_shot_val", "selected_on")  # of the splits: paths alone


def load(folder, *, clip: str | None = None) -> Classifier:
    """The classifier of a finished run; `clip` says where its backbone is now.

    Raises:
        UserError: as `restore`.
    """
    places = {"clip.checkpoint": str(clip)} if clip else {}
    return restore(Workdir(folder), places)[1]


def restore(workdir: Workdir, places=None) -> tuple[ConfigDict, Classifier]:
    """The settings and the classifier of the finished run in `workdir`.

    Args:
        places: where its files are now, by field of `config.PLACES`; by default where
            they were, or beside the run.

    Raises:
        UserError: if there is none, if it is damaged, or if it was trained with another
            configuration, backbone or list of classes than stand beside it.
    """
    workdir.read("results.json")
    config = workdir.now(places or {})
    require_there(config.clip.checkpoint, "`clip`")
    card = workdir.read("protocol.json")
    if workdir.classifier.is_dir():
        place = config.clip.checkpoint
        classifier = saved.load(workdir.classifier, clip=place)
        if classifier.classes != workdir.read("classes.json"):
            raise UserError(
                f"the classifier in {workdir.classifier} was trained with another list "
                f"of classes than {workdir.folder}/classes.json; restore the original"
            )
        config = configuration.completed(config)
        if method_of(config) != classifier.fitted.method:
            raise UserError(
                f"the classifier in {workdir.classifier} was trained with another "
                f"configuration than {workdir.folder}/config.json; restore the original"
            )
        return config, classifier
    classes, clip = workdir.read("classes.json"), load_clip(config)
    require_backbone(workdir, clip)
    state = trained_state(workdir, config, clip, classes)
    config = configuration.completed(config)
    method = method_of(config)
    described = config.data.get("descriptions", ())
    task = make_task(clip, classes, config.data.templates, described)
    fitted = Fitted(method, {}, state.params, config.method.members)
    of_run = (config.seed, config.eval.samples)
    return config, Classifier(task, fitted, *of_run, card=card)


def trained_state(workdir, config, clip, classes):
    """The state of a finished run, verified."""
    state = None
    if workdir.checkpoints.is_dir():
        owner = belongs_to(config, clip, classes)
        with Checkpoints(workdir.checkpoints, owner, read_only=True) as checkpoints:
            state = checkpoints.restore()
    last = config.train.get("epochs") or 1
    if state is not None and not state.opt_state:
        last = 1  # a fit is one step, whatever was asked for
    if state is None or int(state.epoch) != last:
        found = "no checkpoint" if state is None else f"one of epoch {int(state.epoch)}"
        raise UserError(
            f"{workdir.checkpoints} holds {found}, and the run was finished at epoch "
            f"{last}; restore it from a copy, or train again in another --workdir"
        )
    return state


def require_files(config):
    """Refuses places of a run's files where nothing is any more."""
    places = configuration.flat(config)
    for field in PLACES:
        require_there(places.get(field, ""), f"--config.{field}")


def require_saved(workdir, config, prepared):
    """Refuses a damaged checkpoint of an unfinished run, before any work is done."""
    if workdir.checkpoints.is_dir():
        owner = belongs_to(config, prepared.clip, prepared.dataset.classes)
        with Checkpoints(workdir.checkpoints, owner, read_only=True) as checkpoints:
            checkpoints.restore()


def belongs_to(config, clip, classes) -> dict:
    """What a checkpoint must be used with, as JSON; `Checkpoints` verifies it.

    Not where the files lay: backbone and classes are there by content, and the images
    stand in split.json.
    """
    fields = json.loads(configuration.to_json(config))
    trained = {name: fields[name] for name in fields if name not in NOT_TRAINED}
    for field in (*PLACES, "clip.revision"):
        part, name = field.split(".")
        trained[part].pop(name, None)
    return {
        "configuration": trained,
        "backbone": clip.sha256,
        "list of classes": list(classes),
    }


def require_backbone(workdir: Workdir, clip):
    """Refuses a backbone whose weights are not those of the run."""
    wanted = workdir.read("protocol.json")["backbone"]["sha256"]
    saved.require_same(clip, wanted, f"the run in {workdir.folder}")


def require_own(workdir: Workdir, prepared, split: dict, parts):
    """Refuses a backbone, class names or images that are not those of the run.

    `split` and `parts` are as in `require_same_images`.
    """
    require_backbone(workdir, prepared.clip)
    for name, dataset in (
        ("classes.json", prepared.dataset),
        ("new_classes.json", prepared.new),
    ):
        if dataset is not None and list(dataset.classes) != workdir.read(name):
            raise UserError(
                f"the class names are not those of the run in {workdir.folder}: see its "
                f"{name}; restore the folders, the table or data.class_names, or train "
                "again in another --workdir"
            )
    require_same_images(workdir, split, parts)


def require_same_images(workdir: Workdir, split: dict, parts):
    """Refuses images that are not those the run was made with, naming them.

    Compared are split, label and content hash, by path, of those that are, or were, in one
    of the splits `parts`; `split` is from `record.split_of`.
    """
    then, now = map(_places, (workdir.read("split.json"), split))
    asked = [
        path
        for path in then | now
        if {found[path][0] for found in (then, now) if path in found} & set(parts)
    ]
    both = [path for path in asked if path in then and path in now]
    differing = {
        "changed": [path for path in both if now[path][1:] != then[path][1:]],
        "in another split": [path for path in both if now[path][0] != then[path][0]],
        "gone": [path for path in asked if path not in now],
        "new": [path for path in asked if path not in then],
    }
    if any(differing.values()):
        told = (
            f"{what}: {listed(paths)}" for what, paths in differing.items() if paths
        )
        raise UserError(
            f"the images are not those of the run in {workdir.folder} "
            f"({'; '.join(told)}); restore them, or train in another --workdir"
        )


def _places(lists) -> dict[str, tuple]:
    """Split, label and content hash of each image in a split.json, by path."""
    return {
        path: (part, *rest)
        for part, rows in lists.items()
        if part not in DRAWN
        for path, *rest in rows
    }
