"""Results on the terminal."""

import io

LABELS = {
    "zero_shot": "zero-shot CLIP",
    "deterministic": "adapted, one pass",
    "ensemble": "adapted, ensemble",
    "mc_dropout": "adapted, Monte-Carlo",
}


def results_table(evaluations: list[dict]) -> str:
    """Rows of results.json as a table; rounding happens here and only here."""
    columns = ("", "accuracy", "NLL", "Brier", "ECE", "entropy", "mutual information")
    rows = [
        (
            _label(row),
            f"{100 * row['accuracy']:.1f} %",
            f"{row['nll']:.3f}",
            f"{row['brier']:.3f}",
            f"{100 * row['ece']:.1f} %",
            f"{row['predictive_entropy']:.3f}",
            f"{row['mutual_information']:.3f}",
        )
        for row in evaluations
    ]
    return render(columns, rows)


def base_to_new_table(rows: dict[str, dict]) -> str:
    """The entry `base_to_new` of results.json as a table."""
    columns = ("accuracy", "base", "new", "harmonic mean")
    listed = [
        (
            LABELS.get(name, name),
            *(
                "-" if figure is None else f"{100 * figure:.1f} %"
                for figure in figures.values()
            ),
        )
        for name, figures in rows.items()
    ]
    table = render(columns, listed)
    if any(figures["new"] is None for figures in rows.values()):
        table += "\nnew classes: none, this method's parameters belong to classes"
    return table


def protocol_line(card: dict) -> str:
    """What chose the hyper-parameters of a run, from its protocol card."""
    name = card["protocol"]["name"].replace("_", " ")
    return f"protocol: {name}; hyper-parameters: {card['selected_by']}"


def predictions_table(rows: list[dict]) -> str:
    """Rows of `predict` as a table."""
    columns = ("image", "class", "confidence", "entropy", "mutual information")
    listed = [
        (
            row["path"],
            row["predicted"],
            f"{100 * row['confidence']:.1f} %",
            f"{row['predictive_entropy']:.3f}",
            f"{row['mutual_information']:.3f}",
        )
        for row in rows
    ]
    return render(columns, listed)


def render(columns, rows) -> str:
    """A plain table, the first column to the left and figures to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    text = io.StringIO()
    Console(file=text, width=200, no_color=True, highlight=False).print(table)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    return "\n".join(line for line in lines if line)


def _label(row):
    label = LABELS.get(row["name"], row["name"])
    if row["samples"] is not None:
        label += f", T = {row['samples']}"
    if row["classes"] != "all":
        label += f", {row['classes']} classes"
    return label if row["split"] == "test" else f"{label}, {row['split']}"
