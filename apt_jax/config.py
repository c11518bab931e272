"""Settings: a configuration file, changed field by field on the command line.

A file in `configs/` has `get_config(arg=None)`, which starts from `default()` and returns
an `ml_collections` ConfigDict. `arguments.COMMON` has a line for each field of every run.
Those of `data.*` and `method.*` have theirs beside the code that uses them; which there are
depends on `data.source` and `method.name`, so those two are settled before all others.
"""

import dataclasses
import importlib.util
import json
import numbers
import re
import shlex
from importlib.machinery import SourceFileLoader
from pathlib import Path

from ml_collections import ConfigDict, FieldReference

from apt_jax import usage
from apt_jax.arguments import COMMON, MEMBERS
from apt_jax.errors import UserError, did_you_mean, nearest, with_type
from apt_jax.fields import (
    SEPARATOR,
    Field,
    at_least,
    defaults,
    faults,
    one_of,
)

# What a run adds to its config.json: nobody sets it.
WRITTEN = {"data.descriptions"}
# Say where a run's own files are now; what they are is known by content.
PLACES = ("clip.checkpoint", "data.root", "data.split_file", "data.class_names")
# Counts what equal settings mean: raise it where the same ones train, or select, otherwise
# than before. 1 is of runs that do not say.
RECIPES = 2

# The fields of the studies of variance (apt_jax.studies), as far as they have them.
STUDY = {
    "study.split": Field(
        "test", "which images are analysed", one_of("train", "val", "test")
    ),
    "study.per_class": Field(
        0, "images of each class, drawn by the seed; 0 = all", at_least(0)
    ),
    "study.permutations": Field(999, "permutations behind a p-value", at_least(1)),
    "study.levels": Field(5, "levels of data.variance, from 0 to 1", at_least(2)),
    "study.seeds": Field(3, "seeds at each level", at_least(1)),
    "study.rivals": Field(("coop",), "methods to compare with, beside zero-shot CLIP"),
}


def default(method: str = "apt", source: str = "folder") -> ConfigDict:
    """All fields with their defaults, for one method and one data source."""
    config = ConfigDict(common(source))
    config.data = ConfigDict(defaults(data_fields(source)))
    config.method = ConfigDict(defaults(method_fields(method)))
    return config


def common(source: str = "") -> dict:
    """The defaults of the fields that every run has, a dictionary a part."""
    return nested(
        {
            name: FieldReference(value, field_type=numbers.Real)
            if COMMON[name].kind == int | float
            else value
            for name, value in defaults(COMMON, source).items()
        }
    )


def nested(values: dict) -> dict:
    """Values by dotted field as a dictionary a part."""
    found = {}
    for field, value in values.items():
        part, _, name = field.rpartition(".")
        (found.setdefault(part, {}) if part else found)[name] = value
    return found


def choice(argument: str | None, name: str, values: tuple[str, ...]) -> str:
    """What a configuration file's argument chooses: "NAME=VALUE", or VALUE alone.

    Raises:
        UserError: if it is none of `values`.
    """
    value = (argument or "").removeprefix(f"{name}=")
    if value not in values:
        meant = nearest(value, values)
        hint = f"did you mean {meant}? " if meant else ""
        raise UserError(
            f"no {name} {value!r}; {hint}write CONFIG.py:{name}=NAME, NAME one of "
            f"{', '.join(values)}"
        )
    return value


def data_fields(source: str) -> dict[str, Field]:
    """The fields of `data.*` for a source, by their names in it."""
    from apt_jax import data

    return data.fields(source)


def source_of(settings, **changed):
    """Where a configuration has its images from, a `data.Source`; fields may change."""
    from apt_jax import data

    fields = settings.data.to_dict()
    of_source = {name: fields[name] for name in fields if f"data.{name}" not in WRITTEN}
    return data.make(**of_source | changed)


def method_fields(name: str) -> dict[str, Field]:
    """The fields of `method.*` for a method, by their names in it."""
    from apt_jax import methods  # imports jax: only when a run is configured

    named, *own = methods.fields(name).items()
    return dict([named, ("members", MEMBERS), *own])


