"""What `python -m apt_jax inspect` found, on the terminal."""

from rich.filesize import decimal

from apt_jax.data.listing import listed
from apt_jax.names import printable
from apt_jax.tables import Table
from apt_jax.words import counted

SPLITS = {"given": "splits given", "drawn": "divided by the seed"}
MOST_ROWS = 40  # of a table of classes; of more, the largest and the smallest
INDENT = "  "


def text(report: dict) -> str:
    """The whole report."""
    fixed = ", once what is refused below is fixed" if report["refused"] else ""
    sections = [
        _heading(report),
        _classes(report["classes"]),
        _section("files", _files(report)),
        _section("copies", _copies(report)),
        _section("class names", _names(report)),
        _section("worth knowing", report["notes"]),
        _section(
            f"the next command{fixed}", _next(report["next"], report["no_backbone"])
        ),
        _verdict(report),
    ]
    return "\n\n".join(filter(None, sections))


def _heading(report):
    images = sum(row["images"] for row in report["classes"])
    return printable(
        f"{report['name']}: {counted(images, 'image')} of "
        f"{counted(len(report['classes']), 'class', 'classes')} "
        f"({report['source']}, {SPLITS[report['layout']]})"
    )


def _section(title, lines):
    lines = [INDENT + printable(line) for line in lines]
    return "\n".join([title, *lines]) if lines else ""


def _classes(rows):
    columns = ("class", "images", "train", "val", "test", "usual size")
    ordered = sorted(rows, key=lambda row: -row["images"])
    left_out = len(rows) - MOST_ROWS
    shown = list(map(_row, rows))
    if left_out > 0:
        half = MOST_ROWS // 2
        more = (f"... {left_out:,} more ...", *[""] * 5)
        shown = [*map(_row, ordered[:half]), more, *map(_row, ordered[-half:])]
    return Table(columns, shown).terminal()


def _row(row):
    name, size = printable(row["folder"]), "-"
    if row["name"] != row["folder"]:
        name += f" (read as {printable(row['name'])})"
    if row["width"]:
        size = f"{row['width']} x {row['height']}"
    count = f"{row['images']:,}"
    if broken := row["files"] - row["images"]:
        count = f"{broken:,} unreadable + {count}"
    places = [f"{row[split]:,}" for split in ("train", "val", "test")]
    return name, count, *places, size


def _files(report):
    files, small = report["files"], report.get("small")
    sides = files["shorter_side"]
    formats = [f"{count:,} {kind}" for kind, count in files["formats"].items()]
    yield f"formats       {listed(formats) or 'none'}"
    if sides["median"]:
        yield (
            f"shorter side  {sides['median']} px, from {sides['least']} to {sides['most']}"
        )
    if small and small["images"]:
        yield (
            f"small         {small['images']:,} below the {small['side']} px that the "
            "backbone reads: they are enlarged"
        )
    yield f"imbalance     {_imbalance(report['imbalance'])}"
    broken = [f"{path}: {why}" for path, why in files["unreadable"].items()]
    yield from _listed("unreadable    ", broken)
    yield from _listed("turned        ", files["turned"], "EXIF says how; read upright")
    yield from _listed("flat or tiny  ", files["flat"], "never called near copies")


def _listed(title, texts, what=""):
    """How many there are, and below that the first of them."""
    told = f" ({what})" if what and texts else ""
    return [f"{title}{len(texts) or 'none'}{told}", *map(INDENT.__add__, _few(texts))]


def _imbalance(ratio):
    if ratio is None:
        return "a class is without images"
    if ratio == 1:
        return "none"
    return f"{ratio:.1f} images of the largest class for one of the smallest"


def _copies(report):
    given = report["layout"] == "given"
    rows = []
    for kind, groups in report["copies"].items():
        across = sum(len(group["splits"]) > 1 for group in groups)
        rows.append(
            (
                kind,
                f"{len(groups):,}",
                f"{sum(len(group['paths']) for group in groups):,}",
                f"{across:,}" if given else "-",
                f"{sum(len(group['classes']) > 1 for group in groups):,}",
            )
        )
    columns = ("", "groups", "images", "across splits", "across classes")
    lines = Table(columns, rows).terminal().split("\n")
    for kind, groups in report["copies"].items():
        worst = sorted(
            groups,
            key=lambda group: (-len(group["splits"]), -len(group["classes"])),
        )
        if worst:
            lines += [f"{kind}:", *(INDENT + line for line in _few(map(_pair, worst)))]
    return lines


def _pair(group):
    first, *more, last = group["paths"]
    return f"{first} ~ {last}" + (f" and {len(more):,} more" if more else "")


def _few(texts):
    """A line each for the first of them, the last with the number of others."""
    return listed(texts, separator="\n").splitlines()


def _names(report):
    if report["names"]:
        texts = (
            f"{row['name']}: {'; '.join(row['odd'])}"
            + (f" (rather {row['better']!r}?)" if row["better"] else "")
            for row in report["names"]
        )
        yield from _few(texts)
        yield "rename the classes, or give them names: `class_names`=FILE"
    else:
        yield "words that CLIP reads"
    if report["no_backbone"]:
        yield "how many pieces a word falls into, only the backbone's tokenizer could tell"


def _next(plan, no_backbone):
    if not plan:
        return
    yield plan["command"]
    splits = ", ".join(f"{count:,} {name}" for name, count in plan["splits"].items())
    yield f"images        {splits}"
    yield (
        f"to encode     {counted(plan['shots'], 'labelled image')} in "
        f"{counted(plan['views'], 'random view')} and the centre crop, "
        f"{counted(plan['others'], 'other')}"
    )
    if "seconds" in plan:
        yield (
            f"encoding      about {_duration(plan['seconds'])} here, once: "
            f"{plan['tower_ms']:.3g} ms a view in the tower, {plan['making_ms']:.3g} ms to "
            f"make it ({plan['device']}, {plan['backbone']})"
        )
        if "epochs" in plan:
            yield (
                f"training      about {_duration(plan['train_seconds'])} here: "
                f"{counted(plan['epochs'], 'epoch')} of {plan['epoch_seconds']:.2g} s"
            )
        yield f"keeps         {decimal(plan['bytes'])} of frozen outputs"
        yield f"memory        {decimal(plan['peak_bytes'])} at the peak, backbone included"
        yield f"not counted   {plan['not_counted']}"
    else:
        why = no_backbone or "there is nothing to encode"
        yield f"no estimate   {why}"


def _verdict(report):
    lines = [f"contact sheet: {printable(path)}" for path in report["sheets"]]
    if left := report["classes_not_drawn"]:
        more = counted(left, "more class is", "more classes are")
        lines.append(f"{more} not drawn")
    if report["refused"]:
        title = "train.py would refuse these photographs"
        return "\n".join([*lines, _section(title, report["refused"])])
    once = ", once the backbone is there" if report["no_backbone"] else ""
    return "\n".join([*lines, f"one can train on these photographs{once}"])


def _duration(seconds):
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
