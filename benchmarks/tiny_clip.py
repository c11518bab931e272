"""What the small CLIP of the package knows of the drawn aircraft, on validation images.

    python -m benchmarks.tiny_clip [--checkpoint tiny] [--val_images 30]

Zero-shot accuracy as the nuisances grow, over variants that pre-training has seen and
over those it has not. How adaptation compares: `benchmarks.few_shot --sets synthetic`.
"""

import argparse

import numpy as np

from apt_jax import config as configuration
from apt_jax.evaluation import evaluate
from apt_jax.features.encoder import Encoder
from apt_jax.features.reads import EMBEDDING
from apt_jax.methods.task import make_task
from apt_jax.runs.preparation import prepare
from apt_jax.training.fitted import Fitted
from benchmarks.heading import heading
from pretraining.captions import HELD_OUT

VARIANCES = (0.0, 0.25, 0.5, 0.75, 1.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", default="tiny")
    parser.add_argument("--val_images", type=int, default=30, help="of each variant")
    options = parser.parse_args()
    print(heading(options))
    config = configuration.default("zero_shot", "synthetic")
    config.clip.checkpoint = options.checkpoint
    config.features.cache_dir = ""
    config.data.val_images = options.val_images
    print("\nzero-shot accuracy, %\nvariance    all   seen   held out")
    for variance in VARIANCES:
        config.data.variance = variance
        print(f"{variance:8.2f}" + "".join(f"  {x:5.1f}" for x in known(config)))


def known(config):
    """Zero-shot accuracy over all variants, those seen, and those held out, in %."""
    prepared = prepare(config, validation=True)
    dataset, items = prepared.dataset, prepared.dataset.val
    features = Encoder(prepared.clip).encode(dataset.pictures(items), EMBEDDING)
    task = make_task(prepared.clip, *dataset.texts)
    labels = np.array([item.label for item in items])
    evaluation = evaluate("", Fitted(prepared.method, {}, {}), task, features, labels)
    right = evaluation.prediction.log_probs.argmax(-1) == labels
    held_out = np.isin(np.array(dataset.classes)[labels], HELD_OUT)
    return tuple(100 * x.mean() for x in (right, right[~held_out], right[held_out]))


if __name__ == "__main__":
    main()
