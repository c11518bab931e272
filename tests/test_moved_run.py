"""A run is what its files hold, wherever they are: places are hints, hashes decide."""

import json
import shutil

import pytest
from test_run import settings
from toy import photo_folder, toy_folder

import apt_jax
from apt_jax import config
from apt_jax.commands.predict import main as predict_main
from apt_jax.errors import UserError
from apt_jax.runs import story
from apt_jax.runs.preparation import prepare

CLIP, ROOT = "clip.checkpoint", "data.root"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a backbone, photographs and a run that names both relatively."""
    place = tmp_path_factory.mktemp("made")
    shutil.copytree(toy_folder(), place / "clip")
    photo_folder(place / "photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        story.run(asked(), "run")
    return place


def asked(clip="clip", root="photos"):
    c = settings(root)
    c.clip.checkpoint = str(clip)
    c.train.epochs, c.eval.samples = 2, 2
    return c


@pytest.fixture
def place(made, tmp_path):
    """A copy of it: the run's own places are those of the original, and are gone."""
    copy = shutil.copytree(made, tmp_path / "copy")
    path = copy / "run/config.json"
    path.write_text(path.read_text().replace(str(made), "/gone"))
    assert "/gone/photos" in path.read_text()
    return copy


def other_backbone(folder):
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(bytes(data))
    return folder


def pictures(place):
    return [str(path) for path in sorted(place.rglob("test/*/*.png"))]


