"""The figures of an evaluation: one table, which all that computes or shows them reads.

results.json and grid.csv have every figure, in this order and in full precision; tables
and pictures have those that are shown there. An entry says what a figure is called, what
it is measured in, how it comes from the outcomes of the predictions, and whether more of it
is better. docs/adding_a_figure.md has an example.
"""

import dataclasses
import enum
from collections.abc import Callable
from typing import NamedTuple

from apt_jax.metrics.calibration import expected_calibration_error
from apt_jax.metrics.interval import LEVEL, wilson
from apt_jax.metrics.outcomes import Outcomes
from apt_jax.tables import Table

HIGHER, LOWER = 1, -1  # is better


class Place(enum.Flag):
    """Where a figure is shown."""

    NOWHERE = 0
    RUN = enum.auto()  # in the tables of runs and predictions
    GRID = enum.auto()  # in the report of a grid, with a section and a picture
    COMPARED = enum.auto()  # where methods are compared, in grids and studies


RUN, GRID, COMPARED = Place.RUN, Place.GRID, Place.COMPARED
EVERYWHERE = RUN | GRID | COMPARED


class Unit(NamedTuple):
    """What figures are measured in; they are shown times `scale`, with so many digits."""

    name: str  # in a heading
    apart: str  # of a difference
    scale: int = 1
    digits: int = 3

    def number(self, value, sign: str = "") -> str:
        """A value as it is shown below a heading; with `sign` "+" gains have it too."""
        form = f".{self.digits}f" if self.digits else ",.0f"
        return f"{self.scale * value:{sign}{form}}"

    def text(self, value) -> str:
        """A value as it is shown where no heading says "%"; a dash for None."""
        if value is None:
            return "-"
        return self.number(value) + (" %" if self.name == "%" else "")


FRACTION = Unit("%", "points", 100, 1)
NATS = Unit("nats", "nats")
NUMBER = Unit("", "units")
COUNT = Unit("", "units", digits=0)


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of an evaluation."""

    title: str
    unit: Unit
    of: Callable[[Outcomes], float | int | None]  # None where it has no value
    better: int = 0  # HIGHER, LOWER, or 0 where neither is
    shown: Place = Place.NOWHERE
    until: str = ""  # the other end, where two figures are shown as one range

    @property
    def heading(self) -> str:
        """The title with the unit: "Accuracy, %"."""
        title = self.title[:1].upper() + self.title[1:]
        return f"{title}, {self.unit.name}" if self.unit.name else title


def mean(name: str) -> Callable[[Outcomes], float]:
    """The mean over the images of one of their outcomes."""
    return lambda outcomes: float(getattr(outcomes, name).mean())


def count(outcomes: Outcomes) -> int:
    return len(outcomes.labels)


def end_of_interval(end: int) -> Callable[[Outcomes], float]:
    """An end of the interval of the accuracy, 0 the lower."""
    return lambda outcomes: wilson(mean("correct")(outcomes), count(outcomes))[end]


def ece(outcomes: Outcomes) -> float:
    return expected_calibration_error(outcomes.bins)


INTERVAL = f"{100 * LEVEL:.0f} % interval"
FIGURES = {
    "examples": Figure("images", COUNT, count, shown=RUN),
    "accuracy": Figure("accuracy", FRACTION, mean("correct"), HIGHER, EVERYWHERE),
    "accuracy_low": Figure(
        INTERVAL, FRACTION, end_of_interval(0), shown=RUN, until="accuracy_high"
    ),
    "accuracy_high": Figure(INTERVAL, FRACTION, end_of_interval(1)),
    "nll": Figure("NLL", NATS, mean("nll"), LOWER, EVERYWHERE),
    "brier": Figure("Brier", NUMBER, mean("brier"), LOWER, RUN),
    "ece": Figure("ECE", FRACTION, ece, LOWER, RUN | GRID),
    "predictive_entropy": Figure(
        "entropy", NATS, mean("predictive_entropy"), shown=RUN
    ),
    "expected_entropy": Figure("expected entropy", NATS, mean("expected_entropy")),
    "mutual_information": Figure(
        "mutual information", NATS, mean("mutual_information"), shown=RUN
    ),
}
ENTROPIES = ("predictive_entropy", "expected_entropy", "mutual_information")
# What a single prediction has, whatever its label: columns of predictions.csv.
OF_AN_IMAGE = {
    "confidence": Figure("confidence", FRACTION, mean("confidence"), shown=RUN),
    **{name: FIGURES[name] for name in ENTROPIES},
}


def cell(row: dict, name: str, figure: Figure) -> str:
    """A figure of a row of results.json as text; runs of earlier versions lack some."""
    if not figure.until:
        return figure.unit.text(row.get(name))
    ends = (row.get(name), row.get(figure.until))
    return "-" if None in ends else "-".join(map(figure.unit.number, ends))


class Figures(dict):
    """Figures by name; each is an attribute too. Shown as a table."""

    def __getattr__(self, name):
        if name in self:
            return self[name]
        raise AttributeError(f"there is no figure {name}; there are {', '.join(self)}")

    @property
    def table(self) -> Table:
        """The figures that the table of a run shows, with the interval of accuracy."""
        shown = shown_in(RUN)
        rows = [
            [figure.title, cell(self, name, figure)] for name, figure in shown.items()
        ]
        return Table(("figure", "value"), rows)

    def __repr__(self):
        return self.table.terminal()

    def _repr_html_(self):
        return self.table.html()


def figures_of(outcomes: Outcomes) -> dict:
    """All figures by name, as results.json has them."""
    return {name: figure.of(outcomes) for name, figure in FIGURES.items()}


def shown_in(place: Place, figures=FIGURES) -> dict[str, Figure]:
    """The figures that are shown there, or in one of several places, by name."""
    return {name: figure for name, figure in figures.items() if place & figure.shown}
