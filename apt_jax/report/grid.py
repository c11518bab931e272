"""grid.csv, grid.md and figures, from the cells of a grid.

A method stands for its best-informed prediction, the last of its evaluations: Monte-Carlo
if it has dropout, the ensemble if it has members, else one pass. The rows of the others
are there too, under "NAME, one pass".
"""

import datetime
import itertools
import statistics
from pathlib import Path
from urllib.parse import quote

from apt_jax.files import write_text
from apt_jax.metrics.base_new import base_to_new
from apt_jax.metrics.paired import LEVEL, paired_difference
from apt_jax.names import as_part
from apt_jax.report.figures import over_shots, write_figure
from apt_jax.report.tables import (
    Marked,
    as_markdown,
    code,
    csv_text,
    markdown,
    render,
    too_few,
)
from apt_jax.words import counted

NAMES = ("dataset", "method", "shots", "seed")
FIGURES = (
    "examples",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "nll",
    "brier",
    "ece",
    "predictive_entropy",
    "expected_entropy",
    "mutual_information",
)
COSTS = (
    "trainable_parameters",
    "train_seconds",
    "compile_seconds",
    "trained_together",
    "test_ms_per_image",
    "peak_memory_mb",
)
# Of each figure: its title, what it is shown in, digits, and whether more is better.
SHOWN = {
    "accuracy": ("Accuracy, %", 100, 1, True),
    "nll": ("NLL, nats", 1, 3, False),
    "ece": ("ECE, %", 100, 1, False),
}
# The columns of the cost table.
PRICED = (
    ("trainable_parameters", "trained parameters", "%d"),
    ("train_seconds", "train, s", "%.2f"),
    ("compile_seconds", "compile, s", "%.1f"),
    ("test_ms_per_image", "test, ms an image", "%.2f"),
    ("peak_memory_mb", "peak memory, MB", "%.3g"),
)
COMPARED = ("accuracy", "nll")
BASE = "zero_shot"


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
    sets = {
        name: Table([cell for cell in cells if cell["dataset"] == name])
        for name in dict.fromkeys(cell["dataset"] for cell in cells)
    }
    sections = [section_of(name, table, groups or {}) for name, table in sets.items()]
    parts = [heading(cells, failed, command), *sections, failures_of(failed)]
    write_text(folder / "grid.md", "\n".join(filter(None, parts)))
    for name, table in sets.items():
        for figure, (title, unit, *_) in SHOWN.items():
            drawn = over_shots(
                table.curves(figure), name, title, unit=unit, references=table.bases
            )
            write_figure(folder / "figures" / picture_of(name, figure), drawn)
    terminal = [terminal_table(name, table) for name, table in sets.items()]
    return "\n\n".join([*terminal, f"report and figures: {folder / 'grid.md'}"])


