"""A table, and how it is shown: on the terminal, in Markdown, as CSV, as HTML.

What is in a cell is text everywhere, whatever is in it.
"""

import csv
import dataclasses
import io
import itertools
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence

from apt_jax import command
from apt_jax.names import printable

GAP = 2  # between columns
LEAST = 6  # of a column that folds
# What Markdown reads as more than a character. Within a word "_" is none of it.
MARKS = re.compile(r"[\\`*\[\]<>|~&$]|(?<![^\W_])_|_(?![^\W_])")


class Marked(str):
    """A cell that is Markdown already; any other is text."""


@dataclasses.dataclass(frozen=True)
class Table:
    """Cells under heads: the first columns are text, the others figures."""

    columns: Sequence[str]
    rows: Iterable[Sequence]
    texts: int = 1  # columns of text; figures stand to the right

    def terminal(self) -> str:
        """A plain table; text folds where it has no room, figures never do.

        Nothing folds where there is no terminal.
        """
        from rich import box
        from rich.console import Console
        from rich.table import Table as Drawn
        from rich.text import Text

        cells = [
            [printable(cell) for cell in row] for row in (self.columns, *self.rows)
        ]
        widths = _widths(cells, self.texts, _room())
        look = {"box": _box(box), "padding": (0, 1, 0, 0)}
        drawn = Drawn(**look, pad_edge=False, show_edge=False)
        for index, (name, width) in enumerate(zip(cells[0], widths, strict=True)):
            justify = "left" if index < self.texts else "right"
            column = {"justify": justify, "overflow": "fold", "width": width}
            drawn.add_column(Text(name), **column)
        for row in cells[1:]:
            drawn.add_row(*map(Text, row))
        text, whole = io.StringIO(), sum(widths) + GAP * (len(widths) - 1)
        # Neither a terminal nor a notebook, whatever the environment says.
        plain = {"color_system": None, "force_terminal": False, "force_jupyter": False}
        Console(file=text, width=whole, **plain).print(drawn)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

    def markdown(self) -> str:
        """The table in Markdown; a cell that is `Marked` is Markdown, others are text."""
        figures = len(self.columns) - self.texts
        rule = [*[Marked("---")] * self.texts, *[Marked("--:")] * figures]
        lines = (map(as_markdown, row) for row in (self.columns, rule, *self.rows))
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def html(self) -> str:
        """The table in HTML, as a notebook shows it."""
        from html import escape

        def line(row, kind):
            cells = (f"<{kind}>{escape(printable(cell))}</{kind}>" for cell in row)
            return f"<tr>{''.join(cells)}</tr>"

        rows = [line(self.columns, "th"), *(line(row, "td") for row in self.rows)]
        return f"<table>{''.join(rows)}</table>"

    def csv(self) -> str:
        """The table as CSV, numbers in full precision."""
        return "".join(self.csv_lines())

    def csv_lines(self) -> Iterator[str]:
        """The same, line by line as rows come."""
        for row in itertools.chain([self.columns], self.rows):
            # The csv module leaves a carriage return bare, and readers end the row there.
            bare = any(isinstance(cell, str) and "\r" in cell for cell in row)
            quoting = csv.QUOTE_NONNUMERIC if bare else csv.QUOTE_MINIMAL
            line = io.StringIO()
            csv.writer(line, lineterminator="\n", quoting=quoting).writerow(row)
            yield line.getvalue()


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