def method_of(settings):
    """The method of a configuration; raises `UserError` for fields that it refuses."""
    from apt_jax import methods

    fields = settings.method.to_dict()
    return methods.make(**{k: fields[k] for k in fields if k != "members"})


# Parts with a field that settles which others there are.
CHOOSING = {"data": ("source", data_fields), "method": ("name", method_fields)}


def fields_of(config) -> dict[str, Field]:
    """What can be set in a configuration, by dotted name.

    Raises:
        UserError: if its method or its data source is unknown.
    """
    known = COMMON | (STUDY if "study" in config else {})
    for part, (key, fields_of_part) in CHOOSING.items():
        if part in config:
            fields = fields_of_part(config[part].get(key, ""))
            known |= {f"{part}.{name}": field for name, field in fields.items()}
    return known


def read(
    arguments: list[str], needed=(), example: str = "configs/quickstart.py"
) -> tuple[ConfigDict, str | None]:
    """The configuration and the work directory that a command line asks for.

    `--config PATH[:ARG]`, `--config.FIELD=VALUE` (repeated), `--workdir DIR`. A command
    says which fields it needs that not all configurations have; the `example` has them.

    Raises:
        UserError: for unknown fields (with the nearest name), wrong types and values.
    """
    given = take_apart(arguments, ("config", "workdir"))
    if "config" not in given.named:
        raise UserError(
            f"no configuration; name one with --config, such as --config {example}"
        )
    config = load(given.named["config"])
    change(config, given.fields)
    if missing := [field for field in needed if field not in flat(config)]:
        raise UserError(
            f"{given.named['config']} has no {', '.join(missing)}; take {example}, or a "
            "copy of it"
        )
    return config, given.named.get("workdir")


def eval_overrides(arguments: list[str]) -> tuple[str, dict, dict]:
    """What a command line of eval.py gives: the work directory, `eval.*`, PLACES.

    Of `eval.*` by the name after the point, of PLACES by the whole field.
    """
    given = take_apart(arguments, ("workdir",))
    if "workdir" not in given.named:
        raise UserError("no run; name a finished one with --workdir DIR")
    config = ConfigDict({"eval": common()["eval"]})
    places = {field: text for field, text in given.fields if field in PLACES}
    changed = [(field, text) for field, text in given.fields if field not in PLACES]
    for field, text in changed:
        if not field.startswith("eval."):
            raise UserError(
                f"--config.{field}: only eval.* fields can change after training, and "
                f"{', '.join(PLACES)} where the run's own are now; train again in another "
                "--workdir for others"
            )
        set_field(config, field, text)
    require_sound(config)
    names = [field.removeprefix("eval.") for field, _ in changed]
    return given.named["workdir"], {name: config.eval[name] for name in names}, places


def load(path_and_argument: str) -> ConfigDict:
    """The ConfigDict of a configuration file, `PATH` or `PATH:ARG`."""
    path, _, argument = path_and_argument.partition(":")
    if not Path(path).is_file():
        files = {file.stem: str(file) for file in Path("configs").rglob("*.py")}
        meant = files.get(nearest(Path(path).stem, files))
        hint = f"did you mean {meant}?" if meant else "check the path"
        raise UserError(f"no configuration file {path}; {hint}")
    loader = SourceFileLoader(
        "apt_jax_config", path
    )  # whatever the file's name ends in
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        config = module.get_config(argument or None)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's file does wrong
        raise UserError(
            f"{path} failed ({with_type(error)}); it must define get_config(arg=None) "
            "and return a ConfigDict, as configs/quickstart.py does"
        ) from error
    if not isinstance(config, ConfigDict):
        raise UserError(f"get_config of {path} returned no ConfigDict; return one")
    return config


def change(config, fields: list[tuple[str, str]]):
    """Sets the fields that a command line gives, each to the value that its text spells.

    Raises:
        UserError: for unknown fields (with the nearest name), wrong types and values.
    """
    require_whole(config)
    _switch(config, fields)
    for field, text in fields:
        set_field(config, field, text)
    require_sound(config)


