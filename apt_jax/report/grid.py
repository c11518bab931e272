"""grid.csv, grid.md and figures, from the cells of a grid."""

import datetime
from pathlib import Path
from urllib.parse import quote

from apt_jax.files import write_text
from apt_jax.metrics.figures import FIGURES, GRID, shown_in
from apt_jax.metrics.paired import LEVEL
from apt_jax.names import as_part
from apt_jax.report import grid_tables as tables
from apt_jax.report.figures import over_shots, write_figure
from apt_jax.report.grid_rows import rows_by_set
from apt_jax.report.grid_tables import COSTS, different, protocol_of
from apt_jax.report.tables import too_few
from apt_jax.tables import Marked, Table, as_markdown, code
from apt_jax.words import shots_in_words

NAMES = ("dataset", "method", "shots", "seed")
OF_ROW = ("evaluation", "samples", "classes", "split")


def write_report(
    folder,
    cells: list[dict],
    failed: dict[str, str],
    command: str,
    groups: dict[str, tuple] | None = None,
) -> str:
    """Writes grid.csv, grid.md and figures/; returns a table for the terminal.

    Args:
        cells: the contents of finished cells.
        failed: what each failed cell said, by its name.
        command: the command line that made them.
        groups: methods that one question is asked of, by its title; the first of them is
            what the others are compared with.
    """
    folder = Path(folder)
    write_text(folder / "grid.csv", csv_of(cells))
    sets = rows_by_set(cells)
    write_text(folder / "grid.md", markdown(cells, failed, command, groups or {}))
    for name, rows in sets.items():
        for key, figure in shown_in(GRID).items():
            drawn = over_shots(
                rows.curves(key),
                name,
                figure.heading,
                unit=figure.unit.scale,
                references=rows.bases,
            )
            write_figure(folder / "figures" / picture_of(name, key), drawn)
    terminal = [terminal_table(name, rows) for name, rows in sets.items()]
    return "\n\n".join([*terminal, f"report and figures: {folder / 'grid.md'}"])


