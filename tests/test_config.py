"""Settings: what the command line may say, and how it is told when it is wrong."""

import json

import pytest

from apt_jax import config
from apt_jax.errors import UserError

QUICK = "configs/quickstart.py"


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)


def read(*fields, path=QUICK):
    return config.read(["--config", path, *fields])[0]


@pytest.mark.parametrize(
    "path", ["quickstart", "folder", "aircraft", "coop"], ids=lambda name: name
)
def test_every_configuration_file_is_sound(path):
    found = read("--config.data.root=x", path=f"configs/{path}.py")
    assert found.method.name == "apt"


def test_defaults_are_those_of_the_contract():
    found = config.default(source="coop")
    assert (found.seed, found.shots, found.augment.views) == (1, 16, None)
    for own in ("folder", "table", "hub"):
        assert config.default(source=own).shots == 0  # all that are labelled
    assert (found.eval.samples, found.eval.bins) == (30, 15)
    assert (found.clip.dtype, found.data.on_error) == ("auto", "stop")
    assert found.train.epochs is None


def test_fields_keep_their_types():
    found = read(
        "--config.shots=3",
        "--config.train.learning_rate=1",
        "--config.method.residual=True",
        "--config.method.drop_out", "0.25",
        "--config.data.templates=a {};the {}",
        "--config.clip.revision=main",
    )  # fmt: skip
    assert found.shots == 3
    assert isinstance(found.train.learning_rate, float)
    assert found.method.residual is True
    assert found.method.drop_out == 0.25
    assert found.data.templates == ("a {}", "the {}")
    assert found.clip.revision == "main"


def test_another_method_brings_its_own_fields():
    found = read("--config.method.name=zero_shot")
    assert found.method.to_dict() == {"name": "zero_shot", "members": 1}
    with pytest.raises(UserError, match=r"unknown field --config\.method\.heads"):
        read("--config.method.heads=4", "--config.method.name=zero_shot")
    with pytest.raises(UserError, match="unknown method 'coup'"):
        read("--config.method.name=coup")


def test_another_source_brings_its_own_fields():
    assert read("--config.data.variance=1").data.variance == 1.0
    found = read("--config.data.source=folder", "--config.data.root=x")
    assert "variance" not in found.data


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("--config.shotz=3", "did you mean shots"),
        ("--config.method.hedas=3", r"did you mean method\.heads"),
        ("--config.shots=many", "expected int or float, such as"),
        ("--config.train.epochs=many", "expected int, or None"),
        ("--config.shots=1.5", "shots=1.5 must be a whole number"),
        ("--config.shots=1.0", "or a share of all images below 1"),
        ("--config.method.residual=1", "expected bool"),
        ("--config.data=x", "unknown field"),
        ("--confg=x", "did you mean --config"),
        ("--config.shots", "has no value"),
        ("shots=3", "unexpected argument 'shots=3'"),
        ("--config.seed=-1 --config.eval.samples=0", r"seed=-1.*eval\.samples=0"),
        ("--config.data.on_error=ignore", "'stop' or 'skip'"),
        ("--config.train.learning_rate=0", "above 0"),
        ("--config.train.schedule=linear", "must be one of constant, coop, cosine"),
    ],
)
def test_mistakes_are_named_with_the_nearest_right_thing(field, message):
    with pytest.raises(UserError, match=message):
        read(*field.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no configuration file"),
        ("x = 1", "must define get_config"),
        ("def get_config(arg=None):\n    return 1 / 0", "ZeroDivisionError"),
        ("def get_config(arg=None):\n    return {}", "returned no ConfigDict"),
        ("def get_config(", "SyntaxError"),
    ],
)
def test_a_broken_configuration_file_is_told_in_a_line(tmp_path, text, message):
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message):
        read(path=str(path))


def test_a_file_gets_its_argument(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from apt_jax import config\n"
        "def get_config(arg=None):\n"
        "    c = config.default()\n"
        "    c.clip.checkpoint, c.shots = 'tiny', int(arg)\n"
        "    return c\n"
    )
    assert read(path=f"{path}:7").shots == 7


def test_shots_are_a_number_or_a_share_in_a_file_as_on_the_command_line(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from apt_jax import config\n"
        "def get_config(arg=None):\n"
        "    c = config.default()\n"
        "    c.clip.checkpoint, c.shots = 'tiny', 0.1\n"
        "    return c\n"
    )
    assert read(path=str(path)).shots == 0.1
    assert read("--config.shots=0.5", path=str(path)).shots == 0.5
    number = read("--config.shots=4", path=str(path)).shots
    assert (number, type(number)) == (4, int)
    assert config.run_name(read("--config.shots=0.5")).endswith("-0.5shot-seed1")


def test_json_and_back_is_the_same_configuration():
    found = read("--config.data.templates=a {};b {}", "--config.train.epochs=3")
    again = config.from_json(config.to_json(found))
    assert again == found
    assert config.differences(found, again) == []
    json.loads(config.to_json(found))


def test_differences_name_fields_and_both_values():
    one, other = read(), read("--config.shots=7", "--config.method.name=zero_shot")
    lines = config.differences(one, other)
    assert "shots: 4 -> 7" in lines
    assert "method.heads: 16 -> absent" in lines


def test_evaluation_may_change_evaluation_and_nothing_else():
    moved = "--config.data.root=/elsewhere"
    asked = config.eval_overrides(
        ["--workdir", "runs/x", "--config.eval.samples=5", moved]
    )
    assert asked == ("runs/x", {"samples": 5}, {"data.root": "/elsewhere"})
    with pytest.raises(UserError, match=r"only eval\.\* fields"):
        config.eval_overrides(["--workdir=x", "--config.shots=5"])
    with pytest.raises(UserError, match="no run"):
        config.eval_overrides([])


def test_a_run_is_named_after_what_it_is():
    assert config.run_name(read()) == "synthetic-apt-4shot-seed1"
    found = read("--config.data.root=/a/birds/", path="configs/folder.py")
    assert config.run_name(found) == "birds-apt-0shot-seed1"


def test_a_number_is_not_left_open_because_another_method_leaves_it_open():
    clip_lora, gda = (config.default(name) for name in ("clip_lora", "gda"))
    config.set_field(gda, "method.alpha", "None")
    assert gda.method.alpha is None
    config.set_field(gda, "method.alpha", "2")
    assert gda.method.alpha == 2.0
    with pytest.raises(UserError, match="expected float"):
        config.set_field(clip_lora, "method.alpha", "None")