class Table:
    """The rows of one data set: by label and shots, the evaluation of each seed.

    Zero-shot CLIP has a label for each list of prompts that the cells have, and each
    method is compared with the one beside it, in its own cell (`beside`).

    Of classes that were met only after training there are no rows of their own: `new`
    and `harmonic` stand beside the accuracy on the base classes, None where a method
    names no new ones.
    """

    def __init__(self, cells):
        self.cells = cells
        self.shots = sorted({cell["shots"] for cell in cells}, key=many)
        self.rows, self._beside, self.methods, self.bases = {}, {}, [], []
        self._prompts = labels_of_prompts(cells)
        for cell in cells:
            self._add(cell)

    def _add(self, cell):
        method, seed = cell["method"], cell["seed"]
        *others, last = own_rows(cell)
        if method not in self.methods:
            self.methods.append(method)
        self._row(self.rows, method, cell)[seed] = last
        for row in [last] if last["name"] == BASE else others:
            base = row["name"] == BASE
            label = self.base_of(cell) if base else f"{method}, one pass"
            if base and label not in self.bases:
                self.bases.append(label)
            found = self._row(self.rows, label, cell).setdefault(seed, row)
            if found["new"] is None:  # of a method that names none; another may
                self._row(self.rows, label, cell)[seed] = row
            if base:
                self._row(self._beside, method, cell)[seed] = row

    def _row(self, rows, label, cell):
        return rows.setdefault(label, {}).setdefault(cell["shots"], {})

    def base_of(self, cell) -> str:
        """The label of zero-shot CLIP with the cell's prompts."""
        return self._prompts[prompts_of(cell)]

    def values(self, label, shots, figure) -> dict[int, float]:
        """The figure of each seed that has one."""
        return figures_of(self.rows.get(label, {}).get(shots, {}), figure)

    def beside(self, label, shots, figure) -> dict[int, float]:
        """The figure of zero-shot CLIP in the cells of a method, by seed."""
        return figures_of(self._beside.get(label, {}).get(shots, {}), figure)

    def best(self, shots, figure) -> str:
        """The method with the best mean, among those that have all seeds of the cell."""
        found = {label: self.values(label, shots, figure) for label in self.candidates}
        most = max(map(len, found.values()))
        means = {
            label: statistics.fmean(values.values())
            for label, values in found.items()
            if len(values) == most
        }
        return (max if SHOWN[figure][3] else min)(means, key=means.get)

    @property
    def cards(self):
        return [cell["protocol"] for cell in self.cells]

    @property
    def candidates(self):
        """Zero-shot CLIP, with each list of prompts, and the other methods."""
        of_base = {BASE, *self.bases} if self.bases else set()
        return [*self.bases, *(name for name in self.methods if name not in of_base)]

    def ordered(self, figure="accuracy"):
        """Labels, the best at the most shots first, one-pass rows below their method."""
        shots, more = self.shots[-1], SHOWN[figure][3]

        def worth(label):
            values = self.values(label, shots, figure).values()
            mean = statistics.fmean(values) if values else float("-inf")
            return -mean if more else mean

        below = lambda label: [n for n in (f"{label}, one pass",) if n in self.rows]  # noqa: E731
        methods = sorted(self.candidates, key=worth)
        return [name for label in methods for name in (label, *below(label))]

    def curves(self, figure) -> dict:
        """{label: (shots, means, deviations)} of what counts of each method."""
        curves = {}
        for label in self.candidates:
            found = {shots: self.values(label, shots, figure) for shots in self.shots}
            found = {shots: list(by.values()) for shots, by in found.items() if by}
            means = [statistics.fmean(values) for values in found.values()]
            curves[label] = (list(found), means, list(map(spread, found.values())))
        return curves


def prompts_of(cell) -> str | None:
    """What names a cell's list of prompts; None of a card that does not say."""
    return cell["protocol"]["data"].get("templates_sha256")


def labels_of_prompts(cells) -> dict:
    """What zero-shot CLIP is called, by `prompts_of`: of several lists, by what they are.

    A list is told by the number of its prompts, then by one that no other list has.
    """
    lists = {
        prompts_of(cell): cell["protocol"]["data"].get("templates", ())
        for cell in cells
    }
    if len(lists) == 1:
        return dict.fromkeys(lists, BASE)
    labels = {}
    for name, prompts in lists.items():
        label = f"{BASE}, {counted(len(prompts), 'prompt')}"
        alike = [p for n, p in lists.items() if n != name and len(p) == len(prompts)]
        if alike:
            others = set(itertools.chain(*alike))
            own = next((one for one in prompts if one not in others), (name or "")[:8])
            label += f" ({own})"
        labels[name] = label
    return labels


def figures_of(of_seeds, figure) -> dict[int, float]:
    """The figure of each seed that has one, of evaluations by seed."""
    found = {seed: of_seeds[seed][figure] for seed in sorted(of_seeds)}
    return {seed: value for seed, value in found.items() if value is not None}


def own_rows(cell) -> list[dict]:
    """The rows of the classes that a cell adapted to, with what became of new ones."""
    rows, missing = cell["evaluations"], {"new": None, "harmonic": None}
    both = base_to_new(rows)
    return [
        row | missing | both.get(row["name"], {})
        for row in rows
        if row["classes"] == cell["protocol"]["data"]["classes"]
        and row["split"] == "test"
    ]


def csv_of(cells) -> str:
    """A row a cell and evaluation, in full precision."""
    of_row = ("evaluation", "samples", "classes", "split")
    rows = []
    for cell in cells:
        protocol = protocol_of(cell["protocol"])
        for row in cell["evaluations"]:
            named = [*(cell[name] for name in NAMES), protocol]
            named += [row["name"], row["samples"], row["classes"], row["split"]]
            figures = map(row.get, FIGURES)  # cells of earlier versions have fewer
            rows.append([*named, *figures, *(cell["cost"][name] for name in COSTS)])
    return csv_text([*NAMES, "protocol", *of_row, *FIGURES, *COSTS], rows)


def protocol_of(card) -> str:
    """The name of the protocol on a card."""
    return card["protocol"]["name"]


