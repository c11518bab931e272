"""Arguments that a message names, as the options that a command has for them.

Below the commands a message names arguments, in backticks: "lower `train.learning_rate`".
Who calls `apt_jax.fit` has no others. Where it is shown to somebody at a command line, the
names are spelled as options, "lower --config.train.learning_rate"; what is no argument
with an option, and what stands outside backticks, stays as it is.
"""

import contextlib
import contextvars
import re

OF_DATA = (  # of the sources of data; called as in the settings
    "class_names",
    "group",
    "image",
    "label",
    "name",
    "on_error",
    "root",
    "shifts",
    "source",
    "split_file",
    "templates",
    "test_split",
    "train_split",
)
# The field of the settings that an argument is.
FIELDS = {
    "seed": "seed",
    "shots": "shots",
    "clip": "clip.checkpoint",
    "dtype": "clip.dtype",
    "cache_dir": "features.cache_dir",
    "views": "augment.views",
    "area": "augment.area",
    "method": "method.name",
    "samples": "eval.samples",
    "bins": "eval.bins",
    "classes": "data.class_names",  # a file of them
    **{name: f"data.{name}" for name in OF_DATA},
}
OPTIONS = {
    "checkpoints": "--workdir",
    "data_dir": "--data_dir",
    "folder": "--workdir",
    "picture": "--image",
    **{name: f"--config.{field}" for name, field in FIELDS.items()},
}
NAMED = re.compile(r"`((?:train|method|data)\.[\w*]+|\w+)`")  # a part's are as they are

_at_a_command_line = contextvars.ContextVar("at_a_command_line", default=False)


def as_options(message: str) -> str:
    """The message with options in the place of arguments."""

    def spelled(found):
        name = found[1]
        return f"--config.{name}" if "." in name else OPTIONS.get(name, found[0])

    return NAMED.sub(spelled, message)


@contextlib.contextmanager
def at_a_command_line():
    """Notes that are told inside name options."""
    token = _at_a_command_line.set(True)
    try:
        yield
    finally:
        _at_a_command_line.reset(token)


def for_reader(message: str) -> str:
    """The message for who reads it: with options at a command line, else as it is."""
    return as_options(message) if _at_a_command_line.get() else message
