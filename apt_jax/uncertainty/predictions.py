"""What a person is told of n images: labels, probabilities, and how sure they are."""

import dataclasses

import numpy as np

from apt_jax.metrics.figures import OF_AN_IMAGE, RUN, shown_in
from apt_jax.tables import Table
from apt_jax.uncertainty.scores import scores_of

SHOWN = 10  # of many, in a notebook or at a prompt


@dataclasses.dataclass(frozen=True, repr=False)
class Predictions:
    """Of n images, in the order given; probabilities are fractions, entropies nats."""

    labels: list[str]  # the most probable class of each image
    probabilities: np.ndarray  # [n, K], rows sum to 1
    confidence: np.ndarray  # [n] probability of that class
    predictive_entropy: np.ndarray  # [n] of the mean prediction
    expected_entropy: np.ndarray  # [n] mean over the samples
    mutual_information: np.ndarray  # [n] their difference: the samples' disagreement

    def __len__(self):
        return len(self.labels)

    @property
    def table(self) -> Table:
        """The first of them."""
        rows = []
        for index, label in enumerate(self.labels[:SHOWN]):
            figures = {name: getattr(self, name)[index] for name in OF_AN_IMAGE}
            shown = shown_in(RUN, OF_AN_IMAGE).items()
            cells = [figure.unit.text(figures[name]) for name, figure in shown]
            rows.append([str(index), label, *cells])
        titles = [figure.title for figure in shown_in(RUN, OF_AN_IMAGE).values()]
        return Table(["image", "class", *titles], rows, texts=2)

    def __repr__(self):
        more = len(self) - SHOWN
        return self.table.terminal() + (f"\nand {more:,} more" if more > 0 else "")

    def _repr_html_(self):
        return self.table.html()

    @classmethod
    def of(cls, prediction, classes) -> "Predictions":
        """What a `softmax.Prediction` of n images says, among class names."""
        probs = np.exp(np.asarray(prediction.log_probs, np.float64))
        labels = [classes[index] for index in probs.argmax(-1)]
        return cls(labels, probs, **scores_of(prediction))
