"""predictions.csv: every test image, what was said of it and how surely."""

import csv
import io

import numpy as np

from apt_jax.files import write_text
from apt_jax.metrics import entropy

COLUMNS = (
    "path",
    "label",
    "predicted",
    "confidence",
    "predictive_entropy",
    "expected_entropy",
    "mutual_information",
)


def write_predictions(path, items, classes, prediction):
    """Writes a row an item: labels as class names, entropies in nats.

    `prediction` holds [n, K] log-probabilities and [n] expected entropies. The
    columns of COLUMNS are followed by a probability column a class.
    """
    probs = np.exp(np.asarray(prediction.log_probs, np.float64))
    expected = np.asarray(prediction.expected_entropy, np.float64)
    total = entropy(probs)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *classes])
    for row, item in enumerate(items):
        figures = (
            probs[row].max(),
            total[row],
            expected[row],
            max(total[row] - expected[row], 0.0),
        )
        writer.writerow(
            [
                item.path,
                classes[item.label],
                classes[probs[row].argmax()],
                *map(float, figures),
                *map(float, probs[row]),
            ]
        )
    write_text(path, text.getvalue())
