"""The evaluations of a grid's cells, by method, shots and seed.

A method stands for its best-informed prediction, the last of its evaluations: Monte-Carlo
if it has dropout, the ensemble if it has members, else one pass. The rows of the others
are there too, under "NAME, one pass".
"""

import itertools
import statistics

from apt_jax.metrics.base_new import base_to_new
from apt_jax.metrics.figures import FIGURES
from apt_jax.words import counted

BASE = "zero_shot"


class Rows:
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
        self.methods = list(dict.fromkeys(cell["method"] for cell in cells))
        self._seeds = sorted({cell["seed"] for cell in cells})
        self._rows, self._beside, self.bases = {}, {}, []
        self._prompts = labels_of_prompts(cells)
        for cell in cells:
            self._add(cell)

    def _add(self, cell):
        method, *of_cell = cell["method"], cell["shots"], cell["seed"]
        *others, last = own_rows(cell)
        self._rows[method, *of_cell] = last
        for row in [last] if last["name"] == BASE else others:
            if row["name"] != BASE:
                self._rows[one_pass(method), *of_cell] = row
                continue
            self._beside[method, *of_cell] = row
            label = self.base_of(cell)
            if label not in self.bases:
                self.bases.append(label)
            known = self._rows.get((label, *of_cell))
            if known is None or known["new"] is None:  # of a method that names none
                self._rows[label, *of_cell] = row

    def base_of(self, cell) -> str:
        """The label of zero-shot CLIP with the cell's prompts."""
        return self._prompts[prompts_of(cell)]

    def values(self, label, shots, figure) -> dict[int, float]:
        """The figure of each seed that has one; cells of earlier versions lack some."""
        return self._by_seed(self._rows, label, shots, figure)

    def beside(self, label, shots, figure) -> dict[int, float]:
        """The figure of zero-shot CLIP in the cells of a method, by seed."""
        return self._by_seed(self._beside, label, shots, figure)

    def _by_seed(self, rows, label, shots, figure):
        found = {seed: rows.get((label, shots, seed), {}) for seed in self._seeds}
        return {
            s: row[figure] for s, row in found.items() if row.get(figure) is not None
        }

    def best(self, shots, figure) -> str | None:
        """The method with the best mean, among those that have all seeds of the cell."""
        found = {label: self.values(label, shots, figure) for label in self.candidates}
        most = max(map(len, found.values()))
        worths = {
            label: worth(values, figure)
            for label, values in found.items()
            if values and len(values) == most
        }
        return max(worths, key=worths.get, default=None)

    @property
    def evaluations(self) -> list[dict]:
        """The rows of all cells."""
        return [row for cell in self.cells for row in cell["evaluations"]]

    @property
    def splits(self) -> list[str]:
        """The splits that the cells were judged on: "test", then shifted ones."""
        return list(
            dict.fromkeys(["test", *(row["split"] for row in self.evaluations)])
        )

    @property
    def candidates(self):
        """Zero-shot CLIP, with each list of prompts, and the other methods."""
        of_base = {BASE, *self.bases} if self.bases else set()
        return [*self.bases, *(name for name in self.methods if name not in of_base)]

    def ordered(self, figure="accuracy"):
        """Labels, the best at the most shots first, one-pass rows below their method."""
        most = self.shots[-1]
        worths = {
            label: worth(self.values(label, most, figure), figure)
            for label in self.candidates
        }
        methods = sorted(worths, key=worths.get, reverse=True)
        labels = [name for label in methods for name in (label, one_pass(label))]
        known = {label for label, *_ in self._rows}
        return [label for label in labels if label in known]

    def curves(self, figure) -> dict:
        """{label: (shots, means, deviations)} of what counts of each method."""
        curves = {}
        for label in self.candidates:
            found = {shots: self.values(label, shots, figure) for shots in self.shots}
            found = {shots: list(by.values()) for shots, by in found.items() if by}
            if found:
                means = [statistics.fmean(values) for values in found.values()]
                curves[label] = (list(found), means, list(map(spread, found.values())))
        return curves


def rows_by_set(cells) -> dict[str, Rows]:
    """The rows of each data set, in the order of the cells."""
    sets = {}
    for cell in cells:
        sets.setdefault(cell["dataset"], []).append(cell)
    return {name: Rows(of_set) for name, of_set in sets.items()}


def one_pass(method) -> str:
    """The label of a method's single pass, where more is known of it."""
    return f"{method}, one pass"


def worth(values, figure) -> float:
    """The mean over seeds, negative where lower is better; without values the least."""
    if not values:
        return float("-inf")
    return FIGURES[figure].better * statistics.fmean(values.values())


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


def spread(values) -> float:
    """The standard deviation (ddof 1); 0 of one value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def many(shots) -> float:
    """Shots in order: 0 is all of them."""
    return shots or float("inf")
