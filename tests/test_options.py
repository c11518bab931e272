"""A message names arguments; at a command line it is told with its options."""

import ast
import inspect
import re

import pytest
from test_import_direction import ROOMS, modules
from toy import photo_folder, toy_folder

import apt_jax
from apt_jax import command, config, data, methods, options
from apt_jax.data.roots import note
from apt_jax.errors import UserError
from apt_jax.options import as_options

KNOW_OPTIONS = {"options", "usage", "command"}
BELOW = [room for room in ROOMS[: ROOMS.index("config")] if room not in KNOW_OPTIONS]


def texts(room):
    """Every string of a room, and where it stands; without docstrings."""
    for path in modules(room):
        tree = ast.parse(path.read_text())
        alone = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and id(node) not in alone:
                yield f"{path}:{node.lineno}", str(node.value)


@pytest.mark.parametrize("room", BELOW)
def test_below_the_commands_no_text_names_an_option(room):
    for path in modules(room):
        for option in ("--config", "--workdir", "--data_dir ", "--image"):
            assert option not in path.read_text(), f"{path}: name the argument"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("raise `views` or `shots`", "raise --config.augment.views or --config.shots"),
        ("set `cache_dir`=DIR", "set --config.features.cache_dir=DIR"),
        ("`train.epochs`=2 or more", "--config.train.epochs=2 or more"),
        ("other `method.*` values", "other --config.method.* values"),
        (
            "drop them with `on_error`=skip",
            "drop them with --config.data.on_error=skip",
        ),
        ("in another `checkpoints`", "in another --workdir"),
        ("the package `datasets`", "the package `datasets`"),
        ("`a.b` and views, `shots", "`a.b` and views, `shots"),
        ("lower --config.shots", "lower --config.shots"),
    ],
)
def test_arguments_become_options_and_all_else_stays(message, told):
    assert as_options(message) == told


def test_every_field_that_an_argument_stands_for_is_a_setting():
    of_data = {name for source in data.SOURCES for name in data.fields(source)}
    known = {*config.COMMON, *(f"data.{name}" for name in of_data), "method.name"}
    assert set(options.FIELDS.values()) <= known


def test_every_argument_of_a_fit_that_is_a_setting_has_its_option():
    of_memory = {"images", "labels", "descriptions", "groups", "train", "progress"}
    arguments = inspect.signature(apt_jax.fit).parameters
    assert arguments.keys() - of_memory <= options.OPTIONS.keys()


@pytest.mark.parametrize("room", BELOW)
def test_a_field_that_a_message_names_is_there(room):
    of_methods = {name for one in methods.METHODS for name in config.method_fields(one)}
    known = {f"method.{name}" for name in of_methods} | config.COMMON.keys()
    known |= {"method.*", "train.*"}
    for place, text in texts(room):
        assert set(re.findall(r"`(\w+\.[\w*]+)`", text)) <= known, place


def test_a_command_tells_errors_and_notes_with_its_options(capsys):
    def main(arguments):
        note("set `train.epochs`=2")
        raise UserError("lower `train.learning_rate`")

    assert command.run(main, []) == 2
    told = (
        "note: set --config.train.epochs=2\nerror: lower --config.train.learning_rate\n"
    )
    assert capsys.readouterr().err == told
    note("set `train.epochs`=2")
    assert capsys.readouterr().err == "note: set `train.epochs`=2\n"


def test_a_fit_names_its_own_arguments(tmp_path):
    photos = photo_folder(tmp_path)
    paths = sorted((photos / "train").rglob("*.png"))
    labels = [path.parent.name for path in paths]
    of_all = {"clip": str(toy_folder()), "cache_dir": "", "progress": False}
    method = {"name": "apt", "heads": 2}
    high = {"epochs": 3, "batch_size": 4, "learning_rate": 1e38}
    with pytest.raises(
        ValueError, match=r"lower `train\.learning_rate` \(it is 1e\+38"
    ):
        apt_jax.fit(paths, labels, method=method, train=high, views=1, **of_all)
    with pytest.raises(ValueError, match="raise `views` or `shots`"):
        apt_jax.fit(paths, labels, method="gda", views=0, shots=1, **of_all)
    paths[0].write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"not an image.*; fix them or leave them out"):
        apt_jax.fit(paths, labels, method=method, **of_all)
