"""What a run is set to, and a fit in memory given: a line a field.

By the name that the field has in the settings; `options.FIELDS` knows what it is called as
an argument. Light, so that --help is.
"""

import os
from collections.abc import Mapping
from typing import Any

from apt_jax.errors import UserError, require_known
from apt_jax.fields import (
    ANY,
    PART,
    RATE,
    Field,
    Rule,
    above,
    at_least,
    between,
    faults,
    one_of,
)
from apt_jax.options import FIELDS

SCHEDULES = (  # those of training.schedules, which imports jax
    "constant",
    "coop",
    "cosine",
    "cosine_by_step",
    "floor_cosine_by_step",
    "warm_cosine",
)
MOST_VIEWS = 1000  # of an image: more tell nothing new
RECIPE = "the method's recipe"  # what None means of all that a paper says
SEED = at_least(0)._replace(most=2**32 - 1)  # a key of JAX has no room for more
SHOTS = Rule(
    lambda x: 0 < x < 1 or (x >= 0 and isinstance(x, int)),
    "a whole number (0 = all), or a share of all images below 1",
)
CHECKPOINT = Rule(
    lambda text: bool(text.strip()), "a hub name, a folder, an .npz, or 'tiny'"
)

# The fields of every run.
COMMON = {
    "seed": Field(
        1, "shots, initialisation, order, dropout: all chance derives from it", SEED
    ),
    "shots": Field(
        16,
        "labelled images a class; 0 = all, the default of own photographs",
        SHOTS,
        int | float,
        by_source=dict.fromkeys(("folder", "table", "hub"), 0),
    ),
    "protocol": Field(
        "inside_shots",
        "where a paper searches on validation images: inside_shots chooses by "
        "cross-validation on the shots instead, as_published does as the paper did",
        one_of("inside_shots", "as_published"),
    ),
    "clip.checkpoint": Field("", "the frozen model", CHECKPOINT),
    "clip.revision": Field(
        None,
        "branch, tag or commit of a hub name",
        kind=str | None,
        unset="the pinned commit, or the newest",
    ),
    "clip.dtype": Field(
        "auto",
        "what the towers compute in; auto = the faster one on this device",
        one_of("auto", "float32", "bfloat16"),
    ),
    "features.cache_dir": Field(
        "~/.cache/apt_jax", "where frozen outputs are kept; empty = no cache"
    ),
    "augment.views": Field(
        None,
        "random views of each training image, 0 = its centre crop; of own photographs "
        "20,000 in all at most, unless their number is given",
        between(0, MOST_VIEWS),
        int | None,
        RECIPE,
    ),
    "augment.area": Field(
        None,
        "least share of an image that a view shows: 0.08 in CoOp, 0.5 in Tip-Adapter",
        PART,
        float | None,
        RECIPE,
    ),
    "train.epochs": Field(
        None, "passes over the shots", at_least(1), int | None, RECIPE
    ),
    "train.batch_size": Field(None, "images a step", at_least(1), int | None, RECIPE),
    "train.drop_last": Field(
        None, "leave out a last, smaller batch", ANY, bool | None, RECIPE
    ),
    "train.optimizer": Field(
        None,
        "the optimiser",
        one_of("sgd", "adam", "adamw"),
        str | None,
        RECIPE,
    ),
    "train.learning_rate": Field(
        None, "the highest learning rate", above(0), float | None, RECIPE
    ),
    "train.momentum": Field(None, "momentum of sgd", RATE, float | None, RECIPE),
    "train.epsilon": Field(
        None, "epsilon of adam and adamw", above(0), float | None, RECIPE
    ),
    "train.weight_decay": Field(
        None,
        "weight decay, added to the gradient; decoupled in adamw",
        at_least(0),
        float | None,
        RECIPE,
    ),
    "train.schedule": Field(
        None,
        "how the learning rate changes (training.schedules)",
        one_of(*SCHEDULES),
        str | None,
        RECIPE,
    ),
    "train.checkpoint_every": Field(
        None,
        "epochs from one checkpoint to the next",
        at_least(1),
        int | None,
        "ten times a run",
    ),
    "eval.samples": Field(30, "Monte-Carlo samples T of a prediction", at_least(1)),
    "eval.bins": Field(15, "bins of the calibration error (ECE)", at_least(1)),
}
MEMBERS = Field(1, "trainings of other chance, judged as one", at_least(1))
TRAIN = {
    name.removeprefix("train."): line
    for name, line in COMMON.items()
    if name.startswith("train.")
}


def plain(value):
    """A number of Python for one of NumPy, a path as text; all else as it is."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if hasattr(value, "dtype") and not value.shape else value


def require_sound(**given):
    """Refuses values of arguments, by what their lines say; a `UserError` for all."""
    _require({name: COMMON[FIELDS[name]] for name in given}, given)


def require_sound_recipe(train: Mapping[str, Any]):
    """The same of what is set in the place of a recipe, and fields that it has not."""
    for name in train:
        require_known("field of `train`", name, TRAIN)
    _require(TRAIN, train, "train.")


def require_sound_members(members):
    """The same of a number of trainings that are judged as one."""
    _require({"members": MEMBERS}, {"members": members}, "method.")


def _require(lines, given, prefix=""):
    if found := faults(lines, given, prefix):
        raise UserError("; ".join(found))
