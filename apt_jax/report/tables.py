"""Tables: on the terminal, in Markdown, as CSV. What is in a cell is text everywhere."""

import csv
import io
import itertools
import re
import shutil
import sys

from apt_jax import command
from apt_jax.metrics.interval import TOO_WIDE, images_for
from apt_jax.names import printable

LABELS = {
    "zero_shot": "zero-shot CLIP",
    "deterministic": "adapted, one pass",
    "ensemble": "adapted, ensemble",
    "mc_dropout": "adapted, Monte-Carlo",
}


class Marked(str):
    """A cell that is Markdown already; any other is text."""


GAP = 2  # between columns
LEAST = 6  # of a column that folds
# What Markdown reads as more than a character. Within a word "_" is none of it.
MARKS = re.compile(r"[\\`*\[\]<>|~&$]|(?<![^\W_])_|_(?![^\W_])")


def results_table(evaluations: list[dict]) -> str:
    """Rows of results.json as a table; rounding happens here and only here."""
    columns = ("", "images", "accuracy", "95 % interval", "NLL", "Brier", "ECE")
    columns += ("entropy", "mutual information")
    rows = [
        (
            _label(row),
            f"{row['examples']:,}",
            f"{100 * row['accuracy']:.1f} %",
            _interval(row),
            f"{row['nll']:.3f}",
            f"{row['brier']:.3f}",
            f"{100 * row['ece']:.1f} %",
            f"{row['predictive_entropy']:.3f}",
            f"{row['mutual_information']:.3f}",
        )
        for row in evaluations
    ]
    return "\n".join([render(columns, rows), *too_few(evaluations)])


def too_few(evaluations: list[dict]) -> list[str]:
    """A sentence for each set of images too small to tell: an interval is too wide."""
    widest = {}
    for row in evaluations:
        width = row.get("accuracy_high", 0) - row.get("accuracy_low", 0)
        of = (row["split"], row["classes"], row["examples"])
        widest[of] = max(width, widest.get(of, 0))
    return [
        f"{_images(*of)} too few to tell: the interval of accuracy is {100 * width:.0f} "
        f"points wide; {images_for(TOO_WIDE)} images make it {100 * TOO_WIDE:.0f} at most"
        for of, width in widest.items()
        if width > TOO_WIDE
    ]


def base_to_new_table(rows: dict[str, dict]) -> str:
    """The entry `base_to_new` of results.json as a table."""
    columns = ("accuracy", "base", "new", "harmonic mean")
    listed = [
        (
            LABELS.get(name, name),
            *(
                "-" if figure is None else f"{100 * figure:.1f} %"
                for figure in figures.values()
            ),
        )
        for name, figures in rows.items()
    ]
    table = render(columns, listed)
    if any(figures["new"] is None for figures in rows.values()):
        table += "\nnew classes: none, this method's parameters belong to classes"
    return table


def protocol_line(card: dict) -> str:
    """What a run trained on and what chose its hyper-parameters, from its protocol card."""
    name = card["protocol"]["name"].replace("_", " ")
    if data_set := card["protocol"].get("set_by_the_paper_on"):
        name += f", with what the paper sets on {data_set}"
    by_hand = ", ".join(
        f"{field}={value}"
        for field, value in card.get("set_by_hand", {}).items()
        if not field.startswith("augment.")  # which "trained on" says
    )
    chosen = f"{card['selected_by']}{f', but {by_hand}' if by_hand else ''}"
    views = card["transforms"]["train"]
    return f"protocol: {name}; hyper-parameters: {chosen}; trained on: {views}"


def predictions_table(rows: list[dict]) -> str:
    """Rows of `predict` as a table; the words for what cannot be read, where it is so."""
    texts = ["path", "predicted"]
    columns = ["image", "class"]
    if any(row["error"] for row in rows):
        texts.append("error")
        columns.append("unreadable")
    columns += ["confidence", "entropy", "mutual information"]
    listed = [[*(row[name] or "-" for name in texts), *_figures(row)] for row in rows]
    return render(columns, listed, texts=len(texts))


def _figures(row):
    if row["confidence"] is None:
        return ["-"] * 3
    figures = (row["predictive_entropy"], row["mutual_information"])
    return [f"{100 * row['confidence']:.1f} %", *(f"{x:.3f}" for x in figures)]


