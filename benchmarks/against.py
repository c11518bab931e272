"""Whether small runs of every kind come out as they did at another commit.

    python -m benchmarks.against COMMIT [--only=NAME,...] [--keep DIR]

Each command of `benchmarks.cases` runs twice, side by side: with the code of COMMIT, in a
git worktree that is removed in the end, and with that of this checkout as it stands. Both
read the same files, on the CPU, in float32, without any cache. A row a case tells

- how many files and values were compared, and whether all are equal to the bit; if not,
  the largest difference of a probability and of a figure (as a share of it above 1);
- how many labels changed;
- fields and files that only one of them has, below the table, with all that is wrong.

The exit status is 1 if a label or a text changed, a probability differs by more than 1e-6
or a figure by more than 1e-5, a row or a file is gone, or a command fails, and 0 otherwise.
--keep leaves data and results in DIR/data, DIR/before and DIR/after.

The compiler optimises as little as it can, which saves a third of the time; set XLA_FLAGS,
empty for JAX's own, to compile otherwise. About eight minutes on two free cores.
"""

import argparse
import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jax

from benchmarks.cases import CASES, make_data
from benchmarks.compared import Comparison, compare
from benchmarks.heading import heading

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "train": ("train.py",),
    "eval": ("eval.py",),
    **{name: ("-m", "apt_jax", name) for name in ("predict", "grid", "study")},
}
FAST = "--xla_backend_optimization_level=0"
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    "HF_HUB_OFFLINE": "1",
    "XLA_FLAGS": os.environ.get("XLA_FLAGS", FAST),
}
COLUMNS = ("case", "files", "values", "probabilities", "figures", "labels", "")
SHOWN = 10  # of the faults, and of what came or went, of a case


def main(argv) -> int:
    options = parsed(argv)
    jax.config.update("jax_platforms", "cpu")
    options.commit = git("rev-parse", "--verify", f"{options.commit}^{{commit}}")
    print(heading(options), end="\n\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    found = {}
    with place(options.keep) as folder, worktree(options.commit) as checkout:
        make_data(folder / "data")
        checkouts = {"before": checkout, "after": ROOT}
        for name in options.only or CASES:
            found[name] = run_case(name, checkouts, folder)
            print(f"| {' | '.join(row(name, found[name]))} |", flush=True)
    print("", *notes(found), sep="\n")
    return int(any(of_case.faults for of_case in found.values()))


def parsed(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("commit", help="what this checkout is compared with")
    parser.add_argument("--only", type=known_cases, metavar="NAME,...")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="a new folder")
    options = parser.parse_args(argv)
    if options.keep and options.keep.exists():
        parser.error(f"{options.keep} is there already; name a new folder with --keep")
    return options


def known_cases(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in CASES]:
        raise argparse.ArgumentTypeError(
            f"no case {', '.join(unknown)}; choose among {', '.join(CASES)}"
        )
    return names


def git(*arguments) -> str:
    found = subprocess.run(
        ["git", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    if found.returncode:
        sys.exit(2)  # git has said why
    return found.stdout.strip()


@contextlib.contextmanager
def place(keep: Path | None):
    """A folder for data and results: `keep`, which stays, or one that goes."""
    if keep:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextlib.contextmanager
def worktree(commit: str):
    """A checkout of a commit beside this one; gone afterwards, whatever happened."""
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder, "checkout")
        try:
            git("worktree", "add", "--quiet", "--detach", str(checkout), commit)
            yield checkout
        finally:
            git("worktree", "remove", "--force", str(checkout))


def run_case(name: str, checkouts: dict[str, Path], folder: Path) -> Comparison:
    """What the case left with each checkout, compared; its first failure ends it."""
    outs = {side: folder / side / name for side in checkouts}
    for out in outs.values():
        out.mkdir(parents=True)
    failures = []
    for command in CASES[name]:
        failures = run_both(command, checkouts, outs, folder / "data")
        if failures:
            break
    found = compare(outs["before"], outs["after"])
    found.faults[:0] = failures
    if not failures and not found.files:
        found.faults.append("nothing to compare")
    return found


def run_both(command: str, checkouts, outs, data: Path) -> list[str]:
    """Runs a command with both checkouts at once; returns who failed, and of what."""
    if command.startswith("copy "):
        for out in outs.values():
            _, source, target = arguments(command, out, data)
            shutil.copytree(source, target)
        return []
    running = {}
    try:
        for side, checkout in checkouts.items():
            running[side] = start(command, checkout, outs[side], data)
        statuses = {side: process.wait() for side, process in running.items()}
    finally:
        for process in running.values():
            process.terminate()  # nothing happens to those that ended
            process.wait()
    return [
        f"{side}: `{command.split()[0]}` ended with status {status}: {told(outs[side])}"
        for side, status in statuses.items()
        if status
    ]


def start(command, checkout, out, data) -> subprocess.Popen:
    """A command as a process of its own, with the code of a checkout."""
    name, *rest = arguments(command, out, data)
    environment = os.environ | ENVIRONMENT
    environment["PYTHONPATH"] = os.pathsep.join([str(checkout), str(data / "site")])
    with open(out / "stdout", "ab") as printed, open(out / "stderr", "ab") as errors:
        return subprocess.Popen(
            [sys.executable, *COMMANDS[name], *rest],
            cwd=checkout,
            env=environment,
            stdout=printed,
            stderr=errors,
        )


def arguments(command: str, out: Path, data: Path) -> list[str]:
    """The words of a command, its folders put in."""
    folders = {"OUT": str(out), "DATA": str(data)}
    return [
        re.sub(r"\b(OUT|DATA)\b", lambda found: folders[found[0]], word)
        for word in shlex.split(command)
    ]


def told(out: Path) -> str:
    """The last line of what went wrong; bars end in carriage returns."""
    text = (out / "stderr").read_text(encoding="utf-8", errors="replace")
    return re.split(r"[\r\n]+", text.strip())[-1]


def row(name: str, found: Comparison) -> list[str]:
    """A case's row of the table."""
    if found.unequal:
        apart = [f"{found.probability:.1e}", f"{found.figure:.1e}"]
    else:
        apart = ["equal to the bit" if found.values else ""] * 2
    labels = f"{found.labels} changed" if found.labels else "the same"
    counted = [f"{found.files}", f"{found.values}"]
    return [name, *counted, *apart, labels, "DIFFERS" if found.faults else "ok"]


def notes(found: dict[str, Comparison]):
    """What is wrong, what came and what is gone, a line each."""
    for name, of_case in found.items():
        for what in ("faults", "added", "gone"):
            lines = getattr(of_case, what)
            lines = lines if what == "faults" else sorted(lines)
            yield from (f"{name}: {what}: {line}" for line in lines[:SHOWN])
            if len(lines) > SHOWN:
                yield f"{name}: {what}: {len(lines) - SHOWN} more"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
