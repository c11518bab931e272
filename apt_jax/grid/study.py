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
from apt_jax.data.roots import note
from apt_jax.errors import UserError, did_you_mean, require_known
from apt_jax.fields import Field, Rule, defaults, faults, one_of
from apt_jax.grid import sets
from apt_jax.words import shots_in_words


def count_or_share(text: str):
    """4 or 0.1, as the field `shots` of a run."""
    return float(text) if "." in text else int(text)


TABLES = ("sets", "variants", "groups")
OF_A_RUN = ("seed", "shots")  # fields that a study has many of
OF_A_SET = ("source", "name", "split_file", "templates")  # not for all sets alike
SEARCHABLE = ("train", "method")  # parts of a run's configuration
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
        entry=count_or_share,
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
            nested = {}
            for field, values in self.candidates.items():
                part, name = field.split(".")
                nested.setdefault(part, {})[name] = values
            asked.search, asked.search_refit = ConfigDict(nested), self.refit
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
    tables = {name: {} for name in (*TABLES, "search")}
    study = ConfigDict(configuration.nested(defaults(OF_ALL | FIELDS)) | tables)
    if source:
        study.data = ConfigDict(defaults(configuration.data_fields(source)))
    return study


def fields_of(study) -> dict[str, Field]:
    """What can be set in a study whose fields are all spelt, by dotted name."""
    known = FIELDS | OF_ALL
    if sets.is_one_set(study):
        fields = configuration.data_fields(study.data.source)
        known |= {f"data.{field}": fields[field] for field in fields}
    for name, of_set in study.sets.items():
        fields = configuration.data_fields(of_set.source)
        known |= {f"sets.{name}.{field}": fields[field] for field in fields}
    for name, variant in study.variants.items():
        fields = configuration.fields_of(variant)
        known |= {f"variants.{name}.{field}": fields[field] for field in fields}
    for table, field in (("groups", GROUP), ("search", CANDIDATES)):
        values = configuration.flat(study[table])
        known |= {f"{table}.{name}": field for name in values}
    return known


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
    study, instead = _loaded(given.named["config"], given.fields)
    sets.give_to_each(study)
    of_one = lambda given: given[0].startswith("sets.")  # noqa: E731
    for field, text in sorted(given.fields, key=of_one):
        if field not in LISTS:
            set_field(study, field, text)
    if instead:
        note(instead)
    return study, given.named["workdir"]


def load(path: str, fields=()) -> ConfigDict:
    """The study of a file, narrowed by those of `fields` that do, all its fields spelt."""
    return _loaded(path, fields)[0]


