"""The contact sheet of a survey: a few photographs of each class above its counts."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from apt_jax.data.dataset import SPLITS, Item
from apt_jax.data.own.found import Found
from apt_jax.data.own.looks import small
from apt_jax.names import printable
from apt_jax.progress import progress
from apt_jax.report import contact_sheet
from apt_jax.report.contact_sheet import COLUMNS, Row, Tile, face
from apt_jax.words import counted

MOST_PAGES = 10


def drawn_classes(report: dict) -> list[dict]:
    """The classes that there is room for on `MOST_PAGES`."""
    return report["classes"][: MOST_PAGES * contact_sheet.ROWS]


def pages(report: dict, found: Found) -> Iterator[bytes]:
    """Yields the pages as PNG; `report` is `runs.survey`'s of what was found."""
    rows, classes = drawn_classes(report), report["classes"]
    images = sum(row["images"] for row in classes)
    marked = marked_paths(report["copies"])
    return contact_sheet.pages(
        report["name"],
        f"{counted(images, 'image')} of {counted(len(classes), 'class', 'classes')}",
        contact_sheet.LEGEND + contact_sheet.OF_MARKS * bool(marked),
        sheet_rows(rows, found, report["files"]["unreadable"], marked),
        len(rows),
    )


def marked_paths(copies) -> set[str]:
    """Pictures that are there more than once."""
    groups = [*copies["same bytes"], *copies["near copies"]]
    return {path for group in groups for path in group["paths"]}


def sheet_rows(rows, found, unreadable, marked) -> Iterator[Row]:
    """Yields a row of the contact sheet for each class, a few images each."""

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
            tiles = list(pool.map(tile, spread(found.by_class[row["folder"]], COLUMNS)))
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
