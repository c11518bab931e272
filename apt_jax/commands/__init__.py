"""The console: python -m apt_jax COMMAND [ARGUMENTS].

A command is a module here with `main(arguments)`, which returns an exit status or nothing
for 0; what it works with is in the room that it is about. None is imported to say which
there are, and none imports jax before its arguments are sound.
"""

import importlib

from apt_jax.command import CONSOLE
from apt_jax.config import HELP
from apt_jax.errors import UserError, require_known

COMMANDS = {
    "train": "adapt CLIP to a few labelled photographs",
    "eval": "judge a finished run again",
    "predict": "label photographs with a finished run",
    "grid": "compare methods, numbers of shots and data sets",
    "study": "answer a question of the papers, by its name",
    "inspect": "look at your own photographs before training",
    "prepare": "download a data set of TFDS",
    "compare": "whether two runs or split files have the same images",
    "check": "say what a CLIP is, and prove it",
}
MODULES = {"eval": "evaluate"}  # of commands that are not called as their module is


def main(arguments: list[str]):
    return dispatch(arguments, "command", COMMANDS, "COMMAND", __name__)


def dispatch(arguments, what: str, table: dict[str, str], usage: str, package: str):
    """Runs what the first argument names, with the others; or lists what there is.

    Args:
        what: what the names of the `table` are.
        table: by name, what it does.
        usage: how it is called, after `CONSOLE`.
        package: where the modules are.

    Raises:
        UserError: if it names nothing that there is.
    """
    if arguments and arguments[0] in HELP:
        print(listed(what, table, f"{CONSOLE} {usage}"))
        return None
    if not arguments or arguments[0].startswith("-"):
        raise UserError(f"no {what} named; choose one of {', '.join(table)}")
    name, *rest = arguments
    require_known(what, name, table)
    return importlib.import_module(f"{package}.{MODULES.get(name, name)}").main(rest)


def listed(what, table, usage) -> str:
    """What there is, a line each."""
    width = max(map(len, table))
    return "\n".join(
        [
            f"{usage} [ARGUMENTS]",
            "",
            *(f"  {name:{width}}  {summary}" for name, summary in table.items()),
            "",
            f"{usage} --help tells of one {what}; --version prints the version",
        ]
    )
