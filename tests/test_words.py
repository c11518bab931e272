"""What is told is what happened, in plain words, and counts agree with their nouns."""

import json
from types import SimpleNamespace

import pytest
from photos import encoded, photo, write

from apt_jax.clip.checkpoint import TINY
from apt_jax.clip.tokens import Tokenizer
from apt_jax.commands import inspect
from apt_jax.data import SOURCES, Item, own
from apt_jax.data.own import survey
from apt_jax.data.own.legibility import better, odd_names
from apt_jax.data.scan import refuse_or_note
from apt_jax.data.templates import clean_name
from apt_jax.errors import UserError
from apt_jax.methods import METHODS, make
from apt_jax.report import survey as report
from apt_jax.report.tables import protocol_line
from apt_jax.runs import story
from apt_jax.runs.record import selected_by
from apt_jax.runs.survey import read_by
from apt_jax.words import counted, form, series


def test_counts_agree_with_their_nouns():
    assert counted(1, "group") == "1 group"
    assert counted(0, "group") == "0 groups"
    assert counted(1234, "class", "classes") == "1,234 classes"
    assert (form(1, "is", "are"), form(2, "is", "are")) == ("is", "are")


def test_the_last_of_a_series_has_its_and():
    assert [series("abc"[:count]) for count in (1, 2, 3)] == [
        "a",
        "a and b",
        "a, b and c",
    ]


@pytest.mark.parametrize("groups", [1, 2])
def test_one_group_of_copies_is_a_group(groups):
    copies = [{"splits": ["train", "test"], "classes": ["a", "b"]}] * groups
    rows = [{"folder": "a", "images": 40}, {"folder": "b", "images": 1}]
    splits, classes, unequal = survey.advice(rows, {"near copies": copies})
    start = "1 group of near copies lies" if groups == 1 else "2 groups of near copies"
    assert splits.startswith(start)
    assert classes.startswith(start)
    assert "'a' has 40 images and 'b' 1:" in unequal


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_one_unreadable_file_is_a_file(capsys, on_error):
    if on_error == "stop":
        with pytest.raises(UserError, match=r"^1 file cannot be read as images"):
            refuse_or_note({"a.jpg": "no image"}, on_error)
    else:
        refuse_or_note({"a.jpg": "no image"}, on_error)
        assert "dropped 1 unreadable file: 1 no image" in capsys.readouterr().err


def test_one_image_of_one_class_is_told_so():
    row = {"images": 1}
    facts = {"name": "x", "source": "a table", "layout": "given", "classes": [row]}
    assert report._heading(facts).startswith("x: 1 image of 1 class (")
    plan = {"command": "", "splits": {}, "shots": 1, "views": 1, "others": 1}
    lines = "\n".join(report._next(plan, ""))
    assert "1 labelled image in 1 random view and the centre crop, 1 other\n" in lines


@pytest.mark.parametrize("name", METHODS)
def test_no_validation_split_is_named_where_no_validation_image_was_used(name):
    drawn = [Item(f"{label}/{n}", label) for label in range(3) for n in range(4)]
    prepared = SimpleNamespace(method=make(name), shots=drawn)
    card = {
        "protocol": {"name": "inside_shots"},
        "transforms": {"train": "centre crop"},
        "selected_by": selected_by(prepared, "inside_shots"),
    }
    line = protocol_line(card)
    assert "validation split" not in line
    assert ("validation" in line) == (" of another" in line or " of other" in line)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("gda", {"alpha": 1.0}),
        ("linear_probe", {"strength": 1.0}),
        ("lp_plus_plus", {"epochs": 3}),
        ("tip_adapter", {"alpha": 1.0, "beta": 1.0}),
        ("tip_adapter", {"alpha": 1.0, "beta": 1.0, "trained": True}),
    ],
)
def test_what_is_set_by_hand_was_not_cross_validated(name, given):
    drawn = [Item(f"{label}/{n}", label) for label in range(3) for n in range(4)]
    prepared = SimpleNamespace(method=make(name, **given), shots=drawn)
    assert selected_by(prepared, "inside_shots") == "set by hand"


