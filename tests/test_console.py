"""The console: python -m apt_jax COMMAND, one line for what is wrong, light --help."""

import os
import re
import subprocess
import sys

import pytest

from apt_jax import __version__, command, commands
from apt_jax.commands import study
from apt_jax.errors import did_you_mean, nearest, require_known

HEAVY = ("jax", "flax", "transformers", "orbax", "matplotlib", "tensorflow_datasets")
SCRIPTS = {"train.py": "train", "eval.py": "eval"}
# What can be run, as the arguments of python.
ALL = [
    *([script] for script in SCRIPTS),
    ["-m", "apt_jax"],
    *(["-m", "apt_jax", name] for name in commands.COMMANDS),
    *(["-m", "apt_jax", "study", name] for name in study.STUDIES),
]


def run(request, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=request.config.rootpath,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )


def called(capsys, *arguments):
    """Exit status, standard output and error of a command of the console."""
    try:
        status = command.run(commands.main, list(arguments))
    except SystemExit as end:
        status = end.code
    return status, *capsys.readouterr()


def is_one_line(text):
    return text.startswith("error: ") and text.endswith("\n") and text.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("asked", ALL, ids=" ".join)
def test_nothing_asked_is_status_2_and_one_line_that_names_the_fix(request, asked):
    found = run(request, *asked)
    assert (found.returncode, found.stdout) == (2, "")
    assert is_one_line(found.stderr)
    assert "; " in found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("asked", ALL, ids=" ".join)
def test_help_and_version_import_nothing_heavy(request, asked):
    kind, *rest = asked if asked[0] == "-m" else ("script", *asked)
    start = "run_module" if kind == "-m" else "run_path"
    name, *arguments = rest
    program = (
        "import runpy, sys\n"
        f"sys.argv = [{name!r}, *{arguments!r}, sys.argv[1]]\n"
        f"try: runpy.{start}({name!r}, run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"loaded = [name for name in {HEAVY} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    asked_for_help = run(request, "-c", program, "--help")
    assert asked_for_help.returncode == 0, asked_for_help.stderr
    assert "python" in asked_for_help.stdout
    asked_for_version = run(request, "-c", program, "--version")
    assert asked_for_version.stdout == f"apt_jax {__version__}\n"
    assert asked_for_version.returncode == 0


def test_the_console_lists_its_commands_and_studies(capsys):
    status, out, _ = called(capsys, "--help")
    assert status == 0
    width = max(map(len, commands.COMMANDS))
    for name, summary in commands.COMMANDS.items():
        assert f"  {name:{width}}  {summary}" in out
    status, out, _ = called(capsys, "study", "--help")
    assert (status, all(name in out for name in study.STUDIES)) == (0, True)
    status, out, err = called(capsys)
    assert (status, out) == (2, "")
    assert ", ".join(commands.COMMANDS) in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("trian", "unknown command 'trian'; did you mean train?"),
        ("Train", "unknown command 'Train'; did you mean train?"),
        ("xyzzy", "unknown command 'xyzzy'; choose one of train, eval"),
        ("--config x", "no command named; choose one of train, eval"),
        ("study varience", "unknown study 'varience'; did you mean variance?"),
        ("study variance --confg x", "unknown option --confg; did you mean --config?"),
        ("study variance --config configs/quickstart.py", "has no study.split, "),
        (
            "study controlled --config configs/studies/variance.py",
            "has no study.levels",
        ),
        ("train --config configs/quikstart.py", "did you mean configs/quickstart.py?"),
        ("train --config README.md", "it must define get_config"),
        ("train --config configs/studies/few_shot.py", "python -m apt_jax grid"),
        ("train --config configs/vtab.py:svhm", "no task 'svhm'; did you mean svhn?"),
        ("train --hlep", "unknown option --hlep; did you mean --help?"),
        ("grid --config configs/folder.py --workdir x", "is no study"),
        (
            "predict x --workdir y --fromat=json",
            "'--fromat=json'; did you mean --format?",
        ),
        ("predict x --workdir y --format=jsn", "did you mean json?"),
        ("predict x --workdir y --format", "--format: expected one argument; "),
        ("predict x", "required: --workdir; "),
        ("compare a", "required: B; "),
        ("compare a b --format=tabel", "did you mean table?"),
        ("prepare a b", "unknown argument 'b'; "),
        ("check", "required: NAME_OR_FOLDER; "),
        ("check tiny --dtype=float23", "did you mean float32?"),
        ("check tiny --dtyp=float32", "did you mean --dtype?"),
        ("inspect", "0 roots named; name one"),
        ("inspect . --format=jsn", "did you mean json?"),
        ("inspect . --formt=json", "did you mean --format?"),
        ("eval --workdir x --config.eval.sampels=3", "did you mean eval.samples?"),
    ],
)
def test_what_is_wrong_with_a_command_line_is_one_line(
    capsys, monkeypatch, request, line, said
):
    monkeypatch.chdir(request.config.rootpath)
    status, out, err = called(capsys, *line.split())
    assert (status, out) == (2, "")
    assert is_one_line(err)
    assert said in err


@pytest.mark.parametrize("place", ["README.md", "docs", "configs", "apt_jax", "tests"])
def test_commands_have_one_spelling(request, place):
    place = request.config.rootpath / place
    files = [place] if place.is_file() else [*place.rglob("*.py"), *place.rglob("*.md")]
    assert files
    for path in files:
        older = re.search(r"-m\W+apt_jax\.\w+", path.read_text())
        assert older is None, f"{path}: write python -m apt_jax COMMAND"


def test_one_helper_names_what_was_probably_meant():
    assert nearest("APT", ["vpt", "apt"]) == "apt"
    assert nearest("xyz", ["vpt", "apt"]) is None
    assert did_you_mean("atp", ["apt"]) == "did you mean apt?"
    assert did_you_mean("xyz", ["vpt", "apt"]) == "choose one of vpt, apt"
    require_known("method", "apt", ["apt"])


def test_a_study_refuses_unknown_rivals_before_anything_is_written(
    capsys, monkeypatch, request, tmp_path
):
    monkeypatch.chdir(request.config.rootpath)
    status, _, err = called(
        capsys,
        *("study", "controlled", "--config=configs/studies/controlled_variance.py"),
        *("--config.study.rivals=coup", f"--workdir={tmp_path / 'run'}"),
    )
    assert (status, is_one_line(err)) == (2, True)
    assert "unknown method 'coup'; did you mean coop?" in err
    assert not (tmp_path / "run").exists()
