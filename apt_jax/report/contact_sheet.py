"""The contact sheet of a survey: a row a class with a few of its photographs and counts.

Tiles are the centre squares that CLIP reads. A page has at most `ROWS` classes, so that a
picture is never larger than a screen is wide and three are high; more classes are more
pages.
"""

import functools
import io
import itertools
import math
import os
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

from apt_jax.data.dataset import SPLITS, Item
from apt_jax.data.own.found import Found
from apt_jax.data.own.looks import small
from apt_jax.names import printable, short
from apt_jax.progress import progress
from apt_jax.words import counted

MOST_PAGES = 10
ROWS, COLUMNS = 20, 8  # of a page
TILE, GAP, ROUND = 104, 8, 8  # pixels
MARGIN, NAMES = 28, 236  # around all; the width of the column of names
HEAD, FOOT = 84, 44
PAPER, INK, PALE, LINE = "#ffffff", "#222222", "#767676", "#e6e6e6"
MARK, ABSENT = "#ce5c00", "#f2f2f2"  # the frame of what is marked; no picture
SCALE = 4  # that frames are drawn at, for smooth corners
NAME_LINES, NAME_LETTERS = 2, 24
LEGEND = "Tiles are the centre squares that CLIP reads."
OF_MARKS = " Orange: there is a copy, or a near copy, of this picture."


class Tile(NamedTuple):
    """One photograph."""

    face: Image.Image | None  # made by `face`; None for a file that is no picture
    marked: bool = False


class Row(NamedTuple):
    """One class."""

    name: str
    caption: str
    tiles: list[Tile]


def drawn_classes(report: dict) -> list[dict]:
    """The classes that there is room for on `MOST_PAGES`."""
    return report["classes"][: MOST_PAGES * ROWS]


def pages(report: dict, found: Found) -> Iterator[bytes]:
    """Yields the pages as PNG; holds the pictures of one at a time.

    `report` is `runs.survey`'s of what was found.
    """
    classes, drawn = report["classes"], drawn_classes(report)
    images = sum(row["images"] for row in classes)
    copies = [*report["copies"]["same bytes"], *report["copies"]["near copies"]]
    marked = {path for group in copies for path in group["paths"]}
    subtitle = (
        f"{counted(images, 'image')} of {counted(len(classes), 'class', 'classes')}"
    )
    legend = LEGEND + OF_MARKS * bool(marked)
    rows = _rows(drawn, found, report["files"]["unreadable"], marked)
    last = math.ceil(len(drawn) / ROWS)
    for number in range(1, last + 1):
        paged = f", page {number} of {last}" if last > 1 else ""
        of_page, data = list(itertools.islice(rows, ROWS)), io.BytesIO()
        sheet = page(report["name"], subtitle + paged, legend, of_page)
        sheet.save(data, "png", optimize=True)
        yield data.getvalue()


def _rows(classes, found, unreadable, marked) -> Iterator[Row]:
    """Yields a row for each class, a few images each."""

    def tile(path):
        if path in unreadable:
            return Tile(None)
        return Tile(face(small(found.read(Item(path, 0)))), path in marked)

    with (
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        progress(len(classes), "drawing", "classes") as advance,
    ):
        for row in classes:
            paths = evenly(found.by_class[row["folder"]], COLUMNS)
            yield Row(row["name"], _caption(row), list(pool.map(tile, paths)))
            advance()


def evenly(paths: list[str], count: int) -> list[str]:
    """At most `count` of the paths, evenly from first to last."""
    if len(paths) <= count:
        return paths
    return [paths[place * (len(paths) - 1) // (count - 1)] for place in range(count)]


def _caption(row) -> str:
    """What stands below a class name."""
    lines = [counted(row["images"], "image")]
    if broken := row["files"] - row["images"]:
        lines[0] += f", {broken:,} unreadable"
    if any(row[split] for split in SPLITS):
        lines.append(" · ".join(f"{split} {row[split]:,}" for split in SPLITS))
    return "\n".join(lines)


def face(picture: Image.Image) -> Image.Image:
    """The centre square of a picture, of the size of a tile."""
    return ImageOps.fit(picture, (TILE, TILE), Image.Resampling.LANCZOS)


def height_of(rows: int) -> int:
    """Pixels of a page."""
    return HEAD + rows * (TILE + GAP) + FOOT


def page(title, subtitle, legend, rows) -> Image.Image:
    """One page."""
    pitch = TILE + GAP
    width = 2 * MARGIN + NAMES + COLUMNS * pitch - GAP
    height = height_of(len(rows))
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, 22), short(printable(title), 60), INK, _font(22, bold=True))
    draw.text((MARGIN, 52), subtitle, PALE, _font(13))
    for number, row in enumerate(rows):
        top = HEAD + number * pitch
        draw.line((MARGIN, top - GAP // 2, width - MARGIN, top - GAP // 2), LINE)
        _write_name(draw, row, top)
        for column, tile in enumerate(row.tiles[:COLUMNS]):
            place = (MARGIN + NAMES + column * pitch, top)
            sheet.paste(tile.face or _absent(), place, _corners(0))
            if tile.marked:
                sheet.paste(MARK, place, _frame())
    draw.text((MARGIN, height - 30), legend, PALE, _font(12))
    return sheet


def _write_name(draw, row, top):
    """Name and caption, together in the middle of the row's height."""
    words = textwrap.wrap(printable(row.name), NAME_LETTERS) or [""]
    if len(words) > NAME_LINES:
        words[NAME_LINES - 1] = words[NAME_LINES - 1][: NAME_LETTERS - 1] + "…"
    lines = [(line, INK, _font(14, bold=True), 20) for line in words[:NAME_LINES]]
    lines += [(line, PALE, _font(12), 17) for line in row.caption.split("\n")]
    y = top + (TILE - sum(high for *_, high in lines)) // 2
    for text, colour, font, high in lines:
        draw.text((MARGIN, y), text, colour, font)
        y += high


def _absent():
    """Stands for a file that is no picture."""
    empty = Image.new("RGB", (TILE, TILE), ABSENT)
    draw = ImageDraw.Draw(empty)
    draw.text((TILE / 2, TILE / 2), "unreadable", PALE, _font(12), anchor="mm")
    return empty


@functools.cache
def _corners(inset):
    """A mask of a tile: a square with round corners, `inset` from the edge."""
    mask = Image.new("L", (TILE * SCALE, TILE * SCALE))
    box = (inset * SCALE, inset * SCALE, *[(TILE - inset) * SCALE - 1] * 2)
    ImageDraw.Draw(mask).rounded_rectangle(box, (ROUND - inset) * SCALE, 255)
    return mask.resize((TILE, TILE), Image.Resampling.BOX)


@functools.cache
def _frame():
    """A mask of a tile: its edge."""
    return ImageChops.subtract(_corners(0), _corners(3))


@functools.cache
def _font(size, bold=False):
    """The figures' typeface, which knows Latin, Greek and Cyrillic."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(
        Path(matplotlib.get_data_path()) / "fonts/ttf" / name, size
    )
