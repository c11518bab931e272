"""Commands: exit statuses, one line for what the user can fix, light --help."""

import errno
import io
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


def test_what_the_user_can_fix_is_one_line_and_status_2(capsys):
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


def test_an_error_is_one_line_whatever_the_names_in_it_hold(capsys):
    error = UserError("no \x1b[31m\u202e[red] caf\udce9\r\n:dog:; name one")
    assert command.run(fails_with(error)) == 2
    expected = r"error: no \x1b[31m\u202e[red] caf\udce9 :dog:; name one"
    assert capsys.readouterr().err == f"{expected}\n"


def test_an_error_of_the_user_is_a_value_error():
    assert issubclass(UserError, ValueError)


def wrong_line(arguments):
    parser = command.Arguments("x", "what it is")
    parser.add_argument("--count", type=int)
    parser.add_argument("name")
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    "line", [[], ["a", "b"], ["a", "--count=x\ny"], ["a", "--no"], ["a", "--count"]]
)
def test_a_wrong_command_line_is_one_line_that_names_help(monkeypatch, capsys, line):
    monkeypatch.setattr(sys, "argv", ["x", *line])
    assert command.run(wrong_line) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.endswith("; python -m apt_jax x --help tells what there is\n")
    assert err.count("\n") == 1


def test_what_a_stream_cannot_encode_is_escaped(monkeypatch):
    streams = [io.TextIOWrapper(io.BytesIO(), "ascii") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])

    def main(arguments):
        print("é 🐶 \udce9")
        raise UserError("é 🐶")

    assert command.run(main) == 2
    for stream in streams:
        stream.flush()
    out, err = (stream.buffer.getvalue() for stream in streams)
    assert out == b"\\xe9 \\U0001f436 \\udce9\n"
    assert err == b"error: \\xe9 \\U0001f436\n"


def test_a_locale_that_cannot_spell_a_file_name_is_told(capsys):
    error = UnicodeEncodeError("ascii", "/photos/é", 8, 9, "ordinal not in range")
    assert command.run(fails_with(error)) == 2
    assert "this locale (ascii) cannot spell" in capsys.readouterr().err
    with pytest.raises(UnicodeEncodeError):  # but what UTF-8 lacks is our bug
        command.run(fails_with(UnicodeEncodeError("utf-8", "\udce9", 0, 1, "x")))


def test_a_full_disk_is_one_line_and_other_faults_of_the_system_are_bugs(
    monkeypatch, capsys
):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    full = OSError(errno.ENOSPC, "No space left on device", "/runs/x")
    assert command.run(fails_with(full)) == 2
    assert capsys.readouterr().err.startswith(
        "error: /runs/x: No space left on device; free some space"
    )
    with pytest.raises(OSError, match="odd"):
        command.run(fails_with(OSError(errno.ENOENT, "odd")))


def test_a_full_disk_behind_standard_output_is_one_line(request):
    program = (
        "from apt_jax import command\n"
        "raise SystemExit(command.run(lambda arguments: print('row\\n' * 9)))"
    )
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=request.config.rootpath,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: No space left on device; free some space")
    assert done.stderr.count("\n") == 1


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
