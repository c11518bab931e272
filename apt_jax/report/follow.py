"""What methods gain beside the variance of the data sets, as tables."""

from apt_jax.metrics.figures import COMPARED, shown_in
from apt_jax.metrics.rank import LEAST
from apt_jax.report.variance import number
from apt_jax.tables import Table
from apt_jax.words import counted, shots_in_words

NONE = "–"


def follow_markdown(found: dict) -> str:
    """A table for each number of shots of follow.json, the sets that spread least first."""
    sets = found["sets"]
    per_class = counted(found["per_class"], "test image")
    units = " / ".join(
        f"{figure.title} in {figure.unit.apart}"
        for figure in shown_in(COMPARED).values()
    )
    heading = (
        f"Gains over zero-shot CLIP beside the spread of {counted(len(sets), 'data set')}, "
        f"{per_class} a class: {units}, above 0 the method is "
        "better. The last line is Spearman's rank correlation of gain and intra / inter, "
        f"with the number of sets behind it; of fewer than {LEAST} none is told."
    )
    parts = [heading]
    for shots, ranks in found["ranks"].items():
        words = shots_in_words(float(shots))
        parts += [f"**{words}**", table(found, shots, ranks).markdown()]
    return "\n\n".join(parts) + "\n"


def table(found, shots, ranks) -> Table:
    """Sets in rows, statistics and methods in columns, correlations below."""
    sets, gains = found["sets"], found["gains"]
    ordered = sorted(
        (name for name in sets if shots in gains[name]),
        key=lambda name: spread_of(sets[name]),
    )
    rows = [
        (
            name,
            str(sets[name]["groups"]),
            number(sets[name]["intra_over_inter"]),
            number(sets[name]["r2_adjusted"]),
            number(sets[name]["pseudo_f"]),
            *(gain(gains[name][shots].get(method)) for method in ranks),
        )
        for name in ordered
    ]
    last = ("rank correlation", "", "", "", "", *map(correlation, ranks.values()))
    heads = ("", "classes", "intra / inter", "R², adjusted", "pseudo-F", *ranks)
    return Table(heads, [*rows, last])


def spread_of(of_set) -> float:
    """Intra over inter, infinite where the means of the classes are one."""
    value = of_set["intra_over_inter"]
    return float("inf") if value is None else value


def gain(of_method) -> str:
    if of_method is None:
        return NONE
    return " / ".join(
        NONE if of_method[name] is None else figure.unit.number(of_method[name], "+")
        for name, figure in shown_in(COMPARED).items()
    )


def correlation(of_method) -> str:
    told = (of_method[name] for name in shown_in(COMPARED))
    figures = " / ".join(NONE if one is None else f"{one:+.2f}" for one in told)
    return f"{figures} ({counted(of_method['sets'], 'set')})"
