"""Settings: a configuration file, changed field by field on the command line.

A file in `configs/` has `get_config(arg=None)`, which starts from `default()` and returns
an `ml_collections` ConfigDict. Fields of `data.*` and `method.*` have their defaults beside
the code that uses them; which there are depends on `data.source` and `method.name`, so
those two are settled before all others.
"""

import ast
import dataclasses
import difflib
import importlib.util
import json
import math
import numbers
import re
import shlex
from pathlib import Path

from ml_collections import ConfigDict, FieldReference

from apt_jax.errors import UserError, with_type

COMMON = {
    "seed": 1,  # shots, initialisation, order, dropout: all chance derives from it
    # Labelled images a class; 0 = all, the default of own photographs; below 1 that share
    # of all (data.few_shot).
    "shots": 16,
    # Where a paper searches on validation images: "inside_shots" chooses by
    # cross-validation on the shots instead, "as_published" does as the paper did.
    "protocol": "inside_shots",
    "clip": {"checkpoint": "", "revision": None, "dtype": "auto"},
    "features": {"cache_dir": "~/.cache/apt_jax"},  # empty = no cache
    # Random views of each training image (0 = its centre crop), each a crop of at least
    # this share of its area: 0.08 in CoOp, 0.5 in Tip-Adapter.
    "augment": {"views": None, "area": 0.08},
    "train": {  # None = the method's recipe
        "epochs": None,
        "batch_size": None,
        "drop_last": None,
        "optimizer": None,
        "learning_rate": None,
        "momentum": None,
        "epsilon": None,
        "weight_decay": None,
        "schedule": None,
        "checkpoint_every": None,  # epochs; None = ten times a run
    },
    "eval": {"samples": 30, "bins": 15},  # Monte-Carlo samples T; bins of the ECE
}
# The types of fields whose default is None.
OPEN = {
    "augment.views": int,
    "clip.revision": str,
    "train.epochs": int,
    "train.batch_size": int,
    "train.drop_last": bool,
    "train.optimizer": str,
    "train.learning_rate": float,
    "train.momentum": float,
    "train.epsilon": float,
    "train.weight_decay": float,
    "train.schedule": str,
    "train.checkpoint_every": int,
    "method.alpha": float,
    "method.beta": float,
    "method.strength": float,
}
ALL = 0  # shots
# Say where a run's own files are now; what they are is known by content.
PLACES = ("clip.checkpoint", "data.root", "data.split_file", "data.class_names")
SEPARATOR = ";"  # between the entries of a tuple on the command line

SCHEDULES = (  # those of training.schedules, which imports jax
    "constant",
    "coop",
    "cosine",
    "cosine_by_step",
    "floor_cosine_by_step",
    "warm_cosine",
)

# What a field must satisfy, and how to say so.
RULES = {
    "seed": (lambda x: x >= 0, "at least 0"),
    "shots": (
        lambda x: 0 < x < 1 or (x >= 0 and isinstance(x, int)),
        "a whole number (0 = all), or a share of all images below 1",
    ),
    "protocol": (
        lambda x: x in ("inside_shots", "as_published"),
        "'inside_shots' or 'as_published'",
    ),
    "augment.views": (
        lambda x: x is None or x >= 0,
        "at least 0 (0 = the centre crop)",
    ),
    "augment.area": (lambda x: 0 < x <= 1, "in (0, 1]"),
    "data.group": (bool, "'auto', 'none' or, of a table or a set of the hub, a column"),
    "data.on_error": (lambda x: x in ("stop", "skip"), "'stop' or 'skip'"),
    "data.classes": (
        lambda x: x in ("all", "base", "new"),
        "'all', 'base' or 'new'",
    ),
    "data.variance": (lambda x: 0 <= x <= 1, "in [0, 1]"),
    "clip.checkpoint": (bool, "a hub name, a folder, an .npz, or 'tiny'"),
    "clip.dtype": (
        lambda x: x in ("auto", "float32", "bfloat16"),
        "'auto', 'float32' or 'bfloat16'",
    ),
    "train.epochs": (lambda x: x is None or x >= 1, "at least 1"),
    "train.batch_size": (lambda x: x is None or x >= 1, "at least 1"),
    "train.learning_rate": (lambda x: x is None or x > 0, "above 0"),
    "train.momentum": (lambda x: x is None or 0 <= x < 1, "in [0, 1)"),
    "train.epsilon": (lambda x: x is None or x > 0, "above 0"),
    "train.weight_decay": (lambda x: x is None or x >= 0, "at least 0"),
    "train.optimizer": (
        lambda x: x in (None, "sgd", "adam", "adamw"),
        "'sgd', 'adam' or 'adamw'",
    ),
    "train.schedule": (
        lambda x: x is None or x in SCHEDULES,
        f"one of {', '.join(SCHEDULES)}",
    ),
    "train.checkpoint_every": (lambda x: x is None or x >= 1, "at least 1"),
    "method.members": (lambda x: x >= 1, "at least 1"),
    "study.split": (
        lambda x: x in ("train", "val", "test"),
        "'train', 'val' or 'test'",
    ),
    "study.per_class": (lambda x: x >= 0, "at least 0 (0 = all)"),
    "study.permutations": (lambda x: x >= 1, "at least 1"),
    "study.levels": (lambda x: x >= 2, "at least 2"),
    "study.seeds": (lambda x: x >= 1, "at least 1"),
    "eval.samples": (lambda x: x >= 1, "at least 1"),
    "eval.bins": (lambda x: x >= 1, "at least 1"),
}


