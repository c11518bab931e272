"""Two folders of results, number by number: what differs, what came, what is gone.

Compared are predictions, evaluations, cells of grids, what studies found, splits, and of
protocol cards the hashes, the method and its training. What a machine took (seconds,
memory) is left out, and who made it. Fields and files may come, and fields may go: they
are listed. A label or a text that changed, a number that moved too far, and a row or a
file that is gone are faults.
"""

import collections
import csv
import dataclasses
import json
import re
from pathlib import Path

# How far a number may move: of a probability, and of a figure as a share of it above 1. A
# figure may move farther: NLL is a logarithm of probabilities that are nearly 0.
PROBABILITY, FIGURE = 1e-6, 1e-5
FILES = (
    "predictions*.csv",
    "predicted.*",
    "results.json",
    "protocol.json",
    "split.json",
    "grid.csv",
    "cells/*/*/*.json",
    "variance.json",
    "controlled.json",
)
# What tells the rows of a list apart, as far as they have it.
NAMES = ("path", "dataset", "method", "shots", "seed", "name", "evaluation", "level")
LABELS = ("label", "predicted")
LEFT_OUT = re.compile(
    r".*(seconds|_ms_|_mb|memory).*|commits?|devices?|asked|recipes", re.DOTALL
)
OF_A_CARD = ("method", "train")


class Row(str):
    """A place in a list, by what tells its rows apart."""


@dataclasses.dataclass
class Comparison:
    """What two folders have in common, and what they have not."""

    files: int = 0
    values: int = 0
    unequal: int = 0
    probability: float = 0.0  # the largest difference of one
    figure: float = 0.0
    labels: int = 0  # that changed
    faults: list[str] = dataclasses.field(default_factory=list)
    added: set[str] = dataclasses.field(default_factory=set)
    gone: set[str] = dataclasses.field(default_factory=set)


def compare(before: Path, after: Path) -> Comparison:
    """What the files of two folders that are alike in their layout say."""
    found = Comparison()
    old, new = files_of(before), files_of(after)
    found.added |= {name for name in new if name not in old}
    found.faults += [f"{name} is gone" for name in old if name not in new]
    for name in old:
        if name in new:
            found.files += 1
            _compare_files(found, name, read(old[name]), read(new[name]))
    return found


def files_of(folder: Path) -> dict[str, Path]:
    """What is compared in a folder, by the path in it."""
    paths = {path for pattern in FILES for path in folder.rglob(pattern)}
    return {path.relative_to(folder).as_posix(): path for path in sorted(paths)}


def read(path: Path) -> dict[tuple, object]:
    """Numbers and texts of a JSON or CSV file by their place, but what is left out."""
    if path.suffix == ".csv":
        with open(path, newline="", encoding="utf-8") as file:
            content = [
                {name: number(name, text) for name, text in row.items()}
                for row in csv.DictReader(file)
            ]
    else:
        content = json.loads(path.read_text(encoding="utf-8"))
    is_card = path.name == "protocol.json"
    return dict(values({"protocol": content} if is_card else content))


def number(name: str, text: str):
    """What a cell of a CSV file holds; labels are text whatever they look like."""
    if name in LABELS:
        return text
    try:
        return float(text)
    except ValueError:
        return text


def values(content, place=()):
    """(place, number or text) of all that JSON holds and that is compared."""
    if isinstance(content, dict):
        for name, inner in content.items():
            if not LEFT_OUT.fullmatch(name):
                yield from values(inner, (*place, name))
    elif isinstance(content, list):
        for name, inner in zip(names(content), content):
            yield from values(inner, (*place, name))
    elif place[0] != "protocol" or _is_of_card(place[1:]):
        yield place, content


def names(rows) -> list[Row]:
    """A name for each entry of a list; those of one name are counted."""
    seen, found = collections.Counter(), []
    for at, row in enumerate(rows):
        of_row = row if isinstance(row, dict) else {}
        name = " ".join(str(of_row[key]) for key in NAMES if key in of_row) or str(at)
        seen[name] += 1
        found.append(Row(name if seen[name] == 1 else f"{name} #{seen[name]}"))
    return found


def _is_of_card(place):
    return place[0] in OF_A_CARD or place[-1].endswith("sha256")


def _compare_files(found, file, old, new):
    old_rows, new_rows = (set().union(*map(rows_of, places)) for places in (old, new))
    gone_rows = {}
    for place in new.keys() - old.keys():
        row = first_outside(place, old_rows)
        found.added.add(told(file, row) if row else spelt(file, place))
    for place in old:
        if place in new:
            _compare_values(found, file, place, old[place], new[place])
        elif row := first_outside(place, new_rows):
            gone_rows.setdefault(f"{told(file, row)} is gone")
        else:
            found.gone.add(spelt(file, place))
    found.faults += gone_rows


def rows_of(place) -> list[tuple]:
    """The rows that a place lies in, the outer ones first."""
    return [place[: at + 1] for at, part in enumerate(place) if isinstance(part, Row)]


def first_outside(place, rows) -> tuple | None:
    """The outermost row of a place that is none of `rows`."""
    return next((row for row in rows_of(place) if row not in rows), None)


def told(file: str, place: tuple) -> str:
    return f"{file}: {' / '.join(place)}"


def spelt(file: str, place: tuple) -> str:
    """A field of a file's rows, whichever row it is."""
    parts = [part for part in place if not isinstance(part, Row)]
    return f"{file} {'.'.join(parts)}"


def _compare_values(found, file, place, old, new):
    found.values += 1
    found.unequal += old != new
    if is_label(file, place):
        found.labels += old != new
    elif is_number(old) and is_number(new):
        apart = abs(new - old)
        if is_probability(place):
            found.probability = max(found.probability, apart)
            far = not apart <= PROBABILITY  # NaN too
        else:
            apart /= max(1.0, abs(old), abs(new))
            found.figure = max(found.figure, apart)
            far = not apart <= FIGURE
        if not far:
            return
    if old != new:
        found.faults.append(f"{told(file, place)}: {old!r} -> {new!r}")


def is_label(file, place) -> bool:
    return place[-1] in LABELS or file.endswith("split.json")


def is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_probability(place) -> bool:
    field = place[-1]
    return field == "confidence" or field.startswith("p:") or "probabilities" in place
