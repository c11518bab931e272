"""A grid over one's own photographs: `data.*` as in a run, and nothing given is ignored."""

import csv
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import originals
import pytest
from photos import write, write_split
from toy import CLASSES, draw, photo_folder, toy_folder

from apt_jax import command, config, data
from apt_jax.commands.grid import help_text, main
from apt_jax.errors import UserError
from apt_jax.features.views import CENTRE
from apt_jax.grid import study
from apt_jax.grid.cells import Cells
from apt_jax.runs import story
from apt_jax.runs.preparation import MOST_VIEWS, views_of

SETS = """
from apt_jax.grid import study

def get_config(arg=None):
    c = study.default()
    c.methods = ("zero_shot",)
    c.datasets = ("drawn", "whole", "below", "listed")
    c.sets = {
        "drawn": {"source": "synthetic"},
        "whole": {"source": "folder", "root": "/elsewhere/birds", "on_error": "skip"},
        "below": {"source": "folder", "root": "birds"},
        "listed": {"source": "coop", "root": "/jpg", "split_file": "split.json"},
    }
    c.shots, c.seeds = (1,), (1,)
    c.clip.checkpoint = "tiny"
    return c
"""


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photographs of three colours that somebody has split."""
    return photo_folder(tmp_path_factory.mktemp("own") / "colours")


@pytest.fixture(scope="module")
def undivided(tmp_path_factory):
    """Photographs of three colours for the seed to divide."""
    root, generator = (
        tmp_path_factory.mktemp("own") / "shades",
        np.random.default_rng(4),
    )
    for (label, name), number in itertools.product(enumerate(CLASSES), range(8)):
        draw(root / name / f"{number}.png", label, generator)
    return root


@pytest.fixture
def sets_file(tmp_path):
    path = tmp_path / "study.py"
    path.write_text(SETS)
    return path


def arguments(path, *fields):
    return ["--config", str(path), "--workdir", "x", *(f"--config.{f}" for f in fields)]


def planned(path, *fields):
    """The cells that a command line asks for; FEW and OWN are the repository's studies."""
    return study.cells(study.read(arguments(path, *fields))[0])


FEW, OWN = "configs/studies/few_shot.py", "configs/studies/own.py"
OWN_PATH = Path(__file__).parents[1] / OWN
ONE = ("methods=zero_shot", "shots=1", "seeds=1")  # cell


def only(path, *fields):
    (cell,) = planned(path, *ONE, *fields)
    return cell


# -- when data.* is the one data set ------------------------------------------------------


def test_a_root_with_photographs_takes_the_place_of_the_drawn_aircraft(photos, capsys):
    cells = planned(FEW, f"data.root={photos}")
    assert {cell.dataset for cell in cells} == {"colours"}
    of_data = {(c.config.data.source, c.config.data.root) for c in cells}
    assert of_data == {("folder", str(photos))}
    said = capsys.readouterr().err
    assert said == (
        "note: the study's own sets are left out: synthetic; compared is "
        f"data.root={photos} alone, with the recipes of this study; {OWN} has each "
        "method's own\n"
    )


def test_the_study_of_ones_own_photographs_says_how_many_passes_each_is(photos):
    passes = set(CENTRE.each)
    for cell in planned(OWN, f"data.root={photos}", "seeds=1"):
        method = config.method_of(cell.config)
        passes |= set(views_of(cell.config, method, 1).each)
    text = OWN_PATH.read_text()
    assert f"{len(passes)} for a photograph to train on" in text
    assert f"Each method has {MOST_VIEWS:,} crops at most" in text


