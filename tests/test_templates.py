"""Prompts as the literature writes them."""

import pytest

from apt_jax.data.templates import (
    IMAGENET_7,
    TEMPLATES,
    clean_name,
    known_name,
    prompts,
    templates_of,
)
from apt_jax.errors import UserError


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("caltech101", "a photo of a x."),
        ("stanford_cars", "a photo of a x."),
        ("sun397", "a photo of a x."),
        ("imagenet", "a photo of a x."),
        ("oxford_pets", "a photo of a x, a type of pet."),
        ("oxford_flowers", "a photo of a x, a type of flower."),
        ("oxford_flowers17", "a photo of a x, a type of flower."),
        ("fgvc_aircraft", "a photo of a x, a type of aircraft."),
        ("food101", "a photo of x, a type of food."),
        ("dtd", "x texture."),
        ("eurosat", "a centered satellite photo of x."),
        ("ucf101", "a photo of a person doing x."),
        ("cub", "a photo of a x, a type of bird."),
        ("imagewoof", "a photo of a x."),
        ("synthetic", "a photo of a x, a type of aircraft."),
        ("my holiday", "a photo of a x."),
    ],
)
def test_each_data_set_has_its_template(name, prompt):
    assert prompts(["x"], templates_of(name)) == [[prompt]]


@pytest.mark.parametrize(
    ("spelled", "known"),
    [
        ("Caltech-101", "caltech101"),
        ("OxfordFlowers", "oxford_flowers"),
        ("DescribableTextures", "dtd"),
        ("aircraft", "fgvc_aircraft"),
        ("FGVC_Aircraft", "fgvc_aircraft"),
        ("EuroSAT", "eurosat"),
        ("Birds of Kent", "Birds of Kent"),
    ],
)
def test_names_are_known_in_other_spellings(spelled, known):
    assert known_name(spelled) == known


def test_every_known_name_is_known_by_itself():
    assert all(known_name(name) == name for name in TEMPLATES)


def test_underscores_become_spaces_and_nothing_else_changes():
    assert clean_name("Yo_Yo-ball  (2012) 'TT/S'.") == "Yo Yo-ball  (2012) 'TT/S'."


def test_an_ensemble_gives_each_class_every_template():
    assert len(IMAGENET_7) == 7
    both = prompts(["a_b", "{}"], ("one {}.", "two {} {}."))
    assert both == [["one a b.", "two a b a b."], ["one {}.", "two {} {}."]]


def test_templates_given_win_and_a_single_string_is_one_template():
    assert templates_of("dtd", ("my {}",)) == ("my {}",)
    assert templates_of("dtd", "my {}") == ("my {}",)
    assert templates_of("dtd", ()) == ("{} texture.",)


@pytest.mark.parametrize("given", [("a photo.",), ("{name}",), (3,), ("ok {}", "{ }")])
def test_a_template_without_a_place_for_the_name_is_refused(given):
    with pytest.raises(
        UserError, match=r"must be texts with \{\} where the class name"
    ):
        templates_of("dtd", given)
