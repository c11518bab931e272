"""Figures as PNG: the training curve, the reliability diagram, methods over shots."""

import io
import warnings

import numpy as np

from apt_jax.files import write_bytes
from apt_jax.metrics import FIGURES
from apt_jax.names import printable, short
from apt_jax.report.grid_rows import many
from apt_jax.report.tables import LABELS

INK, BLUE, ORANGE, GREY = "#222222", "#3465a4", "#ce5c00", "#bbbbbb"
# Of many lines, each has a colour and a marker that no other has together.
COLOURS = (
    *("#3465a4", "#ce5c00", "#2e7d32", "#a40000", "#75507b", "#8f5902"),
    *("#00838f", "#c2185b", "#555753", "#827717"),
)
MARKERS = ("o", "s", "^", "D")
NAME, TITLE = 28, 60  # letters that have room beside a line, above a picture
FEW = 6  # lines, of which all are shown from end to end


def write_figures(folder, evaluations, metrics, of_new=()):
    """Writes `training.png` (if anything was trained) and `reliability.png`.

    And `reliability_new.png`, where there are evaluations of new classes.
    """
    if metrics:
        write_figure(folder / "training.png", training_curve(metrics))
    write_figure(folder / "reliability.png", reliability_diagram(evaluations))
    if of_new:
        write_figure(folder / "reliability_new.png", reliability_diagram(of_new))


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
    shared = {"sharex": True, "sharey": "row", "height_ratios": (3, 1)}
    figure, axes = new_figure(2, len(evaluations), size, squeeze=False, **shared)
    for column, evaluation in enumerate(evaluations):
        bins, (above, below) = evaluation.outcomes.bins, axes[:, column]
        seen = bins.count > 0
        confidence = bins.confidence[seen] / bins.count[seen]
        accuracy = bins.correct[seen] / bins.count[seen]
        width = 1 / len(bins.count)
        above.plot([0, 1], [0, 1], color=GREY, linewidth=1, zorder=0)
        above.vlines(confidence, accuracy, confidence, color=ORANGE, alpha=0.5)
        above.plot(confidence, accuracy, "o-", color=BLUE, markersize=4)
        ece = FIGURES["ece"].unit.text(evaluation.row["ece"])
        label = LABELS.get(evaluation.name, evaluation.name)
        title = f"{label}\nECE {ece}, {len(bins.count)} bins"
        above.set_title(title, color=INK, size=9.5)
        left = [index * width for index in range(len(bins.count))]
        below.bar(left, bins.count, width=0.92 * width, align="edge", color=GREY)
        below.set_xlabel("confidence")
        below.set_xlim(0, 1)
        above.set_ylim(0, 1)
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("images")
    return figure


def over_shots(curves, title, label, *, unit=1.0, references=()):
    """A line a method over the shots a class, its name at the line's end.

    Where there are many, what lies far from all others leaves the picture, and its name
    says where it is.

    Args:
        curves: {name: (shots, means, deviations)}; 0 shots are all there are, below 1 a
            share of them.
        label: of the vertical axis.
        unit: figures are shown times this.
        references: the names that are drawn as grey, broken lines.
    """
    figure, axis = new_figure(1, 1, (7.2, max(4.0, 0.24 * len(curves) + 0.6)))
    counts = sorted(
        {shots for found, *_ in curves.values() for shots in found}, key=many
    )
    others = [name for name in curves if name not in references]
    ends = []
    for name, (shots, means, deviations) in curves.items():
        if name in references:
            colour, style = "#777777", {"linestyle": "--"}
        else:
            number, turn = others.index(name), len(COLOURS)
            colour = COLOURS[number % turn]
            style = {"marker": MARKERS[number // turn % len(MARKERS)], "markersize": 4}
        x = [counts.index(count) for count in shots]
        y, spread = ([unit * value for value in of] for of in (means, deviations))
        axis.plot(x, y, color=colour, linewidth=1.3, **style)
        low, high = ([m + sign * s for m, s in zip(y, spread)] for sign in (-1, 1))
        axis.vlines(x, low, high, color=colour, alpha=0.35, linewidth=1)
        ends.append((x[-1], y[-1], name, colour))
    if len(curves) > FEW:
        values = [unit * m for _, means, _ in curves.values() for m in means]
        axis.set_ylim(*_limits(axis, values))
    axis.set_xticks(range(len(counts)), list(map(_tick, counts)))
    axis.set_xlim(-0.04 * len(counts), len(counts) - 1 + 0.04 * len(counts))
    shares = all(count < 1 for count in counts)
    axis.set_xlabel("share of the images" if shares else "labelled images a class")
    axis.set_ylabel(label)
    axis.set_title(short(title, TITLE), color=INK, size=9.5)
    _name_ends(axis, ends)
    return figure


def _limits(axis, values):
    """The vertical range: all of it, or without what is far from the middle 80 %."""
    low, high = axis.get_ylim()
    first, last = np.quantile(values, (0.1, 0.9))
    if first == last:
        return low, high
    return max(low, 2 * first - last), min(high, 2 * last - first)


def _name_ends(axis, ends):
    """Writes names right of the lines' ends, moved apart where they would touch."""
    low, high = axis.get_ylim()
    gap = (high - low) / (axis.figure.get_figheight() * 6.2)  # of a line of small print
    ends = sorted(ends, key=lambda end: end[1])
    heights = []
    for _, y, *_ in ends:
        inside = min(max(y, low), high)
        heights.append(max(inside, heights[-1] + gap) if heights else inside)
    ceiling = max(high, low + gap * (len(ends) - 1))
    for index in range(len(ends) - 1, -1, -1):
        heights[index] = min(heights[index], ceiling)
        ceiling = heights[index] - gap
    right = axis.get_xlim()[1]
    beside = right + 0.06 * (right - axis.get_xlim()[0])
    for (x, y, name, colour), height in zip(ends, heights, strict=True):
        seen = low <= y <= high
        if seen:
            thin = {"color": colour, "linewidth": 0.5, "alpha": 0.6}
            axis.plot([x, beside], [y, height], clip_on=False, scalex=False, **thin)
        name = short(name, NAME)
        text = name if seen else f"{name}: {y:.3g}"
        beyond = {"color": colour, "size": 7.5, "va": "center", "clip_on": False}
        axis.text(beside, height, f" {text}", **beyond)
    axis.set_ylim(low, high)


def _tick(shots):
    return f"{100 * shots:g} %" if 0 < shots < 1 else str(shots or "all")


def write_figure(path, figure):
    """Writes a figure as PNG."""
    write_bytes(path, png_of(figure))


def new_figure(rows, columns, size, **options):
    """A figure of the object interface: no global state, no display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=150, layout="constrained")
    axes = figure.subplots(rows, columns, **options)
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.xaxis.label.set_size(9)
        axis.yaxis.label.set_size(9)
    return figure, axes


def png_of(figure) -> bytes:
    """The figure as PNG; what is written in it is text, whatever names are part of it."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_text("\n".join(map(printable, text.get_text().split("\n"))))
    data = io.BytesIO()
    with warnings.catch_warnings():
        # A name may have letters that the typeface draws as boxes.
        warnings.filterwarnings("ignore", r"(?s).*Glyph .* missing")
        # Without the software stamp, equal figures are equal files.
        figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()
