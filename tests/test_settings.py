"""Every setting has its line: a default, a rule, a meaning; nothing else is accepted."""

import dataclasses
import math
from typing import ClassVar

import pytest

from apt_jax import config, data, fields, usage
from apt_jax.commands import evaluate
from apt_jax.errors import UserError, one_line
from apt_jax.fields import Field, at_least, defaults, field
from apt_jax.grid import study
from apt_jax.methods import METHODS
from apt_jax.methods.base import Method
from apt_jax.methods.zero_shot import ZeroShot

GRIDS = ["few_shot", "low_data", "visual_prompts", "photos", "ablation"]
# Values of each type that few rules allow.
ODD = {
    int: (-1, 0, 2**31, 2**70, True, 1.5, "x"),
    float: (-1.0, 0.0, 1.0, 2.0, math.nan, math.inf, -math.inf, True, "x"),
    str: ("", " ", "nonsense", 3),
    bool: (1, "True"),
    tuple: (("no place for a name",), ("nonsense",), "x", (3,)),
}


def all_fields():
    """Every field that any --help can show, under a name that says where."""
    found = {f"common: {name}": one for name, one in config.COMMON.items()}
    found |= {f"study: {name}": one for name, one in config.STUDY.items()}
    found |= {f"grid: {name}": one for name, one in study.FIELDS.items()}
    found |= {"grid: groups": study.GROUP, "grid: search": study.CANDIDATES}
    for source in data.SOURCES:
        of_source = data.fields(source).items()
        found |= {f"{source}: data.{name}": one for name, one in of_source}
    for method in METHODS:
        of_method = config.method_fields(method).items()
        found |= {f"{method}: method.{name}": one for name, one in of_method}
    return found


ALL = all_fields()


@pytest.mark.parametrize("name", ALL)
def test_every_field_says_what_it_means_and_its_default_obeys_its_rule(name):
    one = ALL[name]
    assert len(one.meaning) > 5
    assert not one.meaning.endswith(".")
    if name != "common: clip.checkpoint":  # which nobody can choose for others
        assert one.fault(one.default) == ""
    if one.default is None:
        assert one.unset != "not set"
    if {int, float} & set(one.kinds):
        assert one.rule is not fields.ANY


@pytest.mark.parametrize("name", ALL)
def test_every_value_that_a_rule_does_not_allow_is_refused_in_a_line(name):
    one, short = ALL[name], name.split(": ")[1]
    for value in (odd for kind in one.kinds for odd in ODD.get(kind, ())):
        fits = any(type(value) is kind for kind in one.kinds)
        finite = not isinstance(value, float) or math.isfinite(value)
        small = not isinstance(value, int) or value <= one.rule.most
        told = fields.faults({short: one}, {short: value}, "--config.")
        if fits and finite and small and one.rule.holds(value):
            assert told == []
        elif type(value) is not int or float not in one.kinds:
            (line,) = told
            assert line.startswith(f"--config.{short}=")
            assert line == one_line(line)


@pytest.mark.parametrize("source", data.SOURCES)
def test_help_lists_every_field_of_a_source(source):
    listed = usage.listed(data.fields(source), defaults(data.fields(source)))
    for name in data.fields(source):
        assert f"  {name} " in listed


@pytest.mark.parametrize("method", METHODS)
def test_help_lists_every_field_of_a_method_within_a_hundred_columns(method):
    listed = usage.listed(*fields_and_values(config.default(method, "synthetic")))
    for name in config.method_fields(method):
        assert f"  method.{name} " in listed
    lines = listed.splitlines()
    assert max(map(len, lines)) <= 100
    (margin,) = {line.index("shots, init") for line in lines if "shots, init" in line}
    for line in lines[2:]:
        if len(line) > margin and not line.startswith("  clip.revision"):
            assert line[margin - 2 : margin] == "  ", line
            assert line[margin] != " ", line


def fields_and_values(settings):
    return config.fields_of(settings), config.flat(settings)


@pytest.mark.parametrize("name", GRIDS)
def test_help_of_a_grid_has_a_meaning_for_every_field(request, name):
    path = request.config.rootpath / f"configs/studies/{name}.py"
    settings = study.load(str(path))
    known = study.fields_of(settings)
    assert config.flat(settings).keys() <= known.keys()
    assert all(known[field].meaning for field in config.flat(settings))
    assert max(map(len, usage.listed(known, config.flat(settings)).split("\n"))) <= 100


def test_eval_lists_what_it_can_change(capsys):
    evaluate.main(["--help"])
    said = capsys.readouterr().out
    assert "eval.samples  30  Monte-Carlo samples T" in said


def test_what_none_means_is_said_in_words():
    settings = config.default("gda")
    listed = usage.listed(*fields_and_values(settings))
    assert "method.alpha            chosen as the protocol says" in listed
    assert "None" not in listed
    config.put(settings, "method.alpha", 2.0)
    listed = usage.listed(*fields_and_values(settings))
    assert "None = chosen as the protocol says" in " ".join(listed.split())


