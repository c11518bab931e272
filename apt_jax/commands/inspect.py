"""Looks at somebody's own photographs before anyone trains.

    python -m apt_jax inspect ROOT [--config PATH] [--config.FIELD=VALUE ...]
        [--out SHEET.png] [--format=table|json]

ROOT is what train.py reads with configs/folder.py: a folder of photographs
(ROOT/train/CLASS/* and ROOT/test/CLASS/*, or ROOT/CLASS/*), a table of them (CSV or
Parquet: path,label[,split]), or a set of the Hugging Face hub (hf:NAME). Tells of classes
and counts, sizes and formats, files that cannot be read, are turned or copies of others,
names that CLIP reads badly, and what the next command would do and cost. --out draws a
contact sheet. All faults are told, and nothing is written into a folder of photographs.
What a file looks like is remembered in the feature cache.

Exit status 0 if one can train, 2 if train.py would refuse.
"""

import os
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

from apt_jax import command, config
from apt_jax.data import own
from apt_jax.errors import UserError, one_line, require_known
from apt_jax.files import json_text, write_bytes
from apt_jax.options import as_options
from apt_jax.report.survey import text
from apt_jax.words import counted

STANDARD = "configs/folder.py"
FORMATS = ("table", "json")
OPTIONS = ("config", "out", "format")


class Asked(NamedTuple):
    """What the command line asks for."""

    root: str
    config: str  # a path
    fields: list[tuple[str, str]]
    out: Path | None
    format: str


def main(arguments: list[str]) -> int:
    if config.wants_help(arguments):
        print(config.help_text(__doc__, apart(arguments)[1], OPTIONS))
        return 0
    asked = read(arguments)
    settings = settings_of(asked)
    from apt_jax.runs import survey  # heavy: not before the settings are sound

    memory = memory_of(settings, asked.root)
    report, found = survey.report_on(settings, next_command(asked), memory)
    if asked.out is not None:
        report |= draw(asked.out, report, found)
    if asked.format == "json":
        print(json_text(report, command.encoding()), end="")
    else:
        print(as_options(text(report)))
    if not report["refused"]:
        return 0
    print(f"error: {one_line(' | '.join(report['refused']))}", file=sys.stderr)
    return 2


def apart(arguments) -> tuple[list[str], list[str]]:
    """The roots of a command line, and its options with their values."""
    roots, options, rest = [], [], list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-"):
            roots.append(argument)
            continue
        options.append(argument)
        if "=" not in argument and argument not in config.HELP and rest:
            options.append(rest.pop(0))
    return roots, options


def read(arguments) -> Asked:
    """The command line taken apart; raises `UserError`."""
    roots, options = apart(arguments)
    given = config.take_apart(options, OPTIONS)
    if len(roots) != 1:
        raise UserError(
            f"{counted(len(roots), 'root')} named; name one: python -m "
            "apt_jax inspect ROOT"
        )
    root, out = roots[0], given.named.get("out")
    form = given.named.get("format", FORMATS[0])
    require_known("--format", form, FORMATS)
    if out is not None:
        require_outside(root, out)
    path = given.named.get("config", STANDARD)
    return Asked(root, path, given.fields, out and Path(out), form)


def require_outside(root, out):
    """Refuses a contact sheet that is no PNG, or inside the folder of photographs."""
    if not out.lower().endswith(".png"):
        raise UserError(f"--out={out} is no PNG; name a file that ends in .png")
    if is_inside(root, Path(out)):
        raise UserError(
            f"--out={out} lies in {root}, where nothing is written; name a place outside"
        )


def is_inside(root, path: Path) -> bool:
    """Whether a path lies in a folder of photographs, be it one in the hub's layout."""
    folder = Path(root.removeprefix(own.hub.PREFIX)).expanduser()
    place = os.path.realpath(path.expanduser())
    return Path(place).is_relative_to(os.path.realpath(folder))


def settings_of(asked):
    """The configuration that train.py would get; without a file of it, the defaults."""
    is_absent = asked.config == STANDARD and not Path(STANDARD).is_file()
    settings = config.default() if is_absent else config.load(asked.config)
    config.change(settings, [*asked.fields, ("data.root", asked.root)])
    if settings.data.source not in own.KINDS:
        raise UserError(
            f"data.source={settings.data.source}: looked at are your own photographs "
            f"({', '.join(own.KINDS)}); name another --config"
        )
    return settings


def memory_of(settings, root) -> Path | None:
    """Where looks are remembered; nowhere if that is in the folder itself."""
    from apt_jax.features.cache import known_good_file

    memory = known_good_file(settings.features.cache_dir)
    return None if memory is None or is_inside(root, memory) else memory


def next_command(asked) -> str:
    """The command that trains on what was looked at."""
    fields = [f"--config.{name}={value}" for name, value in asked.fields]
    parts = ["--config", asked.config, f"--config.data.root={asked.root}", *fields]
    return shlex.join(["python", "train.py", *parts])


def draw(out: Path, report, found) -> dict:
    """Writes the contact sheet, page by page; the entries of the report that tell of it."""
    from apt_jax.report import contact_sheet

    paths, pictures = [], pictures_of(report["root"], found)
    for number, page in enumerate(contact_sheet.pages(report, found), 1):
        name = out.name if number == 1 else f"{out.stem}-{number}{out.suffix}"
        path = out.with_name(name)
        if os.path.realpath(path) in pictures:
            raise UserError(
                f"--out={path} is one of the photographs; name another place"
            )
        write_bytes(path, page)
        paths.append(str(path))
    left_out = len(report["classes"]) - len(contact_sheet.drawn_classes(report))
    return {"sheets": paths, "classes_not_drawn": left_out}


def pictures_of(root, found) -> set[str]:
    """The files that a table lists; of other roots none, where `require_outside` holds."""
    if not own.table.is_table(root):
        return set()
    folder = Path(root).expanduser().parent
    return {os.path.realpath(folder / item.path) for item in found.items}
