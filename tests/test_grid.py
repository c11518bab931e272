"""The grid: every cell once, its numbers those of a run, whatever happens in between."""

import collections
import csv
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from toy import photo_folder, toy_folder

from apt_jax import config as configuration
from apt_jax.commands.grid import main
from apt_jax.errors import UserError
from apt_jax.features import encoder as encoding
from apt_jax.features.encoder import Encoder
from apt_jax.grid import shared, study, work
from apt_jax.grid.cells import Cells
from apt_jax.methods.task import encode_shots
from apt_jax.runs import preparation, story
from apt_jax.runs.parts import parts_of

STUDY = """
from apt_jax.grid import study

def get_config(arg=None):
    c = study.default()
    c.methods = ("zero_shot", "task_res", "small_apt")
    c.variants = {{
        "small_apt": {{
            "method": {{"name": "apt", "heads": 2}},
            "train": {{"epochs": 1, "learning_rate": 0.05}},
        }}
    }}
    c.datasets = ("colours",)
    c.sets = {{"colours": {{"source": "folder", "root": "photos"}}}}
    c.shots, c.seeds = (2,), (1, 2)
    c.data.root = {root!r}
    c.clip.checkpoint = {clip!r}
    c.clip.dtype = "float32"
    c.features.cache_dir = ""
    c.augment.views = 2
    c.train.epochs = 2
    c.eval.samples = 3
    return c
"""


