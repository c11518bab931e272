"""Imports point down: a room knows only the rooms that stand above it in this list.

A command, a module that is run with -m, may know all of them and is known by none.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from apt_jax.methods import METHODS

PACKAGE = Path(__file__).parents[1] / "apt_jax"
ROOMS = [
    "names",
    "words",
    "errors",
    "fields",
    "files",
    "lock",
    "progress",
    "usage",
    "command",
    "finite",
    "tables",
    "metrics",
    "data",
    "clip",
    "features",
    "methods",
    "uncertainty",
    "training",
    "evaluation",
    "report",
    "config",
    "workdir",
    "preparation",
    "planning",
    "record",
    "restore",
    "experiment",
    "classifier",
    "grid",
    "studies",
    "commands",
]
# Commands that stand beside what they are about, in a room that knows less than they do.
COMMANDS = ["data/compare.py", "data/prepare.py"]
LIGHT = [
    "apt_jax",
    "names",
    "words",
    "errors",
    "fields",
    "files",
    "lock",
    "progress",
    "usage",
    "command",
    "tables",
    "config",
    "metrics",
    "data",
    "clip.check",
    "commands.evaluate",
    "commands.grid",
    "commands.inspect",
    "commands.predict",
    "commands.pretrain",
    "commands.study",
    "commands.train",
    "data.compare",
    "data.prepare",
    "report.recipes",
    "studies.controlled",
    "studies.follow",
    "studies.variance",
    "workdir",
]


def modules(room):
    found = [*PACKAGE.glob(f"{room}.py"), *PACKAGE.glob(f"{room}/**/*.py")]
    return [path for path in found if path not in map(PACKAGE.joinpath, COMMANDS)]


def imported_names(path):
    """What a file imports, in full, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by full name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from names


def imported_rooms(path):
    """The rooms that a file imports from."""
    for name in imported_names(path):
        parts = name.split(".")
        if parts[0] == "apt_jax" and len(parts) > 1:
            yield parts[1]


def test_every_room_is_in_the_list():
    found = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    found |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert found == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_itself_and_those_above(room):
    allowed = ROOMS[: ROOMS.index(room) + 1]
    for path in modules(room):
        for other in imported_rooms(path):
            # config looks a method's fields up, late, when a run is configured
            assert other in allowed, (
                f"{path}: move what it needs of {other} up the list"
            )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_can_be_run_and_nothing_imports_it(command):
    text = (PACKAGE / command).read_text()
    assert "def main(" in text
    assert '__name__ == "__main__"' in text
    name = f"apt_jax.{command.removesuffix('.py').replace('/', '.')}"
    for path in PACKAGE.rglob("*.py"):
        for other in imported_names(path):
            assert not f"{other}.".startswith(f"{name}."), (
                f"{path}: move what it needs of {name} into a room"
            )


def test_one_method_never_imports_another():
    names = {method.__module__.split(".")[-1] for method in METHODS.values()}
    for name in names:
        for node in ast.walk(ast.parse((PACKAGE / f"methods/{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                other = node.module.removeprefix("apt_jax.methods.")
                assert other not in names, f"{name} imports {other}"


@pytest.mark.parametrize("room", LIGHT)
def test_light_rooms_import_nothing_heavy(room):
    name = "apt_jax" if room == "apt_jax" else f"apt_jax.{room}"
    program = (
        f"import sys, {name}\n"
        "heavy = {'jax', 'flax', 'transformers', 'matplotlib', 'orbax'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