def default(method: str = "apt", source: str = "folder") -> ConfigDict:
    """All fields with their defaults, for one method and one data source."""
    from apt_jax import data

    shots = ALL if source in data.OWN else COMMON["shots"]
    either = FieldReference(shots, field_type=numbers.Real)
    config = ConfigDict(COMMON | {"shots": either})
    config.data = ConfigDict(data_fields(source))
    config.method = ConfigDict(method_fields(method))
    return config


def choice(argument: str | None, name: str, values: tuple[str, ...]) -> str:
    """What a configuration file's argument chooses: "NAME=VALUE", or VALUE alone.

    Raises:
        UserError: if it is none of `values`.
    """
    value = (argument or "").removeprefix(f"{name}=")
    if value not in values:
        nearest = difflib.get_close_matches(value, values, n=1)
        hint = f"did you mean {nearest[0]}? " if nearest else ""
        raise UserError(
            f"no {name} {value!r}; {hint}write CONFIG.py:{name}=NAME, NAME one of "
            f"{', '.join(values)}"
        )
    return value


def data_fields(source: str) -> dict:
    """The fields of `data.*` for a source, with their defaults."""
    from apt_jax import data

    if source not in data.SOURCES:
        raise UserError(
            f"unknown data.source {source!r}; choose one of {sorted(data.SOURCES)}"
        )
    own = data.OWN_DEFAULTS.get(source, {})
    return data.DEFAULTS | own | {"source": source}


def method_fields(name: str) -> dict:
    """The fields of `method.*` for a method, with their defaults."""
    from apt_jax.methods import make  # imports jax: only when a run is configured

    return {"name": name, **dataclasses.asdict(make(name))}


def read(arguments: list[str]) -> tuple[ConfigDict, str | None]:
    """The configuration and the work directory that a command line asks for.

    `--config PATH[:ARG]`, `--config.FIELD=VALUE` (repeated), `--workdir DIR`.

    Raises:
        UserError: for unknown fields (with the nearest name), wrong types and values.
    """
    given = take_apart(arguments, ("config", "workdir"))
    if "config" not in given.named:
        raise UserError(
            "no configuration; name one with --config, such as --config "
            "configs/quickstart.py"
        )
    config = load(given.named["config"])
    change(config, given.fields)
    return config, given.named.get("workdir")


