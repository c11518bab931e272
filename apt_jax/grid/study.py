"""The settings of a study, and the cells that they ask for.

`FIELDS` has what only a study has: a cell for each combination of its tuples. Then
there are

| field | meaning |
|---|---|
| `sets.NAME` | `data.*` fields of the data set NAME; relative paths are below `data.root` |
| `data.*` | of all sets; or the one data set, as in a run (grid/sets.py says when) |
| `variants.NAME` | what NAME in `methods` changes: a piece of a run's configuration |
| `groups.TITLE` | names in `methods`; the report compares them with the first |
| `search.FIELD` | values of a `train.*` or `method.*` field to choose among |
| all others | as in a run (`arguments.COMMON`); they reach every cell |

A name in `methods` is a method with its defaults unless `variants` says more, so one method
may stand in a grid under several names:

    c.variants = {
        "tip_adapter_f": {"method": {"name": "tip_adapter", "trained": True}},
        "coop_short": {"method": {"name": "coop"}, "train": {"epochs": 20}},
    }

A search (grid/search.py) chooses on the validation split, for every cell apart. A field
with a single value is set to it, one without any is not searched. With "train+val" every
cell of the study is trained on the validation images too in the end; `shots=0` takes all
training images.

On the command line tuples have commas, and every field of a set or a variant is there:

    --config.methods=apt,coop --config.shots=1,4 --config.train.epochs=20
    --config.variants.apt.method.heads=8 --config.sets.synthetic.variance=0.2
    --config.search.train.learning_rate=0.25,0.05 --config.search.train.weight_decay=

What is set of all data sets reaches each, and what is set of one of them holds for it.
"""

import dataclasses
import functools
import itertools
from typing import Any

from ml_collections import ConfigDict

from apt_jax import config as configuration
from apt_jax import data
from apt_jax.errors import UserError, did_you_mean, require_known
from apt_jax.fields import Field, Rule, defaults, faults, one_of
from apt_jax.grid import sets
from apt_jax.words import shots_in_words

