"""Protocols in a grid: what a run selects on and is judged on, a cell does too."""

import numpy as np
import pytest
from toy import draw, toy_folder

from apt_jax.errors import UserError
from apt_jax.features.encoder import Encoder
from apt_jax.grid import study, work
from apt_jax.grid.cells import Cells
from apt_jax.methods.selection import Selection
from apt_jax.methods.tip_adapter import TipAdapter
from apt_jax.runs import story

NAMES = ("blue", "green", "light blue", "light red", "red")  # three base, two new
COLOURS = (2, 1, 2, 0, 0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root, generator = tmp_path_factory.mktemp("photos"), np.random.default_rng(3)
    for split, count in (("train", 3), ("val", 2), ("test", 2)):
        for name, colour in zip(NAMES, COLOURS, strict=True):
            for number in range(count):
                draw(root / split / name / f"{number}.png", colour, generator)
    return root


def settings(photos, *methods, classes="all", **fields):
    """A study of two seeds and a shot, or what `fields` say."""
    c = study.default()
    c.methods, c.datasets, c.shots, c.seeds = methods, ("colours",), (1,), (1, 2)
    c.sets = {"colours": {"source": "folder", "root": str(photos)}}
    tip = {"method": {"name": "tip_adapter", "trained": True}}
    c.variants = {"tip": tip}
    c.clip.checkpoint, c.clip.dtype = str(toy_folder()), "float32"
    c.features.cache_dir = ""
    c.augment.views, c.eval.samples, c.train.epochs = 2, 3, 2
    for field, value in fields.items():
        c[field] = value
    c.data.classes = classes
    study.spell_out(c)
    return c


def assert_equal_to_runs(asked, folder, seeds=(2,)):
    """The cells of these seeds have the rows and cards of runs of their configuration."""
    of_seeds = [cell for cell in study.cells(asked) if cell.seed in seeds]
    for number, cell in enumerate(of_seeds):
        found = Cells(folder).read(cell)
        run = story.run(cell.config, folder.parent / f"run-{number}")
        assert len(found["evaluations"]) == len(run["evaluations"])
        for ours, theirs in zip(found["evaluations"], run["evaluations"], strict=True):
            for name, value in theirs.items():
                # Embeddings may come from the program that also makes the tokens.
                is_word = isinstance(value, str)
                assert ours[name] == (
                    value if is_word else pytest.approx(value, abs=1e-5)
                )
        assert found["protocol"] == run["protocol"]
        yield found


@pytest.mark.slow
def test_cells_as_published_select_on_what_their_runs_select_on(
    photos, tmp_path, monkeypatch
):
    filled, fill = [], Encoder.fill

    def counted(encoder, wanted, **options):
        wanted = list(wanted)
        filled.append({picture.path for picture, _ in wanted})
        return fill(encoder, wanted, **options)

    asked = settings(photos, "gda", "tip", protocol="as_published")
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "fill", counted)
        work.run(asked, tmp_path / "grid")
    (paths,) = filled  # once for all cells
    assert sum(path.startswith("val/") for path in paths) == 10
    for found in assert_equal_to_runs(asked, tmp_path / "grid"):
        assert found["protocol"]["protocol"]["name"] == "as_published"
        assert found["protocol"]["protocol"]["validation_images"] == 10
        together = 2 if found["method"] == "tip" else 1
        assert found["cost"]["trained_together"] == together
    report = (tmp_path / "grid/grid.md").read_text()
    assert "- protocol: as published" in report
    assert "| gda | as published | validation split: all of it |" in report


@pytest.mark.slow
def test_seeds_that_select_on_draws_of_their_own_train_alone(
    photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(TipAdapter, "selection", Selection(validation="few_shot"))
    asked = settings(photos, "tip", protocol="as_published")
    work.run(asked, tmp_path / "grid")
    drawn = set()
    for found in assert_equal_to_runs(asked, tmp_path / "grid", seeds=(1, 2)):
        drawn.add(found["protocol"]["protocol"]["validation_sha256"])
        assert found["cost"]["trained_together"] == 1
    assert len(drawn) == 2, "the seeds draw alike: nothing was shown"


def test_without_validation_images_a_grid_as_published_does_not_begin(
    photos, tmp_path, monkeypatch
):
    for split in ("train", "test"):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / split).symlink_to(photos / split)
    asked = settings(
        tmp_path / "photos", "zero_shot", "gda", protocol="as_published", shots=(1, 2)
    )
    with pytest.raises(UserError, match=r"gda selects on .* add a validation split"):
        work.run(asked, tmp_path / "grid")
    assert not (tmp_path / "grid").exists()


@pytest.mark.slow
def test_cells_of_the_base_classes_are_judged_on_the_new_ones_too(photos, tmp_path):
    asked = settings(photos, "gda", "clip_adapter", seeds=(2,), classes="base")
    work.run(asked, tmp_path / "grid")
    fixed, naming = assert_equal_to_runs(asked, tmp_path / "grid")
    assert [row["classes"] for row in fixed["evaluations"]] == ["base", "base"]
    rows = naming["evaluations"]
    assert [row["classes"] for row in rows] == ["base", "base", "new", "new"]
    report = (tmp_path / "grid/grid.md").read_text()
    below = report[report.index("### Base to new") :].splitlines()
    entries = {line.split(" | ")[0]: line.split(" | ")[1:] for line in below[:8]}
    base, new, _ = entries["| clip_adapter"]
    assert base == f"{100 * rows[1]['accuracy']:.1f}"
    assert new == f"{100 * rows[3]['accuracy']:.1f}"
    assert entries["| gda"][1:] == ["–", "– |"]