def heading(cells, failed, command) -> str:
    """What was run, on what, by which code."""
    cards = [cell["protocol"] for cell in cells]
    seeds = sorted({cell["seed"] for cell in cells})
    backbones = [f"{b['name']}, {b['dtype']}" for b in (c["backbone"] for c in cards)]
    today = datetime.datetime.now(datetime.UTC).date()
    facts = {
        "command": Marked(code(command)),
        "cells": f"{len(cells)} done, {len(failed)} failed",
        "seeds": ", ".join(map(str, seeds)),
        "protocol": "; ".join(
            dict.fromkeys(protocol_of(card).replace("_", " ") for card in cards)
        ),
        "classes": "; ".join(dict.fromkeys(card["data"]["classes"] for card in cards)),
        "backbone": "; ".join(dict.fromkeys(backbones)),
        "device": "; ".join(dict.fromkeys(card["device"] for card in cards)),
        "jax": "; ".join(dict.fromkeys(card["versions"]["jax"] for card in cards)),
        "commit": "; ".join(dict.fromkeys(str(card["commit"]) for card in cards)),
        "written": f"{today} (UTC)",
    }
    lines = [f"- {name}: {as_markdown(value)}" for name, value in facts.items()]
    reading = (
        "Mean ± standard deviation (ddof 1) over seeds. A method stands for its "
        "best-informed prediction: Monte-Carlo dropout if it has any, the ensemble if it "
        'has members, else one pass; where both exist, "one pass" is beneath.'
    )
    return "\n".join(["# Grid", "", *lines, "", reading, ""])


def section_of(name, table, groups) -> str:
    """All tables of one data set."""
    parts = [f"## {as_markdown(name)}", "", images_of(table), ""]
    parts += groups_of(table, groups)
    for figure, (title, *_) in SHOWN.items():
        picture = f"![{title} over shots](figures/{quote(picture_of(name, figure))})"
        parts += [f"### {title}", "", means_table(table, figure), "", picture, ""]
    if any(card["data"]["classes"] == "base" for card in table.cards):
        parts += ["### Base to new", "", *base_to_new_tables(table)]
    if shifts := shifted_splits(table.cells):
        parts += ["### Shifted test images", "", shifted_table(table, shifts), ""]
    parts += [
        "### Compared over seeds",
        "",
        DIFFERENCES,
        "",
    ]
    for shots in table.shots:
        parts += [f"{spell(shots)}:", "", comparison(table, shots), ""]
    parts += [
        f"### Cost, {spell(table.shots[-1])}",
        "",
        costs(table),
        "",
        COSTS_MEAN,
        "",
        "### Hyper-parameters",
        "",
        hyper_parameters(table),
        "",
    ]
    if any("search" in cell for cell in table.cells):
        parts += ["### Chosen on validation", "", searched(table), "", SEARCH_MEANS, ""]
    return "\n".join(parts)


def picture_of(name, figure) -> str:
    """The file of a figure of a data set."""
    return f"{as_part(name)}-{figure}.png"


def images_of(table) -> str:
    """How many images each accuracy is of, and where they are too few to tell."""
    rows = [row for cell in table.cells for row in cell["evaluations"]]
    counts = sorted({row["examples"] for row in rows if row["split"] == "test"})
    said = f"Test images: {', '.join(f'{count:,}' for count in counts)}."
    return "\n\n".join([said, *(f"{line}." for line in too_few(rows))])


def shifted_splits(cells) -> list[str]:
    """The splits beside "test" that cells were judged on."""
    splits = {row["split"]: None for cell in cells for row in cell["evaluations"]}
    return [split for split in splits if split != "test"]


def shifted_table(table, splits) -> str:
    """Accuracy of what counts of each method on each shifted split, % over seeds."""
    found = {}
    for cell in table.cells:
        for row in cell["evaluations"]:  # the last of a split is the best-informed
            label = table.base_of(cell) if row["name"] == BASE else cell["method"]
            of_row = found.setdefault((label, cell["shots"]), {})
            of_row.setdefault(row["split"], {})[cell["seed"]] = row["accuracy"]
    rows = [
        [label, spell(shots)]
        + [mean_of(of_row.get(s, {}).values(), 100, 1) for s in ("test", *splits)]
        for (label, shots), of_row in found.items()
    ]
    return markdown(["Accuracy, %", "shots", "test", *splits], rows)