def require_whole(config):
    """Refuses what no run can be made of, such as the settings of a grid."""
    present = flat(config)
    needed = [*COMMON, *(f"{part}.{key}" for part, (key, _) in CHOOSING.items())]
    if missing := [field for field in needed if field not in present]:
        raise UserError(
            f"the configuration has no {', '.join(missing)}; start it from "
            "apt_jax.config.default(), or if it is of a grid, run it with python -m "
            "apt_jax grid"
        )


def _switch(config, fields):
    """Gives the fields of another method or source, where the command line names one."""
    asked = dict(fields)
    name, source = asked.get("method.name"), asked.get("data.source")
    if name not in (None, config.method.name):
        config.method = ConfigDict(defaults(method_fields(name)))
    if source not in (None, config.data.source):
        _follow_source(config, source)
        fresh, kept = defaults(data_fields(source)), config.data.to_dict()
        common = {field: kept[field] for field in fresh.keys() & kept.keys()}
        config.data = ConfigDict(fresh | common | {"source": source})


def _follow_source(config, source):
    """What was left at the default of one source takes that of another."""
    before, after = (defaults(COMMON, name) for name in (config.data.source, source))
    for field, value in flat(config).items():
        if field in COMMON and value == before[field] != after[field]:
            put(config, field, after[field])


def set_field(config, field: str, text: str, known: dict[str, Field] | None = None):
    """Sets a dotted field to the value that `text` spells.

    `known` are the fields that there are, if `config` is not that of a run.

    Raises:
        UserError: for unknown fields and for values of another type.
    """
    present, known = flat(config), known or fields_of(config)
    if field not in present or field not in known:
        raise UserError(f"unknown field --config.{field}; {_which(field, present)}")
    put(config, field, parse(field, text, known[field]))


def _which(field, present) -> str:
    return did_you_mean(field, present, f"there are {', '.join(sorted(present))}")


def put(config, field: str, value):
    """Sets a dotted field, whatever the type of what was there."""
    *folders, name = field.split(".")
    for folder in folders:
        config = config[folder]
    with config.ignore_type():
        config[name] = value


def parse(name: str, text: str, field: Field):
    """The value of a field that `text` spells."""
    try:
        return field.read(text)
    except ValueError:
        example = "or None" if field.default is None else f"such as {field.default!r}"
        raise UserError(
            f"--config.{name}={text}: expected {field.types}, {example}"
        ) from None


def require_sound(config):
    """Refuses fields that there are not and values out of range, all of them at once."""
    known = fields_of(config)
    found = [*_misnamed(config, known), *faults(known, flat(config), "--config.")]
    if found:
        raise UserError("; ".join(found))
    if "method" in config:
        method_of(config)  # refuses what it refuses together


def _misnamed(config, known):
    """What is wrong with the names of the fields; a file can make up any."""
    present = flat(config)
    for name in sorted(present.keys() - known.keys() - WRITTEN):
        yield f"unknown field {name}; {_which(name, known)}"
    missing = [
        name
        for name in known.keys() - present.keys()
        if name.partition(".")[0] in CHOOSING and name.partition(".")[0] in config
    ]
    if missing:
        yield (
            f"no field {', '.join(sorted(missing))}; start from config.default(method="
            f"{config.method.name!r}, source={config.data.source!r})"
        )


def flat(config, prefix="") -> dict:
    """Values by dotted field."""
    fields = {}
    for name in config:
        value = config[name]
        if isinstance(value, ConfigDict):
            fields |= flat(value, f"{prefix}{name}.")
        else:
            fields[f"{prefix}{name}"] = value
    return fields


def differences(a, b) -> list[str]:
    """Lines "field: value in a -> value in b" for every field that differs."""
    ours, theirs = flat(a), flat(b)
    missing = object()
    return [
        f"{field}: {_shown(ours.get(field, missing), missing)} -> "
        f"{_shown(theirs.get(field, missing), missing)}"
        for field in sorted(ours | theirs)
        if ours.get(field, missing) != theirs.get(field, missing)
    ]


