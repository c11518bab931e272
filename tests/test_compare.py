"""Whether two split files or two runs used the same images."""

import json

import pytest
from photos import write, write_split

from apt_jax.commands.compare import main
from apt_jax.errors import UserError
from apt_jax.files import write_json

ROWS = {
    "train": [["a/1.png", 0, "ant"], ["b/1.png", 1, "bee"], ["b/2.png", 1, "bee"]],
    "val": [],
    "test": [["a/3.png", 0, "ant"], ["b/3.png", 1, "bee"]],
}


@pytest.fixture
def root(tmp_path):
    listed = [row[0] for rows in ROWS.values() for row in rows]
    write(tmp_path / "images", {path: number for number, path in enumerate(listed)})
    return tmp_path


def split(root, name, **rows):
    return write_split(root / f"{name}.json", ROWS | rows)


def found(capsys, *arguments) -> dict:
    capsys.readouterr()
    assert main([*map(str, arguments), "--format=json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_equal_lists_draw_the_same_shots(root, capsys):
    a, b = split(root, "a"), split(root, "b")
    assert found(capsys, a, b)["verdict"] == (
        "the same images, by path, in the same order: the same shots are drawn"
    )


def test_another_order_draws_other_shots(root, capsys):
    a, b = split(root, "a"), split(root, "b", train=ROWS["train"][::-1])
    report = found(capsys, a, b)
    assert report["verdict"].startswith("the same images, by path, in another order")
    assert report["splits"]["train"]["path"]["same_order"] is False
    assert report["splits"]["test"]["path"]["same_order"] is True


def test_images_that_differ_and_labels_that_differ_are_counted(root, capsys):
    other = [["a/1.png", 1, "bee"], ["b/1.png", 1, "bee"], ["a/9.png", 0, "ant"]]
    a, b = split(root, "a"), split(root, "b", train=other)
    counts = found(capsys, a, b)["splits"]["train"]["path"]
    assert (counts["both"], counts["only_a"], counts["only_b"]) == (2, 1, 1)
    assert counts["other_label"] == ["a/1.png"]


def test_labels_are_compared_by_name_and_not_by_number(root, capsys):
    renumbered = {
        name: [[path, 1 - label, word] for path, label, word in rows]
        for name, rows in ROWS.items()
    }
    a, b = split(root, "a"), split(root, "b", **renumbered)
    assert "same shots" in found(capsys, a, b)["verdict"]


def test_training_images_among_the_others_tests_are_named(root, capsys):
    a = split(root, "a")
    b = split(
        root, "b", train=[ROWS["train"][0], *ROWS["test"][1:]], test=ROWS["train"][1:]
    )
    report = found(capsys, a, b)
    assert report["trained_in_a_tested_in_b"] == ["b/1.png", "b/2.png"]
    assert report["trained_in_b_tested_in_a"] == ["b/3.png"]


def run(root, name, paths):
    """The directory of a run whose images have other paths."""
    import hashlib

    def row(path, label):
        data = (root / "images" / path).read_bytes()
        return [paths(path), label, hashlib.sha256(data).hexdigest()]

    lists = {
        split: [row(path, label) for path, label, _ in rows]
        for split, rows in ROWS.items()
    }
    drawn = {
        "few_shot_train": [paths("b/1.png")],
        "few_shot_val": [],
        "selected_on": [],
    }
    write_json(root / name / "split.json", lists | drawn)
    write_json(root / name / "classes.json", ["ant", "bee"])
    return root / name


def test_runs_are_compared_by_content_whatever_the_paths(root, capsys):
    a, b = run(root, "a", lambda path: path), run(root, "b", lambda path: f"x/{path}")
    report = found(capsys, a, b)
    assert report["verdict"].startswith(
        "the same images, by content, in the same order"
    )
    assert report["splits"]["train"]["path"]["both"] == 0
    assert report["splits"]["few_shot_train"]["content"]["both"] == 1


def test_a_split_file_and_a_run_are_compared_by_content_with_its_images(root, capsys):
    a, b = split(root, "s"), run(root, "b", lambda path: f"x/{path}")
    assert found(capsys, a, b)["verdict"] == "not the same images, by path"
    report = found(capsys, a, b, f"--root_a={root / 'images'}")
    assert report["verdict"].startswith(
        "the same images, by content, in the same order"
    )
    assert report["only_b"] == ["few_shot_train"]


def test_the_table_says_the_same(root, capsys):
    main([split(root, "a"), split(root, "b", test=ROWS["test"][:1])])
    out = capsys.readouterr().out
    assert "test, by path" in out
    assert out.splitlines()[-1] == "not the same images, by path"


def test_what_is_no_split_and_no_run_is_told(root, capsys):
    with pytest.raises(
        UserError, match=r"split\.json \(No such .*name the directory of a run"
    ):
        main([str(root), str(root)])
    with pytest.raises(UserError, match=r"cannot read data\.split_file absent\.json"):
        main(["absent.json", "absent.json"])