DIFFERENCES = (
    f"Mean paired difference over the seeds ± half of its {100 * LEVEL:.0f} % interval "
    "(Student's t, not corrected for the number of comparisons); a tie is a "
    "difference whose interval holds 0, bold is one whose does not. Zero-shot CLIP has the "
    "prompts of the method that is compared with it. Accuracy and ECE in points, NLL in "
    "nats."
)

COSTS_MEAN = (
    "Medians over seeds. Train seconds: of one seed, its share if seeds trained together, "
    "compilation apart but for methods that fit at once. Test ms an image: the frozen "
    "tower and the method with all its samples. Peak memory: the largest compiled program "
    "of the cell (an epoch of all seeds that train together, or a test batch; of methods "
    "that fit at once, the test batch alone), with frozen weights, arguments and "
    "temporaries; not that of the process."
)


def base_to_new_tables(table) -> list[str]:
    """Accuracy on base and new classes and their harmonic mean, shots by shots."""
    columns = {"accuracy": "base", "new": "new", "harmonic": "harmonic mean"}
    parts, labels = [], table.ordered()
    for shots in table.shots:
        rows = [
            [label]
            + [
                mean_of(table.values(label, shots, figure).values(), 100, 1)
                for figure in columns
            ]
            for label in labels
        ]
        titles = [f"Accuracy, %, {spell(shots)}", *columns.values()]
        parts += [markdown(titles, rows), ""]
    naming = {n for n in labels for s in table.shots if table.values(n, s, "new")}
    said = (
        "Trained on the base classes; each half is judged among its own names, the mean "
        "is that of each seed. All other tables and figures are of the base classes."
    )
    if fixed := [label for label in table.candidates if label not in naming]:
        names = as_markdown(", ".join(fixed))
        said += f" Parameters that belong to classes name no new ones: {names}."
    return [*parts, said, ""]


def hyper_parameters(table) -> str:
    """What each method trains on, what chose its hyper-parameters, what was set by hand."""
    rows = []
    for method in table.methods:
        cards = [c["protocol"] for c in table.cells if c["method"] == method]
        by_hand = dict.fromkeys(spell_fields(card["set_by_hand"]) for card in cards)
        chosen_by = dict.fromkeys(card["selected_by"] for card in cards)
        protocols = dict.fromkeys(protocol_of(card).replace("_", " ") for card in cards)
        views = dict.fromkeys(card["transforms"]["train"] for card in cards)
        told = (protocols, chosen_by, views, by_hand)
        rows.append([method, *map("; ".join, told)])
    titles = ["", "protocol", "selected by", "trained on", "set by hand"]
    return markdown(titles, rows)


SEARCH_MEANS = (
    "Top-1 accuracy on the validation split after the last epoch chooses, of equals the "
    "smaller learning rate; no trial saw a test image. Trials that diverged are out. "
    "Seconds are of all trials of the cell."
)


def searched(table) -> str:
    """What the search chose for each cell."""
    rows = []
    for cell in table.cells:
        if found := cell.get("search"):
            lost = sum(trial["accuracy"] is None for trial in found["trials"])
            trials = f"{len(found['trials'])}" + (f" ({lost} diverged)" if lost else "")
            chosen = spell_fields(found["chosen"])
            trained_on = cell["protocol"]["protocol"].get("trained_on", "train")
            named = [cell["method"], spell(cell["shots"]), str(cell["seed"]), chosen]
            figures = [f"{100 * found['accuracy']:.1f}", trials]
            rows.append([*named, *figures, f"{found['seconds']:.1f}", trained_on])
    columns = ["", "shots", "seed", "chosen", "validation accuracy, %", "trials"]
    return markdown([*columns, "search, s", "then trained on"], rows)


def spell_fields(values) -> str:
    """Fields and their values in a line; values that are equal to four digits look so."""
    spelt = [
        f"{field}={value:.4g}" if isinstance(value, float) else f"{field}={value}"
        for field, value in values.items()
    ]
    return ", ".join(spelt)


def means_table(table, figure) -> str:
    """Mean ± deviation of a figure: a row a label, a column a number of shots."""
    return markdown(["", *map(spell, table.shots)], means_rows(table, figure))


def means_rows(table, figure):
    _, unit, digits, _ = SHOWN[figure]
    return [
        [label]
        + [
            mean_of(table.values(label, shots, figure).values(), unit, digits)
            for shots in table.shots
        ]
        for label in table.ordered(figure)
    ]