def test_what_the_study_says_beside_its_sets_still_holds(photos):
    drawn, own = planned(FEW), planned(FEW, f"data.root={photos}")
    assert len(drawn) == len(own)
    for ours, theirs in zip(own, drawn, strict=True):
        assert (ours.method, ours.shots, ours.seed) == (
            theirs.method,
            theirs.shots,
            theirs.seed,
        )
        changed = config.differences(theirs.config, ours.config)
        assert {line.split(":")[0].split(".")[0] for line in changed} == {"data"}
    (cell,) = planned(FEW, *ONE, f"data.root={photos}", "clip.checkpoint=elsewhere")
    assert cell.config.clip.checkpoint == "elsewhere"
    assert cell.config.augment.area == 0.5


def test_the_study_of_ones_own_photographs_needs_nothing_but_where_they_are(photos):
    cells = planned(OWN, f"data.root={photos}")
    assert {cell.shots for cell in cells} == {0}  # all labelled photographs
    assert {cell.dataset for cell in cells} == {"colours"}
    assert {cell.config.clip.checkpoint for cell in cells} == {
        config.load("configs/folder.py").clip.checkpoint
    }
    assert {"apt", "zero_shot", "linear_probe"} < {cell.method for cell in cells}


def test_a_cell_asks_for_what_train_py_would_be_asked_for(photos):
    fields = ("data.class_names=words.yaml", "data.templates=a {}.;one {}.")
    fields = (f"data.root={photos}", "data.on_error=skip", "data.group=none", *fields)
    cell = only(OWN, *fields)
    run, _ = config.read(
        ["--config", "configs/folder.py", *(f"--config.{field}" for field in fields)]
    )
    assert cell.config.data.to_dict() == run.data.to_dict()


