"""ImageNet in CoOp's layout, and one trained head on shifted tests with fewer classes."""

import csv
import json
import shutil

import jax
import numpy as np
import originals
import pytest
from photos import load, write
from small import K, small_shots
from toy import draw, toy_folder

from apt_jax import config, data
from apt_jax.errors import UserError
from apt_jax.grid import study, work
from apt_jax.methods import make
from apt_jax.methods.restricted import Restricted
from apt_jax.runs import story
from apt_jax.training.fitted import Fitted

pytestmark = pytest.mark.usefixtures("small_sets")


@pytest.fixture
def root(tmp_path):
    originals.imagenet(tmp_path)
    return tmp_path / "imagenet"


def test_validation_images_are_validation_and_test(root):
    dataset = load("imagenet", root)
    assert dataset.classes == ("tench", "missile", "projectile")
    assert [item.label for item in dataset.train] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert dataset.val == dataset.test
    assert dataset.shifted == {}
    assert data.check(dataset, 1) == []


def test_shifted_sets_have_labels_of_the_same_classes(root):
    dataset = load("imagenet", root, shifts=("v2", "sketch", "a"))
    labels = {
        name: [item.label for item in items] for name, items in dataset.shifted.items()
    }
    assert labels == {
        "imagenet_v2": [0, 1, 2],
        "imagenet_sketch": [0, 1, 2],
        "imagenet_a": [0, 2],
    }
    read = {dataset.read(item) for items in dataset.splits.values() for item in items}
    assert len(read) == 9 + 3 + 8
    assert data.check(dataset, 1) == []


def test_what_is_missing_or_unknown_is_named(root):
    shutil.rmtree(root.parent / "imagenet-rendition")
    with pytest.raises(UserError, match=r"no .*imagenet-rendition/imagenet-r; lay"):
        load("imagenet", root, shifts=("r",))
    with pytest.raises(
        UserError, match=r"\('c',\) must be some of 'v2', 'sketch', 'a'"
    ):
        load("imagenet", root, shifts=("c",))
    (root / "classnames.txt").write_text("n01440764 tench\n")
    with pytest.raises(UserError, match=r"no names for n03773504, n04008634"):
        load("imagenet", root)
    write(root, {"images/val/n09999999/1.JPEG": 1})
    with pytest.raises(UserError, match=r"no class of the training images"):
        load("imagenet", root)


@pytest.mark.parametrize("name", ["apt", "tip_adapter", "linear_probe"])
def test_restricted_means_a_softmax_among_some_classes(name):
    task, method = small_shots(), make(name)
    start = method.fit if method.recipe(task, {}) is None else method.init
    key = jax.random.key(0)
    params = start(key, task, method.choose(jax.random.clone(key), task))
    among = (3, 0)
    image = task.shots.embeddings[0, 0]
    if method.inputs == "tokens":
        patches = task.shots.stored["patches"][0, 0].astype(np.float32)
        image = np.concatenate([image[None], patches])
    less = Restricted(method, among)
    classes = less.classes(params, task)
    whole = method.logits(params, task, classes, image)
    assert whole.shape == (K,)
    np.testing.assert_array_equal(
        less.logits(params, task, classes, image), whole[np.array(among)]
    )
    assert (less.inputs, less.stochastic) == (method.inputs, method.stochastic)
    whole = Fitted(method, {}, params)
    assert whole.among(None) is whole
    assert whole.among(among).method == less


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run on colours, and on a shifted set that lacks one of them."""
    top = tmp_path_factory.mktemp("shift")
    generator = np.random.default_rng(0)
    numbers = ("n1", "n2", "n3")
    for label, number in enumerate(numbers):
        for n in range(4):
            draw(top / f"imagenet/train/{number}/{n}.png", label, generator)
        draw(top / f"imagenet/val/{number}/v.png", label, generator)
        if label != 0:
            draw(
                top / f"imagenet-rendition/imagenet-r/{number}/r.png", label, generator
            )
    lines = "n1 red\nn2 green\nn3 blue\n"
    (top / "imagenet/classnames.txt").write_text(lines)
    c = config.default(method="tip_adapter", source="imagenet")
    c.clip.checkpoint, c.clip.dtype = str(toy_folder()), "float32"
    c.features.cache_dir, c.data.root = "", str(top / "imagenet")
    c.data.shifts, c.shots, c.augment.views = ("r",), 2, 2
    story.run(c, top / "run")
    return top / "run"


def test_a_run_is_judged_on_each_shifted_set_among_its_classes(finished):
    rows = json.loads((finished / "results.json").read_text())["evaluations"]
    assert [(row["name"], row["split"], row["examples"]) for row in rows] == [
        ("zero_shot", "test", 3),
        ("deterministic", "test", 3),
        ("zero_shot", "imagenet_r", 2),
        ("deterministic", "imagenet_r", 2),
    ]
    with open(finished / "predictions_imagenet_r.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["label"] for line in lines] == ["green", "blue"]
    for line in lines:
        assert "p:red" not in line
        assert float(line["p:green"]) + float(line["p:blue"]) == pytest.approx(1)
    split = json.loads((finished / "split.json").read_text())
    assert [label for _, label, _ in split["imagenet_r"]] == [1, 2]


STUDY = """
from apt_jax.grid import study

def get_config(arg=None):
    c = study.default()
    c.methods, c.datasets = ("tip_adapter",), ("imagenet",)
    c.sets = {{"imagenet": {{"source": "imagenet", "root": "imagenet", "shifts": ("r",)}}}}
    c.shots, c.seeds = (2,), (1,)
    c.data.root, c.clip.checkpoint = {root!r}, {clip!r}
    c.clip.dtype, c.features.cache_dir, c.augment.views = "float32", "", 2
    return c
"""


def test_a_grid_judges_the_shifted_sets_as_a_run_does(finished, tmp_path):
    file = tmp_path / "study.py"
    text = STUDY.format(root=str(finished.parent), clip=str(toy_folder()))
    file.write_text(text)
    given, folder = study.read([f"--config={file}", f"--workdir={tmp_path / 'grid'}"])
    work.run(given, folder)
    with open(tmp_path / "grid/grid.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    of_run = json.loads((finished / "results.json").read_text())["evaluations"]
    assert [(row["split"], float(row["nll"])) for row in rows] == [
        (row["split"], row["nll"]) for row in of_run
    ]


def test_judging_again_judges_the_shifted_sets_too(finished, capsys):
    results = story.evaluate_again(finished, {"bins": 5})
    assert len(results["evaluations"]) == 4
    assert "adapted, one pass, imagenet_r" in capsys.readouterr().out
