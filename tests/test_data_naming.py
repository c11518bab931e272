"""classes.yaml: readable names and descriptions reach the prompts."""

import pytest
from photos import load, write

from apt_jax.data.templates import prompts
from apt_jax.errors import UserError


@pytest.fixture
def root(tmp_path):
    files = [
        f"{name}/{number}.png" for name in ("TUTI", "no", "wren") for number in (1, 2)
    ]
    write(tmp_path, {path: number for number, path in enumerate(files)})
    return tmp_path


def named(root, text, **fields):
    (root / "classes.yaml").write_text(text)
    return load("folder", root, **fields)


def test_names_are_replaced_and_others_kept(root, capsys):
    dataset = named(root, "TUTI: tufted titmouse\nno: yes\n")
    assert dataset.classes == ("tufted titmouse", "yes", "wren")
    assert dataset.descriptions == ()
    assert "classes.yaml" not in capsys.readouterr().err


def test_a_table_has_its_names_beside_it(root):
    rows = [f"{name}/{n}.png,{name}" for name in ("TUTI", "no", "wren") for n in (1, 2)]
    (root / "birds.csv").write_text("\n".join(["path,label", *rows]))
    (root / "classes.yaml").write_text("TUTI: tufted titmouse\n")
    dataset = load("folder", root / "birds.csv")
    assert dataset.classes == ("tufted titmouse", "no", "wren")


def test_descriptions_follow_the_name_or_are_prompts_of_their_own(root):
    dataset = named(
        root,
        "TUTI:\n  name: tufted titmouse\n  descriptions: [with a crest, 'one {}!']\n",
        templates=("a {}.", "the {}."),
    )
    assert dataset.descriptions == (("with a crest", "one {}!"), (), ())
    assert prompts(*dataset.texts) == [
        [
            "a tufted titmouse.",
            "the tufted titmouse.",
            "a tufted titmouse, with a crest.",
            "the tufted titmouse, with a crest.",
            "one tufted titmouse!",
        ],
        ["a no.", "the no."],
        ["a wren.", "the wren."],
    ]


def test_the_file_may_lie_elsewhere(root, tmp_path_factory):
    file = tmp_path_factory.mktemp("names") / "mine.yaml"
    file.write_text("wren: house wren")
    assert load("folder", root, class_names=str(file)).classes[2] == "house wren"
    with pytest.raises(UserError, match=r"cannot read data\.class_names .*absent"):
        load("folder", root, class_names="absent.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wern: house wren", r"has not \('wern'; did you mean 'wren'\?\)"),
        ("- wren", r"another layout .*write CLASS: READABLE NAME"),
        ("", r"another layout"),
        ("wren: [a, b]", r"another layout \(wren: \['a', 'b'\]\)"),
        ("wren: {nmae: a}", r"another layout"),
        ("wren: {descriptions: small}", r"another layout"),
        ("wren: ''", r"another layout"),
        ("wren: {", r"is no YAML"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(root, text, said):
    with pytest.raises(UserError, match=said):
        named(root, text)