@pytest.mark.parametrize("source", sorted(data.SOURCES))
def test_every_field_of_every_source_can_be_set_and_is_listed(source):
    given = {"source": source, "name": "dtd", "split_file": ""}
    if not data.SOURCES[source].drawn:
        given["root"] = "somewhere"
    if source == "coop":
        given["split_file"] = "split_zhou_EuroSAT.json"
    values = {
        name: given.get(name, field.default)
        for name, field in data.fields(source).items()
    }
    spelled = {
        name: ";".join(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if name != "split_file" or source == "coop"
    }
    if data.SOURCES[source].drawn:
        del spelled["root"]
    asked = study.read(
        arguments(FEW, *ONE, *(f"data.{name}={text}" for name, text in spelled.items()))
    )[0]
    assert asked.data.to_dict() == values
    listed = help_text(["--help", "--config", FEW, f"--config.data.source={source}"])
    for name in values:
        assert f"  data.{name} " in listed
    assert "  sets." not in listed


def test_of_a_source_named_on_the_command_line_its_own_fields_are_there():
    cell = only(FEW, "data.source=synthetic", "data.variance=0.2", "data.name=faint")
    assert (cell.dataset, cell.config.data.variance) == ("faint", 0.2)
    with pytest.raises(UserError, match=r"data\.variance=2\.0 must be in \[0, 1\]"):
        only(FEW, "data.source=synthetic", "data.variance=2")


def test_a_study_file_may_name_the_source_itself(tmp_path, photos):
    path = tmp_path / "study.py"
    path.write_text(
        SETS.replace(
            "    return c",
            f"    c.datasets, c.data.source = (), 'folder'\n"
            f"    c.data.root, c.data.test_shar = {str(photos)!r}, 1\n    return c",
        )
    )
    with pytest.raises(UserError, match=r"unknown field --config\.data\.test_shar"):
        planned(path)
    path.write_text(path.read_text().replace("c.data.test_shar = ", "c.data.group = "))
    path.write_text(path.read_text().replace(", 1\n", ", 'none'\n"))
    (cell,) = planned(path)
    assert (cell.dataset, cell.config.data.group) == ("colours", "none")
    # Another source on the command line keeps what both have, as in a run.
    (cell,) = planned(path, "data.source=hub", "data.image=picture")
    assert (cell.config.data.group, cell.config.data.image) == ("none", "picture")


@pytest.mark.parametrize(
    ("files", "holds"),
    [
        (["a.JPG"], True),
        (["owl/a.jpeg"], True),
        (["train/owl/a.heic"], True),
        (["svhn/train_32x32.mat", "readme.txt", ".hidden/a.jpg"], False),
        (["caltech-101/101_ObjectCategories/owl/a.jpg"], False),
        (["__MACOSX/a.jpg"], False),
    ],
)
def test_photographs_are_known_by_their_names_where_a_layout_has_them(
    tmp_path, files, holds
):
    write(tmp_path, dict.fromkeys(files, b"anything"))
    assert data.own.holds_photographs(str(tmp_path)) == holds
    fields = (f"data.root={tmp_path}",)
    if holds:
        assert only(FEW, *fields).config.data.source == "folder"
        return
    with pytest.raises(UserError, match=r"holds no pictures .*none of synthetic lies"):
        only(FEW, *fields)
    assert only(FEW, *fields, "data.source=folder").config.data.source == "folder"


def test_tables_and_sets_of_the_hub_are_known_by_their_names():
    assert only(FEW, "data.root=birds/labels.csv").dataset == "labels"
    assert only(FEW, "data.root=hf:someone/birds:small").dataset == "birds"


# -- when it is the base of the study's sets ----------------------------------------------


def roots(path, *fields):
    return {cell.dataset: cell.config.data for cell in planned(path, *fields)}


def test_where_sets_have_relative_paths_the_root_is_their_base(sets_file, photos):
    of = roots(sets_file, f"data.root={photos}")
    assert of["below"].root == f"{photos}/birds"
    assert of["listed"].split_file == f"{photos}/split.json"
    assert (of["whole"].root, of["listed"].root) == ("/elsewhere/birds", "/jpg")
    assert of["drawn"].source == "synthetic"


def test_only_the_sets_that_are_compared_count(sets_file, photos):
    fields = (f"data.root={photos}", "datasets=below")
    assert set(roots(sets_file, *fields)) == {"below"}
    with pytest.raises(UserError, match=r"--config\.datasets would be ignored"):
        planned(sets_file, f"data.root={photos}", "datasets=drawn,whole")


@pytest.mark.parametrize("place", ["hf:someone/birds", "~/birds", "/birds"])
def test_what_is_no_relative_path_stays_as_it_is(sets_file, place):
    fields = ("data.root=DATA", f"sets.below.root={place}")
    assert roots(sets_file, *fields)["below"].root == place


def test_without_data_fields_a_study_is_as_it_was(sets_file):
    assert roots(sets_file)["below"].root == "birds"
    assert roots(sets_file)["whole"].on_error == "skip"


def test_what_is_given_for_all_sets_reaches_each_even_a_default(sets_file):
    for value in ("stop", "skip"):
        of = roots(sets_file, f"data.on_error={value}")
        assert {one.on_error for one in of.values()} == {value}


def test_what_is_given_for_one_set_holds_for_it_in_whatever_order(sets_file):
    fields = ("sets.below.on_error=stop", "data.on_error=skip")
    for of in (roots(sets_file, *fields), roots(sets_file, *reversed(fields))):
        assert (of["below"].on_error, of["drawn"].on_error) == ("stop", "skip")
    sets_file.write_text(
        SETS.replace("    return c", "    c.data.on_error = 'skip'\n    return c")
    )
    of = roots(sets_file, "sets.below.on_error=stop")
    assert (of["below"].on_error, of["drawn"].on_error) == ("stop", "skip")


# -- what is refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        (FEW, ["data.root=/gone"], "no folder /gone; data.root names the folder"),
        (FEW, ["data.root=EMPTY"], "holds no pictures in folders of classes"),
        ("SETS", ["data.root=EMPTY", "datasets=whole"], "none of whole lies below it"),
        ("SETS", ["data.source=folder"], "leave data.source out, or compare on one"),
        (
            FEW,
            ["data.source=foldr"],
            "unknown data.source 'foldr'; did you mean folder",
        ),
        (
            FEW,
            ["data.source=folder", "datasets=synthetic"],
            "--config.datasets would be ignored; leave one of them out",
        ),
        (OWN, ["data.root=PHOTOS", "datasets=colours"], "would be ignored"),
        (
            FEW,
            ["data.root=PHOTOS", "sets.synthetic.variance=0.1"],
            "--config.sets.synthetic.variance would be ignored",
        ),
        (FEW, ["data.root=PHOTOS", "data.on_eror=skip"], "did you mean data.on_error?"),
        (FEW, ["data.root=PHOTOS", "data.on_error=skp"], "did you mean skip?"),
        (
            FEW,
            ["data.root=PHOTOS", "data.image=x"],
            "unknown field --config.data.image",
        ),
        (
            FEW,
            ["data.root=PHOTOS", "data.split_file=x"],
            "add --config.data.source=coop",
        ),
        (
            FEW,
            ["data.source=synthetic", "data.root=PHOTOS"],
            "leave --config.data.root",
        ),
        (FEW, ["data.source=coop", "data.root=PHOTOS"], "--config.data.split_file"),
        (FEW, ["data.variance=0.1"], "give --config.sets.synthetic.variance, or"),
        (FEW, ["data.templates={}"], "give --config.sets.synthetic.templates, or"),
        (FEW, ["data.varianse=0.1"], "unknown field --config.data.varianse"),
        (OWN, [], "data.root is empty; name the folder with your photographs"),
        (OWN, ["data.root=PHOTOS", "data.group=owner"], "a folder has no columns"),
    ],
)
def test_anything_else_is_one_line_that_names_the_remedy_and_leaves_nothing(
    capsys, tmp_path, photos, sets_file, path, fields, said
):
    (tmp_path / "empty").mkdir()
    places = {"PHOTOS": str(photos), "EMPTY": str(tmp_path / "empty")}
    for name, place in places.items():
        fields = [field.replace(name, place) for field in fields]
    fields += ["clip.checkpoint=" + str(toy_folder())]
    line = arguments(sets_file if path == "SETS" else path, *fields)
    line[3] = str(tmp_path / "grid")
    assert command.run(main, line) == 2
    *notes, error = capsys.readouterr().err.strip().splitlines()
    assert error.startswith("error: ")
    assert said in error
    assert all(note.startswith("note: ") for note in notes)
    assert not (tmp_path / "grid").exists()