def shown(capsys, source):
    results = {
        "evaluations": [],
        "protocol": {
            "protocol": {"name": "inside_shots"},
            "selected_by": "x",
            "transforms": {"train": "centre crop"},
            "data": {"source": source},
        },
    }
    story.show(SimpleNamespace(folder="runs/x", read=lambda name: results))
    return capsys.readouterr().out


def test_who_trained_on_their_own_photographs_is_not_told_how_to(capsys):
    for source in own.KINDS:
        assert "your own photographs" not in shown(capsys, source)
    for source in SOURCES.keys() - own.KINDS:
        assert "your own photographs: python train.py" in shown(capsys, source)


@pytest.mark.parametrize("with_tokenizer", [True, False])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Black_footed Albatross", ""),
        ("T-shirt", ""),
        ("NAÏVE", ""),
        ("house  wren", ""),
        ("001.Black_footed", "black footed"),
        ("barnOwl", "barn owl"),
    ],
)
def test_a_better_name_is_one_that_clip_reads_otherwise(name, words, with_tokenizer):
    tokenizer = Tokenizer(TINY, 77)

    def tokens(text):
        return tokenizer.encode([text])[0].tolist()

    read = tokens if with_tokenizer else lambda text: text.casefold().split()
    assert better(name, read) == words
    if words and with_tokenizer:
        assert tokens(words) != tokens(clean_name(name))


def test_inspect_proposes_no_name_that_is_read_alike():
    clip = SimpleNamespace(tokenizer=Tokenizer(TINY, 77))
    found = odd_names(("Naïve_Wren", "barnOwl"), read_by(clip))
    assert [row["better"] for row in found] == ["", "barn owl"]


CLASSES = {f"{name}/{n}.jpg": n for name in ("owl", "wren") for n in range(4)}


@pytest.mark.parametrize(
    ("files", "status", "fields"),
    [
        ({}, 0, ["--config.clip.checkpoint=tiny"]),
        ({}, 0, ["--config.clip.checkpoint=absent"]),
        ({"owl/bad.jpg": b"no"}, 2, ["--config.clip.checkpoint=absent"]),
        ({"owl/bad.jpg": b"no"}, 0, ["--config.data.on_error=skip"]),
        ({"lark/bad.jpg": b"no"}, 2, ["--config.clip.checkpoint=tiny"]),
    ],
)
def test_inspect_prints_json_and_nothing_else_in_all_cases(
    tmp_path, capsys, monkeypatch, files, status, fields
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    sound = {
        path: encoded(photo(100 * path.startswith("owl") + n), "jpeg")
        for path, n in CLASSES.items()
    }
    write(tmp_path / "birds", sound | files)
    cache = f"--config.features.cache_dir={tmp_path / 'cache'}"
    given = ["--config.clip.checkpoint=absent", "--config.shots=1", *fields, cache]
    found = inspect.main([str(tmp_path / "birds"), "--format=json", *given])
    out = capsys.readouterr().out
    told = json.loads(
        out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON")
    )
    assert found == status
    assert (told["refused"] != []) == (status == 2)
    assert {"owl", "wren"} <= {row["name"] for row in told["classes"]}
    assert all(isinstance(row["images"], int) for row in told["classes"])


def test_the_line_below_a_table_says_what_was_set_by_hand_and_by_the_paper():
    card = {
        "protocol": {"name": "as_published", "set_by_the_paper_on": "eurosat"},
        "selected_by": "published recipe",
        "set_by_hand": {"augment.views": 5, "train.epochs": 3},
        "transforms": {"train": "nothing"},
    }
    assert protocol_line(card) == (
        "protocol: as published, with what the paper sets on eurosat; hyper-parameters: "
        "published recipe, but train.epochs=3; trained on: nothing"
    )
