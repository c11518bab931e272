"""What is told of somebody's own photographs: facts, refusals, and what a run would do."""

from pathlib import Path

from apt_jax import config
from apt_jax.data.own import survey
from apt_jax.data.own.found import Found
from apt_jax.data.own.legibility import odd_names
from apt_jax.data.own.looks import look_at
from apt_jax.errors import UserError
from apt_jax.options import as_options
from apt_jax.runs import forecast
from apt_jax.runs.preparation import load_clip


def report_on(settings, command: str, memory: Path | None) -> tuple[dict, Found]:
    """The report, all of it JSON, and the photographs as they were found.

    Args:
        settings: those of the run to come; `data.root` is looked at.
        command: that of the run to come.
        memory: where looks are remembered, if anywhere.
    """
    source = config.source_of(settings, on_error="skip")
    found = source.find()
    looks, faults = look_at(found.read, found.items, memory)
    copies = survey.copies(found, looks)
    if not found.is_drawn and settings.data.group == "auto":
        settings.data.group = "none"  # nothing is grouped, and what to say is below
    method = config.method_of(settings)
    clip, no_clip = backbone(settings)
    judged = forecast.judged(settings, method, clip, looks, faults)
    rows = survey.classes(found, looks, judged.dataset)
    report = {
        "root": settings.data.root,
        "name": source.called,
        "source": found.layout,
        "layout": "drawn" if found.is_drawn else "given",
        "classes": rows,
        "imbalance": survey.imbalance(rows),
        "files": survey.files(looks, faults),
        "copies": copies,
        "names": odd_names((row["name"] for row in rows), read_by(clip)),
        "no_backbone": no_clip,
        "notes": [*judged.notes, *survey.advice(rows, copies)],
        "refused": judged.refused,
        "next": None,
        "sheets": [],
        "classes_not_drawn": 0,
    }
    if clip is not None:
        side = clip.pixels.size
        report["small"] = {"side": side, "images": survey.smaller_than(looks, side)}
    if judged.dataset is not None:
        plan = forecast.planned(
            settings, method, clip, judged.dataset, sound=not judged.refused
        )
        report["next"] = {"command": command} | plan
    return report, found


def backbone(settings):
    """(the configured CLIP, "") or (None, why it cannot be had)."""
    try:
        return load_clip(settings), ""
    except UserError as error:
        return None, as_options(str(error))


def read_by(clip):
    """What gives the tokens that a CLIP reads of a text; without a tokenizer its words."""

    def tokens(text):
        ids, end = clip.tokenizer.encode([text])
        return ids[0, 1 : end[0]].tolist()  # without the start token

    def words(text):
        return text.casefold().split()

    return words if clip is None or clip.tokenizer is None else tokens