@pytest.mark.parametrize("root", ["PHOTOS", "nowhere"])
def test_a_base_that_holds_none_of_the_sets_is_refused_with_what_to_do(
    capsys, tmp_path, photos, sets_file, root
):
    root = root.replace("PHOTOS", str(photos))
    line = arguments(sets_file, f"data.root={root}", "datasets=below,listed,drawn")
    line[3] = str(tmp_path / "grid")
    assert command.run(main, line) == 2
    error = capsys.readouterr().err.strip()
    assert f"none of below, listed is there (looked for {root}/birds)" in error
    assert OWN in error
    assert not (tmp_path / "grid").exists()


def test_a_base_that_holds_one_of_the_sets_is_a_base(capsys, tmp_path, sets_file):
    write(tmp_path / "birds", {"owl/a.png": 1})
    line = arguments(sets_file, f"data.root={tmp_path}", "datasets=below,listed")
    line[3] = str(tmp_path / "grid")
    assert command.run(main, line) == 2  # the other is missed where it is read
    assert OWN not in capsys.readouterr().err


def test_a_mistyped_place_is_told_before_the_backbone_is_looked_for(capsys, tmp_path):
    line = arguments(OWN, "data.root=nowhere", "clip.checkpoint=no-such-backbone")
    line[3] = str(tmp_path / "grid")
    assert command.run(main, line) == 2
    error = capsys.readouterr().err
    assert "nowhere" in error
    assert "no-such-backbone" not in error


# -- what it is called --------------------------------------------------------------------