def test_a_default_may_depend_on_the_source_and_follows_it(monkeypatch):
    one = Field(16, "labelled images a class", at_least(0), by_source={"folder": 0})
    monkeypatch.setitem(config.COMMON, "shots", one)
    assert config.default(source="folder").shots == 0
    settings = config.default(source="synthetic")
    settings.clip.checkpoint = "tiny"
    assert settings.shots == 16
    config.change(settings, [("data.source", "folder"), ("data.root", "x")])
    assert settings.shots == 0
    settings.shots = 3
    config.change(settings, [("data.source", "synthetic")])
    assert settings.shots == 3
    assert "16" in usage.listed({"shots": one}, {"shots": 16})
    assert "; folder: 0" in usage.listed({"shots": one}, {"shots": 16})


@dataclasses.dataclass(frozen=True)
class Open(ZeroShot):
    """A method with a field that may be None and has no line of its own."""

    sharpness: float | None = None
    rate: float = field(0.5, "a rate", fields.RATE)
    selected_by: ClassVar[str] = "nothing"


def test_the_annotation_of_a_methods_field_is_all_that_the_command_line_needs(
    monkeypatch,
):
    monkeypatch.setitem(METHODS, "open", Open)
    settings = config.default("open", "synthetic")
    settings.clip.checkpoint = "tiny"
    config.change(settings, [("method.sharpness", "2")])
    assert settings.method.sharpness == 2.0
    config.change(settings, [("method.sharpness", "None")])
    assert settings.method.sharpness is None
    with pytest.raises(UserError, match="sharpness=x: expected float, or None"):
        config.change(settings, [("method.sharpness", "x")])
    with pytest.raises(UserError, match=r"method\.rate=1\.5 must be in \[0, 1\)"):
        Open(rate=1.5)


def test_a_method_checks_its_own_fields_without_any_configuration():
    for name, method in METHODS.items():
        assert isinstance(method(), Method), name
    for value, wanted in ((0, "at least 1"), (math.nan, "int"), ("x", "int")):
        with pytest.raises(UserError, match=rf"method\.heads=.* must be {wanted}"):
            METHODS["apt"](heads=value)