def markdown(cells, failed, command, groups) -> str:
    """The report in words and tables; the arguments are those of `write_report`."""
    sets = rows_by_set(cells)
    sections = [section_of(name, rows, groups) for name, rows in sets.items()]
    parts = [heading(cells, failed, command), *sections]
    if failed:
        lines = [f"- {as_markdown(one)}: {as_markdown(failed[one])}" for one in failed]
        parts += ["## Failed cells", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def csv_of(cells) -> str:
    """A row a cell and evaluation, in full precision."""
    rows = []
    for cell in cells:
        named = [*map(cell.get, NAMES), cell["protocol"]["protocol"]["name"]]
        costs = [cell["cost"][name] for name in COSTS]
        for row in cell["evaluations"]:
            named_row = map(row.get, ("name", *OF_ROW[1:]))
            figures = map(row.get, FIGURES)  # cells of earlier versions have fewer
            rows.append([*named, *named_row, *figures, *costs])
    return Table([*NAMES, "protocol", *OF_ROW, *FIGURES, *COSTS], rows).csv()


def terminal_table(name, rows) -> str:
    """Accuracy over shots."""
    table = tables.means(rows, "accuracy", f"{name}: accuracy, %")
    return "\n".join([table.terminal(), *too_few(rows.evaluations)])


# -- grid.md: paragraphs in Markdown ----------------------------------------------------

READING = (
    "Mean ± standard deviation (ddof 1) over seeds. A method stands for its "
    "best-informed prediction: Monte-Carlo dropout if it has any, the ensemble if it "
    'has members, else one pass; where both exist, "one pass" is beneath.'
)
DIFFERENCES = (
    f"Mean paired difference over the seeds ± half of its {100 * LEVEL:.0f} % "
    "interval (Student's t, not corrected for the number of comparisons); a tie is a "
    "difference whose interval holds 0, bold is one whose does not. Zero-shot CLIP has the "
    "prompts of the method that is compared with it."
)
COSTS_MEAN = (
    "Medians over seeds. Train seconds: of one seed, its share if seeds trained together, "
    "compilation apart but for methods that fit at once. Test ms an image: the frozen "
    "tower and the method with all its samples. Peak memory: the largest compiled program "
    "of the cell (an epoch of all seeds that train together, or a test batch; of methods "
    "that fit at once, the test batch alone), with frozen weights, arguments and "
    "temporaries; not that of the process."
)
SEARCH_MEANS = (
    "Top-1 accuracy on the validation split after the last epoch chooses, of equals the "
    "smaller learning rate; no trial saw a test image. Trials that diverged are out. "
    "Seconds are of all trials of the cell."
)
NEW_MEANS = (
    "Trained on the base classes; each half is judged among its own names, the mean "
    "is that of each seed. All other tables and figures are of the base classes."
)


def heading(cells, failed, command) -> str:
    """What was run, on what, by which code."""
    cards = [cell["protocol"] for cell in cells]
    backbones = (card["backbone"] for card in cards)
    facts = {
        "command": Marked(code(command)),
        "cells": f"{len(cells)} done, {len(failed)} failed",
        "seeds": ", ".join(map(str, sorted({cell["seed"] for cell in cells}))),
        "protocol": different(map(protocol_of, cards)),
        "classes": different(card["data"]["classes"] for card in cards),
        "backbone": different(f"{one['name']}, {one['dtype']}" for one in backbones),
        "device": different(card["device"] for card in cards),
        "jax": different(card["versions"]["jax"] for card in cards),
        "commit": different(str(card["commit"]) for card in cards),
        "written": f"{datetime.datetime.now(datetime.UTC).date()} (UTC)",
    }
    lines = [f"- {name}: {as_markdown(value)}" for name, value in facts.items()]
    return "\n\n".join(["# Grid", "\n".join(lines), READING])


def section_of(name, rows, groups) -> str:
    """All tables of one data set."""
    parts = [f"## {as_markdown(name)}", images_of(rows), *groups_of(rows, groups)]
    for key, figure in shown_in(GRID).items():
        place = f"figures/{quote(picture_of(name, key))}"
        picture = f"![{figure.heading} over shots]({place})"
        parts += [f"### {figure.heading}", tables.means(rows, key).markdown(), picture]
    if any(cell["protocol"]["data"]["classes"] == "base" for cell in rows.cells):
        parts += ["### Base to new", *base_to_new_of(rows)]
    if len(rows.splits) > 1:
        parts += ["### Shifted test images", tables.by_split(rows).markdown()]
    parts += ["### Compared over seeds", differences()]
    for shots in rows.shots:
        parts += [
            f"{shots_in_words(shots)}:",
            tables.comparison(rows, shots).markdown(),
        ]
    costs = tables.costs(rows).markdown()
    parts += [f"### Cost, {shots_in_words(rows.shots[-1])}", costs, COSTS_MEAN]
    parts += ["### Hyper-parameters", tables.hyper_parameters(rows).markdown()]
    if any("search" in cell for cell in rows.cells):
        table = tables.searched(rows)
        parts += ["### Chosen on validation", table.markdown(), SEARCH_MEANS]
    return "\n\n".join(parts)


def picture_of(name, figure) -> str:
    """The file of a figure of a data set."""
    return f"{as_part(name)}-{figure}.png"


def images_of(rows) -> str:
    """How many images each accuracy is of, and where they are too few to tell."""
    tested = (row for row in rows.evaluations if row["split"] == "test")
    counts = sorted({row["examples"] for row in tested})
    said = f"Test images: {', '.join(f'{count:,}' for count in counts)}."
    return "\n\n".join([said, *(f"{line}." for line in too_few(rows.evaluations))])


def groups_of(rows, groups) -> list[str]:
    """The tables of the groups that have a first and another, in the order of the cells."""
    here = {
        title: [name for name in names if name in rows.methods]
        for title, names in groups.items()
        if names[0] in rows.methods
    }
    here = {title: members for title, members in here.items() if len(members) > 1}
    parts = []
    for title in sorted(here, key=lambda title: rows.methods.index(here[title][1])):
        parts.append(f"### {as_markdown(title)}")
        for shots in rows.shots:
            table = tables.group(rows, shots, here[title])
            parts += [f"{shots_in_words(shots)}:", table.markdown()]
    return [*parts, differences()] if parts else []


def differences() -> str:
    """How to read a difference."""
    units = tables.difference_units()
    return f"{DIFFERENCES} {units[:1].upper()}{units[1:]}."


def base_to_new_of(rows) -> list[str]:
    """The table of each number of shots, and what it says."""
    parts = [tables.base_to_new(rows, shots).markdown() for shots in rows.shots]
    said = NEW_MEANS
    fixed = [
        label
        for label in rows.candidates
        if not any(rows.values(label, shots, "new") for shots in rows.shots)
    ]
    if fixed:
        names = as_markdown(", ".join(fixed))
        said += f" Parameters that belong to classes name no new ones: {names}."
    return [*parts, said]