def named(source, root, **fields):
    given = data.make(source, root=str(root), **fields)
    return given.called, data.load(given, seed=1).name


def test_the_report_calls_photographs_what_a_run_calls_them(
    tmp_path, photos, monkeypatch, small_archives
):
    write(tmp_path / "jpg", {"a/1.png": 1, "a/2.png": 2, "b/3.png": 3, "b/4.png": 4})
    (tmp_path / "list.of.birds.csv").write_text(
        "path,label,split\njpg/a/1.png,a,train\njpg/a/2.png,a,test\n"
        "jpg/b/3.png,b,train\njpg/b/4.png,b,test\n"
    )
    rows = {"train": [["a/1.png", 0, "a"]], "test": [["a/2.png", 0, "a"]]}
    write_split(tmp_path / "jpg/split_zhou_DescribableTextures.json", rows)
    originals.fgvc_aircraft(tmp_path / "planes")
    originals.flowers102(tmp_path / "flowers")
    originals.cub(tmp_path / "birds")
    monkeypatch.chdir(photos / "train")
    for (ours, theirs), expected in (
        (named("folder", ".."), "colours"),
        (named("folder", photos, name="mine"), "mine"),
        (named("folder", tmp_path / "list.of.birds.csv"), "list.of.birds"),
        (named("table", tmp_path / "list.of.birds.csv"), "list.of.birds"),
        (named("coop", tmp_path / "jpg"), "dtd"),
        (named("aircraft", tmp_path / "planes"), "fgvc_aircraft"),
        (named("flowers102", tmp_path / "flowers"), "oxford_flowers"),
        (named("cub", tmp_path / "birds"), "cub"),
        (named("synthetic", ""), "synthetic"),
    ):
        assert ours == theirs == expected


# -- grids that run -----------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def start(folder, root, cache, *fields, methods="zero_shot,task_res"):
    """Runs a grid over `root` with the toy CLIP."""
    of_all = {
        "data.root": root,
        "methods": methods,
        "clip.checkpoint": toy_folder(),
        "clip.dtype": "float32",
        "features.cache_dir": cache,
        "augment.views": 1,
        "augment.area": 0.5,
        "train.epochs": 2,
        "seeds": "1",
    }
    given = [f"--config.{name}={value}" for name, value in of_all.items()]
    given += [f"--config.{field}" for field in fields]
    main(["--config", str(OWN_PATH), "--workdir", str(folder), *given])


def contents(folder):
    return {
        str(path.relative_to(folder / "cells")): path.read_bytes()
        for path in sorted((folder / "cells").rglob("*.json"))
    }


def cell_of(folder, name):
    return json.loads((folder / "cells" / name).read_text())


