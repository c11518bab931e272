"""Predictions as rows: the columns of predictions.csv and of all that `predict` writes.

A class's probability is in the column `p:NAME`, whatever the class is called; JSON has
them by name under `probabilities`. `reason` is `ok`, or `unreadable` with the words in
`error`: such a row has no figures.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping

from apt_jax.files import json_text, write_parts
from apt_jax.metrics.figures import OF_AN_IMAGE
from apt_jax.names import probability_column, storable
from apt_jax.report.tables import predictions_table
from apt_jax.tables import Table
from apt_jax.uncertainty.predictions import Predictions

ANSWER = ("predicted", *OF_AN_IMAGE, "reason", "error")
FORMATS = ("table", "json", "csv")


def write_predictions(path, items, classes, prediction):
    """Writes a row an item: labels as class names, entropies in nats.

    `prediction` is a `softmax.Prediction` of them.
    """
    told = Predictions.of(prediction, classes)
    answered = rows([item.path for item in items], told, classes)
    labelled = (
        {"label": classes[item.label]} | row
        for item, row in zip(items, answered, strict=True)
    )
    table = csv_of(labelled, classes, ("path", "label", *ANSWER))
    write_parts(path, table.csv_lines())


def rows(
    paths, predictions: Predictions, classes, faults: Mapping[int, str] | None = None
) -> Iterator[dict]:
    """A row a path, in order.

    Args:
        predictions: of the images that have no fault.
        faults: why an image cannot be read, by its place among the paths.
    """
    faults, answered = faults or {}, iter(range(len(predictions.labels)))
    for place, path in enumerate(map(storable, paths)):
        if place in faults:
            nothing = dict.fromkeys(("predicted", *OF_AN_IMAGE))
            why = {"reason": "unreadable", "error": storable(faults[place])}
            yield {"path": path} | nothing | why | {"probabilities": None}
        else:
            yield {"path": path} | _answer(predictions, next(answered), classes)


def _answer(predictions, index, classes):
    figures = {name: getattr(predictions, name)[index].item() for name in OF_AN_IMAGE}
    probabilities = predictions.probabilities[index].tolist()
    return {
        "predicted": predictions.labels[index],
        **figures,
        "reason": "ok",
        "error": None,
        "probabilities": dict(zip(classes, probabilities, strict=True)),
    }


def render(
    answered: Iterable[dict], classes, form: str, encoding="utf-8"
) -> Iterator[str]:
    """Rows as a table, as JSON or as CSV, for what has this encoding; as they come.

    A table waits for all of them, since the longest makes its columns.
    """
    if form == "csv":
        yield from csv_of(answered, classes, ("path", *ANSWER)).csv_lines()
    elif form == "table":
        yield predictions_table(list(answered)).terminal() + "\n"
    else:
        yield from _json(answered, encoding)


def _json(answered, encoding) -> Iterator[str]:
    """A list in JSON, entry by entry."""
    begun = False
    for row in answered:
        entry = textwrap.indent(json_text(row, encoding).rstrip("\n"), "  ")
        yield f"{',' if begun else '['}\n{entry}"
        begun = True
    yield "\n]\n" if begun else "[]\n"


def csv_of(answered: Iterable[dict], classes, names) -> Table:
    """The columns `names` and a probability column a class, in full precision."""
    nothing = dict.fromkeys(classes)
    cells = (
        [*map(row.get, names), *(row["probabilities"] or nothing).values()]
        for row in answered
    )
    return Table([*names, *map(probability_column, classes)], cells)
