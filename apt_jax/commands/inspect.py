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
from apt_jax.data.dataset import SPLITS
from apt_jax.errors import UserError, did_you_mean, one_line
from apt_jax.files import json_text
from apt_jax.names import printable
from apt_jax.words import counted

STANDARD = "configs/folder.py"
FORMATS = ("table", "json")
OPTIONS = ("config", "out", "format")
MOST_PAGES = 10  # of a contact sheet


class Asked(NamedTuple):
    """What the command line asks for."""

    root: str
    config: str  # a path
    fields: list[tuple[str, str]]
    out: Path | None
    format: str


def main(argv):
    if config.wants_help(argv):
        print(config.help_text(__doc__, apart(argv)[1], OPTIONS))
        return 0
    asked = read(argv)
    settings = settings_of(asked)
    report = inspect(asked, settings)
    if asked.format == "json":
        print(json_text(report, command.encoding()), end="")
    else:
        from apt_jax.report.survey import text

        print(text(report))
    if not report["refused"]:
        return 0
    print(f"error: {one_line(' | '.join(report['refused']))}", file=sys.stderr)
    return 2


def apart(argv) -> tuple[list[str], list[str]]:
    """The roots of a command line, and its options with their values."""
    roots, options, rest = [], [], list(argv)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-"):
            roots.append(argument)
            continue
        options.append(argument)
        if "=" not in argument and argument not in config.HELP and rest:
            options.append(rest.pop(0))
    return roots, options


def read(argv) -> Asked:
    """The command line taken apart; raises `UserError`."""
    roots, options = apart(argv)
    given = config.take_apart(options, OPTIONS)
    if len(roots) != 1:
        raise UserError(
            f"{counted(len(roots), 'root')} named; name one: python -m "
            "apt_jax inspect ROOT"
        )
    root, out = roots[0], given.named.get("out")
    form = given.named.get("format", FORMATS[0])
    if form not in FORMATS:
        raise UserError(f"unknown --format={form}; {did_you_mean(form, FORMATS)}")
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


def inspect(asked, settings) -> dict:
    """The report: facts, refusals, plan; all of it JSON."""
    from ml_collections import ConfigDict

    from apt_jax.data.own import survey
    from apt_jax.data.own.looks import look_at
    from apt_jax.methods import make
    from apt_jax.planning import forecast
    from apt_jax.preparation import hyper_parameters

    found = own.find(ConfigDict(settings.data.to_dict() | {"on_error": "skip"}))
    looks, faults = look_at(found.read, found.items, memory_of(settings, asked.root))
    copies = survey.copies(found, looks)
    if not found.is_drawn and settings.data.group == "auto":
        settings.data.group = "none"  # nothing is grouped, and what to say is below
    method = make(settings.method.name, **hyper_parameters(settings))
    clip, no_clip = backbone(settings)
    judged = forecast.judged(settings, method, clip, looks, faults)
    rows = survey.classes(found, looks, judged.dataset)
    report = {
        "root": asked.root,
        "name": settings.data.name or found.name,
        "source": found.layout,
        "layout": "drawn" if found.is_drawn else "given",
        "classes": rows,
        "imbalance": survey.imbalance(rows),
        "files": survey.files(looks, faults),
        "copies": copies,
        "names": odd_names(rows, clip),
        "no_backbone": no_clip,
        "notes": [*judged.notes, *survey.advice(rows, copies)],
        "refused": judged.refused,
        "next": None,
        "sheets": [],
        "classes_not_drawn": 0,
    }
    if clip is not None:
        side = clip.pixels.size
        report["small"] = {"side": side, "images": survey.smaller_than(looks, side)}
    if judged.dataset is not None:
        hashes = {path: look.sha256 for path, look in looks.items()}
        plan = forecast.planned(settings, method, clip, judged.dataset, hashes)
        report["next"] = {"command": next_command(asked)} | plan
    if asked.out is not None:
        report |= drawn(asked.out, report, found)
    return report


def memory_of(settings, root) -> Path | None:
    """Where looks are remembered; nowhere if that is in the folder itself."""
    from apt_jax.features.cache import known_good_file

    memory = known_good_file(settings.features.cache_dir)
    return None if memory is None or is_inside(root, memory) else memory


