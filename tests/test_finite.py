"""NaN and infinity are refused, with what to do; they are never written or printed."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import small_images, small_shots
from test_run import settings

import apt_jax
from apt_jax import config, files
from apt_jax.errors import NotFinite, UserError
from apt_jax.evaluation import evaluate
from apt_jax.features.encoder import Features
from apt_jax.finite import require_finite
from apt_jax.grid import search
from apt_jax.methods import GDA, METHODS
from apt_jax.methods.base import Method, Recipe
from apt_jax.runs import story
from apt_jax.runs.workdir import Workdir
from apt_jax.training import loop
from apt_jax.training.fitted import Fitted

NAN, INF = float("nan"), float("inf")


def test_arrays_are_named_wherever_they_lie():
    tree = {"a": [jnp.ones(2), jnp.array([1, NAN])], "b": {"c": np.float16(INF)}}
    with pytest.raises(NotFinite, match=r"^it is not finite \(a\.1, b\.c\); fix it$"):
        require_finite(tree, "it is", "fix it")
    require_finite({"counts": jnp.arange(3), "x": jnp.ones(2, jnp.bfloat16)}, "", "")


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_no_file_of_json_says_what_json_cannot(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "x.json", {"nll": [value]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        Workdir(tmp_path).log.add({"loss": value})
    assert (tmp_path / "metrics.jsonl").read_text() == ""
    (tmp_path / "x.json").write_text(json.dumps({"nll": value}))
    with pytest.raises(UserError, match=r"damaged.*it holds -?(NaN|Infinity)"):
        files.read_json(tmp_path / "x.json", dict, "remove it")


@pytest.mark.parametrize(
    "field", ["train.learning_rate", "augment.area", "train.epsilon"]
)
def test_a_setting_is_a_number(field):
    c = config.default()
    with pytest.raises(UserError, match=f"{field}=inf must be"):
        config.change(c, [(field, "1e999")])


class Poisoned(GDA):
    """Fits what is not finite."""

    def fit(self, key, task, chosen):
        return {"weights": jnp.array([1.0, NAN]), "bias": jnp.zeros(2)}

    def loss(self, params, task, images, labels, *, key):
        return jnp.zeros(()), jnp.zeros((len(labels), task.num_classes))


def test_a_fit_that_is_not_finite_names_what_and_what_to_do():
    with pytest.raises(
        NotFinite, match=r"Poisoned fitted is not finite \(parameters\.weights\); take"
    ):
        loop.fit_at_once(Poisoned(), small_shots(), jax.random.key(0), {})


class Exploding(Method):
    """Its last step leaves infinity behind; no loss ever sees it."""

    inputs = "embedding"

    def init(self, key, task, chosen):
        return {"weights": jnp.ones(3)}

    def loss(self, params, task, images, labels, *, key):
        return 1.0 + 0 * params["weights"].sum(), jnp.zeros((len(labels), 5))

    def after_epoch(self, params, task, epoch, recipe):
        return {"weights": params["weights"] * jnp.where(epoch == 1, INF, 1.0)}


def test_parameters_that_explode_after_the_last_loss_are_refused():
    task, key = small_shots(), jax.random.key(0)
    recipe, saved = Recipe(0.1, epochs=2, schedule="constant"), []
    start = loop.start(Exploding(), task, recipe, key, {})
    with pytest.raises(
        NotFinite, match=r"after epoch 2 .*params\.weights\); lower `train\.learning"
    ):
        loop.train(
            Exploding(),
            task,
            recipe,
            start,
            jax.random.clone(key),
            after_epoch=lambda state, line: saved.append(line.epoch),
        )
    assert saved == [1]


class Doubtful(Method):
    """Finite parameters, and logits that are none for some images."""

    inputs = "embedding"

    def classes(self, params, task, *, key=None):
        return ()

    def logits(self, params, task, classes, image, *, key=None):
        return jnp.where(image[0] > 0, 1.0, NAN) * jnp.arange(5.0)


def test_a_prediction_that_is_not_finite_is_no_row():
    images, contents = small_images(6)
    stored = {"embedding": np.array(images[:, None, 0])}
    stored["embedding"][:2, 0, 0] = -1, 1
    features = Features(stored, np.asarray(contents)[:, None], 0.0)
    with pytest.raises(
        NotFinite, match=r"probabilities of at least \d images are not finite"
    ):
        evaluate("x", Fitted(Doubtful(), {}, {}), small_shots(), features, [0] * 6)


def test_a_search_passes_over_what_is_not_finite(monkeypatch):
    def poisoned(*arguments, **options):
        raise NotFinite("no number")

    c = config.default(method="gda")
    material = search.Material(small_shots(), None, np.zeros(1), {})
    monkeypatch.setattr(search, "fit", poisoned)
    assert search.validation_accuracy(c, material) is None


def test_a_run_that_is_not_finite_publishes_nothing(photos, tmp_path, monkeypatch):
    monkeypatch.setitem(METHODS, "gda", Poisoned)
    c, like = config.default(method="gda", source="folder"), settings(photos)
    c.clip, c.features, c.data = like.clip, like.features, like.data
    c.shots, c.augment.views = 3, 2
    with pytest.raises(NotFinite, match="Poisoned"):
        story.run(c, tmp_path / "run")
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert not left & {"results.json", "predictions.csv", "figures", "metrics.jsonl"}


def test_a_finished_run_with_nan_in_its_results_is_not_printed(
    photos, tmp_path, capsys
):
    story.run(settings(photos), tmp_path / "run")
    path = tmp_path / "run/results.json"
    content = json.loads(path.read_text())
    content["evaluations"][0]["nll"] = NAN
    path.write_text(json.dumps(content))
    capsys.readouterr()
    for again in (
        lambda: story.run(settings(photos), tmp_path / "run"),
        lambda: apt_jax.load(tmp_path / "run"),
    ):
        with pytest.raises(UserError, match="it holds NaN"):
            again()
    assert "nan" not in capsys.readouterr().out
