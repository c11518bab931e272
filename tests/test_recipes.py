"""The table of recipes is what the code does, and cards say what differs from papers."""

from pathlib import Path

import pytest
from toy import toy_vit_folder

from apt_jax import config
from apt_jax.methods import METHODS, make
from apt_jax.runs.preparation import prepare
from apt_jax.runs.record import card, resolved, split_of
from apt_jax.training.fit import recipe_of
from benchmarks import recipes

FITTED = {"alpha": 1.0, "beta": 1.0}
PAGE = Path(__file__).parents[1] / "docs/recipes.md"


def test_the_page_is_what_the_code_prints():
    assert recipes.document() == PAGE.read_text(), (
        "print it again: python -m benchmarks.recipes > docs/recipes.md"
    )


def rows():
    """The first table, cells by column, a row each."""
    lines = PAGE.read_text().split("\n\n")[3].splitlines()
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def test_every_method_is_there_under_both_protocols():
    found = {}
    for row in rows():
        found.setdefault(row["method"], []).append(row["protocol"])
    assert {label.split("`")[1] for label in found} == set(METHODS)
    both = (["both"], ["inside_shots", "as_published"])
    assert all(protocols in both for protocols in found.values())
    assert len(found) == len(METHODS) + len(recipes.FORMS)


def test_a_row_has_the_recipe_of_the_method():
    (row,) = [row for row in rows() if row["method"] == "`coop`"]
    assert row["epochs at 1 / 4 / 16 shots"] == "50 / 100 / 200"
    assert (row["rate"], row["batch"], row["schedule"]) == ("0.002", "32", "coop")
    assert (row["views"], row["area"]) == ("10", "0.08")
    trained = [row for row in rows() if "trained=True" in row["method"]]
    epochs = [row["epochs at 1 / 4 / 16 shots"] for row in trained]
    assert epochs == ["100 / 50 / 20", "20"]
    inside, published = (
        row["what selects"] for row in rows() if "gda" in row["method"]
    )
    assert inside == "alpha: cross-validated on the shots"
    assert published == "alpha: validation split: all of it"


@pytest.mark.parametrize("method", recipes.forms().values(), ids=str)
def test_what_differs_is_said_in_phrases(method):
    assert method.differs
    for phrase in method.differs:
        assert phrase == phrase.strip(" .")


def card_of(photos, method, name, protocol="inside_shots", clip="tiny", **fields):
    asked = config.default(method=method, source="folder")
    asked.data.root, asked.data.name, asked.clip.checkpoint = str(photos), name, clip
    asked.clip.dtype, asked.features.cache_dir, asked.shots = "float32", "", 2
    asked.protocol = protocol
    asked.method.update(fields)
    prepared = prepare(asked)
    task = recipes.task_of(2, protocol).replace(dataset=prepared.known_as)
    recipe = recipe_of(prepared.method, task, train=asked.train)
    written = resolved(asked, prepared, recipe)
    return card(written, prepared, split_of(prepared), {})["differs"]


def test_the_card_says_what_differs(photos):
    found = card_of(photos, "task_res", "photos")
    assert found == list(make("task_res").differs)


@pytest.mark.parametrize(
    ("method", "name", "said", "fields"),
    [
        ("task_res", "imagenet", "learning_rate, templates of the paper", {}),
        ("task_res", "oxford_flowers", "alpha of the paper", {}),
        ("vpt", "dtd", "templates of the paper", {}),
        ("gda", "dtd", None, {"alpha": 1.0}),
        ("tip_adapter", "dtd", None, FITTED),  # without epochs
        ("tip_adapter", "dtd", "epochs of the paper", FITTED | {"trained": True}),
    ],
)
def test_the_card_says_what_of_the_paper_is_left_out_inside_the_shots(
    photos, method, name, said, fields
):
    inside = card_of(photos, method, name, **fields)
    left = [text for text in inside if "left out" in text]
    assert [text.startswith(said) for text in left] == ([True] if said else [])
    if not fields.get("trained"):  # which selects on images that are not there
        published = card_of(photos, method, name, "as_published", **fields)
        assert set(inside) - set(published) == set(left)


def test_a_plain_vit_has_no_prompts_to_leave_out(photos):
    vit = str(toy_vit_folder())
    assert card_of(photos, "vpt", "dtd", clip=vit) == list(make("vpt").differs)