def eval_overrides(arguments: list[str]) -> tuple[str, dict, dict]:
    """What a command line of eval.py gives: the work directory, `eval.*`, PLACES.

    Of `eval.*` by the name after the point, of PLACES by the whole field.
    """
    given = take_apart(arguments, ("workdir",))
    if "workdir" not in given.named:
        raise UserError("no run; name a finished one with --workdir DIR")
    config = ConfigDict({"eval": COMMON["eval"]})
    places = {field: text for field, text in given.fields if field in PLACES}
    changed = [(field, text) for field, text in given.fields if field not in PLACES]
    for field, text in changed:
        if not field.startswith("eval."):
            raise UserError(
                f"--config.{field}: only eval.* fields can change after training, and "
                f"{', '.join(PLACES)} where the run's own are now; train anew in another "
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
        nearest = difflib.get_close_matches(
            path, [str(file) for file in Path("configs").rglob("*.py")], n=1, cutoff=0.3
        )
        hint = f"; did you mean {nearest[0]}?" if nearest else "; check the path"
        raise UserError(f"no configuration file {path}{hint}")
    spec = importlib.util.spec_from_file_location("apt_jax_config", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        config = module.get_config(argument or None)
    except UserError:
        raise
    except Exception as error:  # whatever a user's file does wrong
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
    _switch(config, fields)
    for field, text in fields:
        set_field(config, field, text)
    require_sound(config)


def _switch(config, fields):
    """Gives the fields of another method or source, where the command line names one."""
    for field, part, fields_of in (
        ("method.name", "method", method_fields),
        ("data.source", "data", data_fields),
    ):
        key = field.split(".")[1]
        asked = dict(fields).get(field)
        if asked is not None and asked != config[part][key]:
            kept = config[part].to_dict() if part == "data" else {}
            fresh = fields_of(asked)
            common = {name: kept[name] for name in fresh.keys() & kept.keys()}
            config[part] = ConfigDict(fresh | common | {key: asked})


def set_field(config, field: str, text: str):
    """Sets a dotted field to the value that `text` spells.

    Raises:
        UserError: for unknown fields and for values of another type.
    """
    fields = flat(config)
    if field not in fields:
        nearest = difflib.get_close_matches(field, fields, n=1, cutoff=0.4)
        hint = (
            f"did you mean {nearest[0]}?" if nearest else f"there are {sorted(fields)}"
        )
        raise UserError(f"unknown field --config.{field}; {hint}")
    *folders, name = field.split(".")
    for folder in folders:
        config = config[folder]
    value = parse(field, text, fields[field])
    with config.ignore_type():
        config[name] = value


def parse(field: str, text: str, current):
    """The value that `text` spells, of the type of `current`."""
    # A method's field of this name may be open in one method and a number in another.
    is_open = field in OPEN and (current is None or not field.startswith("method."))
    kind = OPEN[field] if is_open else type(current)
    if is_open and text == "None":
        return None
    if kind is str:
        return text
    if kind is tuple:
        return tuple(part for part in text.split(SEPARATOR) if part)
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if field == "shots" and type(value) in (int, float):
        return value
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        example = "or None" if current is None else f"such as {current!r}"
        raise UserError(f"--config.{field}={text}: expected {kind.__name__}, {example}")
    return value


def require_sound(config):
    """Refuses values out of range, all of them at once."""
    fields = flat(config)
    faults = [
        f"--config.{field}={fields[field]!r} must be {wanted}"
        for field, (holds, wanted) in RULES.items()
        if field in fields and not holds(fields[field])
    ]
    faults += [
        f"--config.{field}={value!r} must be finite"
        for field, value in fields.items()
        if isinstance(value, float) and not math.isfinite(value)
    ]
    if faults:
        raise UserError("; ".join(faults))


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
    """The configuration with the defaults of fields that came after it was written."""
    standard = default(config.method.name, config.data.source)
    there, config = flat(config), from_json(to_json(config))
    with config.unlocked():
        for field, value in flat(standard).items():
            if field not in there:
                *folders, name = field.split(".")
                inside = config
                for folder in folders:
                    if folder not in inside:
                        inside[folder] = ConfigDict()
                    inside = inside[folder]
                inside[name] = value
    return config


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
            nearest = difflib.get_close_matches(option, [*names, "config."], n=1)
            hint = f"did you mean --{nearest[0]}?" if nearest else "see --help"
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
WHAT_NONE_MEANS = {
    "augment.views": "10; of many own photographs fewer, at most 20,000 in all",
    "method.alpha": "chosen as the protocol says",
    "method.beta": "chosen as the protocol says",
    "method.strength": "chosen as the protocol says",
    "clip.revision": "the pinned commit, or the newest",
    "train.checkpoint_every": "ten times a run",
}


def wants_help(arguments) -> bool:
    return not arguments or bool(HELP & set(arguments))


def help_text(summary: str, arguments=()) -> str:
    """What --help prints: with a --config all fields it has, without one the common.

    Fields given beside it that settle which there are (`method.name`) count.

    Without one it needs neither jax nor a configuration.
    """
    given = take_apart([a for a in arguments if a not in HELP], ("config", "workdir"))
    path = given.named.get("config")
    config = load(path) if path else ConfigDict(COMMON)
    if path:
        _switch(config, given.fields)
    fields = flat(config)
    width = max(map(len, fields))
    lines = [summary.strip(), "", "fields, set with --config.FIELD=VALUE:", ""]
    for field, value in fields.items():
        unset = WHAT_NONE_MEANS.get(field, "the method's recipe")
        lines.append(f"  {field:{width}}  {unset if value is None else repr(value)}")
    if not path:
        lines.append("  data.*, method.*: --help with a --config lists them")
    lines += ["", f"a tuple is written with '{SEPARATOR}' between its entries"]
    return "\n".join(lines)
