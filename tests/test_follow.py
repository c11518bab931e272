"""How gains follow the variance of data sets: of a finished grid, rightly counted."""

import itertools
import json

import numpy as np
import pytest
from scipy.stats import spearmanr
from toy import CLASSES, draw, toy_folder, toy_vit_folder

from apt_jax import command, config
from apt_jax.commands.study.follow import main
from apt_jax.data.dataset import Dataset, Item
from apt_jax.errors import UserError
from apt_jax.grid import study, work
from apt_jax.metrics.rank import rank_correlation
from apt_jax.report.follow import follow_markdown
from apt_jax.studies import follow, variance

SETS = ("calm", "loud", "mixed")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Three sets of coloured pictures for the seed to divide, of unequal sizes."""
    root, generator = tmp_path_factory.mktemp("sets"), np.random.default_rng(6)
    for (at, name), (label, colour) in itertools.product(
        enumerate(SETS), enumerate(CLASSES)
    ):
        for number in range(8 + 4 * at):
            shown = label if at == 0 or number % 3 else int(generator.integers(3))
            draw(root / name / colour / f"{number}.png", shown, generator)
    return root


def settings(root, methods=("zero_shot", "task_res"), clip=None, **fields):
    c = study.default()
    c.methods, c.datasets, c.shots, c.seeds = methods, SETS, (1, 2), (1, 2)
    c.sets = {name: {"source": "folder", "root": name} for name in SETS}
    c.data.root = str(root)
    c.clip.checkpoint, c.clip.dtype = str(clip or toy_folder()), "float32"
    c.features.cache_dir = ""
    c.augment.views, c.augment.area, c.train.epochs = 1, 0.5, 5
    c.train.learning_rate = 1.0
    c.update(fields)
    study.spell_out(c)
    return c


@pytest.fixture(scope="module")
def grid(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("grids") / "grid"
    work.run(settings(root), folder)
    return folder


def test_gains_stand_beside_the_variance_of_the_same_test_images(grid, capsys):
    found = follow.run(grid, permutations=9)
    assert json.loads((grid / "follow.json").read_text()) == found
    assert (grid / "follow.md").read_text() in capsys.readouterr().out
    assert found["per_class"] == 2  # of 8 photographs 30 % are the test
    for name, of_set in found["sets"].items():
        assert (of_set["examples"], of_set["groups"]) == (6, 3)
        cells = {
            seed: json.loads(
                (grid / f"cells/{name}/task_res/2shot-seed{seed}.json").read_text()
            )["evaluations"]
            for seed in (1, 2)
        }
        for figure, sign in (("accuracy", 1), ("nll", -1)):
            by_hand = [
                sign * (rows[-1][figure] - rows[0][figure]) for rows in cells.values()
            ]
            gained = found["gains"][name]["2"]["task_res"][figure]
            assert gained == pytest.approx(np.mean(by_hand))
            assert gained != 0
    of_method = found["ranks"]["2"]["task_res"]
    wide = [found["sets"][name]["intra_over_inter"] for name in SETS]
    nll = [found["gains"][name]["2"]["task_res"]["nll"] for name in SETS]
    assert of_method["sets"] == 3
    assert of_method["nll"] == pytest.approx(spearmanr(wide, nll).statistic)


def test_the_analysis_is_that_of_the_study_of_variance(grid, root, tmp_path):
    ours = follow.run(grid, per_class=2, permutations=9)["sets"]["loud"]
    c = config.default(method="zero_shot", source="folder")
    c.data.root, c.features.cache_dir = str(root / "loud"), ""
    c.clip.checkpoint, c.clip.dtype = str(toy_folder()), "float32"
    c.study = {"split": "test", "per_class": 2, "permutations": 9}
    theirs = variance.run(c, tmp_path / "variance")
    assert ours == {name: theirs[name] for name in ours}


def test_other_images_than_those_of_the_cells_are_refused(grid, root):
    extra = root / "calm/red/extra.png"
    extra.write_bytes((root / "loud/red/1.png").read_bytes())
    other = "the files of calm are not those of its finished cells .another set of im"
    with pytest.raises(UserError, match=other):
        follow.run(grid, permutations=9)
    extra.unlink()


def test_a_class_with_fewer_images_than_are_asked_for_is_named(grid, root):
    with pytest.raises(
        UserError,
        match=r"calm, class '\w+': 2 test images, and 3 are taken of each class; ask for "
        "fewer: --per-class=2",
    ):
        follow.run(grid, per_class=3, permutations=9)


def test_a_class_with_a_single_test_image_has_no_variance():
    one = Item("a.png", 1)
    two = (Item("b.png", 0), Item("c.png", 0))
    classes, nothing = ("wren", "owl"), {"train": (), "val": (), "templates": ()}
    pairs = Dataset("pairs", classes, test=two, read=None, **nothing)
    lonely = Dataset("lonely", classes, test=(*two, one), read=None, **nothing)
    follow.require_enough([pairs], 2)
    with pytest.raises(UserError, match="lonely, class 'owl': 1 test image, and 2 are"):
        follow.require_enough([pairs, lonely], 2)


@pytest.mark.slow
def test_images_kept_for_validation_change_nothing(root, tmp_path):
    asked = settings(
        root, ("zero_shot", "gda"), protocol="as_published", seeds=(1,), shots=(2,)
    )
    work.run(asked, tmp_path / "grid")
    found = follow.run(tmp_path / "grid", permutations=9)
    assert found["ranks"]["2"]["gda"]["sets"] == 3


def test_a_grid_without_zero_shot_or_without_cells_is_one_line(root, tmp_path, capsys):
    vit = settings(root, ("linear_probe",), toy_vit_folder(), seeds=(1,), shots=(2,))
    work.run(vit, tmp_path / "vit")
    for folder, said in (
        (tmp_path / "vit", "have no row of zero-shot CLIP to gain over"),
        (tmp_path / "none", "holds no finished cell of a grid; name the --workdir"),
    ):
        assert command.run(main, ["--grid", str(folder)]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    with pytest.raises(UserError, match="per-class"):
        main(["--grid", str(tmp_path / "vit"), "--per-class=1"])


def test_sets_stand_by_their_spread_and_two_sets_have_no_correlation():
    def of_set(wide):
        return dict.fromkeys(("groups", "r2_adjusted", "pseudo_f"), 2) | {
            "intra_over_inter": wide
        }

    spread = {"b": of_set(3.0), "a": of_set(1.0), "same": of_set(None)}
    gained = {
        "b": {"4": {"apt": {"accuracy": 0.1, "nll": 0.2}}},
        "a": {"4": {"apt": {"accuracy": 0.3, "nll": 0.1}}, "0.1": {}},
        "same": {"4": {}},
    }
    of_ranks = follow.correlations(spread, gained)
    assert of_ranks["4"]["apt"] == {"sets": 2, "accuracy": None, "nll": None}
    found = {"per_class": 2, "sets": spread, "gains": gained, "ranks": of_ranks}
    lines = [line for line in follow_markdown(found).splitlines() if line[:1] == "|"]
    assert [line.split(" | ")[0] for line in lines[2:6]] == [
        "| a",
        "| b",
        "| same",
        "| rank correlation",
    ]
    assert "+30.0 / +0.100" in lines[2]
    assert "– / – (2 sets)" in lines[5]


@pytest.mark.parametrize("seed", range(5))
def test_rank_correlation_is_spearmans(seed):
    x, y = np.random.default_rng(seed).integers(0, 6, (2, 9))  # with ties
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic)


def test_rank_correlation_by_hand_and_where_there_is_none():
    tied = rank_correlation(
        [3.0, 1.0, 3.0, 2.0], [4, 1, 3, 2]
    )  # of ranks 3.5, 1, 3.5, 2
    assert tied == pytest.approx(0.9**0.5)
    assert rank_correlation([1, 2, 30], [1, 8, 9]) == pytest.approx(1)
    assert rank_correlation([1, 2, 30], [9, 8, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 2], [1, 2]) is None
    assert rank_correlation([1, 2, 3], [5, 5, 5]) is None
    with pytest.raises(ValueError, match="pairs"):
        rank_correlation([1, 2, 3], [1, 2])