def backbone(settings):
    """(the configured CLIP, "") or (None, why it cannot be had)."""
    from apt_jax.preparation import load_clip

    try:
        return load_clip(settings), ""
    except UserError as error:
        return None, str(error)


def odd_names(rows, clip) -> list[dict]:
    """Class names that CLIP reads badly, why, and a better one where one shows."""
    from apt_jax.data.own.legibility import better, oddities

    pieces, read = None, lambda text: text.casefold().split()
    if clip is not None and clip.tokenizer is not None:

        def read(text):
            ids, end = clip.tokenizer.encode([text])
            return ids[0, 1 : end[0]].tolist()  # without the start token

        def pieces(word):
            return len(read(word))

    return [
        {"name": row["name"], "odd": odd, "better": better(row["name"], read)}
        for row in rows
        if (odd := oddities(row["name"], pieces))
    ]


def next_command(asked) -> str:
    """The command that trains on what was looked at."""
    fields = [f"--config.{name}={value}" for name, value in asked.fields]
    parts = ["--config", asked.config, f"--config.data.root={asked.root}", *fields]
    return shlex.join(["python", "train.py", *parts])


def drawn(out, report, found) -> dict:
    """Draws the contact sheet, page by page; the entries of the report that tell of it."""
    from apt_jax.files import write_bytes
    from apt_jax.report import contact_sheet

    most = MOST_PAGES * contact_sheet.ROWS
    rows = report["classes"][:most]
    images = sum(row["images"] for row in report["classes"])
    marked = marked_paths(report["copies"])
    pages = contact_sheet.pages(
        report["name"],
        f"{counted(images, 'image')} of "
        f"{counted(len(report['classes']), 'class', 'classes')}",
        contact_sheet.LEGEND + contact_sheet.OF_MARKS * bool(marked),
        sheet_rows(rows, found, report["files"]["unreadable"], marked),
        len(rows),
    )
    paths, pictures = [], pictures_of(report["root"], found)
    for number, page in enumerate(pages, 1):
        name = out.name if number == 1 else f"{out.stem}-{number}{out.suffix}"
        path = out.with_name(name)
        if os.path.realpath(path) in pictures:
            raise UserError(
                f"--out={path} is one of the photographs; name another place"
            )
        write_bytes(path, page)
        paths.append(str(path))
    return {"sheets": paths, "classes_not_drawn": len(report["classes"]) - len(rows)}


def pictures_of(root, found) -> set[str]:
    """The files that a table lists; of other roots none, where `require_outside` holds."""
    if not own.table.is_table(root):
        return set()
    folder = Path(root).expanduser().parent
    return {os.path.realpath(folder / item.path) for item in found.items}


def marked_paths(copies) -> set[str]:
    """Pictures that are there more than once."""
    groups = [*copies["same bytes"], *copies["near copies"]]
    return {path for group in groups for path in group["paths"]}


def sheet_rows(rows, found, unreadable, marked):
    """Yields a row of the contact sheet for each class, a few images each."""
    from concurrent.futures import ThreadPoolExecutor

    from apt_jax.data.dataset import Item
    from apt_jax.data.own.looks import small
    from apt_jax.progress import progress
    from apt_jax.report.contact_sheet import COLUMNS, Row, Tile, face

    def tile(path):
        if path in unreadable:
            return Tile(None)
        return Tile(face(small(found.read(Item(path, 0)))), path in marked)

    workers = os.cpu_count() or 1
    with (
        ThreadPoolExecutor(workers) as pool,
        progress(len(rows), "drawing", "classes") as advance,
    ):
        for row in rows:
            tiles = list(pool.map(tile, spread(found.of_class(row["folder"]), COLUMNS)))
            yield Row(printable(row["name"]), caption(row), tiles)
            advance()


def spread(paths: list[str], count: int) -> list[str]:
    """At most `count` of the paths, evenly from first to last."""
    if len(paths) <= count:
        return paths
    return [paths[place * (len(paths) - 1) // (count - 1)] for place in range(count)]


def caption(row) -> str:
    """What stands below a class name."""
    lines = [counted(row["images"], "image")]
    if broken := row["files"] - row["images"]:
        lines[0] += f", {broken:,} unreadable"
    if any(row[split] for split in SPLITS):
        lines.append(" · ".join(f"{split} {row[split]:,}" for split in SPLITS))
    return "\n".join(lines)
