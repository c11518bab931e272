"""Imports point down: a room knows only the rooms that stand above it in this list."""

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
    "places",
    "progress",
    "options",
    "usage",
    "arguments",
    "command",
    "finite",
    "keys",
    "tables",
    "provenance",
    "metrics",
    "data",
    "clip",
    "features",
    "methods",
    "training",
    "uncertainty",
    "evaluation",
    "planning",
    "classifier",
    "report",
    "config",
    "runs",
    "grid",
    "studies",
    "commands",
]
COMMANDS = sorted((PACKAGE / "commands").rglob("*.py"))


def modules(room):
    return [*PACKAGE.glob(f"{room}.py"), *PACKAGE.glob(f"{room}/**/*.py")]


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
            assert other in allowed, (
                f"{path}: move what it needs of {other} up the list"
            )


def test_only_the_console_can_be_run():
    runnable = [p for p in PACKAGE.rglob("*.py") if "__main__" in p.read_text()]
    assert runnable == [PACKAGE / "__main__.py"]


def test_one_method_never_imports_another():
    names = {method.__module__.split(".")[-1] for method in METHODS.values()}
    for name in names:
        for node in ast.walk(ast.parse((PACKAGE / f"methods/{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                other = node.module.removeprefix("apt_jax.methods.")
                assert other not in names, f"{name} imports {other}"


def callers(module, function):
    """The files that call a module's function, under whatever name they have it."""
    full, found = f"apt_jax.{module}.{function}", set()
    for path in PACKAGE.rglob("*.py"):
        tree, names = ast.parse(path.read_text()), {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                names |= {
                    alias.asname or alias.name: f"{node.module}.{alias.name}"
                    for alias in node.names
                }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name, *rest = ast.unparse(node.func).split(".")
                if ".".join([names.get(name, name), *rest]) == full:
                    found.add(path.relative_to(PACKAGE).as_posix())
    return found


def test_train_then_evaluate_is_written_once():
    """A run, a grid and a classifier each call it where they fit, and nobody else does."""
    assert callers("training.loop", "train") == {"training/fit.py"}
    fitting = {"classifier/fitting.py", "grid/search.py", "runs/story.py"}
    assert callers("training.fit", "fit") == fitting
    assert callers("training.fit", "fit_seeds") == {"grid/work.py"}
    assert callers("evaluation", "evaluations") == {"runs/parts.py"}
    judging = {"classifier/classifier.py", "grid/search.py"}
    assert callers("evaluation", "evaluate") == judging


@pytest.mark.parametrize("path", [PACKAGE, *COMMANDS], ids=lambda path: path.stem)
def test_the_package_and_its_commands_import_nothing_heavy(path):
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    program = (
        f"import sys, {name.removesuffix('.__init__')}\n"
        "heavy = {'jax', 'flax', 'transformers', 'matplotlib', 'orbax'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