def groups_of(table, groups) -> list[str]:
    """The tables of the groups that have a first and another, in the order of the cells."""
    here = {
        title: [name for name in names if name in table.methods]
        for title, names in groups.items()
        if names[0] in table.methods
    }
    place = lambda title: table.methods.index(here[title][1])  # noqa: E731
    parts = []
    for title in sorted((t for t in here if len(here[t]) > 1), key=place):
        parts += [f"### {as_markdown(title)}", ""]
        for shots in table.shots:
            of_shots = group_table(table, shots, here[title])
            parts += [f"{spell(shots)}:", "", of_shots, ""]
    return [*parts, DIFFERENCES, ""] if parts else []


def group_table(table, shots, members) -> str:
    """Each method of a group, in their order, and its difference from the first."""
    first, columns = members[0], [""]
    for title, *_ in SHOWN.values():
        columns += [title, f"− {first}"]
    rows = []
    for label in members:
        row = [label]
        for figure, (_, unit, digits, _) in SHOWN.items():
            row.append(
                mean_of(table.values(label, shots, figure).values(), unit, digits)
            )
            differs = label != first
            row.append(against(table, shots, figure, label, first) if differs else "")
        rows.append(row)
    return markdown(columns, rows)


def comparison(table, shots) -> str:
    """Each method against zero-shot CLIP and against the best, figure by figure."""
    columns, best = [""], {}
    for figure in COMPARED:
        best[figure] = table.best(shots, figure)
        columns += [SHOWN[figure][0], "− zero-shot", f"− best ({best[figure]})"]
    rows = []
    for label in table.ordered():
        if label not in table.candidates:
            continue
        row = [label]
        for figure in COMPARED:
            _, unit, digits, _ = SHOWN[figure]
            values = table.values(label, shots, figure)
            row.append(mean_of(values.values(), unit, digits))
            for other in (BASE, best[figure]):
                none = label == other or (other == BASE and label in table.bases)
                row.append("" if none else against(table, shots, figure, label, other))
        rows.append(row)
    return markdown(columns, rows)


def against(table, shots, figure, label, other) -> str:
    """The paired difference of two methods in words; nothing without common seeds.

    From BASE, a method differs by what its own cells have beside it.
    """
    _, unit, digits, _ = SHOWN[figure]
    ours = table.values(label, shots, figure)
    if other == BASE:
        theirs = table.beside(label, shots, figure)
    else:
        theirs = table.values(other, shots, figure)
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return ""
    found = paired_difference([ours[s] for s in seeds], [theirs[s] for s in seeds])
    mean = f"{unit * found.mean:+.{digits}f}"
    if len(seeds) == 1:
        return f"{mean} (one seed)"
    shown = f"{mean} ± {unit * found.half_width:.{digits}f}"
    return f"{shown} (tie)" if found.tie else Marked(f"**{shown}**")


def costs(table) -> str:
    """The cost table, at the most shots."""
    most = [cell for cell in table.cells if cell["shots"] == table.shots[-1]]
    rows = []
    for method in table.methods:
        found = [cell["cost"] for cell in most if cell["method"] == method]
        if found:
            medians = {
                name: statistics.median(c[name] for c in found) for name in COSTS
            }
            rows.append([method, *(form % medians[name] for name, _, form in PRICED)])
    return markdown(["", *(title for _, title, _ in PRICED)], rows)


def failures_of(failed) -> str:
    """What failed cells said; nothing if none did."""
    if not failed:
        return ""
    lines = [
        f"- {as_markdown(name)}: {as_markdown(message)}"
        for name, message in failed.items()
    ]
    return "\n".join(["## Failed cells", "", *lines, ""])


def terminal_table(name, table) -> str:
    """Accuracy over shots."""
    columns = [f"{name}: accuracy, %", *map(spell, table.shots)]
    rows = [row for cell in table.cells for row in cell["evaluations"]]
    return "\n".join([render(columns, means_rows(table, "accuracy")), *too_few(rows)])


def mean_of(values, unit, digits) -> str:
    """Mean ± deviation; a dash without values, the value alone of one."""
    values = [unit * value for value in values]
    if not values:
        return "–"
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {spread(values):.{digits}f}"


def spread(values) -> float:
    """The standard deviation (ddof 1); 0 of one value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def spell(shots) -> str:
    """A number of shots in words: 0 is all of them, below 1 a share of all."""
    if 0 < shots < 1:
        return f"{100 * shots:g} % of images"
    return "all shots" if shots == 0 else counted(shots, "shot")


def many(shots) -> float:
    """Shots in order: 0 is all of them."""
    return shots or float("inf")