def _loaded(path, fields):
    """The study, and what `sets.settle` has to say of it."""
    study = configuration.load(path)
    if missing := [name for name in (*LISTS, *TABLES) if name not in study]:
        raise UserError(
            f"{path} is no study: it has no {', '.join(missing)}; start it from "
            "apt_jax.grid.study.default(), or run it with train.py"
        )
    _require_tables(path, study)
    instead = sets.settle(study, dict(fields))
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
    return study, instead


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
        f"{table}.{name}"
        for table in ("sets", "variants")
        for name, piece in study[table].items()
        if not isinstance(piece, ConfigDict)
    ]
    odd += [
        name for name in (*TABLES, "data") if not isinstance(study[name], ConfigDict)
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
    """All `data.*` fields of a data set."""
    require_known("data set", name, list(study.sets))
    given = study.sets[name].to_dict()
    source = given.get("source", data.fields()["source"].default)
    fields = configuration.data_fields(source)
    _require_fields(given, fields, f"sets.{name}")
    return defaults(fields) | {"name": name} | given


def method_names(study) -> list[str]:
    """What may stand in `methods`."""
    from apt_jax.methods import METHODS  # imports jax

    return [*METHODS, *study.variants]


def variant_of(study, name: str) -> dict:
    """What a name in `methods` sets: all of `method.*`, and pieces of other parts."""
    from apt_jax.methods import METHODS  # imports jax

    require_known("method", name, method_names(study))
    given = study.variants[name].to_dict() if name in study.variants else {}
    common = configuration.common()
    parts = [part for part in common if isinstance(common[part], dict)]
    _require_fields(given, ["method", *parts], f"variants.{name}")
    for part in given.keys() & set(parts):
        _require_fields(given[part], common[part], f"variants.{name}.{part}")
    own = given.get("method", {})
    require_known("method", own.get("name", name), list(METHODS))
    fields = configuration.method_fields(own.get("name", name))
    _require_fields(own, fields, f"variants.{name}.method")
    recipe = common["train"] | given.get("train", {})
    return given | {"method": defaults(fields) | own, "train": recipe}


def searchable(study) -> dict[str, Field]:
    """What a search can choose: `train.*`, and the fields of the methods compared."""
    found = {k: v for k, v in configuration.COMMON.items() if k.startswith("train.")}
    for name in study.variants:
        fields = configuration.method_fields(study.variants[name].method.name)
        del fields["name"]
        found |= {f"method.{name}": field for name, field in fields.items()}
    return found


def search_of(study) -> dict:
    """What is searched, checked: tuples of candidates in pieces of a configuration."""
    given = study.search.to_dict()
    _require_fields(given, SEARCHABLE, "search")
    known = searchable(study)
    train = [name.removeprefix("train.") for name in known if name.startswith("train.")]
    _require_fields(given.get("train", {}), train, "search.train")
    require_known("search_refit", study.search_refit, REFITS)
    for field, values in configuration.flat(study.search).items():
        if not isinstance(values, tuple | list) or field == "method.name":
            raise UserError(
                f"search.{field}={values!r} is no choice; write a tuple of its values, "
                'such as {"train": {"learning_rate": (0.1, 0.01)}}'
            )
        part, name = field.split(".")
        # Whole numbers may stand for others, and are not told apart.
        real = field in known and float in known[field].kinds
        given[part][name] = tuple(map(float, values) if real else values)
    return given


def set_candidates(study, field: str, text: str):
    """Sets what the search chooses among: any of `searchable`."""
    known = searchable(study)
    _require_fields([field], known, "--config.search")
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        values = [configuration.parse(field, part, known[field]) for part in parts]
    except UserError as error:
        raise UserError(str(error).replace("--config.", "--config.search.")) from None
    part, name = field.split(".")
    nested = study.search.to_dict()
    nested.setdefault(part, {})[name] = tuple(dict.fromkeys(values))
    with study.unlocked():
        study.search = ConfigDict(nested)


def set_field(study, field: str, text: str):
    """Sets a field of the study; a variant's are of the types of a run's fields."""
    table, _, rest = field.partition(".")
    name, _, inner = rest.partition(".")
    if table == "search":
        set_candidates(study, rest, text)
        return
    if table != "variants" or name not in study.variants:
        _set_of_study(study, field, text)
        return
    try:
        configuration.set_field(study.variants[name], inner, text)
    except UserError as error:
        of_run, of_variant = "--config.", f"--config.variants.{name}."
        raise UserError(str(error).replace(of_run, of_variant)) from None


def _set_of_study(study, field, text):
    """Sets what is no variant's; of `data.*` in every set, but for their base."""
    _require_of_study(study, field)
    of_sets = field.startswith("data.") and not sets.is_one_set(study)
    if not of_sets or field == "data.root":
        configuration.set_field(study, field, text, fields_of(study))
        return
    value = configuration.parse(field, text, fields_of(study)[field])
    for of_set in study.sets.values():
        configuration.put(of_set, field.removeprefix("data."), value)


def _require_of_study(study, field):
    """Refuses a field that the study has not; one that a set has is named."""
    present, name = configuration.flat(study), field.removeprefix("data.")
    having = [f"sets.{one}.{name}" for one, of in study.sets.items() if name in of]
    if field not in present and field.startswith("data.") and having:
        raise UserError(
            f"--config.{field}: each set has its own; give --config.{having[0]}, or "
            "compare on one data set, which --config.data.source names"
        )
    _require_fields([field], present, "--config")


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

    def made(config):
        configuration.require_sound(config)
        return configuration.method_of(config)

    def reads(method):
        texts = {name: of.templates for name, of in method.by_data_set.items()}
        return method.inputs, method.token_source, method.views, texts

    asked = made(cell.config)
    for field, values in cell.candidates.items():
        for value in values:
            if reads(made(with_values(cell.config, {field: value}))) != reads(asked):
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
        part, name = field.split(".")
        with config.ignore_type():
            config[part][name] = value
    return config


def run_of(study, dataset: str, method: str, shots: int, seed: int) -> ConfigDict:
    """The configuration of one cell, as train.py would read it."""
    variant, fields = study.variants[method].to_dict(), _data_of(study, dataset)
    config = configuration.default(variant["method"]["name"], fields["source"])
    with config.ignore_type():
        for name in configuration.common().keys() - set(OF_A_RUN):
            value = study[name]
            if not isinstance(value, ConfigDict):
                config[name] = value
                continue
            own = variant.get(name, {})
            said = {field: own[field] for field in own if own[field] is not None}
            config[name].update(value.to_dict() | said)
        config.method.update(variant["method"])
        config.data.update(fields)
        config.shots, config.seed = shots, seed
    return config


def _data_of(study, dataset):
    """`data.*` of a cell: the set's, what the study says of all, paths below the root."""
    of_all = study.data.to_dict()
    if sets.is_one_set(study):
        return of_all
    root = of_all.pop("root")
    common = data.fields()
    said = {name: v for name, v in of_all.items() if v != common[name].default}
    return sets.below(root, study.sets[dataset].to_dict() | said)


def _require_fields(given, fields, where):
    for name in given:
        if name not in fields:
            hint = did_you_mean(name, fields, "see --help")
            raise UserError(f"unknown field {where}.{name}; {hint}")
