"""What a study compares on: the data sets that it lists, or `data.*` alone, as a run does.

Of the sets that are compared, some may lie below `data.root`: those whose root, or split
file, is relative.

| given | none lies below it | some do |
|---|---|---|
| `data.source` | `data.*` is the one data set | refused |
| `data.root` with photographs | the same, of source `folder` | their base |
| `data.root` without | refused | their base |

A study of one data set has `data.source` and all fields of that source, and no `sets`.
Nothing that is given is ignored: what belongs to a set that is not compared is refused.
"""

from pathlib import Path

from ml_collections import ConfigDict

from apt_jax import config as configuration
from apt_jax import data
from apt_jax.data import own
from apt_jax.data.listing import listed
from apt_jax.data.own.hub import PREFIX as HUB
from apt_jax.data.roots import note
from apt_jax.errors import UserError, require_known
from apt_jax.fields import defaults

PATHS = ("root", "split_file")
OWN_STUDY = "configs/studies/own.py"


def is_one_set(study) -> bool:
    """Whether `data.*` is the one data set of a study."""
    return bool(study.data.get("source"))


def names_of(study) -> tuple[str, ...]:
    """The data sets that are compared, as the report calls them.

    Raises:
        UserError: where the files of the one data set should tell, and are not there.
    """
    if study.datasets or not is_one_set(study):
        return tuple(study.datasets)
    return (configuration.source_of(study).called,)


def as_before(study, before: dict | None):
    """The study with its one data set called as in a cell that was finished before.

    A folder may have been moved, and is called otherwise then.
    """
    if before is None or not is_one_set(study) or study.data.name:
        return study
    of_cell = before["asked"]["data"]
    if of_cell["name"] or of_cell["source"] != study.data.source:
        return study
    study = study.copy_and_resolve_references()
    study.datasets = (before["dataset"],)
    return study


def settle(study, given: dict[str, str]):
    """Makes `data.*` the one data set, where the study or a command line asks for it.

    `given` are the texts of a command line by field, which are yet to be set. A note
    names the sets that are not compared then.

    Raises:
        UserError: for an unknown source, and where something given would be ignored.
    """
    source = given.get("data.source", study.data.get("source", ""))
    root = given.get("data.root", study.data.root)
    if not source and not root:
        return
    compared = _compared(study, given)
    if below := [name for name, fields in compared.items() if lies_below(fields)]:
        if source:
            raise UserError(
                f"data.source={source}, but {listed(below)} of this study lie below "
                "data.root; leave data.source out, or compare on one data set with "
                f"--config {OWN_STUDY}"
            )
        return
    if not source and not own.holds_photographs(root):
        none = f"none of {listed(compared)} lies below it"
        raise UserError(
            f"data.root={root} holds no pictures in folders of classes, and "
            f"{none if compared else 'no set is named'}; name photographs laid out as "
            "ROOT/CLASS/*, or say with --config.data.source what is there"
        )
    _require_alone(source, root, given)
    _make_one(study, source or "folder")
    if compared:
        note(
            f"the study's own sets are left out: {listed(compared)}; compared is "
            f"{_named(source, root)} alone, with the recipes of this study; {OWN_STUDY} "
            "has each method's own"
        )


def lies_below(fields) -> bool:
    """Whether a set's files are looked for below `data.root`."""
    return any(is_relative(fields.get(name, "")) for name in PATHS)


def is_relative(path: str) -> bool:
    """Whether a path is neither whole nor a name on the hub."""
    whole = path.startswith(HUB) or Path(path).expanduser().is_absolute()
    return bool(path) and not whole


def below(root: str, fields: dict) -> dict:
    """The fields of a set with relative paths below `root`, if there is one."""
    return fields | {
        name: str(Path(root) / fields[name])
        for name in PATHS
        if root and is_relative(fields[name])
    }


def require_some_below(study):
    """Refuses a base below which there is nothing of what is compared."""
    root = study.data.root
    if is_one_set(study) or not root:
        return
    of_sets = {
        name: study.sets[name]
        for name in study.datasets
        if lies_below(study.sets[name])
    }
    places = [
        Path(root, fields[path]).expanduser()
        for fields in of_sets.values()
        for path in PATHS
        if is_relative(fields[path])
    ]
    if places and not any(place.exists() for place in places):
        raise UserError(
            f"data.root={root} is to hold the sets of this study, and none of "
            f"{listed(of_sets)} is there (looked for {places[0]}); name the folder "
            "above them, or each with --config.sets.NAME.root; photographs of your own "
            f"are compared with --config {OWN_STUDY}"
        )


def _compared(study, given) -> dict[str, dict]:
    """The places of the sets that are compared, as they are given."""
    asked = given.get("datasets")
    names = study.datasets if asked is None else asked.split(",")
    names = list(filter(None, map(str.strip, names)))
    for name in names if study.sets else ():
        require_known("data set", name, list(study.sets))
    return {
        name: {
            path: given.get(f"sets.{name}.{path}", study.sets[name].get(path, ""))
            for path in PATHS
        }
        for name in names
        if name in study.sets
    }


def _require_alone(source, root, given):
    """Refuses what is given of sets that are not compared."""
    if others := [name for name in given if name.startswith(("sets.", "datasets"))]:
        options = " ".join(f"--config.{name}" for name in others)
        raise UserError(
            f"{_named(source, root)} makes data.* the one data set, and "
            f"{options} would be ignored; leave one of them out"
        )
    if data.SOURCES.get(source, data.Source).drawn and given.get("data.root"):
        raise UserError(
            f"data.source={source} draws its pictures and reads none; leave "
            "--config.data.root out, or name another source"
        )
    if given.get("data.split_file") and source != "coop":
        raise UserError(
            "--config.data.split_file is read by source coop alone; add "
            "--config.data.source=coop"
        )


def _make_one(study, source):
    """`data.*` with all fields of the source; of another source what both have."""
    fields, said = configuration.data_fields(source), study.data.to_dict()
    if said.get("source") not in (None, "", source):
        said = {name: value for name, value in said.items() if name in fields}
    with study.unlocked():
        study.data = ConfigDict(defaults(fields) | said | {"source": source})
        study.sets, study.datasets = ConfigDict(), ()


def _named(source, root):
    return f"data.source={source}" if source else f"data.root={root}"
