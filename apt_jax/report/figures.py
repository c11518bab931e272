"""Figures as PNG: the training curve, the reliability diagram, methods over shots."""

import io

from apt_jax.files import write_bytes
from apt_jax.report.tables import LABELS

INK, BLUE, ORANGE, GREY = "#222222", "#3465a4", "#ce5c00", "#bbbbbb"
# Of many lines, each has a colour and a marker that no other has together.
COLOURS = (
    *("#3465a4", "#ce5c00", "#2e7d32", "#a40000", "#75507b", "#8f5902"),
    *("#00838f", "#c2185b", "#555753", "#827717"),
)
MARKERS = ("o", "s", "^", "D")


def write_figures(folder, evaluations, metrics):
    """Writes `training.png` (if anything was trained) and `reliability.png`."""
    if metrics:
        write_bytes(folder / "training.png", _png(training_curve(metrics)))
    write_bytes(folder / "reliability.png", _png(reliability_diagram(evaluations)))


def training_curve(metrics: list[dict]):
    """Loss and accuracy over epochs, from the lines of metrics.jsonl."""
    figure, (above, below) = _figure(2, 1, (5.2, 4.6), sharex=True)
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
    figure, axes = _figure(
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


def over_shots(curves, title, label, *, unit=1.0, reference=None):
    """A line a method over the shots a class, its name at the line's end.

    Args:
        curves: {name: (shots, means, deviations)}; 0 shots are all there are.
        label: of the vertical axis.
        unit: figures are shown times this.
        reference: the name that is drawn as a grey line behind the others.
    """
    figure, axis = _figure(1, 1, (7.2, max(4.2, 0.21 * len(curves) + 0.8)))
    counts = sorted(
        {shots for found, *_ in curves.values() for shots in found}, key=_many
    )
    place = {shots: position for position, shots in enumerate(counts)}
    others = [name for name in curves if name != reference]
    ends = []
    for name, (shots, means, deviations) in curves.items():
        index = others.index(name) if name in others else 0
        colour, marker = COLOURS[index % 10], MARKERS[index // 10 % 4]
        if name == reference:
            colour, marker = "#777777", ""
        x, y = [place[count] for count in shots], [unit * mean for mean in means]
        style = "--" if name == reference else "-"
        axis.plot(x, y, style, marker=marker, color=colour, markersize=4, linewidth=1.3)
        low = [mean - unit * spread for mean, spread in zip(y, deviations, strict=True)]
        high = [
            mean + unit * spread for mean, spread in zip(y, deviations, strict=True)
        ]
        axis.vlines(x, low, high, color=colour, alpha=0.35, linewidth=1)
        ends.append((x[-1], y[-1], name, colour))
    axis.set_xticks(range(len(counts)), [str(count or "all") for count in counts])
    axis.set_xlabel("labelled images a class")
    axis.set_ylabel(label)
    axis.set_title(title, color=INK, size=9.5)
    axis.margins(x=0.03)
    _name_ends(axis, ends, x=len(counts) - 1)
    return figure


def _name_ends(axis, ends, x):
    """Writes names right of the lines' ends, moved apart where they would touch."""
    low, high = axis.get_ylim()
    gap = (high - low) / (axis.figure.get_figheight() * 5.2)  # of a line of small print
    ends = sorted(ends, key=lambda end: end[1])
    heights = []
    for _, y, *_ in ends:
        heights.append(max(y, heights[-1] + gap) if heights else y)
    ceiling = max(high, low + gap * (len(ends) - 1))
    for index in range(len(ends) - 1, -1, -1):
        heights[index] = min(heights[index], ceiling)
        ceiling = heights[index] - gap
    beside = x + 0.08 * max(x, 0.5)
    for (end, y, name, colour), height in zip(ends, heights, strict=True):
        axis.annotate(
            name,
            (end, y),
            (beside, height),
            color=colour,
            size=7.5,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.5,
                "alpha": 0.5,
                "shrinkA": 1,
                "shrinkB": 2,
            },
        )
    axis.set_ylim(low, high)


def _many(shots):
    return shots or float("inf")


def write_figure(path, figure):
    """Writes a figure as PNG."""
    write_bytes(path, _png(figure))


def _figure(rows, columns, size, **options):
    """A figure of the object interface: no global state, no display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=150, layout="constrained")
    height_ratios = options.pop("height_ratios", None)
    grid = {"height_ratios": height_ratios} if height_ratios else None
    axes = figure.subplots(rows, columns, gridspec_kw=grid, squeeze=True, **options)
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.xaxis.label.set_size(9)
        axis.yaxis.label.set_size(9)
    return figure, axes


def _png(figure) -> bytes:
    data = io.BytesIO()
    # Without the software stamp, equal figures are equal files.
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()