@pytest.mark.slow
def test_cells_of_a_divided_folder_are_those_of_runs_at_each_seed(
    tmp_path, undivided, cache
):
    folder, broken = tmp_path / "grid", tmp_path / "shades"
    shutil.copytree(undivided, broken)
    (broken / "red/Thumbs.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"Thumbs\.jpg"):
        start(folder, broken, cache, "data.on_error=stop")
    shutil.copy(broken / "red/0.png", broken / "red/copy of 0.png")  # stays with it
    given = ["data.on_error=skip", "seeds=1,2", "shots=2,0"]
    start(folder, broken, cache, *given)
    with open(folder / "grid.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["dataset"] for row in rows} == {"shades"}
    assert {row["examples"] for row in rows} <= {"6", "7"}
    splits = set()
    for seed in (1, 2):
        found = cell_of(folder, f"shades/task_res/0shot-seed{seed}.json")
        asked = config.from_json(json.dumps(found["asked"]))
        run = story.run(asked, tmp_path / f"run-{seed}")
        assert found["protocol"]["data"] == run["protocol"]["data"]
        for ours, theirs in zip(found["evaluations"], run["evaluations"], strict=True):
            assert ours["nll"] == pytest.approx(theirs["nll"], abs=1e-5)
        split = json.loads((tmp_path / f"run-{seed}/split.json").read_text())
        side = {path: name for name in ("train", "test") for path, *_ in split[name]}
        assert side["red/0.png"] == side["red/copy of 0.png"]
        assert "red/Thumbs.jpg" not in side
        splits.add(found["protocol"]["data"]["split_sha256"])
    assert len(splits) == 2, "the seeds divide alike: nothing was shown"


def test_a_table_with_relative_paths_is_compared_on(tmp_path, undivided, cache):
    rows = [
        f"{undivided.name}/{path.parent.name}/{path.name},{path.parent.name},{path.stem}"
        for path in sorted(undivided.rglob("*.png"))
    ]
    shutil.copytree(undivided, tmp_path / undivided.name)
    table = tmp_path / "list.csv"
    table.write_text("path,label,camera\n" + "\n".join(rows) + "\n")
    start(tmp_path / "grid", table, cache, "data.group=camera", methods="zero_shot")
    (name,) = contents(tmp_path / "grid")
    assert name == "list/zero_shot/0shot-seed1.json"


def test_a_grid_goes_on_where_it_was_stopped_even_if_the_folder_was_moved(
    tmp_path, undivided, cache, monkeypatch
):
    folder, home = tmp_path / "grid", tmp_path / "shades"
    shutil.copytree(undivided, home)
    monkeypatch.chdir(tmp_path)
    start(folder, "shades", cache)
    before = contents(folder)
    home.rename(tmp_path / "colours of mine")
    start(folder, "colours of mine", cache, "shots=0,2")
    after = contents(folder)
    assert before.items() < after.items()
    assert {name.split("/")[0] for name in after} == {"shades"}
    start(folder, "colours of mine", cache, "shots=0,2")
    assert contents(folder) == after


def test_other_photographs_are_not_mixed_with_those_of_finished_cells(
    tmp_path, undivided, photos, cache
):
    folder, home = tmp_path / "grid", tmp_path / "shades"
    shutil.copytree(undivided, home)
    start(folder, home, cache, methods="zero_shot")
    before = contents(folder)
    fewer = pytest.raises(
        UserError, match=r"made with other files.*another set of images"
    )
    with fewer:  # a folder of other photographs
        start(folder, photos, cache, methods="zero_shot")
    shutil.copy(photos / "train/red/0.png", home / "red/new.png")
    for field in ("shots=0,1", "seeds=2"):  # a photograph came since
        with fewer:
            start(folder, home, cache, field, "seeds=1,2", methods="zero_shot")
    (home / "red/new.png").unlink()
    words = tmp_path / "words.yaml"
    words.write_text("red: crimson\n")
    fields = ("shots=0,1", f"data.class_names={words}")
    with pytest.raises(UserError, match="another list of classes"):
        start(folder, home, cache, *fields, methods="zero_shot")
    assert contents(folder) == before


def test_a_moved_grid_whose_methods_select_on_validation_is_known_again(
    tmp_path, undivided, cache
):
    folder, home = tmp_path / "grid", tmp_path / "shades"
    shutil.copytree(undivided, home)
    given = {"fields": ("protocol=as_published",), "methods": "zero_shot,gda"}
    start(folder, home, cache, *given["fields"], methods=given["methods"])
    before = contents(folder)
    home.rename(tmp_path / "moved")
    start(folder, tmp_path / "moved", cache, *given["fields"], methods=given["methods"])
    assert contents(folder) == before


def test_an_own_data_set_with_a_name_of_its_own_keeps_it(tmp_path, undivided, cache):
    start(tmp_path / "grid", undivided, cache, "data.name=mine", methods="zero_shot")
    (name,) = contents(tmp_path / "grid")
    assert name == "mine/zero_shot/0shot-seed1.json"
    (found,) = Cells(tmp_path / "grid").contents()
    assert found["dataset"] == "mine"
