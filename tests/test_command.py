"""Commands: exit statuses, one line for what the user can mend, light --help."""

import subprocess
import sys

import pytest

from apt_jax import command, errors
from apt_jax.errors import UserError


def fails_with(error):
    def main(arguments):
        raise error

    return main


@pytest.fixture(autouse=True)
def _arguments(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["command"])


def test_what_the_user_can_mend_is_one_line_and_status_2(capsys):
    assert command.run(fails_with(UserError("no root;\n  name one"))) == 2
    assert capsys.readouterr().err == "error: no root; name one\n"


def test_an_error_without_words_says_its_type():
    assert errors.one_line(OSError("a\n  b")) == "a b"
    assert errors.one_line(OSError()) == "OSError"
    assert errors.with_type(OSError("a\n  b")) == "OSError: a b"
    assert errors.with_type(OSError()) == "OSError"


def test_an_interruption_says_how_to_go_on_and_is_status_130(capsys):
    assert command.run(fails_with(KeyboardInterrupt())) == 130
    assert "the same command again" in capsys.readouterr().err


def test_our_own_bugs_show_their_traceback():
    with pytest.raises(ZeroDivisionError):
        command.run(fails_with(ZeroDivisionError()))


def test_success_is_0_and_a_status_of_its_own_is_kept():
    assert command.run(lambda arguments: None) == 0
    assert command.run(lambda arguments: 1) == 1


def run(root, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("script", ["train.py", "eval.py"])
def test_help_needs_nothing_heavy(request, script):
    heavy = (
        "jax",
        "flax",
        "transformers",
        "orbax",
        "matplotlib",
        "tensorflow_datasets",
    )
    program = (
        "import sys, runpy\n"
        f"sys.argv = ['{script}', '--help']\n"
        f"try: runpy.run_path('{script}', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"loaded = [name for name in {heavy} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    found = run(request.config.rootpath, "-c", program)
    assert found.returncode == 0, found.stderr
    assert f"python {script}" in found.stdout


def test_help_with_a_configuration_lists_all_its_fields(request):
    quickstart = ["--config", "configs/quickstart.py", "--help"]
    found = run(request.config.rootpath, "train.py", *quickstart)
    assert found.returncode == 0, found.stderr
    for field in ("data.variance", "method.drop_attn", "augment.area", "eval.samples"):
        assert f"  {field} " in found.stdout


def test_a_wrong_command_line_leaves_with_status_2_and_one_line(request):
    found = run(request.config.rootpath, "train.py", "--config", "configs/none.py")
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.startswith("error: no configuration file configs/none.py")
    assert found.stderr.count("\n") == 1


def test_help_with_a_method_lists_the_fields_of_that_method(request):
    from apt_jax import config

    folder = str(request.config.rootpath / "configs/folder.py")
    text = config.help_text("", ["--config", folder, "--config.method.name=coop"])
    assert "method.context_length" in text
    assert "method.heads" not in text
