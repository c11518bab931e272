"""A finished run, back from its directory, verified."""

import dataclasses
import json
from typing import Any

import jax

from apt_jax import config as configuration
from apt_jax.clip import checkpoint
from apt_jax.clip.checkpoint import Clip
from apt_jax.data.listing import listed
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
    described = config.data.get("descriptions", ())
    task = make_task(clip, classes, config.data.templates, described)
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


def require_same_images(workdir: Workdir, split: dict, parts):
    """Refuses images that are not those the run was made with, naming them.

    Compared are path, label and content hash of what stands under the names `parts` in
    `split` (`record.split_of`) and in the split.json of the run.
    """
    then, now = (
        {path: (part, *rest) for part in parts for path, *rest in lists.get(part, ())}
        for lists in (workdir.read("split.json"), split)
    )
    differing = {
        "changed": [path for path in then if now.get(path, then[path]) != then[path]],
        "gone": [path for path in then if path not in now],
        "new": [path for path in now if path not in then],
    }
    if any(differing.values()):
        told = (
            f"{what}: {listed(paths)}" for what, paths in differing.items() if paths
        )
        raise UserError(
            f"the images are not those of the run in {workdir.folder} "
            f"({'; '.join(told)}); restore them, or train in another --workdir"
        )


def seed_key(seed: int, use: str):
    """The key of one use of chance; threefry, because `rbg` repeats under `vmap`."""
    uses = ("train", "judge")
    return jax.random.fold_in(
        jax.random.key(seed, impl="threefry2x32"), uses.index(use)
    )
