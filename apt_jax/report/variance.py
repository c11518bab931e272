"""The analysis of variance in words and pictures; and what a method gains along it."""

from apt_jax.metrics.figures import COMPARED, shown_in
from apt_jax.names import short
from apt_jax.report.figures import BLUE, COLOURS, GREY, INK, NAME, ORANGE, new_figure
from apt_jax.tables import Table
from apt_jax.words import counted, shots_in_words

HARDEST = 3  # classes that are named
SHORT = {"accuracy": "acc., %", "nll": "NLL"}  # heads of figures beside a method's name
# Each statistic in words, its digits after the point, and what "None" means: without
# spread ratios are infinite, and its equality no question.
STATISTICS = {
    "pseudo_f": ("pseudo-F", 1, "∞"),
    "p": ("p", 3, ""),
    "r2_adjusted": ("R², adjusted", 2, ""),
    "intra_over_inter": ("intra / inter", 2, ""),
    "fisher": ("Fisher ratio", 1, "∞"),
    "dispersion_f": ("F of dispersion", 1, "–"),
}


# -- one data set -----------------------------------------------------------------------


def analysis_markdown(found: dict) -> str:
    """The figures of variance.json as a table."""
    quantiles = found["f_quantiles"].items()
    share = shares(found)
    closest = [f"{found['classes'][at]} {number(share[at])}" for at in hardest(share)]
    rows = [
        ("images, classes", f"{found['examples']}, {found['groups']}"),
        ("pseudo-F", number(found["pseudo_f"])),
        ("p", f"{found['p']:.4f} ({found['permutations']} permutations)"),
        ("R², adjusted", number(found["r2_adjusted"])),
        ("intra", number(found["intra"])),
        ("inter", number(found["inter"])),
        ("intra / inter", number(found["intra_over_inter"])),
        ("Fisher ratio", number(found["fisher"])),
        ("F of dispersion", number(found["dispersion_f"], "–")),
        (
            f"F by dimension ({found['dimensions']}), quantiles",
            ", ".join(f"{float(q):.0%}: {number(f)}" for q, f in quantiles),
        ),
        ("closest classes (own spread / distance)", ", ".join(closest)),
    ]
    title = f"{found['data']}, {found['split']} split, {found['backbone']}"
    return Table((title, ""), rows).markdown()


def shares(found) -> list[float]:
    """Of each class its spread against the distance to the nearest other."""
    both = zip(found["intra_by_group"], found["nearest_by_group"], strict=True)
    return [intra / nearest if nearest else float("inf") for intra, nearest in both]


def hardest(share) -> list[int]:
    """The classes whose share is largest, that one first."""
    return sorted(range(len(share)), key=share.__getitem__, reverse=True)[:HARDEST]


def classes_figure(found: dict):
    """F of the dimensions; and of each class its spread against the nearest other."""
    figure, (left, right) = new_figure(1, 2, (8.2, 3.6))
    left.hist([f for f in found["f_by_dimension"] if f is not None], 30, color=BLUE)
    left.set_xlim(left=0)
    if found["pseudo_f"] is not None:
        left.axvline(found["pseudo_f"], color=ORANGE)
        left.text(
            found["pseudo_f"],
            0.97,
            " pseudo-F",
            transform=left.get_xaxis_transform(),
            color=ORANGE,
            size=8,
            va="top",
        )
    left.set_xlabel("F of a dimension")
    left.set_ylabel("dimensions")
    images = counted(found["examples"], "image")
    counts = f"{images}, {counted(found['groups'], 'class', 'classes')}"
    title = f"{short(found['data'], NAME)}: {counts}"
    left.set_title(title, color=INK, size=9.5)

    intra, nearest = found["intra_by_group"], found["nearest_by_group"]
    most = 1.1 * max(intra)
    right.plot([0, most], [0, most], color=GREY, linewidth=1, zorder=0)
    right.plot(nearest, intra, "o", color=BLUE, markersize=4, alpha=0.7)
    for row in hardest(shares(found)):
        right.annotate(
            short(found["classes"][row], NAME),
            (nearest[row], intra[row]),
            xytext=(4, 2),
            textcoords="offset points",
            size=7,
            color=INK,
        )
    right.set_xlim(left=0)
    right.set_ylim(0, most)
    right.set_xlabel("squared distance to the nearest other class")
    right.set_ylabel("spread of the class")
    right.set_title("Above the line a class is wider than its gap", color=INK, size=9.5)
    return figure


# -- the knob ---------------------------------------------------------------------------


