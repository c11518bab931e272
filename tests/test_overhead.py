"""What the benchmark of overhead counts: whole programs, and each part on its side."""

import jax
import numpy as np
import pytest
from toy import toy_clip

from apt_jax.evaluation import evaluate
from apt_jax.features.encoder import Encoder
from apt_jax.features.reads import Reads
from apt_jax.methods import make
from apt_jax.training.fitted import Fitted
from benchmarks import overhead

SAMPLES = 3


METHODS = {
    "zero_shot": make("zero_shot"),
    "apt": make("apt", heads=2),
    "coop": make("coop", context_length=2, drop_context=0.3),
    "cocoop": make("cocoop", init_words="a photo"),
}


@pytest.fixture(scope="module")
def found():
    task = overhead.made_up_task(toy_clip(), 4, shots=2)
    batch = overhead.pixels(toy_clip(), 2)
    return (
        task,
        batch,
        {
            name: overhead.programs(method, task, batch, SAMPLES)
            for name, method in METHODS.items()
        },
    )


def size(tree):
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


def test_an_image_is_all_from_pixels_to_probabilities(found):
    task, (crops, contents), of_all = found
    method = METHODS["apt"]
    params = method.init(jax.random.key(0), task, {})
    features = Encoder(toy_clip()).crops(list(np.asarray(crops)), Reads("tokens"))
    features = type(features)(
        {name: array[:, :1] for name, array in features.stored.items()},
        np.asarray(contents)[:, None],
        0.0,
    )
    chance = {"key": jax.random.key(1), "samples": SAMPLES}
    for kind, options in (("one", {}), ("sampled", chance)):
        fitted = Fitted(method, {}, params)
        expected = evaluate(kind, fitted, task, features, [0, 1], **options)
        ours = of_all["apt"][kind].run()
        np.testing.assert_allclose(ours, expected.prediction.log_probs, atol=2e-3)


def test_the_text_tower_is_on_the_side_of_the_image_only_where_it_reads_the_image(
    found,
):
    task, _, of_all = found
    text = size(task.backbone.params["text"]["blocks_0"])
    image = {name: programs["one"].bytes for name, programs in of_all.items()}
    classes = {name: programs["classes"].bytes for name, programs in of_all.items()}
    assert abs(image["coop"] - image["zero_shot"]) < text / 2
    assert image["cocoop"] - image["zero_shot"] > text
    assert classes["coop"] > text > classes["cocoop"]


def test_samples_are_counted_where_there_is_dropout_and_only_there(found):
    _, _, of_all = found
    sampled = {name for name, programs in of_all.items() if "sampled" in programs}
    assert sampled == {"apt", "coop"}
    texts = of_all["coop"]["classes"].run()
    assert len(texts) == SAMPLES  # the class list is paid for with all samples