def test_a_run_with_relative_paths_works_from_any_directory(
    made, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert apt_jax.load(made / "run").predict(pictures(made)).labels
    story.evaluate_again(made / "run", {})
    held = json.loads((made / "run/config.json").read_text())
    assert held["data"]["root"] == str(made / "photos")
    assert held["clip"]["checkpoint"] == str(made / "clip")


def test_a_whole_project_that_is_moved_works(place, monkeypatch, tmp_path):
    """What a run names relatively is beside it, whatever the current directory."""
    monkeypatch.chdir(tmp_path)
    (place / "run").rename(place / "renamed")
    assert apt_jax.load(place / "renamed").predict(pictures(place)).labels
    story.evaluate_again(place / "renamed", {})


def test_what_is_gone_is_named_with_what_places_it(place):
    (place / "clip").rename(place / "elsewhere")
    with pytest.raises(UserError, match=r"no /gone/clip.*with `clip`=PLACE"):
        apt_jax.load(place / "run")
    (place / "photos").rename(place / "pictures")
    with pytest.raises(UserError, match=r"no /gone/photos.*--config\.data\.root="):
        story.evaluate_again(place / "run", {}, {CLIP: str(place / "elsewhere")})


def test_options_say_where_backbone_and_photographs_are_now(place, capsys):
    (place / "clip").rename(place / "elsewhere")
    (place / "photos").rename(place / "oxford_pets")  # other templates belong to it
    clip, root = str(place / "elsewhere"), str(place / "oxford_pets")
    option = f"--config.clip.checkpoint={clip}"
    predict_main([f"--workdir={place / 'run'}", option, *pictures(place)])
    assert "0.png" in capsys.readouterr().out
    assert apt_jax.load(place / "run", clip=clip).predict(pictures(place)).labels
    before = json.loads((place / "run/results.json").read_text())["evaluations"]
    command = [f"--workdir={place / 'run'}", option, f"--config.data.root={root}"]
    after = story.evaluate_again(*config.eval_overrides(command))["evaluations"]
    assert [row["nll"] for row in after] == [row["nll"] for row in before]


def test_a_home_directory_may_be_written_with_a_tilde(place, monkeypatch):
    monkeypatch.setenv("HOME", str(place))
    (place / "clip").rename(place / "elsewhere")
    assert apt_jax.load(place / "run", clip="~/elsewhere").classes


def test_another_backbone_or_other_photographs_are_refused_by_their_hashes(place):
    other = other_backbone(shutil.copytree(place / "clip", place / "other"))
    refused = pytest.raises(UserError, match=r"SHA-256 of its weights .* not ")
    with refused:
        apt_jax.load(place / "run", clip=other)
    with refused:
        story.evaluate_again(place / "run", {}, {CLIP: str(other)})
    photos = shutil.copytree(place / "photos", place / "changed")
    shutil.copy(photos / "test/red/0.png", photos / "test/red/1.png")
    with pytest.raises(UserError, match=r"changed: test/red/1\.png"):
        story.evaluate_again(place / "run", {}, {ROOT: str(photos)})


def test_other_class_names_are_refused_when_a_run_is_judged_again(place):
    (place / "photos/classes.yaml").write_text("red: ruby")
    with pytest.raises(UserError, match="class names are not those of the run"):
        story.evaluate_again(place / "run", {})


def test_a_finished_run_is_printed_for_its_own_files_only(place, capsys):
    clip, root = place / "clip", place / "photos"
    story.run(asked(clip, root), place / "run")
    assert "zero-shot CLIP" in capsys.readouterr().out
    other = other_backbone(shutil.copytree(clip, place / "other"))
    with pytest.raises(UserError, match="SHA-256"):
        story.run(asked(other, root), place / "run")
    (root / "test/red/0.png").unlink()
    with pytest.raises(UserError, match=r"gone: test/red/0\.png"):
        story.run(asked(clip, root), place / "run")


@pytest.fixture
def unfinished(made, tmp_path, monkeypatch):
    """The same, killed in the middle; and moved."""
    place = shutil.copytree(made, tmp_path / "killed", ignore=lambda *_: {"run"})
    monkeypatch.chdir(place)
    with monkeypatch.context() as patch:
        patch.setattr(story, "evaluate_parts", None)
        with pytest.raises(TypeError):
            story.run(asked(), "run")
    moved = place.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    return moved


def test_an_unfinished_run_that_is_moved_is_finished(unfinished, made):
    (unfinished / "clip").rename(unfinished / "backbone")
    (unfinished / "photos").rename(unfinished / "pictures")
    now = asked(unfinished / "backbone", unfinished / "pictures")
    results = story.run(now, unfinished / "run")
    whole = json.loads((made / "run/results.json").read_text())
    nll = [[row["nll"] for row in of["evaluations"]] for of in (results, whole)]
    assert nll[0] == nll[1]


def test_an_unfinished_run_with_relative_paths_goes_on_beside_its_files(unfinished):
    assert story.run(asked(), unfinished / "run")["evaluations"]


def test_an_unfinished_run_does_not_go_on_with_another_backbone(unfinished):
    shutil.rmtree(unfinished / "run/checkpoints")
    (unfinished / "run/checkpoints.json").unlink()
    other = other_backbone(unfinished / "clip")
    with pytest.raises(UserError, match="SHA-256"):
        story.run(asked(other, unfinished / "photos"), unfinished / "run")


def test_a_run_that_never_began_belongs_to_the_places_it_asked_for(
    made, tmp_path, monkeypatch
):
    monkeypatch.setattr(story, "encode_shots", None)
    first = asked(made / "clip", made / "photos")
    with pytest.raises(TypeError):
        story.run(first, tmp_path / "run")
    with pytest.raises(UserError, match=r"holds another run \(data\.root: "):
        story.run(asked(made / "clip", "/other"), tmp_path / "run")


@pytest.mark.slow
def test_a_table_and_its_names_may_be_moved(made, tmp_path):
    root = shutil.copytree(made / "photos", tmp_path / "photos")
    rows = [
        f"{path.relative_to(root)},{path.parent.name},{path.parents[1].name}"
        for path in sorted(root.rglob("*.png"))
    ]
    (root / "list.csv").write_text("\n".join(["path,label,split", *rows]))
    names = tmp_path / "names.yaml"
    names.write_text("red: ruby")
    c = asked(made / "clip", root / "list.csv")
    c.data.class_names = str(names)
    story.run(c, tmp_path / "run")
    root.rename(tmp_path / "moved")
    (tmp_path / "moved/list.csv").rename(tmp_path / "moved/all.csv")
    names.rename(tmp_path / "moved.yaml")
    now = {ROOT: str(tmp_path / "moved/all.csv")}
    now["data.class_names"] = str(tmp_path / "moved.yaml")
    assert story.evaluate_again(tmp_path / "run", {}, now)["evaluations"]


@pytest.mark.slow
def test_a_hub_name_may_be_given_as_a_folder(made, tmp_path, monkeypatch):
    """The hub is not asked; and the other way round its name is as good as a folder."""
    from apt_jax.clip import hub

    monkeypatch.setattr(hub, "snapshot", lambda *_: (made / "clip", "c0ffee"))
    monkeypatch.chdir(tmp_path)
    story.run(asked("somebody/clip", made / "photos"), "run")
    held = json.loads((tmp_path / "run/config.json").read_text())["clip"]
    assert (held["checkpoint"], held["revision"]) == ("somebody/clip", "c0ffee")
    monkeypatch.setattr(hub, "snapshot", lambda *_: 1 / 0)
    assert apt_jax.load("run", clip=made / "clip").classes
    story.evaluate_again("run", {}, {CLIP: str(made / "clip")})
    story.run(asked(made / "clip", made / "photos"), "run")
    assert prepare(asked(made / "clip", made / "photos")).clip.revision is None


def test_a_finished_grid_goes_on_where_its_files_are_and_nowhere_else(
    tmp_path, monkeypatch
):
    from test_grid import STUDY

    from apt_jax.commands.grid import main
    from apt_jax.grid.cells import Cells

    photo_folder(tmp_path / "photos")
    study = tmp_path / "study.py"
    study.write_text(STUDY.format(root=str(tmp_path), clip=str(toy_folder())))
    command = [f"--config={study}", f"--workdir={tmp_path / 'grid'}"]
    command += ["--config.methods=zero_shot", "--config.seeds=1"]
    main(command)
    (tmp_path / "moved").mkdir()
    photos = (tmp_path / "photos").rename(tmp_path / "moved/photos")
    monkeypatch.setattr(Cells, "write", None)  # nothing is done again
    main([*command, f"--config.data.root={tmp_path / 'moved'}"])
    (photos / "test/red/0.png").unlink()
    with pytest.raises(UserError, match="another set of images: SHA-256"):
        main([*command, f"--config.data.root={tmp_path / 'moved'}"])
    other = other_backbone(shutil.copytree(toy_folder(), tmp_path / "other"))
    with pytest.raises(UserError, match="another backbone: SHA-256"):
        main(
            [
                *command,
                f"--config.clip.checkpoint={other}",
                f"--config.data.root={tmp_path / 'moved'}",
            ]
        )
