"""A classifier fitted in memory: a few lines in a notebook, saved, loaded elsewhere."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from toy import CLASSES, dying_once_saved, toy_folder

import apt_jax
from apt_jax import classifier as noun
from apt_jax import config
from apt_jax.classifier import classifier as predicting
from apt_jax.classifier import saved
from apt_jax.errors import UserError
from apt_jax.methods import make
from apt_jax.methods import task as tasks
from apt_jax.runs import story
from apt_jax.training import loop
from apt_jax.training.checkpoints import Checkpoints

METHOD = {"name": "apt", "heads": 2}
SMALL = {"cache_dir": "", "views": 2, "dtype": "float32", "progress": False}
TRAIN = {"epochs": 2, "batch_size": 4}


def labelled(photos, split):
    """Paths and class names of a split."""
    paths = sorted((photos / split).rglob("*.png"))
    return paths, [path.parent.name for path in paths]


def fitted(photos, **options):
    asked = {"clip": str(toy_folder()), "method": METHOD, "train": TRAIN, "samples": 3}
    return apt_jax.fit(*labelled(photos, "train"), **asked | SMALL | options)


@pytest.fixture(scope="module")
def classifier(photos):
    return fitted(photos)


def test_a_run_and_a_fit_of_the_same_photographs_say_the_same(photos, tmp_path):
    c = config.default(method="apt", source="folder")
    c.clip.checkpoint, c.clip.dtype = str(toy_folder()), "float32"
    c.features.cache_dir, c.data.root = "", str(photos)
    c.shots, c.augment.views, c.eval.samples, c.seed = 3, 2, 3, 7
    c.method.heads, c.train.epochs, c.train.batch_size = 2, 2, 4
    story.run(c, tmp_path / "run")
    ran = apt_jax.load(tmp_path / "run")
    ours = fitted(photos, shots=3, seed=7, classes=ran.classes)
    paths, labels = labelled(photos, "test")
    found, expected = ours.predict(paths), ran.predict(paths)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    results = json.loads((tmp_path / "run/results.json").read_text())
    last, figures = results["evaluations"][-1], ours.evaluate(paths, labels)
    assert figures == {name: last[name] for name in figures}
    assert figures.examples == 9


PROGRAM = """
import sys, numpy as np, apt_jax
folder, clip, photo, expected = sys.argv[1:]
classifier = apt_jax.load(folder, clip=clip)
assert (classifier.predict(photo).probabilities == np.load(expected)).all()
assert "tensorflow" not in sys.modules and "orbax" not in sys.modules
"""


def test_a_notebook_fits_predicts_evaluates_saves_and_another_process_loads(
    photos, tmp_path
):
    place = shutil.copytree(toy_folder(), tmp_path / "first/clip")
    classifier = fitted(photos, clip=str(place))
    paths, labels = labelled(photos, "test")
    prediction = classifier.predict(paths[0])
    assert len(prediction) == len(prediction.labels) == 1
    assert set(prediction.labels) <= set(classifier.classes) == set(CLASSES)
    figures = classifier.evaluate(paths, labels)
    assert 0 <= figures.accuracy_low <= figures.accuracy <= figures.accuracy_high <= 1
    classifier.save(tmp_path / "saved")
    np.save(tmp_path / "expected.npy", prediction.probabilities)
    (tmp_path / "first").rename(tmp_path / "moved")
    places = ("saved", "moved/clip", paths[0], "expected.npy")
    arguments = [str(tmp_path / place) for place in places]
    program = [sys.executable, "-c", PROGRAM, *arguments]
    subprocess.run(program, check=True, cwd=Path(__file__).parents[1])


def test_loading_runs_no_text_tower(classifier, photos, tmp_path, monkeypatch):
    classifier.save(tmp_path / "saved")
    monkeypatch.setattr(tasks, "make_texts", None)
    loaded = apt_jax.load(tmp_path / "saved")
    paths, _ = labelled(photos, "test")
    expected = classifier.predict(paths).probabilities
    np.testing.assert_array_equal(loaded.predict_proba(paths), expected)
    assert repr(loaded) == repr(classifier)
    assert loaded.card["backbone"] == classifier.card["backbone"]


def test_all_kinds_of_one_image_are_one_prediction(classifier, photos):
    path = labelled(photos, "test")[0][0]
    picture = Image.open(path)
    array = np.asarray(picture)
    kinds = [path, str(path), picture, array, path.read_bytes(), io.BytesIO()]
    kinds[-1].write(path.read_bytes())
    alone = classifier.predict(path).probabilities
    for kind in kinds:
        np.testing.assert_array_equal(classifier.predict(kind).probabilities, alone)
    many = classifier.predict(np.stack([array, array]))
    assert len(many) == 2
    np.testing.assert_allclose(many.probabilities[1:], alone, atol=1e-6)
    encoded = classifier.encode([path])
    np.testing.assert_array_equal(classifier.predict(encoded).probabilities, alone)


def test_pictures_of_floats_are_refused(classifier):
    with pytest.raises(ValueError, match=r"an array of float64; give uint8"):
        classifier.predict(np.zeros((4, 4, 3)))


def test_embeddings_stand_for_pictures_where_they_are_all_that_is_read(photos):
    classifier = fitted(photos, method="task_res")
    paths, _ = labelled(photos, "test")
    embeddings = classifier.embed(paths)
    assert embeddings.shape == (9, 8)
    np.testing.assert_array_equal(
        classifier.predict(embeddings).probabilities,
        classifier.predict(paths).probabilities,
    )
    with pytest.raises(
        ValueError, match=r"embeddings of width 3, and those of .* have 8"
    ):
        classifier.predict(embeddings[:, :3])
    train, labels = labelled(photos, "train")
    of_rows = {"clip": str(toy_folder()), "method": "linear_probe", **SMALL}
    probe = apt_jax.fit(classifier.embed(train), labels, **of_rows)
    assert probe.evaluate(embeddings, labelled(photos, "test")[1]).accuracy == 1


def test_a_method_that_reads_tokens_refuses_embeddings(classifier):
    with pytest.raises(ValueError, match=r"reads tokens of an image, which embeddings"):
        classifier.predict(np.zeros((2, 8)))


@pytest.mark.parametrize(
    ("labels", "options", "words"),
    [
        ([0] * 12, {}, "places among class names that nobody gave; give `classes`"),
        ([3] * 12, {"classes": CLASSES}, "labels from 3 to 3, and there are 3 classes"),
        (["red"] * 5, {"classes": CLASSES}, "12 images and 5 labels"),
        (
            ["red", "rot"] * 6,
            {"classes": CLASSES},
            r"no class \(rot\); the classes are",
        ),
        ([0.5] * 12, {"classes": CLASSES}, "labels are float64; give names"),
        (["red", None] * 6, {}, r"no label for 6 images \(1, 3, 5, 7, 9, 11\)"),
        (["red", float("nan")] * 6, {}, "no label for 6 images .*; give one for each"),
        ([["red"]] * 12, {}, r"labels are <U3 \[12, 1\]; give a list"),
        (None, {}, "there are no labels; give one for each image"),
        (["red"] * 12, {"classes": "red"}, "`classes`='red' is not a list"),
        (
            ["red"] * 12,
            {"classes": set(CLASSES)},
            "is not a list; give the names in a list",
        ),
        ([0] * 12, {"classes": [0, 1]}, r"class names that are not text \(0, 1\)"),
        (["red"] * 12, {"groups": [1]}, "12 images and 1 groups"),
        (["red"] * 12, {}, "1 class .* a classifier needs two or more"),
    ],
)
def test_labels_that_do_not_fit_are_refused_before_any_work(
    photos, monkeypatch, labels, options, words
):
    monkeypatch.setattr(noun.fitting, "encode_shots", None)
    paths, _ = labelled(photos, "train")
    with pytest.raises(ValueError, match=words):
        apt_jax.fit(paths, labels, clip=str(toy_folder()), **SMALL, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"views": -1, "area": 2.0},
            r"^views=-1 must be 0 to 1000; area=2.0 must be in \(0, 1\]",
        ),
        ({"shots": 1.5, "seed": -1}, r"shots=1.5 must be a whole .*seed=-1 must be at"),
        ({"samples": 0}, "samples=0 must be at least 1"),
        ({"seed": np.float32(3.5)}, r"seed=3.5 must be int"),
        ({"dtype": "float8"}, "must be 'auto', 'float32' or 'bfloat16'"),
        ({"clip": ""}, "clip='' must be a hub name, a folder"),
        ({"train": {"learning_rat": 1}}, r"did you mean learning_rate\?"),
        (
            {"train": {"learning_rate": 0.0}},
            r"train\.learning_rate=0.0 must be above 0",
        ),
        ({"train": {"schedule": "slow"}}, r"train\.schedule='slow' must be one of"),
        ({"method": {"name": "apt", "hedas": 2}}, "of apt 'hedas'; did you mean heads"),
        ({"method": {"heads": 2}}, "has no name; give a name, a Method"),
        ({"method": None}, "`method`=None has no name; give"),
        ({"train": ["epochs"]}, "give fields by name"),
        ({"clip": 3}, "clip=3 must be str"),
        ({"cache_dir": 3}, "cache_dir=3 must be str"),
        ({"checkpoints": ""}, "'' is not a folder; name the folder of the checkpoints"),
        ({"checkpoints": "a[1]"}, r"its name has \[brackets\]"),
        (
            {"checkpoints": Path(__file__).parent},
            "tests holds other files .* of its own",
        ),
        ({"method": METHOD | {"members": 0}}, r"method\.members=0 must be at least 1"),
        (
            {"descriptions": ["small"]},
            "3 classes and 1 descriptions; give texts of each",
        ),
        ({"templates": "a photo"}, r"templates=\('a photo',\) must be texts with"),
    ],
)
def test_what_no_fit_can_be_given_is_refused_before_any_work(
    photos, monkeypatch, options, words
):
    monkeypatch.setattr(noun.fitting.checkpoint, "load", None)
    with pytest.raises(ValueError, match=words):
        fitted(photos, **options)


def test_embeddings_need_a_label_each_and_two_classes(photos, classifier):
    paths, labels = labelled(photos, "train")
    embeddings = classifier.embed(paths)
    of_rows = {"clip": str(toy_folder()), "method": "linear_probe", **SMALL}
    for given, words in (
        (labels[:5], "12 images and 5 labels; give one for each image"),
        (["red"] * 12, r"1 class \('red'\); a classifier needs two or more"),
    ):
        with pytest.raises(ValueError, match=words):
            apt_jax.fit(embeddings, given, **of_rows)
    with pytest.raises(ValueError, match="there are no labels"):
        apt_jax.fit([], [], **of_rows)
    with pytest.raises(ValueError, match="there are no images"):
        apt_jax.fit([], [], classes=CLASSES, **of_rows)


def test_shots_and_groups_of_embeddings_are_those_of_pictures(photos, classifier):
    paths, labels = labelled(photos, "train")
    groups = [Path(path).stem for path in paths]
    asked = {"clip": str(toy_folder()), "method": "linear_probe", "shots": np.int64(2)}
    asked |= {"seed": np.int64(3), "groups": groups, "cache_dir": "", "views": 0}
    of_rows = apt_jax.prepare(classifier.embed(paths), labels, **asked).shots
    of_pictures = apt_jax.prepare(paths, labels, **asked).shots
    assert of_rows.count == of_pictures.count == 6
    np.testing.assert_array_equal(of_rows.labels, of_pictures.labels)
    np.testing.assert_array_equal(of_rows.groups, of_pictures.groups)
    np.testing.assert_array_equal(of_rows.embeddings, of_pictures.embeddings)


def test_a_fit_goes_on_only_from_its_own_checkpoints(photos, tmp_path):
    asked = {"checkpoints": tmp_path / "kept", "templates": ["a photo of a {}."]}
    fitted(photos, **asked)
    fitted(photos, **asked)  # the same one is done already
    for other, what in (
        ({"templates": ["a drawing of a {}."]}, "prompts"),
        ({"area": 0.7}, "views"),
        ({"seed": 2}, "seed"),
    ):
        with pytest.raises(ValueError, match=f"trained with another {what}; restore"):
            fitted(photos, **asked | other)


def test_a_fit_is_refused_before_anything_is_encoded(photos, monkeypatch):
    monkeypatch.setattr(noun.fitting, "encode_shots", None)
    with pytest.raises(ValueError, match=r"lower `method\.context_length` or shorten"):
        fitted(photos, method={"name": "coop", "context_length": 15})


def test_names_that_leave_no_room_for_a_context_are_refused(photos):
    classifier = fitted(photos, method={"name": "coop", "context_length": 4})
    with pytest.raises(ValueError, match=r"lower `method\.context_length` or shorten"):
        classifier.for_classes([" ".join(["red"] * 10), "blue"], templates=["{}"])


@pytest.mark.parametrize("folder", ["tiny", "models"])
def test_a_folder_called_tiny_is_not_taken_for_the_small_clip(
    photos, tmp_path, monkeypatch, folder
):
    paths, labels = labelled(photos, "train")
    monkeypatch.chdir(tmp_path)
    (tmp_path / folder).mkdir()
    classifier = apt_jax.fit(
        paths, labels, clip="tiny", method="zero_shot", cache_dir=""
    )
    classifier.save("models/tiny")
    shown = apt_jax.load("models/tiny").predict_proba(paths)
    np.testing.assert_array_equal(shown, classifier.predict_proba(paths))


def test_what_cannot_be_judged_is_refused(photos, classifier):
    paths, labels = labelled(photos, "test")
    with pytest.raises(ValueError, match="9 images and 3 labels; give one for each"):
        classifier.evaluate(paths, labels[:3])
    with pytest.raises(ValueError, match="bins=0 must be at least 1"):
        classifier.evaluate(paths, labels, bins=0)


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (["red"], {}, "a classifier needs two or more"),
        (["red", "red"], {}, r"there twice \('red', 'red'\)"),
        (["red " * 80, "blue"], {}, "the tokenizer cuts the prompt"),
        (["red", "blue"], {"descriptions": ["x"]}, "2 classes and 1 descriptions"),
        (
            ["red", "blue"],
            {"descriptions": {"red": "x", "bleu": "y"}},
            "2 .* and 1 desc",
        ),
        ("red", {}, "`classes`='red' is not a list"),
        ([1, 2], {}, r"class names that are not text \(1, 2\)"),
        (None, {}, "`classes`=None is not a list"),
    ],
)
def test_other_class_names_are_those_that_the_backbone_can_read_and_tell_apart(
    classifier, names, options, words
):
    with pytest.raises(ValueError, match=words):
        classifier.for_classes(names, **options)


def test_a_single_text_is_one_template_and_one_description(photos):
    of_all = {"clip": str(toy_folder()), "method": "zero_shot", **SMALL}
    alone = {"templates": "my {}", "descriptions": ["a", "b", "c"]}
    listed = {"templates": ["my {}"], "descriptions": [["a"], ["b"], ["c"]]}
    one, other = (
        apt_jax.fit(*labelled(photos, "train"), **of_all, **texts)
        for texts in (alone, listed)
    )
    np.testing.assert_array_equal(one.task.text, other.task.text)


def test_checkpoints_are_as_far_apart_as_asked(photos, tmp_path, monkeypatch):
    saved_at, save = [], Checkpoints.save

    def noting(checkpoints, state):
        saved_at.append(int(state.epoch))
        save(checkpoints, state)

    monkeypatch.setattr(Checkpoints, "save", noting)
    train = TRAIN | {"epochs": 4, "checkpoint_every": 3}
    fitted(photos, train=train, checkpoints=tmp_path)
    assert saved_at == [3, 4]


def test_labels_may_be_places_among_the_classes(photos):
    paths, names = labelled(photos, "train")
    of_all = {"clip": str(toy_folder()), "method": "gda", **SMALL}
    places = [CLASSES.index(name) for name in names]
    by_place = apt_jax.fit(paths, places, classes=CLASSES, **of_all)
    by_name = apt_jax.fit(paths, names, classes=CLASSES, **of_all)
    tested, _ = labelled(photos, "test")
    assert by_place.predict(tested).labels == by_name.predict(tested).labels
    assert by_place.fitted.chosen.keys() == by_place.card["chosen"].keys() == {"alpha"}


@pytest.mark.parametrize("kind", [np.array, jnp.asarray])
def test_labels_may_be_arrays_of_one_number(kind):
    found = noun.handed.labels_among([kind(1), kind(0)], CLASSES)
    assert found.tolist() == [1, 0]


def test_classes_may_be_the_keys_of_a_table():
    table = dict.fromkeys(CLASSES)
    assert noun.handed.class_names([0], table.keys()) == tuple(CLASSES)


def test_a_fit_and_its_classifier_may_share_a_folder(photos, tmp_path):
    fitted(photos, checkpoints=tmp_path).save(tmp_path)
    assert apt_jax.load(tmp_path).classes == sorted(CLASSES)
    fitted(photos, checkpoints=tmp_path)


def test_an_interrupted_fit_goes_on_to_the_same_numbers(photos, tmp_path, monkeypatch):
    with dying_once_saved():
        fitted(photos, checkpoints=tmp_path)
    epochs, run_epoch = [], loop.run_epoch

    def counted(*arguments):
        epochs.append(1)
        return run_epoch(*arguments)

    counted.lower = run_epoch.lower
    monkeypatch.setattr(loop, "run_epoch", counted)
    paths, _ = labelled(photos, "test")
    found = fitted(photos, checkpoints=tmp_path).predict(paths)
    assert len(epochs) == 1
    expected = fitted(photos).predict(paths)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    with pytest.raises(UserError, match="trained with another seed"):
        fitted(photos, checkpoints=tmp_path, seed=2)


def test_the_same_parameters_serve_other_class_names(classifier, photos):
    other = classifier.for_classes(["black", "white", "grey", "blue"])
    paths, _ = labelled(photos, "test")
    found = other.predict(paths)
    assert found.probabilities.shape == (9, 4)
    assert other.fitted is classifier.fitted
    same = classifier.for_classes(classifier.classes)
    expected = classifier.predict(paths).probabilities
    np.testing.assert_allclose(same.predict_proba(paths), expected, atol=1e-6)


def test_parameters_of_classes_serve_no_others(photos):
    with pytest.raises(ValueError, match="GDA has parameters of each class"):
        fitted(photos, method="gda", train=None).for_classes(["black"])


def test_a_stream_holds_some_images_at_a_time(
    classifier, photos, tmp_path, monkeypatch
):
    (tmp_path / "no.png").write_text("no picture")
    paths = [*labelled(photos, "test")[0], tmp_path / "no.png"]
    monkeypatch.setattr(predicting, "CHUNK", 4)
    taken = []

    def counted():
        for path in paths:
            taken.append(path)
            yield path

    chunks = classifier.stream(counted())
    first = next(chunks)
    assert len(first.images) == len(taken) == 4
    rest = list(chunks)
    assert [len(chunk.images) for chunk in rest] == [4, 2]
    assert rest[-1].faults == {1: "not an image"}
    found = np.concatenate([c.predictions.probabilities for c in (first, *rest)])
    expected = classifier.predict(paths[:-1]).probabilities
    np.testing.assert_array_equal(found, expected)


def test_a_folder_of_photographs_is_many_images(classifier, photos):
    assert len(classifier.predict(photos / "test")) == 9


def test_descriptions_may_be_given_by_the_name_of_their_class(classifier):
    names, texts = ["red", "blue"], {"blue": ["sky"], "red": "fire"}
    by_name = classifier.for_classes(names, descriptions=texts).task.text
    in_order = [texts[name] for name in names]
    expected = classifier.for_classes(names, descriptions=in_order).task.text
    np.testing.assert_array_equal(by_name, expected)


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_embeddings_that_point_nowhere_are_refused(classifier, photos, value):
    paths, labels = labelled(photos, "train")
    rows = classifier.embed(paths)
    rows[3] = value
    asked = {"clip": str(toy_folder()), "method": "linear_probe", **SMALL}
    with pytest.raises(ValueError, match=r"1 embedding is zero or not finite \(3\)"):
        apt_jax.fit(rows, labels, **asked)


def test_a_classifier_is_saved_over_another_but_not_among_other_files(
    classifier, photos, tmp_path
):
    classifier.save(tmp_path / "saved")
    (tmp_path / "saved" / "README.md").write_text("about it")
    classifier.save(tmp_path / "saved")
    before = sorted(photos.rglob("*"))
    with pytest.raises(
        ValueError, match=r"holds other files .*; name a folder of its own"
    ):
        classifier.save(photos)
    assert sorted(photos.rglob("*")) == before
    for place in ("", None, 3):
        with pytest.raises(
            ValueError, match="is not a folder; name the folder of a saved"
        ):
            classifier.save(place)


def test_what_is_no_folder_of_a_classifier_is_refused(classifier, tmp_path):
    with pytest.raises(
        ValueError, match="nowhere; name the `folder` of a saved classifier or"
    ):
        apt_jax.load(tmp_path / "nowhere")
    with pytest.raises(
        ValueError, match="None is not a folder; name the folder of a saved"
    ):
        apt_jax.load(None)
    classifier.save(tmp_path / "half")
    (tmp_path / "half" / saved.NAME).unlink()
    with pytest.raises(ValueError, match=r"classifier\.json.*restore the folder"):
        apt_jax.load(tmp_path / "half")
    with pytest.raises(ValueError, match="clip=4 must be str"):
        apt_jax.load(tmp_path / "half", clip=4)


def test_a_classifier_equals_itself_alone(classifier):
    assert classifier == classifier
    assert classifier != classifier.for_classes(["red", "blue"])
    assert len({classifier, classifier}) == 1


def test_a_method_that_needs_all_classes_names_those_without_an_image(photos):
    with pytest.raises(ValueError, match=r"no labelled image \(star\).*; add some"):
        fitted(photos, method="gda", train=None, classes=[*CLASSES, "star"])


@pytest.mark.parametrize("name", ["parameters.safetensors", "texts.safetensors"])
def test_a_damaged_classifier_is_refused(classifier, tmp_path, name):
    classifier.save(tmp_path / "saved")
    path = tmp_path / "saved" / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=rf"{name} is damaged"):
        apt_jax.load(tmp_path / "saved")


def test_another_backbone_is_refused(classifier, tmp_path):
    classifier.save(tmp_path / "saved")
    path = tmp_path / "saved" / saved.NAME
    content = json.loads(path.read_text())
    content["backbone"]["sha256"] = "0" * 64
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="another backbone than that of the classifier"):
        apt_jax.load(tmp_path / "saved")
    content["backbone"] |= {"name": "/nowhere", "place": "/nowhere"}
    path.write_text(json.dumps(content))
    with pytest.raises(
        UserError, match=r"there is no /nowhere any more; say .* with `clip`=PLACE"
    ):
        apt_jax.load(tmp_path / "saved")


def test_a_notebook_shows_classifier_predictions_and_figures(classifier, photos):
    assert "3 classes (blue, green, red): APT, 3 samples" in repr(classifier)
    paths, labels = labelled(photos, "test")
    prediction, figures = classifier.predict(paths), classifier.evaluate(paths, labels)
    for shown in (classifier, prediction, figures):
        assert shown._repr_html_().startswith("<table><tr><th>")
    assert "mutual information" in repr(prediction)
    assert "accuracy" in repr(figures)
    with pytest.raises(AttributeError, match="no figure f1; there are examples"):
        _ = figures.f1


def test_one_task_serves_methods_that_read_the_same(photos):
    from apt_jax import keys
    from apt_jax.training.fit import fit

    asked = {"clip": str(toy_folder()), "method": "gda", **SMALL}
    task = apt_jax.prepare(*labelled(photos, "train"), **asked)
    assert task.shots.stored["embedding"].shape == (12, 2, 8)
    for name in ("gda", "linear_probe", "lp_plus_plus"):
        found, _ = fit(make(name), task, keys.of_seed(1, keys.TRAIN))
        assert noun.Classifier(task.bare, found).classes == sorted(CLASSES)
