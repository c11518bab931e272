"""What the small CLIP of the package knows of the drawn aircraft, on validation images.

    python -m benchmarks.tiny_clip [--checkpoint tiny] [--shots 1 2 4 8 16] [--seeds 3]

Zero-shot accuracy as the nuisances grow, over variants that pre-training has seen and
over those it has not; then, at the default variance, zero-shot against APT with its
recipe and a logistic regression (scikit-learn) on the same embeddings, alone and with
the mean patch token beside them. The regression reads centre crops, standardised, and
is given the best of several penalties on these very images: a strong rival.
"""

import argparse
import dataclasses
import hashlib
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from apt_jax import config, data
from apt_jax.clip import checkpoint
from apt_jax.data.few_shot import few_shot
from apt_jax.data.synthetic.captions import HELD_OUT
from apt_jax.data.templates import prompts
from apt_jax.evaluation import evaluate
from apt_jax.features.encode import CENTRE, encode
from apt_jax.features.views import Views
from apt_jax.methods import make
from apt_jax.methods.task import make_task
from apt_jax.training import loop
from benchmarks.heading import heading

VARIANCES = (0.0, 0.25, 0.5, 0.75, 1.0)
PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # scikit-learn's C
COLUMNS = ("zero-shot", "APT", "regression", "regression + mean patch")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", default="tiny")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--val_images", type=int, default=30, help="of each variant")
    options = parser.parse_args()
    print(heading(options))
    clip = checkpoint.load(options.checkpoint)
    fields = config.default(source="synthetic").data
    fields.val_images = options.val_images
    print("\nzero-shot, %, seed 1\nvariance    all   seen   held out")
    for variance in VARIANCES:
        fields.variance = variance
        print(f"{variance:8.2f}" + "".join(f"  {x:5.1f}" for x in known(clip, fields)))
    fields.variance = data.OWN_DEFAULTS["synthetic"]["variance"]
    print(f"\nvariance {fields.variance}, accuracy in %, mean ± sd of seeds")
    print("shots  " + "  ".join(COLUMNS))
    for shots in options.shots:
        rows = [compare(clip, fields, shots, 1 + i) for i in range(options.seeds)]
        cells = (
            f"{np.mean(x):5.1f} ± {np.std(x):3.1f}" for x in zip(*rows, strict=True)
        )
        print(f"{shots:5d}  " + "  ".join(cells), flush=True)


def known(clip, fields):
    """Zero-shot accuracy over all variants, those seen, and those held out."""
    dataset = data.load(fields, seed=1)
    task = make_task(clip, prompts(dataset.classes, dataset.templates))
    features = features_of(clip, dataset, dataset.val, "embedding")
    right = hits("zero_shot", {}, task, features, labels_of(dataset.val))
    held_out = np.isin([dataset.classes[i.label] for i in dataset.val], HELD_OUT)
    return tuple(100 * x.mean() for x in (right, right[~held_out], right[held_out]))


def compare(clip, fields, shots, seed):
    """Accuracies, %, in the order of COLUMNS."""
    dataset = data.load(fields, seed=seed)
    task = make_task(clip, prompts(dataset.classes, dataset.templates))
    items, _ = few_shot(dataset, shots, seed)
    val = features_of(clip, dataset, dataset.val, "tokens")
    labels, wanted = labels_of(items), labels_of(dataset.val)
    params = train(clip, dataset, task, items, labels, seed)
    trained = features_of(clip, dataset, items, "tokens")
    cls = unit(trained.stored["embedding"][:, 0]), unit(val.stored["embedding"][:, 0])
    patches = mean_patch(trained), mean_patch(val)
    both = [np.concatenate(pair, 1) for pair in zip(cls, patches, strict=True)]
    return (
        100 * hits("zero_shot", {}, task, val, wanted).mean(),
        100 * hits("apt", params, task, val, wanted).mean(),
        best_regression(*cls, labels, wanted),
        best_regression(*both, labels, wanted),
    )


def train(clip, dataset, task, items, labels, seed):
    """APT's parameters after its own recipe on ten views of each shot."""
    method, key = make("apt"), jax.random.key(seed)
    shots = features_of(clip, dataset, items, "tokens", Views(10, seed)).stored
    task = task.replace(
        shots={name: jnp.asarray(array) for name, array in shots.items()},
        shot_labels=jnp.asarray(labels, jnp.int32),
    )
    recipe = method.recipe(task)
    state = loop.start(method, task, recipe, key)
    return loop.train(method, task, recipe, state, jax.random.clone(key))


def features_of(clip, dataset, items, inputs, views=CENTRE):
    kept = {item.path: dataset.read(item) for item in items}
    hashes = {path: hashlib.sha256(file).hexdigest() for path, file in kept.items()}
    read = dataclasses.replace(dataset, read=lambda item: kept[item.path])
    return encode(read, items, hashes, clip, inputs=inputs, views=views)


def hits(name, params, task, features, labels):
    """[n] bool, right or wrong."""
    prediction = evaluate(name, make(name), params, task, features, labels).prediction
    return prediction.log_probs.argmax(-1) == labels


def best_regression(x, x_val, y, y_val):
    """The highest accuracy, %, over the penalties."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x)
    x, x_val = scaler.transform(x), scaler.transform(x_val)
    with warnings.catch_warnings(action="ignore"):
        models = [LogisticRegression(C=c, max_iter=300).fit(x, y) for c in PENALTIES]
    return 100 * max(model.score(x_val, y_val) for model in models)


def mean_patch(features):
    return unit(features.stored["patches"][:, 0].astype(np.float32).mean(1))


def labels_of(items):
    return np.array([item.label for item in items])


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


if __name__ == "__main__":
    main()
