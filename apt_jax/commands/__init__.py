"""The console: python -m apt_jax COMMAND [ARGUMENTS].

A command is a module with `main(arguments)`; none is imported to say which there are.
"""

import importlib
from typing import NamedTuple

from apt_jax.command import CONSOLE
from apt_jax.config import HELP
from apt_jax.errors import UserError, require_known


class Command(NamedTuple):
    """Where a command is, and what it does."""

    module: str
    summary: str


COMMANDS = {
    "train": Command(
        "apt_jax.commands.train", "adapt CLIP to a few labelled photographs"
    ),
    "eval": Command("apt_jax.commands.evaluate", "judge a finished run anew"),
    "predict": Command(
        "apt_jax.commands.predict", "label photographs with a finished run"
    ),
    "grid": Command(
        "apt_jax.commands.grid", "compare methods, numbers of shots and data sets"
    ),
    "study": Command(
        "apt_jax.commands.study", "answer a question of the papers, by its name"
    ),
    "inspect": Command(
        "apt_jax.commands.inspect", "look at your own photographs before training"
    ),
    "prepare": Command("apt_jax.commands.prepare", "download a data set of TFDS"),
    "compare": Command(
        "apt_jax.commands.compare",
        "whether two runs or split files have the same images",
    ),
    "check": Command("apt_jax.commands.check", "say what a CLIP is, and prove it"),
    "recipes": Command(
        "apt_jax.commands.recipes", "print docs/recipes.md, what every method does"
    ),
    "pretrain": Command(
        "apt_jax.commands.pretrain", "train the small CLIP of the package"
    ),
}


def main(arguments: list[str]):
    return dispatch(arguments, "command", COMMANDS, "COMMAND")


def dispatch(arguments, what: str, table: dict[str, Command], usage: str):
    """Runs what the first argument names, with the others; or lists what there is.

    Raises:
        UserError: if it names nothing that there is.
    """
    if arguments and arguments[0] in HELP:
        print(listed(what, table, usage))
        return None
    if not arguments or arguments[0].startswith("-"):
        raise UserError(f"no {what} named; choose one of {', '.join(table)}")
    name, *rest = arguments
    require_known(what, name, table)
    return importlib.import_module(table[name].module).main(rest)


def listed(what, table, usage) -> str:
    """What there is, a line each; `usage` is what follows `CONSOLE`."""
    usage = f"{CONSOLE} {usage}"
    width = max(map(len, table))
    return "\n".join(
        [
            f"{usage} [ARGUMENTS]",
            "",
            *(f"  {name:{width}}  {one.summary}" for name, one in table.items()),
            "",
            f"{usage} --help tells of one {what}; --version tells the version",
        ]
    )