def drawn_of(summary) -> str:
    """What the figures of a study are means over."""
    return f"{shots_in_words(summary['shots'])}, {counted(summary['seeds'], 'seed')}"


def controlled_markdown(summary: dict) -> str:
    """Three tables of controlled.json: figures, gains, analysis of variance."""
    levels = summary["levels"]
    figures = compared_in(levels)
    titles = [SHORT.get(name, figure.heading) for name, figure in figures.items()]
    heads = [f"{name} {title}" for name in levels[0]["methods"] for title in titles]
    units = [figure.unit.apart for figure in figures.values()]
    gained = [
        unit if units.count(unit) == 1 else f"{figure.title}, {unit}"
        for unit, figure in zip(units, figures.values(), strict=True)
    ]
    over = [
        f"over {rival}, {title}" for rival in levels[0]["gains"] for title in gained
    ]
    words = [STATISTICS[name][0] for name in levels[0]["variance"]]
    intro = (
        f"{drawn_of(summary)}, {counted(summary['test_images'], 'test image')}; mean ± sd "
        f"(ddof 0). {', '.join(summary['devices'])}; commit "
        f"{', '.join(commit[:12] for commit in summary['commits'])}."
    )

    def told(methods):
        return [
            mean_sd(of_method[name], figure.unit.scale, figure.unit.digits)
            for of_method in methods.values()
            for name, figure in figures.items()
        ]

    def spreads(statistics):
        return [
            mean_sd(value, 1, *STATISTICS[name][1:])
            for name, value in statistics.items()
        ]

    def table(heads, part, cells_of):
        rows = [(f"{at['level']:g}", *cells_of(at[part])) for at in levels]
        return Table(("variance", *heads), rows).markdown()

    return "\n\n".join(
        (
            intro,
            table(heads, "methods", told),
            f"Gains of {summary['method']}, above 0 it is better:",
            table(over, "gains", told),
            table(words, "variance", spreads),
        )
    )


def compared_in(levels) -> dict:
    """The figures that methods are compared by; cells of earlier versions lack some."""
    gains = [of_rival for at in levels for of_rival in at["gains"].values()]
    return {
        name: figure
        for name, figure in shown_in(COMPARED).items()
        if all(of[name]["mean"] is not None for of in gains)
    }


def controlled_figure(summary: dict):
    """Gains over each rival along the knob, with bands over seeds; and the variance."""
    levels, compared = summary["levels"], compared_in(summary["levels"])
    columns = len(compared) + 1
    figure, (*axes, last) = new_figure(1, columns, (3.4 * columns, 3.3))
    at = [level["level"] for level in levels]
    for axis, (name, one) in zip(axes, compared.items(), strict=True):
        scale = one.unit.scale
        axis.axhline(0, color=GREY, linewidth=1)
        for colour, rival in zip(COLOURS, levels[0]["gains"], strict=False):
            gains = [level["gains"][rival][name] for level in levels]
            mean = [scale * gain["mean"] for gain in gains]
            low = [scale * (gain["mean"] - gain["sd"]) for gain in gains]
            high = [scale * (gain["mean"] + gain["sd"]) for gain in gains]
            axis.fill_between(at, low, high, color=colour, alpha=0.2, linewidth=0)
            axis.plot(at, mean, "o-", color=colour, markersize=4, label=f"over {rival}")
        axis.set_ylabel(f"{one.title} gained ({one.unit.apart})")
        axis.set_xlabel("data.variance")
        axis.legend(frameon=False, fontsize=8)
    title = f"{summary['method']}, {drawn_of(summary)}"
    axes[0].set_title(title, color=INK, size=9.5)
    for colour, name in ((BLUE, "r2_adjusted"), (ORANGE, "intra_over_inter")):
        values = [level["variance"][name]["mean"] for level in levels]
        label = STATISTICS[name][0]
        last.plot(at, values, "o-", color=colour, markersize=4, label=label)
    last.set_ylim(bottom=0)
    last.set_xlabel("data.variance")
    last.legend(frameon=False, fontsize=8)
    last.set_title("Test embeddings", color=INK, size=9.5)
    return figure


# -- numbers ----------------------------------------------------------------------------


def number(value, otherwise="∞") -> str:
    return otherwise if value is None else f"{value:.3g}"


def mean_sd(of_seeds, scale, digits, otherwise="") -> str:
    if of_seeds["mean"] is None:
        return otherwise
    # Added to 0, what rounds to nothing has no sign.
    mean, deviation = (
        round(scale * of_seeds[name], digits) + 0.0 for name in ("mean", "sd")
    )
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"
