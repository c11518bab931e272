"""Text is UTF-8 wherever it is read or written, whatever the locale of the machine."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("apt_jax", "configs", "benchmarks")
FILES = [
    *(ROOT / name for name in ("train.py", "eval.py")),
    *(path for room in ROOMS for path in (ROOT / room).rglob("*.py")),
]
MODE = re.compile("[rwax][bt+]*")


def of_the_locale(source: str) -> list[int]:
    """Lines with a call that reads or writes text without saying in which encoding."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return sorted(call.lineno for call in calls if _is_of_the_locale(call))


def _is_of_the_locale(call):
    said = {word.arg: word.value for word in call.keywords}
    if "encoding" in said:
        return False
    texts = [said.get(name) for name in ("text", "universal_newlines")]
    if any(isinstance(value, ast.Constant) and value.value for value in texts):
        return True  # of a subprocess
    name = call.func.attr if isinstance(call.func, ast.Attribute) else None
    if name in ("read_text", "write_text"):  # of a Path; ours name a file
        return len(call.args) < (1 if name == "read_text" else 2)
    if isinstance(call.func, ast.Name) and call.func.id == "open":
        return _is_text(said.get("mode"), call.args[1:2], otherwise="r")
    if name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile"):
        return _is_text(said.get("mode"), call.args[:2], otherwise="b")
    return False


def _is_text(mode, places, otherwise):
    """Whether the mode, by name or in one of the places, is one of text."""
    nodes = [node for one in (mode, *places) if one for node in ast.walk(one)]
    words = [node.value for node in nodes if isinstance(node, ast.Constant)]
    modes = [word for word in words if isinstance(word, str) and MODE.fullmatch(word)]
    return "b" not in (modes[0] if modes else otherwise)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_file_is_read_and_written_as_utf_8(path):
    assert not of_the_locale(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "line",
    [
        "path.read_text()",
        "path.read_text(errors='replace')",
        "path.write_text(text)",
        "open(path)",
        "open(path, 'a', newline='')",
        "open(path, mode='w')",
        "path.open('w')",
        "io.open(path, 'r')",
        "gzip.open(path, 'rt')",
        "os.fdopen(descriptor, 'w')",
        "tempfile.NamedTemporaryFile('w')",
        "subprocess.run(command, text=True)",
    ],
)
def test_a_call_without_an_encoding_is_found(line):
    assert of_the_locale(f"import os\n{line}\n") == [2]


@pytest.mark.parametrize(
    "line",
    [
        "path.read_text(encoding='utf-8')",
        "path.read_text('utf-8')",
        "workdir.read_text('config.json')",
        "files.write_text(path, text)",
        "open(path, 'rb')",
        "open(path, 'ab' if done else 'wb')",
        "open(path, encoding='utf-8')",
        "Image.open(path)",
        "archive.open('imgs.npy')",
        "os.open(path, os.O_RDWR)",
        "tarfile.open(fileobj=file)",
        "subprocess.run(command, encoding='utf-8')",
    ],
)
def test_bytes_and_calls_that_name_an_encoding_are_let_be(line):
    assert of_the_locale(line) == []
