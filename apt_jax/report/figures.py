"""Figures as PNG: the training curve and the reliability diagram."""

import io

from apt_jax.files import write_bytes
from apt_jax.report.tables import LABELS

INK, BLUE, ORANGE, GREY = "#222222", "#3465a4", "#ce5c00", "#bbbbbb"


def write_figures(folder, evaluations, metrics, of_new=()):
    """Writes `training.png` (if anything was trained) and `reliability.png`.

    And `reliability_new.png`, where there are evaluations of new classes.
    """
    if metrics:
        write_bytes(folder / "training.png", png_of(training_curve(metrics)))
    write_bytes(folder / "reliability.png", png_of(reliability_diagram(evaluations)))
    if of_new:
        write_bytes(folder / "reliability_new.png", png_of(reliability_diagram(of_new)))


def training_curve(metrics: list[dict]):
    """Loss and accuracy over epochs, from the lines of metrics.jsonl."""
    figure, (above, below) = new_figure(2, 1, (5.2, 4.6), sharex=True)
    epochs = [line["epoch"] for line in metrics]
    above.plot(epochs, [line["loss"] for line in metrics], color=BLUE)
    above.set_ylabel("loss (nats)")
    above.set_ylim(bottom=0)
    below.plot(epochs, [100 * line["accuracy"] for line in metrics], color=ORANGE)
    below.set_ylabel("accuracy (%)")
    below.set_xlabel("epoch")
    below.set_ylim(0, 102)
    above.set_title("Training: augmented views, dropout on", color=INK, size=9.5)
    return figure


def reliability_diagram(evaluations):
    """Accuracy against confidence, a column an evaluation, with counts below.

    Points are at the mean confidence of their bin; below the diagonal a classifier
    claims more than it keeps. Empty bins are not drawn.
    """
    size = (3.1 * len(evaluations) + 0.6, 4.2)
    figure, axes = new_figure(
        2, len(evaluations), size, sharex=True, sharey="row", height_ratios=(3, 1)
    )
    axes = axes.reshape(2, len(evaluations))
    for column, evaluation in enumerate(evaluations):
        bins, (above, below) = evaluation.scores.bins, axes[:, column]
        seen = bins.count > 0
        confidence = bins.confidence[seen] / bins.count[seen]
        accuracy = bins.correct[seen] / bins.count[seen]
        width = 1 / len(bins.count)
        above.plot([0, 1], [0, 1], color=GREY, linewidth=1, zorder=0)
        above.vlines(confidence, accuracy, confidence, color=ORANGE, alpha=0.5)
        above.plot(confidence, accuracy, "o-", color=BLUE, markersize=4)
        ece = 100 * evaluation.scores.summary()["ece"]
        label = LABELS.get(evaluation.name, evaluation.name)
        title = f"{label}\nECE {ece:.1f} %, {len(bins.count)} bins"
        above.set_title(title, color=INK, size=9.5)
        left = [index * width for index in range(len(bins.count))]
        below.bar(left, bins.count, width=0.92 * width, align="edge", color=GREY)
        below.set_xlabel("confidence")
        below.set_xlim(0, 1)
        above.set_ylim(0, 1)
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("images")
    return figure


def new_figure(rows, columns, size, **options):
    """A figure of the object interface: no global state, no display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=150, layout="constrained")
    height_ratios = options.pop("height_ratios", None)
    grid = {"height_ratios": height_ratios} if height_ratios else None
    axes = figure.subplots(rows, columns, gridspec_kw=grid, squeeze=True, **options)
    for axis in axes.reshape(-1):
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.xaxis.label.set_size(9)
        axis.yaxis.label.set_size(9)
    return figure, axes


def png_of(figure) -> bytes:
    data = io.BytesIO()
    # Without the software stamp, equal figures are equal files.
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()
