"""The tables of one data set of a grid; each is made of its `Rows`."""

import statistics

from apt_jax.metrics.figures import COMPARED, FIGURES, FRACTION, GRID, shown_in
from apt_jax.metrics.paired import paired_difference
from apt_jax.report.grid_rows import BASE, spread
from apt_jax.tables import Marked, Table
from apt_jax.words import series, shots_in_words

# Columns of grid.csv; of those in the table of costs the title and how a value is shown.
COSTS = {
    "trainable_parameters": ("trained parameters", "%d"),
    "train_seconds": ("train, s", "%.2f"),
    "compile_seconds": ("compile, s", "%.1f"),
    "trained_together": None,
    "test_ms_per_image": ("test, ms an image", "%.2f"),
    "peak_memory_mb": ("peak memory, MB", "%.3g"),
}


def means(rows, name, title="") -> Table:
    """Mean ± deviation of a figure: a row a label, a column a number of shots."""
    listed = [
        [label, *(mean_of(rows, label, shots, name) for shots in rows.shots)]
        for label in rows.ordered(name)
    ]
    return Table([title, *map(shots_in_words, rows.shots)], listed)


def group(rows, shots, members) -> Table:
    """Each method of a group, in their order, and its difference from the first."""
    columns, listed = [""], [[label] for label in members]
    for name, figure in shown_in(GRID).items():
        columns += [figure.heading, f"− {members[0]}"]
        for label, row in zip(members, listed, strict=True):
            differs = against(rows, shots, name, label, members[0])
            row += [mean_of(rows, label, shots, name), differs]
    return Table(columns, listed)


def comparison(rows, shots) -> Table:
    """Each method against zero-shot CLIP and against the best, figure by figure."""
    labels = [label for label in rows.ordered() if label in rows.candidates]
    columns, listed = [""], [[label] for label in labels]
    for name, figure in shown_in(COMPARED).items():
        best = rows.best(shots, name)
        columns += [figure.heading, "− zero-shot", f"− best ({best or '–'})"]
        for label, row in zip(labels, listed, strict=True):
            differs = [against(rows, shots, name, label, one) for one in (BASE, best)]
            row += [mean_of(rows, label, shots, name), *differs]
    return Table(columns, listed)


def against(rows, shots, name, label, other) -> str:
    """The paired difference of two methods in words; nothing without common seeds.

    From BASE, a method differs by what its own cells have beside it.
    """
    if label == other or (other == BASE and label in rows.bases):
        return ""
    unit, ours = FIGURES[name].unit, rows.values(label, shots, name)
    if other == BASE:
        theirs = rows.beside(label, shots, name)
    else:
        theirs = rows.values(other, shots, name)
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return ""
    found = paired_difference([ours[s] for s in seeds], [theirs[s] for s in seeds])
    mean = unit.number(found.mean, "+")
    if len(seeds) == 1:
        return f"{mean} (one seed)"
    shown = f"{mean} ± {unit.number(found.half_width)}"
    return f"{shown} (tie)" if found.tie else Marked(f"**{shown}**")


def base_to_new(rows, shots) -> Table:
    """Accuracy on base and new classes and their harmonic mean."""
    columns = {"accuracy": "base", "new": "new", "harmonic": "harmonic mean"}
    listed = [
        [label, *(mean_of(rows, label, shots, name) for name in columns)]
        for label in rows.ordered()
    ]
    return Table([f"Accuracy, %, {shots_in_words(shots)}", *columns.values()], listed)


def by_split(rows) -> Table:
    """Accuracy of what counts of each method on each split, % over seeds."""
    found = {}
    for cell in rows.cells:
        for row in cell["evaluations"]:  # the last of a split is the best-informed
            label = rows.base_of(cell) if row["name"] == BASE else cell["method"]
            of_row = found.setdefault((label, cell["shots"]), {})
            of_row.setdefault(row["split"], {})[cell["seed"]] = row["accuracy"]
    listed = [
        [label, shots_in_words(shots)]
        + [over_seeds(of_row.get(split, {}).values()) for split in rows.splits]
        for (label, shots), of_row in found.items()
    ]
    return Table(["Accuracy, %", "shots", *rows.splits], listed)


def costs(rows) -> Table:
    """What methods cost at the most shots: medians over seeds."""
    most = [cell for cell in rows.cells if cell["shots"] == rows.shots[-1]]
    shown, listed = {name: how for name, how in COSTS.items() if how}, []
    for method in rows.methods:
        if found := [cell["cost"] for cell in most if cell["method"] == method]:
            medians = (
                form % statistics.median(cost[name] for cost in found)
                for name, (_, form) in shown.items()
            )
            listed.append([method, *medians])
    return Table(["", *(title for title, _ in shown.values())], listed)


def hyper_parameters(rows) -> Table:
    """What each method trains on, what chose its hyper-parameters, what was set by hand."""
    listed = []
    for method in rows.methods:
        cards = [c["protocol"] for c in rows.cells if c["method"] == method]
        told = (
            map(protocol_of, cards),
            (card["selected_by"] for card in cards),
            (card["transforms"]["train"] for card in cards),
            (spell_fields(card["set_by_hand"]) for card in cards),
        )
        listed.append([method, *map(different, told)])
    columns = ["", "protocol", "selected by", "trained on", "set by hand"]
    return Table(columns, listed)


def searched(rows) -> Table:
    """What the search chose for each cell."""
    listed = []
    for cell in rows.cells:
        if found := cell.get("search"):
            lost = sum(trial["accuracy"] is None for trial in found["trials"])
            trials = f"{len(found['trials'])}" + (f" ({lost} diverged)" if lost else "")
            chosen = spell_fields(found["chosen"])
            trained_on = cell["protocol"]["protocol"].get("trained_on", "train")
            shots = shots_in_words(cell["shots"])
            named = [cell["method"], shots, str(cell["seed"]), chosen]
            figures = [FRACTION.number(found["accuracy"]), trials]
            listed.append([*named, *figures, f"{found['seconds']:.1f}", trained_on])
    columns = ["", "shots", "seed", "chosen", "validation accuracy, %", "trials"]
    return Table([*columns, "search, s", "then trained on"], listed)


# -- cells ------------------------------------------------------------------------------


def mean_of(rows, label, shots, name) -> str:
    """Mean ± deviation of a figure over the seeds; the other figures are fractions."""
    unit = FIGURES[name].unit if name in FIGURES else FRACTION
    return over_seeds(rows.values(label, shots, name).values(), unit)


def over_seeds(values, unit=FRACTION) -> str:
    """Mean ± deviation; a dash without values, the value alone of one."""
    values = [unit.scale * value for value in values]
    if not values:
        return "–"
    mean = f"{statistics.fmean(values):.{unit.digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {spread(values):.{unit.digits}f}"


def difference_units() -> str:
    """The units of differences: "accuracy and ECE in points, NLL in nats"."""
    titles = {}
    for figure in shown_in(GRID | COMPARED).values():
        titles.setdefault(figure.unit.apart, []).append(figure.title)
    return ", ".join(f"{series(of)} in {unit}" for unit, of in titles.items())


def spell_fields(values) -> str:
    """Fields and their values in a line; values that are equal to four digits look so."""
    spelt = [
        f"{field}={value:.4g}" if isinstance(value, float) else f"{field}={value}"
        for field, value in values.items()
    ]
    return ", ".join(spelt)


def protocol_of(card) -> str:
    """The protocol of a card in words."""
    return card["protocol"]["name"].replace("_", " ")


def different(texts) -> str:
    """The texts in their order, equal ones once."""
    return "; ".join(dict.fromkeys(texts))
