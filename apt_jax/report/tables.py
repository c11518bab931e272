"""The tables of runs and predictions, and the sentences below them."""

from apt_jax.metrics.figures import FRACTION, OF_AN_IMAGE, RUN, cell, shown_in
from apt_jax.metrics.interval import TOO_WIDE, images_for
from apt_jax.tables import Table
from apt_jax.words import counted, form

LABELS = {
    "zero_shot": "zero-shot CLIP",
    "deterministic": "adapted, one pass",
    "ensemble": "adapted, ensemble",
    "mc_dropout": "adapted, Monte-Carlo",
}


def results_text(evaluations: list[dict]) -> str:
    """Rows of results.json for the terminal, and where images are too few to tell."""
    return "\n".join([results_table(evaluations).terminal(), *too_few(evaluations)])


def results_table(evaluations: list[dict]) -> Table:
    """Rows of results.json as a table; figures are rounded in tables and only there."""
    figures = shown_in(RUN)
    rows = [
        [_label(row), *(cell(row, name, figure) for name, figure in figures.items())]
        for row in evaluations
    ]
    return Table(["", *(figure.title for figure in figures.values())], rows)


def too_few(evaluations: list[dict]) -> list[str]:
    """A sentence for each set of images too small to tell: an interval is too wide."""
    widest = {}
    for row in evaluations:
        width = row.get("accuracy_high", 0) - row.get("accuracy_low", 0)
        of = (row["split"], row["classes"], row["examples"])
        widest[of] = max(width, widest.get(of, 0))
    return [
        f"{_images(*of)} too few to tell: the interval of accuracy is {100 * width:.0f} "
        f"points wide; {images_for(TOO_WIDE)} images make it {100 * TOO_WIDE:.0f} at most"
        for of, width in widest.items()
        if width > TOO_WIDE
    ]


def base_to_new_text(rows: dict[str, dict]) -> str:
    """The entry `base_to_new` of results.json for the terminal."""
    columns = ("accuracy", "base", "new", "harmonic mean")
    cells = [
        (LABELS.get(name, name), *map(FRACTION.text, figures.values()))
        for name, figures in rows.items()
    ]
    text = Table(columns, cells).terminal()
    if any(figures["new"] is None for figures in rows.values()):
        text += "\nnew classes: none, this method's parameters belong to classes"
    return text


def protocol_line(card: dict) -> str:
    """What a run trained on and what chose its hyper-parameters, from its protocol card."""
    name = card["protocol"]["name"].replace("_", " ")
    if data_set := card["protocol"].get("set_by_the_paper_on"):
        name += f", with what the paper sets on {data_set}"
    by_hand = ", ".join(
        f"{field}={value}"
        for field, value in card.get("set_by_hand", {}).items()
        if not field.startswith("augment.")  # which "trained on" says
    )
    chosen = f"{card['selected_by']}{f', but {by_hand}' if by_hand else ''}"
    views = card["transforms"]["train"]
    return f"protocol: {name}; hyper-parameters: {chosen}; trained on: {views}"


def predictions_table(rows: list[dict]) -> Table:
    """Rows of `predict` as a table; the words for what cannot be read, where it is so."""
    texts = {"path": "image", "predicted": "class"}
    if any(row["error"] for row in rows):
        texts["error"] = "unreadable"
    figures = shown_in(RUN, OF_AN_IMAGE)
    listed = [
        [row[name] or "-" for name in texts]
        + [figure.unit.text(row.get(name)) for name, figure in figures.items()]
        for row in rows
    ]
    titles = [figure.title for figure in figures.values()]
    return Table([*texts.values(), *titles], listed, texts=len(texts))


def _label(row):
    label = LABELS.get(row["name"], row["name"])
    if row["samples"] is not None:
        label += f", T = {row['samples']}"
    if row["classes"] != "all":
        label += f", {row['classes']} classes"
    return label if row["split"] == "test" else f"{label}, {row['split']}"


def _images(split, classes, count):
    of = "" if classes == "all" else f" of {classes} classes"
    return f"{counted(count, f'{split} image')}{of} {form(count, 'is', 'are')}"
