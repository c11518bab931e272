"""A finished run, back from its directory, verified."""

import dataclasses
import json
from typing import Any

import jax

from apt_jax import config as configuration
from apt_jax.clip import checkpoint
from apt_jax.clip.checkpoint import Clip
from apt_jax.errors import UserError
from apt_jax.methods import make
from apt_jax.methods.base import Method
from apt_jax.methods.task import Task, make_task
from apt_jax.preparation import hyper_parameters
from apt_jax.training.checkpoints import Checkpoints
from apt_jax.workdir import Workdir

NOT_TRAINED = ("eval", "features")  # parts of a configuration no parameter depends on


@dataclasses.dataclass(frozen=True)
class Restored:
    """What predicts: the frozen model, the task, what was trained."""

    config: Any
    classes: list[str]
    clip: Clip
    method: Method
    task: Task
    params: Any


def restore(workdir: Workdir) -> Restored:
    """Loads the finished run in `workdir`.

    Raises:
        UserError: if there is none, or if its checkpoint was trained with another
            configuration, backbone or list of classes than stand beside it.
    """
    workdir.read("results.json")
    config = configuration.from_json(workdir.read_text("config.json"))
    classes = workdir.read("classes.json")
    clip = checkpoint.load(
        config.clip.checkpoint, revision=config.clip.revision, dtype=config.clip.dtype
    )
    method = make(config.method.name, **hyper_parameters(config))
    task = make_task(clip, classes, config.data.templates)
    owner = belongs_to(config, clip, classes)
    with Checkpoints(workdir.checkpoints, owner) as checkpoints:
        state = checkpoints.restore()
    if state is None:
        raise UserError(
            f"{workdir.checkpoints} holds no checkpoint; train again in another "
            "--workdir"
        )
    return Restored(config, classes, clip, method, task, state.params)


def belongs_to(config, clip, classes) -> dict:
    """What a checkpoint must be used with, as JSON; `Checkpoints` verifies it."""
    fields = json.loads(configuration.to_json(config))
    trained = {name: fields[name] for name in fields if name not in NOT_TRAINED}
    return {
        "configuration": trained,
        "backbone": clip.sha256,
        "list of classes": list(classes),
    }


def require_same_images(workdir: Workdir, prepared):
    """Refuses to judge a run on images that are not those it was made with."""
    split = workdir.read("split.json")
    listed = split["test"] + split.get("new_test", [])
    then = {path: sha for path, _, sha in listed}
    of_new = prepared.new.test if prepared.new else ()
    tested = (*prepared.dataset.test, *of_new)
    now = {item.path: prepared.hashes[item.path] for item in tested}
    changed = sorted(path for path in then | now if then.get(path) != now.get(path))
    if changed:
        raise UserError(
            f"{len(changed)} test images are not those of the run in {workdir.folder} "
            f"({', '.join(changed[:10])}); restore them, or train in another --workdir"
        )


def seed_key(seed: int, use: str):
    """The key of one use of chance; threefry, because `rbg` repeats under `vmap`."""
    uses = ("train", "judge")
    return jax.random.fold_in(
        jax.random.key(seed, impl="threefry2x32"), uses.index(use)
    )