# Tables of a study, with the dots in the name of a field of each.
TABLES = {"data": 1, "groups": 1, "search": 1, "sets": 2, "variants": 2}
OF_A_RUN = {"seed", "shots"}  # fields that a study has many of
OF_A_SET = ("source", "name", "split_file", "templates")  # not for all sets alike
REFITS = ("train", "train+val")
NAMES = Rule(lambda given: all(isinstance(one, str) for one in given), "names")
WHOLE = Rule(lambda given: all(type(one) is int for one in given), "whole numbers")
NUMBERS = Rule(lambda given: all(type(one) in (int, float) for one in given), "numbers")
several = functools.partial(Field, separator=",")
FIELDS = {
    "methods": several((), "what is compared: methods, names in `variants`", NAMES),
    "datasets": several((), "what it is compared on: names in `sets`", NAMES),
    "shots": several(
        (1, 4, 16),
        "labelled images a class, or shares of all",
        NUMBERS,
        entry=configuration.COMMON["shots"].read,
    ),
    "seeds": several(
        (1, 2, 3), "what all chance of a cell derives from", WHOLE, entry=int
    ),
    "search_refit": Field(
        "train",
        "what trains on the values that a search chose (VTAB-1k: train+val)",
        one_of(*REFITS),
    ),
}
LISTS = tuple(name for name, field in FIELDS.items() if tuple in field.kinds)
GROUP = several((), "the report compares the others with the first", NAMES)
CANDIDATES = several((), "a search chooses among them on the validation images")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a grid; `config` is what `train.py` would be asked for."""

    dataset: str
    method: str  # its name in the study
    shots: float  # a number a class or a share, as in a run
    seed: int
    config: Any = dataclasses.field(compare=False)
    # Values to choose among on validation, by field of `config`; and what trains then.
    candidates: dict = dataclasses.field(compare=False, default_factory=dict)
    refit: str = dataclasses.field(compare=False, default="train")

    @property
    def needs_validation(self) -> bool:
        return bool(self.candidates) or self.refit != "train"

    @property
    def asked(self) -> ConfigDict:
        """All that was asked for: the configuration, and the search if there is one."""
        asked = configuration.from_json(configuration.to_json(self.config))
        if self.needs_validation:
            asked.search = ConfigDict(configuration.nested(self.candidates))
            asked.search_refit = self.refit
        return asked

    def __str__(self):
        shots = shots_in_words(self.shots)
        return f"{self.dataset}, {self.method}, {shots}, seed {self.seed}"


# What reaches every cell: the fields of a run of which a study has not many.
OF_ALL = {
    name: field for name, field in configuration.COMMON.items() if name not in OF_A_RUN
} | {
    f"data.{name}": field
    for name, field in data.fields().items()
    if name not in OF_A_SET
}


def default(source: str = "") -> ConfigDict:
    """The fields of a study; `methods`, `datasets` and `sets` are for it to fill.

    With a `source` the study is of one data set, `data.*`, and has all fields of it.
    """
    tables = {name: {} for name in TABLES}
    study = ConfigDict(tables | configuration.nested(defaults(OF_ALL | FIELDS)))
    if source:
        study.data = ConfigDict(defaults(configuration.data_fields(source)))
    return study


def fields_of(study) -> dict[str, Field]:
    """What can be set in a study whose fields are all spelt, by dotted name."""
    known = FIELDS | OF_ALL
    tables = {
        "groups": dict.fromkeys(study.groups, GROUP),
        "search": dict.fromkeys(searchable(study), CANDIDATES),
    }
    if sets.is_one_set(study):
        tables["data"] = configuration.data_fields(study.data.source)
    for name, of_set in study.sets.items():
        tables[f"sets.{name}"] = configuration.data_fields(of_set.source)
    for name, variant in study.variants.items():
        tables[f"variants.{name}"] = variant_fields(variant.method.name)
    for table, fields in tables.items():
        known |= {f"{table}.{name}": field for name, field in fields.items()}
    return known


def variant_fields(method: str) -> dict[str, Field]:
    """What can be set of a variant of a method: parts of a run's configuration."""
    of_parts = {name: of for name, of in configuration.COMMON.items() if "." in name}
    own = configuration.method_fields(method)
    return of_parts | {f"method.{name}": field for name, field in own.items()}


def read(arguments: list[str]) -> tuple[ConfigDict, str]:
    """The study and the directory that a command line asks for.

    Raises:
        UserError: for unknown names and fields (with the nearest), wrong types, values.
    """
    given = configuration.take_apart(arguments, ("config", "workdir"))
    for option, example in (
        ("config", "configs/studies/few_shot.py"),
        ("workdir", "DIR"),
    ):
        if option not in given.named:
            raise UserError(f"no --{option}; name one, such as --{option} {example}")
    study = load(given.named["config"], given.fields)
    of_one = lambda given: given[0].startswith("sets.")  # noqa: E731
    for field, text in sorted(given.fields, key=of_one):
        if field not in LISTS:
            set_field(study, field, text)
    return study, given.named["workdir"]


def load(path: str, fields=()) -> ConfigDict:
    """The study of a file, narrowed by those of `fields` that do, all its fields spelt."""
    study = configuration.load(path)
    if missing := [name for name in (*LISTS, *TABLES) if name not in study]:
        raise UserError(
            f"{path} is no study: it has no {', '.join(missing)}; start it from "
            "apt_jax.grid.study.default(), or run it with train.py"
        )
    _require_tables(path, study)
    sets.settle(study, dict(fields))
    for field, text in fields:
        if field in LISTS:
            study[field] = _listed(field, text)
    if found := faults(FIELDS, configuration.flat(study), "--config."):
        raise UserError("; ".join(found))
    needed = [
        name for name in LISTS if name != "datasets" or not sets.is_one_set(study)
    ]
    if empty := [name for name in needed if not study[name]]:
        raise UserError(
            f"nothing to run: {', '.join(empty)} is empty; name at least one"
        )
    for name in {name for title in study.groups for name in study.groups[title]}:
        require_known("method", name, method_names(study))
    spell_out(study)
    return study