def completed(config) -> ConfigDict:
    """The configuration with fields that came after it was written: as it was then."""
    there, config = flat(config), from_json(to_json(config))
    with config.unlocked():
        for field, line in fields_of(config).items():
            if field not in there and field not in STUDY:
                *folders, name = field.split(".")
                inside = config
                for folder in folders:
                    if folder not in inside:
                        inside[folder] = ConfigDict()
                    inside = inside[folder]
                inside[name] = line.once(config.data.source)
    return config


def require_recipes(made: int, what: str):
    """Refuses to go on with what other recipes began; `made` is its RECIPES."""
    if made != RECIPES:
        version = "an older" if made < RECIPES else "a newer"
        raise UserError(
            f"{what} was made by the recipes of {version} version; choose another "
            "--workdir, or finish it with that version"
        )


def placed(config, places: dict) -> ConfigDict:
    """A copy of the configuration with `places` by field of PLACES."""
    config = from_json(to_json(config))
    for field, place in places.items():
        part, name = field.split(".")
        config[part][name] = place
    return config


def options(config, fields) -> str:
    """The command line that sets these fields as they are in `config`."""
    values = flat(config)
    spelled = {field: values[field] for field in fields if field in values}
    return " ".join(
        shlex.quote(f"--config.{field}={_spelled(value)}")
        for field, value in spelled.items()
    )


def _spelled(value):
    return SEPARATOR.join(value) if isinstance(value, tuple) else value


def _shown(value, missing):
    return "absent" if value is missing else repr(value)


def to_json(config) -> str:
    """The configuration as JSON, fields in full precision."""
    return json.dumps(config.to_dict(), indent=2, ensure_ascii=False) + "\n"


def from_json(text: str) -> ConfigDict:
    """`to_json` undone; lists become the tuples that they were."""

    def tuples(value):
        if isinstance(value, dict):
            return {name: tuples(inner) for name, inner in value.items()}
        return tuple(value) if isinstance(value, list) else value

    return ConfigDict(tuples(json.loads(text)))


def run_name(config) -> str:
    """The name of a run's default directory."""
    name = config.data.name or Path(config.data.root).name or config.data.source
    name = re.sub("[/:]+", "-", name)  # as in eurosat/rgb:2.0.0 of TFDS
    if config.data.classes != "all":
        name = f"{name}-{config.data.classes}"
    return f"{name}-{config.method.name}-{config.shots}shot-seed{config.seed}"


@dataclasses.dataclass
class _Given:
    named: dict[str, str]  # --NAME VALUE
    fields: list[tuple[str, str]]  # --config.FIELD=VALUE, in order


def take_apart(arguments, names) -> _Given:
    """A command line taken apart; `names` are the options other than fields."""
    given, rest = _Given({}, []), list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("--"):
            raise UserError(f"unexpected argument {argument!r}; options start with --")
        option, equals, value = argument.partition("=")
        option = option.removeprefix("--")
        is_field = option.startswith("config.")
        if not is_field and option not in names:
            options = [f"--{name}" for name in (*names, "config.", "help", "version")]
            hint = did_you_mean(f"--{option}", options, "see --help")
            raise UserError(f"unknown option --{option}; {hint}")
        if not equals:
            if not rest:
                raise UserError(f"--{option} has no value; write --{option}=VALUE")
            value = rest.pop(0)
        if is_field:
            given.fields.append((option.removeprefix("config."), value))
        else:
            given.named[option] = value
    return given


HELP = {"-h", "--help"}


def wants_help(arguments) -> bool:
    return bool(HELP & set(arguments))


def help_text(summary: str, arguments=(), names=("config", "workdir")) -> str:
    """What --help prints: with a --config all fields it has, without one the common.

    Fields given beside it that settle which there are (`method.name`) count. `names` are
    the options of the command.

    Without one it needs neither jax nor a configuration.
    """
    given = take_apart([a for a in arguments if a not in HELP], names)
    path = given.named.get("config")
    config = load(path) if path else ConfigDict(common())
    if path:
        require_whole(config)
        _switch(config, given.fields)
    lines = [summary.strip(), "", usage.listed(fields_of(config), flat(config))]
    if not path:
        lines.append("data.* and method.* are listed by --help with a --config")
    return "\n".join(lines)