def test_an_ensemble_has_at_least_one_member():
    settings = config.default("coop", "synthetic")
    settings.clip.checkpoint = "tiny"
    with pytest.raises(UserError, match=r"method\.members=0 must be at least 1"):
        config.change(settings, [("method.members", "0")])


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("apt", "method.drop_out=2", r"drop_out=2\.0 must be in \[0, 1\)"),
        ("apt", "method.heads=0", "heads=0 must be at least 1"),
        ("apt", "method.heads=-1", "heads=-1 must be at least 1"),
        ("apt", "method.gate=scaler", r"gate='scaler' .*did you mean scalar\?"),
        ("apt", "method.residual=False", "zero_init_out without a residual"),
        ("gda", "method.alpha=nan", "alpha=nan must be a finite number"),
        ("gda", "method.alpha=-1", "alpha=-1.0 must be at least 0"),
        ("tip_adapter", "method.beta=1e999", "beta=inf must be a finite number"),
        ("vapt", "method.kernel=0", "kernel=0 must be at least 1"),
        ("maple", "method.prompts=5", "prompts=5 must be 1 to 4"),
        ("coop", "train.learning_rate=inf", "learning_rate=inf must be a finite"),
        ("coop", "train.batch_size=0", "batch_size=0 must be at least 1"),
        ("coop", "train.epochs=9999999999", "epochs=9999999999 must be at most 2147"),
        ("coop", "train.optimizer=adm", r"optimizer='adm' .*did you mean adam\?"),
        ("coop", "train.schedule=cosin", r"schedule='cosin' .*did you mean cosine\?"),
        ("coop", "seed=1180591620717411303424", "must be at most 4294967295"),
        ("coop", "seed=4294967296", "must be at most 4294967295"),
        ("coop", "shots=nan", "shots=nan must be a finite number"),
        ("coop", "clip.checkpoint=", "checkpoint='' must be a hub name"),
        ("coop", "clip.checkpoint= ", "checkpoint=' ' must be a hub name"),
        ("coop", "clip.dtype=float23", r"dtype='float23' .*did you mean float32\?"),
        ("coop", "protocol=as_publshed", r".*did you mean as_published\?"),
        (
            "coop",
            "data.templates=a photo",
            r"texts with \{\} where the class name goes",
        ),
        ("coop", "data.templates=a {};b", r"texts with \{\} where the class name goes"),
        ("coop", "data.on_error=skp", r"on_error='skp' .*did you mean skip\?"),
        ("coop", "data.variance=1.01", r"variance=1\.01 must be in \[0, 1\]"),
        ("coop", "data.train_images=0", "train_images=0 must be at least 1"),
        (
            "coop",
            "data.source=fodler",
            r"unknown data\.source 'fodler'; did you mean f",
        ),
        ("coop", "method.name=atp", r"unknown method 'atp'; did you mean apt\?"),
        ("coop", "method.name=APT", r"unknown method 'APT'; did you mean apt\?"),
        ("coop", "method.name=xyz", "unknown method 'xyz'; choose one of apt, clap"),
        ("coop", f"method.context_length={'-' * 100_000}1", "expected int"),
        ("coop", f"method.context_length={'9' * 5000}", "expected int"),
        ("coop", "method.class_specific=yes", "expected bool, such as False"),
    ],
)
def test_nonsense_is_one_line_before_any_work(method, given, message):
    settings = config.default(method, "synthetic")
    settings.clip.checkpoint = "tiny"
    with pytest.raises(UserError, match=message) as caught:
        config.change(settings, [tuple(given.split("=", 1))])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("c.shotz = 3", r"unknown field shotz; did you mean shots\?"),
        (
            "c.method.hedas = 3",
            r"unknown field method\.hedas; did you mean method\.heads",
        ),
        ("c.train.epochs = 'many'", "train.epochs='many' must be int"),
        ("c.train.learning_rate = float('nan')", "learning_rate=nan must be a finite"),
        ("c.clip.dtype = 'float16'", "dtype='float16' must be"),
        (
            "c.method.name = 'coop'",
            "unknown field method.biases.*no field method.class_",
        ),
        ("c.method.name = 'cooop'", r"unknown method 'cooop'; did you mean coop\?"),
        ("c.data.source = 'synthetic'", r"no field data\.size, data\.test_images"),
        ("raise SystemExit(3)", r"failed \(SystemExit: 3\); it must define get_config"),
        ("del c.train", r"the configuration has no train\.epochs, "),
        ("c.data.templates = ('x',)", "where the class name goes"),
    ],
)
def test_a_configuration_file_is_held_to_the_same_lines(tmp_path, line, message):
    path = tmp_path / "mine.py"
    path.write_text(
        "from apt_jax import config\n"
        "def get_config(arg=None):\n"
        "    c = config.default('apt', 'folder')\n"
        "    c.clip.checkpoint = 'tiny'\n"
        f"    {line}\n"
        "    return c\n"
    )
    with pytest.raises(UserError, match=message):
        config.read(["--config", str(path)])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("c.evall = 3", r"unknown field --config\.evall; did you mean"),
        ("c.shots = (1, 'x')", r"shots=\(1, 'x'\) must be numbers"),
        ("c.seeds = (1.5,)", r"seeds=\(1\.5,\) must be whole numbers"),
        ("c.sets = {'synthetic': 3}", r"sets\.synthetic of .* should be a table"),
        ("c.variants = {'apt': 3}", r"variants\.apt of .* should be a table"),
        ("c.sets = {'synthetic': {'source': 'syntetic'}}", "did you mean synthetic"),
        ("c.search_refit = 'vall'", "must be 'train' or 'train\\+val'"),
    ],
)
def test_the_file_of_a_grid_is_held_to_the_same_lines(tmp_path, line, message):
    path = tmp_path / "mine.py"
    path.write_text(
        "from apt_jax.grid import study\n"
        "def get_config(arg=None):\n"
        "    c = study.default()\n"
        "    c.methods, c.datasets = ('apt',), ('synthetic',)\n"
        "    c.sets = {'synthetic': {'source': 'synthetic'}}\n"
        f"    {line}\n"
        "    return c\n"
    )
    with pytest.raises(UserError, match=message):
        study.load(str(path))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("search_refit=vall", "search_refit 'vall'"),
        ("seeds=1,4294967296", "at most 4294967295"),
        ("shots=1,inf.0", "expected whole numbers with commas"),
        ("methods=atp", r"unknown method 'atp'; did you mean apt\?"),
        ("sets.synthetic.variance=2", r"variance=2\.0 must be in \[0, 1\]"),
        ("sets.synthetic.varianc=2", r"did you mean sets\.synthetic\.variance\?"),
        (
            "variants.coop.method.context_length=0",
            "context_length=0 must be at least 1",
        ),
        ("variants.coop.train.optimizer=adm", r"did you mean adam\?"),
        ("search.method.context_length=0,4", "context_length=0 must be at least 1"),
        ("search.train.learning_rate=0.1,nan", "learning_rate=nan must be a finite"),
    ],
)
def test_a_grid_is_held_to_the_same_lines(request, given, message):
    path = request.config.rootpath / "configs/studies/few_shot.py"
    arguments = ["--config", str(path), "--workdir=x", "--config.methods=coop"]
    with pytest.raises(UserError, match=message):
        study.cells(study.read([*arguments, f"--config.{given}"])[0])