def spell_out(study):
    """Gives each of the sets and variants that are compared all of its fields.

    Raises:
        UserError: for unknown names and fields (with the nearest).
    """
    with study.unlocked():
        study.sets = {name: set_of(study, name) for name in study.datasets}
        study.variants = {name: variant_of(study, name) for name in study.methods}
        study.search = search_of(study)
    _require_fields(configuration.flat(study), fields_of(study), "--config")


def _require_tables(path, study):
    """Refuses what is no table of pieces of a configuration."""
    odd = [
        field
        for field in configuration.flat(study)
        if field.count(".") < TABLES.get(field.partition(".")[0], 0)
    ]
    if odd:
        raise UserError(
            f"{', '.join(odd)} of {path} should be a table; write it as "
            "configs/studies/few_shot.py does"
        )


def _listed(field, text):
    """The tuple that "a,b" spells."""
    try:
        return tuple(dict.fromkeys(FIELDS[field].read(text)))
    except ValueError:
        raise UserError(
            f"--config.{field}={text}: expected whole numbers with commas, such as 1,4; "
            "of shots also shares of all images, such as 0.1"
        ) from None


def set_of(study, name: str) -> dict:
    """All `data.*` fields of a data set, with what the study says of all its sets."""
    require_known("data set", name, list(study.sets))
    given, standard = study.sets[name].to_dict(), defaults(data.fields())
    of_all = {
        field: value
        for field, value in study.data.items()
        if field != "root" and value != standard.get(field)
    }
    fields = configuration.data_fields(given.get("source", standard["source"]))
    return defaults(fields) | {"name": name} | of_all | given


def method_names(study) -> list[str]:
    """What may stand in `methods`."""
    from apt_jax.methods import METHODS  # imports jax

    return [*METHODS, *study.variants]


def variant_of(study, name: str) -> dict:
    """What a name in `methods` sets: all of `method.*`, and pieces of other parts."""
    from apt_jax.methods import METHODS  # imports jax

    require_known("method", name, method_names(study))
    variant = study.variants.get(name, ConfigDict())
    others = [f for f in configuration.flat(variant) if not f.startswith("method.")]
    _require_fields(others, [*configuration.COMMON, "method.name"], f"variants.{name}")
    given = variant.to_dict()
    own = given.get("method", {})
    method = own.get("name", name)
    require_known("method", method, list(METHODS))
    recipe = configuration.common()["train"] | given.get("train", {})
    fields = configuration.method_fields(method)
    return given | {"method": defaults(fields) | own, "train": recipe}


def searchable(study) -> dict[str, Field]:
    """What a search can choose: `train.*`, and the fields of the methods compared."""
    found = {k: v for k, v in configuration.COMMON.items() if k.startswith("train.")}
    for variant in study.variants.values():
        fields = configuration.method_fields(variant.method.name)
        del fields["name"]
        found |= {f"method.{name}": field for name, field in fields.items()}
    return found


def search_of(study) -> dict:
    """What is searched, checked: tuples of candidates in pieces of a configuration."""
    given, known = configuration.flat(study.search), searchable(study)
    _require_fields(given, known, "search")
    for field, values in given.items():
        if not isinstance(values, tuple | list):
            raise UserError(
                f"search.{field}={values!r} is no choice; write a tuple of its values, "
                'such as {"train": {"learning_rate": (0.1, 0.01)}}'
            )
        # Whole numbers may stand for others, and are not told apart.
        given[field] = tuple(
            map(float, values) if float in known[field].kinds else values
        )
    return configuration.nested(given)


def set_candidates(study, field: str, text: str):
    """Sets what the search chooses among: any of `searchable`."""
    known = searchable(study)
    _require_fields([field], known, "--config.search")
    values = [
        configuration.parse(f"search.{field}", part.strip(), known[field])
        for part in text.split(",")
        if part.strip()
    ]
    searched = configuration.flat(study.search) | {field: tuple(dict.fromkeys(values))}
    with study.unlocked():
        study.search = ConfigDict(configuration.nested(searched))


