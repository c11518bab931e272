"""What a run is, written down before it trains: settings, images, protocol card."""

import dataclasses
import json

from apt_jax import config as configuration
from apt_jax import report
from apt_jax.files import digest
from apt_jax.methods.base import Recipe


def chosen_recipe(published: Recipe | None, train) -> Recipe | None:
    """The method's recipe, with what `config.train` sets in place of its fields."""
    if published is None:
        return None
    names = [field.name for field in dataclasses.fields(Recipe)]
    given = {name: train[name] for name in names if train[name] is not None}
    return dataclasses.replace(published, **given)


def resolved(asked, prepared, recipe: Recipe | None):
    """The configuration with nothing left open: what config.json holds."""
    config = configuration.from_json(configuration.to_json(asked))
    with config.unlocked():
        config.data.templates = prepared.dataset.templates
        config.clip.dtype = prepared.clip.dtype
        config.clip.revision = prepared.clip.revision
        config.train.update(dataclasses.asdict(recipe) if recipe else {})
    return config


def describe(workdir, config, prepared):
    """Writes config.json, classes.json, split.json and protocol.json."""
    dataset, hashes = prepared.dataset, prepared.hashes

    def listed(items):
        return [[item.path, item.label, hashes[item.path]] for item in items]

    split = {
        "train": listed(dataset.train),
        "val": listed(dataset.val),
        "test": listed(dataset.test),
        "few_shot_train": [item.path for item in prepared.shots],
        "few_shot_val": [item.path for item in prepared.validation],
    }
    workdir.write("config.json", json.loads(configuration.to_json(config)))
    workdir.write("classes.json", list(dataset.classes))
    workdir.write("split.json", split)