@pytest.fixture(scope="module")
def config_file(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    photo_folder(root / "photos")
    path = root / "study.py"
    path.write_text(STUDY.format(root=str(root), clip=str(toy_folder())))
    return path


@pytest.fixture(scope="module")
def worked():
    """How often a picture was decoded, and a crop put through the tower."""
    return {"decode": collections.Counter(), "put": collections.Counter()}


@pytest.fixture(scope="module")
def finished(config_file, tmp_path_factory, worked):
    """The folder of a finished grid: six cells."""
    folder = tmp_path_factory.mktemp("grids") / "grid"
    with pytest.MonkeyPatch.context() as patch:
        counting_work(patch, worked)
        start(config_file, folder)
    return folder


def counting_work(patch, worked):
    """Counts what is decoded, by its bytes, and what the tower gets, by its pixels."""
    decode, put = encoding.decode, encoding.Tower.put

    def counted_decode(data):
        worked["decode"][data] += 1
        return decode(data)

    def counted_put(tower, row, crop):
        if row is not None:  # the cost of a picture is measured without one
            worked["put"][row] += 1
        return put(tower, row, crop)

    patch.setattr(encoding, "decode", counted_decode)
    patch.setattr(encoding.Tower, "put", counted_put)


def counting(counts, name, function):
    def counted(*arguments):
        counts[name] += 1
        return function(*arguments)

    return counted


def start(config_file, folder, *fields):
    main(["--config", str(config_file), "--workdir", str(folder), *fields])


def planned(config_file, *fields):
    arguments = ["--config", str(config_file), "--workdir", "x", *fields]
    return study.cells(study.read(arguments)[0])


def contents(folder):
    return {path: path.read_bytes() for path in (folder / "cells").rglob("*.json")}


def test_every_cell_has_a_file_and_every_evaluation_a_row(finished):
    names = sorted(str(p.relative_to(finished / "cells")) for p in contents(finished))
    assert len(names) == 6
    assert names[0] == "colours/small_apt/2shot-seed1.json"
    with open(finished / "grid.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = [(row["method"], row["evaluation"]) for row in rows if row["seed"] == "1"]
    assert kinds == [
        ("zero_shot", "zero_shot"),
        ("task_res", "zero_shot"),
        ("task_res", "deterministic"),
        ("small_apt", "zero_shot"),
        ("small_apt", "deterministic"),
        ("small_apt", "mc_dropout"),
    ]
    assert all(float(row["peak_memory_mb"]) > 0 for row in rows)
    pictures = {path.name for path in (finished / "figures").iterdir()}
    assert pictures == {f"colours-{name}.png" for name in ("accuracy", "nll", "ece")}
    assert "| small_apt, one pass |" in (finished / "grid.md").read_text()


def test_every_picture_is_decoded_and_every_view_encoded_once_for_all_cells(
    finished, worked
):
    assert set(worked["decode"].values()) == set(worked["put"].values()) == {1}
    shots = {sha256 for sha256, view in worked["put"] if view.number == 1}
    assert 6 < len(shots) <= 12, "of two seeds, which may draw the same"
    assert len(worked["decode"]) == len(shots) + 9  # and the test images
    # Two crops of each of two areas, the methods' own, and the centre.
    assert len(worked["put"]) == (2 + 2 + 1) * len(shots) + 9


def encoded_alone(prepared):
    """The shots of a cell as a run by itself encodes them."""
    of_run = (prepared.shots, prepared.method.reads, prepared.views)
    return encode_shots(Encoder(prepared.clip), prepared.dataset, *of_run)[0]


def test_each_method_of_a_grid_has_its_own_views(config_file, tmp_path):
    """And none changes another's: every cell trains on what its run trains on."""
    text = config_file.read_text().replace("c.augment.views = 2", "")
    names = ("small_apt", "gda", "clap", "lp_plus_plus", "coop", "zero_shot")
    text = text.replace('("zero_shot", "task_res", "small_apt")', str(names))
    (tmp_path / "own.py").write_text(text)
    cells, worked = planned(tmp_path / "own.py", "--config.seeds=1"), {}
    worked |= {"decode": collections.Counter(), "put": collections.Counter()}
    of_all = shared.Shared(lambda: preparation.load_clip(cells[0].config), cells)
    with pytest.MonkeyPatch.context() as patch:
        counting_work(patch, worked)
        tasks = {
            cell.method: of_all.with_shots([cell], [of_all.prepared(cell)])[0]
            for cell in cells
        }
    assert len(worked["decode"]) == 6 + 9  # shots and test images
    assert set(worked["decode"].values()) == set(worked["put"].values()) == {1}
    # 20 crops of 8 % of the area, 10 of half of it, and the centre.
    assert len(worked["put"]) == 6 * (20 + 10 + 1) + 9
    counts = {name: len(task.shots.embeddings[0]) for name, task in tasks.items()}
    assert counts == {
        "small_apt": 10,
        "gda": 10,
        "clap": 20,
        "lp_plus_plus": 1,
        "coop": 10,
        "zero_shot": 1,
    }
    for cell in cells:
        prepared = of_all.prepared(cell)
        shots, alone = tasks[cell.method].shots, encoded_alone(prepared)
        for ours, theirs in (
            (shots.stored, alone.stored),
            (shots.centre, alone.centre),
        ):
            assert ours.keys() == theirs.keys()
            for name, array in ours.items():
                np.testing.assert_allclose(array, theirs[name], atol=1e-6)


def test_a_photograph_that_trains_under_one_seed_and_tests_under_another_is_decoded_once(
    config_file, tmp_path
):
    photo_folder(tmp_path / "all", train=6, test=0)
    (tmp_path / "all/train").rename(tmp_path / "photos")
    text = config_file.read_text().replace("c.data.root =", "c.data.root, _ =")
    text = re.sub(r"(c.data.root, _ = )'.*'", rf"\1{str(tmp_path)!r}, None", text)
    (tmp_path / "undivided.py").write_text(text)
    asked = ("--config.methods=task_res", "--config.seeds=1,3")
    cells, worked = planned(tmp_path / "undivided.py", *asked), {}
    worked |= {"decode": collections.Counter(), "put": collections.Counter()}
    of_all = shared.Shared(lambda: preparation.load_clip(cells[0].config), cells)
    prepared = [of_all.prepared(cell) for cell in cells]
    first, second = ({item.path for item in one.dataset.test} for one in prepared)
    assert first != second
    with pytest.MonkeyPatch.context() as patch:
        counting_work(patch, worked)
        for cell, one in zip(cells, prepared, strict=True):
            of_all.with_shots([cell], [one])
            of_all.test(one, parts_of(one, cell.config.data.classes)[0])
    assert set(worked["decode"].values()) == set(worked["put"].values()) == {1}


def test_a_cell_gets_its_own_shots_of_those_encoded_for_all(config_file):
    cells = planned(config_file, "--config.shots=1,2", "--config.seeds=1")
    of_all = shared.Shared(lambda: preparation.load_clip(cells[0].config), cells)
    for cell in cells:
        prepared = of_all.prepared(cell)
        [task] = of_all.with_shots([cell], [prepared])
        alone = encoded_alone(prepared)
        for name, array in task.shots.stored.items():
            np.testing.assert_allclose(array, alone.stored[name], atol=1e-6)
        assert task.shots.labels.tolist() == [item.label for item in prepared.shots]


def test_each_seed_of_a_drawn_set_trains_on_its_own_pictures(request):
    counts = {"train_images": 1, "val_images": 0, "test_images": 1}
    fields = {f"sets.synthetic.{name}": count for name, count in counts.items()}
    fields |= {"methods": "task_res", "shots": 1, "seeds": "1,2", "augment.views": 0}
    fields |= {"features.cache_dir": ""}
    given = [f"--config.{name}={value}" for name, value in fields.items()]
    cells = planned(request.config.rootpath / "configs/studies/few_shot.py", *given)
    of_all = shared.Shared(lambda: preparation.load_clip(cells[0].config), cells)
    prepared = list(map(of_all.prepared, cells))
    tasks = of_all.with_shots(cells, prepared)
    for task, one in zip(tasks, prepared, strict=True):
        (ours,), (alone,) = (
            shots.stored.values() for shots in (task.shots, encoded_alone(one))
        )
        ours = ours if task.shots.rows is None else ours[task.shots.rows]
        np.testing.assert_allclose(ours, alone, atol=1e-6)


def test_a_cell_that_searches_nothing_can_be_judged_on_validation_images(request):
    counts = {"train_images": 1, "val_images": 2, "test_images": 1}
    fields = {f"sets.synthetic.{name}": count for name, count in counts.items()}
    fields |= {"methods": "task_res", "shots": 1, "seeds": 1, "augment.views": 1}
    fields |= {"features.cache_dir": ""}
    given = [f"--config.{name}={value}" for name, value in fields.items()]
    (cell,) = planned(request.config.rootpath / "configs/studies/few_shot.py", *given)
    of_all = shared.Shared(lambda: preparation.load_clip(cell.config), [cell])
    prepared = of_all.prepared(cell)
    [task] = of_all.with_shots([cell], [prepared])
    material = of_all.material(cell, prepared, task)
    (embeddings,) = material.images.stored.values()
    assert len(embeddings) == len(material.labels) == len(prepared.dataset.val) > 0
    assert np.isfinite(embeddings).all()


@pytest.mark.parametrize("method", ["task_res", "small_apt"])
def test_a_cell_has_the_numbers_of_a_run_of_its_configuration(
    finished, config_file, method, tmp_path
):
    cell = next(c for c in planned(config_file) if (c.method, c.seed) == (method, 2))
    found = Cells(finished).read(cell)
    expected = story.run(cell.config, tmp_path / "run")
    for ours, theirs in zip(found["evaluations"], expected["evaluations"], strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            # Embeddings come from the program that also makes the tokens.
            close = value if isinstance(value, str) else pytest.approx(value, abs=1e-5)
            assert ours[name] == close
    ours, theirs = found["protocol"], expected["protocol"]
    # How often a run is saved is its own concern.
    assert ours | {"commit": None} == theirs | {"commit": None}
    trained = "trainable_parameters"
    assert found["cost"][trained] == expected["cost"][trained]


def test_a_finished_cell_is_never_run_again_and_a_killed_grid_goes_on(
    finished, config_file, tmp_path, monkeypatch, capsys
):
    class Killed(BaseException):
        pass

    class Dying(Cells):
        def write(self, cell, *content):
            super().write(cell, *content)
            if cell.method == "task_res":
                raise Killed  # between the two seeds that trained together

    with monkeypatch.context() as patch:
        patch.setattr(work, "Cells", Dying)
        with pytest.raises(Killed):
            start(config_file, tmp_path / "grid")
    before = contents(tmp_path / "grid")
    assert len(before) == 3
    start(config_file, tmp_path / "grid")
    assert "6 cells, 3 of them done already" in capsys.readouterr().out
    after = contents(tmp_path / "grid")
    assert before.items() <= after.items()
    for path, content in contents(finished).items():
        of_killed = after[tmp_path / "grid" / path.relative_to(finished)]
        one, other = (json.loads(x)["evaluations"] for x in (content, of_killed))
        assert one == other
    monkeypatch.setattr(work, "finish", None)  # nothing is left to do
    start(config_file, tmp_path / "grid")


def test_a_failed_cell_is_reported_and_the_others_are_done(config_file, tmp_path):
    folder = tmp_path / "grid"
    with pytest.raises(UserError, match=r"2 cells failed.*does not divide.*grid\.md"):
        start(
            config_file,
            folder,
            "--config.methods=small_apt,zero_shot",
            "--config.variants.small_apt.method.heads=3",
        )
    assert len(contents(folder)) == 2
    report = (folder / "grid.md").read_text()
    assert "- cells: 2 done, 2 failed" in report
    assert "- colours, small_apt, 2 shots, seed 2: method.heads=3 does not" in report


@pytest.mark.parametrize("where", ["train", "evaluated"])
def test_of_seeds_that_fail_together_only_the_one_at_fault_fails(
    config_file, tmp_path, monkeypatch, capsys, where
):
    def failing(*arguments):
        runs = arguments[0] if where == "train" else [arguments[1]]
        if 2 in [one.cell.seed for one in runs]:
            raise ZeroDivisionError("a bug")
        return whole(*arguments)

    whole, written = getattr(work, where), {"write": 0}
    monkeypatch.setattr(work, where, failing)
    monkeypatch.setattr(Cells, "write", counting(written, "write", Cells.write))
    with pytest.raises(ZeroDivisionError):
        start(config_file, tmp_path / "grid", "--config.methods=task_res")
    assert "Traceback" in capsys.readouterr().err
    assert [path.stem for path in contents(tmp_path / "grid")] == ["2shot-seed1"]
    assert written == {"write": 1}
    report = (tmp_path / "grid/grid.md").read_text()
    assert "- colours, task_res, 2 shots, seed 2: ZeroDivisionError: a bug" in report


def test_a_grid_that_goes_on_keeps_the_dtype_and_revision_it_began_with(
    finished, config_file, tmp_path
):
    folder = shutil.copytree(finished, tmp_path / "grid")
    for path in (folder / "cells").rglob("*.json"):
        content = json.loads(path.read_text())
        content["protocol"]["backbone"] |= {"dtype": "bfloat16", "revision": "abc"}
        path.write_text(json.dumps(content))
    cells = planned(config_file, "--config.clip.dtype=auto")
    goes_on = work.begun(cells, Cells(folder)).clip
    assert (goes_on.dtype, goes_on.revision) == ("bfloat16", "abc")
    anew = work.begun(cells, Cells(tmp_path / "none")).clip
    assert (anew.dtype, anew.revision) == ("auto", None)


def test_a_cell_of_other_settings_is_refused_by_name(finished, config_file):
    with pytest.raises(
        UserError,
        match=r"4 finished .*colours, task_res, 2 shots, seed 1\): train\.epochs: 2 -> 3",
    ):
        start(
            config_file,
            finished,
            "--config.train.epochs=3",
            "--config.methods=task_res,zero_shot",
        )


def test_a_grid_of_older_recipes_is_printed_and_not_gone_on_with(
    finished, config_file, tmp_path, capsys
):
    folder = shutil.copytree(finished, tmp_path / "grid")
    for path in contents(folder):
        cell = json.loads(path.read_text())
        assert cell.pop("recipes") == configuration.RECIPES
        path.write_text(json.dumps(cell))
    before = contents(folder)
    start(config_file, folder)
    assert "6 cells, 6 of them done already" in capsys.readouterr().out
    said = "the grid in .* was made by the recipes of an older version; choose another"
    for widened in ("seeds=1,2,3", "methods=gda"):
        with pytest.raises(UserError, match=said):
            start(config_file, folder, f"--config.{widened}")
    assert contents(folder) == before
    next(iter(before)).unlink()
    with pytest.raises(UserError, match=said):
        start(config_file, folder)


def test_a_directory_that_holds_something_else_is_refused(config_file, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="not empty and holds no grid"):
        start(config_file, tmp_path)


# -- the settings of a study --------------------------------------------------------------


def test_the_command_line_narrows_a_study_and_every_other_field_reaches_all_cells(
    config_file,
):
    cells = planned(
        config_file,
        "--config.methods=small_apt,coop",
        "--config.shots=1,0",
        "--config.seeds=5",
        "--config.eval.samples=7",
        "--config.variants.coop.method.position=front",
        "--config.data.on_error=skip",
    )
    assert [(c.method, c.shots, c.seed) for c in cells] == [
        ("small_apt", 1, 5),
        ("small_apt", 0, 5),
        ("coop", 1, 5),
        ("coop", 0, 5),
    ]
    assert {c.config.eval.samples for c in cells} == {7}
    assert {c.config.data.on_error for c in cells} == {"skip"}
    apt, coop = cells[0].config, cells[-1].config
    assert (apt.method.heads, apt.train.epochs, apt.train.learning_rate) == (2, 1, 0.05)
    assert (coop.method.position, coop.train.epochs) == ("front", 2)
    assert (coop.shots, coop.seed) == (0, 5)
    assert coop.data.root.endswith("/photos")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("methods=coup", r"unknown method 'coup'; did you mean coop\?"),
        ("datasets=colors", r"unknown data set 'colors'; did you mean colours\?"),
        (
            "eval.sample=3",
            r"unknown field .*eval\.sample; did you mean eval\.samples\?",
        ),
        (
            "variants.small_apt.method.head=3",
            r"did you mean variants\.small_apt\.method\.heads\?",
        ),
        ("shots=one", "expected whole numbers with commas"),
        ("seeds=", "seeds is empty"),
        ("eval.samples=0", "must be at least 1"),
        ("variants.small_apt.method.drop_attn=1.5", r"must be in \[0, 1\)"),
    ],
)
def test_what_is_wrong_with_a_study_is_found_before_any_work(
    config_file, field, message
):
    with pytest.raises(UserError, match=message):
        planned(config_file, f"--config.{field}")


def test_a_variant_with_a_field_that_no_run_has_is_refused():
    c = study.default()
    c.methods = ("x",)
    for variant, message in (
        ({"method": {"name": "apt", "head": 2}}, r"mean variants\.x\.method\.heads\?"),
        ({"method": {"name": "apt"}, "seed": 2}, r"field --config\.variants\.x\.seed;"),
        ({"name": "apt"}, r"field variants\.x\.name; did you mean method\.name\?"),
        ({"method": "apt"}, r"field variants\.x\.method; did you mean method\.name"),
    ):
        c.variants = {"x": variant}
        with pytest.raises(UserError, match=message):
            study.spell_out(c)


def test_what_a_part_of_a_studys_own_lacks_is_as_usual():
    c = study.default()
    c.methods, c.datasets, c.sets = ("apt",), ("drawn",), {}
    c.sets = {"drawn": {"source": "synthetic"}}
    c.eval, c.clip.checkpoint = {"bins": 10}, "tiny"
    study.spell_out(c)
    asked = study.cells(c)[0].config.eval
    assert (asked.bins, asked.samples) == (10, 30)


def test_every_cell_of_the_ablation_is_a_method_and_every_question_has_its_cells(
    request,
):
    path = request.config.rootpath / "configs/studies/ablation.py"
    cells, groups = planned(path), study.load(str(path)).groups.to_dict()
    methods = {configuration.method_of(cell.config) for cell in cells if cell.seed == 1}
    assert len(cells) == 3 * len(methods)  # no variant repeats another
    assert {name for names in groups.values() for name in names} == {
        cell.method for cell in cells
    }
    assert {names[0] for names in groups.values()} == {"apt"}


def test_a_group_of_unknown_methods_is_refused(config_file, tmp_path):
    changed = config_file.read_text().replace(
        "    return c",
        "    c.groups = {'heads': ('small_apt', 'task_ress')}\n    return c",
    )
    path = tmp_path / "study.py"
    path.write_text(changed)
    with pytest.raises(UserError, match=r"'task_ress'; did you mean task_res\?"):
        planned(path)


def test_shares_of_the_images_are_cells_like_numbers_of_shots(request, tmp_path):
    path = request.config.rootpath / "configs/studies/low_data.py"
    cells = planned(path)
    assert [cell.shots for cell in cells[:15:3]] == [0.01, 0.1, 0.3, 0.5, 0]
    assert {cell.config.shots for cell in cells} == {cell.shots for cell in cells}
    assert Cells(tmp_path).path(cells[0]).name == "0.01shot-seed1.json"
    narrowed = planned(path, "--config.shots=0.2,4", "--config.methods=vapt_linear")
    assert [cell.config.shots for cell in narrowed] == [0.2, 0.2, 0.2, 4, 4, 4]
    assert narrowed[0].config.method.head == "linear"
    with pytest.raises(UserError, match="share of all images below 1"):
        planned(path, "--config.shots=1.5")


@pytest.mark.parametrize("name", ["few_shot", "photos"])
def test_the_studies_of_the_repository_are_sound(request, name):
    cells = planned(request.config.rootpath / f"configs/studies/{name}.py")
    methods = {cell.method for cell in cells}
    assert methods > set(
        study.configuration.load("configs/studies/few_shot.py").variants
    )
    assert {cell.shots for cell in cells} == {1, 4, 16}
    trained = {c.config.method.trained for c in cells if c.method == "tip_adapter_f"}
    assert trained == {True}


@pytest.mark.slow
def test_photographs_of_many_classes_have_fewer_epochs_that_still_train(request):
    path = request.config.rootpath / "configs/studies/photos.py"
    of = {
        classes: {c.method: c.config for c in planned(f"{path}:classes={classes}")}
        for classes in ("few", "many")
    }
    fewer = {"coop", "maple", "vapt", "prompt_src", "cocoop"}
    for method, many in of["many"].items():
        few, epochs = of["few"][method], many.train.epochs
        assert (epochs != few.train.epochs) == (method in fewer)
        assert epochs is None or epochs >= 2  # CoOp's first epoch only warms up
    assert of["many"]["clip_lora"].method == of["few"]["clip_lora"].method
    assert of["many"]["clip_lora"].train == of["few"]["clip_lora"].train
    assert of["many"]["clip_lora"]["eval"].samples == 4
    with pytest.raises(UserError, match="no classes 'mny'; did you mean many"):
        planned(f"{path}:mny")


def test_help_needs_nothing_heavy(request):
    program = (
        "import sys, runpy\n"
        "sys.argv = ['apt_jax', 'grid', '--help']\n"
        "try: runpy.run_module('apt_jax', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'jax', 'flax', 'transformers', 'matplotlib', 'orbax', 'scipy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=request.config.rootpath,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "python -m apt_jax grid" in found.stdout