def set_field(study, field: str, text: str):
    """Sets a field of the study; of `data.*` in every set, but for their base."""
    if field.startswith("search."):
        set_candidates(study, field.removeprefix("search."), text)
        return
    of_sets = field.startswith("data.") and not sets.is_one_set(study)
    if of_sets:
        _require_of_all_sets(study, field)
    configuration.set_field(study, field, text, fields_of(study))
    name = field.removeprefix("data.")
    if of_sets and name != "root":
        for of_set in study.sets.values():
            configuration.put(of_set, name, study.data[name])


def _require_of_all_sets(study, field):
    """Refuses a field that only single sets have, naming it."""
    name = field.removeprefix("data.")
    having = [f"sets.{one}.{name}" for one, of in study.sets.items() if name in of]
    if name not in study.data and having:
        raise UserError(
            f"--config.{field}: each set has its own; give --config.{having[0]}, or "
            "compare on one data set, which --config.data.source names"
        )


def cells(study) -> list[Cell]:
    """Every cell of a study, data set by data set, the seeds of a method together.

    Raises:
        UserError: for values out of range, all of them at once, and for settings that a
            method refuses.
    """
    require_known("search_refit", study.search_refit, REFITS)
    searched = configuration.flat(study.search)
    single = {field: of[0] for field, of in searched.items() if len(of) == 1}
    candidates = {field: of for field, of in searched.items() if len(of) > 1}
    found = [
        Cell(
            *names,
            with_values(run_of(study, *names), single),
            candidates,
            study.search_refit,
        )
        for names in itertools.product(
            sets.names_of(study), study.methods, study.shots, study.seeds
        )
    ]
    for cell in found:
        configuration.require_sound(cell.config)
    for cell in {cell.method: cell for cell in found}.values():
        _require_makeable(cell)
    return found


def _require_makeable(cell):
    """Refuses what the cell's method would refuse, of all that may be chosen too."""

    def reads(config):
        method = configuration.method_of(config)
        texts = {name: of.templates for name, of in method.by_data_set.items()}
        return method.inputs, method.token_source, method.views, texts

    for field, values in cell.candidates.items():
        for value in values:
            config = with_values(cell.config, {field: value})
            configuration.require_sound(config)
            if reads(config) != reads(cell.config):
                raise UserError(
                    f"search.{field}: with {value!r} {cell.method} reads other features "
                    "of an image, or other prompts; give it variants of its own instead"
                )


def with_values(config, values: dict) -> ConfigDict:
    """A run's configuration with these values by field.

    Raises:
        UserError: for fields that it does not have.
    """
    config = configuration.from_json(configuration.to_json(config))
    _require_fields(values, configuration.flat(config), "search")
    for field, value in values.items():
        configuration.put(config, field, value)
    return config


def run_of(study, dataset: str, method: str, shots: int, seed: int) -> ConfigDict:
    """The configuration of one cell, as train.py would read it."""
    variant = configuration.flat(study.variants[method])
    own = {
        field: value
        for field, value in variant.items()
        if field.startswith("method.") or value is not None
    }
    of_data = study.data.to_dict()
    if not sets.is_one_set(study):
        of_data = sets.below(of_data["root"], study.sets[dataset].to_dict())
    of_all = configuration.flat(study)
    # A file may put a whole part in the place of another: what it lacks is as usual.
    common = of_all.keys() & configuration.COMMON.keys() - OF_A_RUN
    values = {field: of_all[field] for field in common}
    values |= own | {f"data.{name}": value for name, value in of_data.items()}
    config = configuration.default(variant["method.name"], of_data["source"])
    for field, value in (values | {"shots": shots, "seed": seed}).items():
        configuration.put(config, field, value)
    return config


def _require_fields(given, fields, where):
    for name in given:
        if name not in fields:
            hint = did_you_mean(name, fields, "see --help")
            raise UserError(f"unknown field {where}.{name}; {hint}")