def render(columns, rows, *, texts: int = 1) -> str:
    """A plain table: the first `texts` columns are text to the left, the others figures.

    On a terminal text folds where it has no room; figures never do, and elsewhere nothing.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[printable(cell) for cell in row] for row in (columns, *rows)]
    widths = _widths(cells, texts, _room())
    look = {"box": _box(box), "padding": (0, 1, 0, 0)}
    table = Table(**look, pad_edge=False, show_edge=False)
    for index, (name, width) in enumerate(zip(cells[0], widths, strict=True)):
        justify = "left" if index < texts else "right"
        column = {"justify": justify, "overflow": "fold", "width": width}
        table.add_column(Text(name), **column)
    for row in cells[1:]:
        table.add_row(*map(Text, row))
    text, whole = io.StringIO(), sum(widths) + GAP * (len(widths) - 1)
    # Neither a terminal nor a notebook, whatever the environment says.
    plain = {"color_system": None, "force_terminal": False, "force_jupyter": False}
    Console(file=text, width=whole, **plain).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def _room() -> int | None:
    """The width of the terminal; None where there is none."""
    terminal = sys.stdout and sys.stdout.isatty()
    return shutil.get_terminal_size().columns if terminal else None


def _box(box):
    """A rule below the head, in characters that standard output has."""
    plain = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
    try:
        "─".encode(command.encoding())
    except UnicodeEncodeError:
        return plain
    return box.SIMPLE_HEAD


def _widths(cells, texts, room) -> list[int]:
    """Of each column: all that it wants or, where the table has no room, what is left."""
    from rich.cells import cell_len

    columns = [list(map(cell_len, column)) for column in zip(*cells, strict=True)]
    wanted = [max(column) for column in columns]
    if room is None or sum(wanted) + GAP * (len(wanted) - 1) <= room:
        return wanted
    words = [max(map(cell_len, name.split() or [""])) for name in cells[0][texts:]]
    figures = [
        max(word, *column[1:], 0)
        for word, column in zip(words, columns[texts:], strict=True)
    ]
    left = room - sum(figures) - GAP * (len(wanted) - 1)
    return [*_shared(left, wanted[:texts]), *figures]


def _shared(room, wanted) -> list[int]:
    """Equal shares of `room`, where one wants less the others have more."""
    widths, left = list(wanted), len(wanted)
    for index in sorted(range(len(wanted)), key=wanted.__getitem__):
        widths[index] = min(wanted[index], max(room // left, LEAST))
        room, left = room - widths[index], left - 1
    return widths


def markdown(columns, rows, *, texts: int = 1) -> str:
    """A table in Markdown: the first `texts` columns to the left, figures to the right."""
    figures = len(columns) - texts
    rule = [*[Marked("---")] * texts, *[Marked("--:")] * figures]
    lines = (map(as_markdown, row) for row in (columns, rule, *rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_markdown(text: str) -> str:
    """What Markdown shows as `text`, in a table too."""
    if isinstance(text, Marked):
        return text
    return MARKS.sub(r"\\\g<0>", printable(text))


def code(text: str) -> str:
    """What Markdown shows as `text` in the typeface of code."""
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " * ("`" in text)
    return f"{ticks}{space}{printable(text)}{space}{ticks}"


def csv_text(columns, rows) -> str:
    """Rows as CSV, whatever is in them."""
    text = io.StringIO()
    plain, quoting = (
        csv.writer(text, lineterminator="\n", quoting=kind)
        for kind in (csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC)
    )
    for row in itertools.chain([columns], rows):
        # The csv module leaves a carriage return bare, and readers end the row there.
        bare = any(isinstance(cell, str) and "\r" in cell for cell in row)
        (quoting if bare else plain).writerow(row)
    return text.getvalue()


def _label(row):
    label = LABELS.get(row["name"], row["name"])
    if row["samples"] is not None:
        label += f", T = {row['samples']}"
    if row["classes"] != "all":
        label += f", {row['classes']} classes"
    return label if row["split"] == "test" else f"{label}, {row['split']}"


def _interval(row):
    """The interval of accuracy; runs of earlier versions have none."""
    if "accuracy_low" not in row:
        return "-"
    return f"{100 * row['accuracy_low']:.1f}-{100 * row['accuracy_high']:.1f}"


def _images(split, classes, count):
    image = f"{count:,} {split} image" + "s" * (count != 1)
    of = "" if classes == "all" else f" of {classes} classes"
    return f"{image}{of} {'is' if count == 1 else 'are'}"
