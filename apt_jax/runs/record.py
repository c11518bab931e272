"""What a run is, written down before it trains: settings, images, protocol card."""

import dataclasses
import json

from apt_jax import config as configuration
from apt_jax.config import PLACES
from apt_jax.data.dataset import label_array
from apt_jax.data.listing import listed
from apt_jax.data.own.hub import PREFIX as HUB_PREFIX
from apt_jax.data.templates import known_name
from apt_jax.files import digest
from apt_jax.methods.base import Method, Recipe
from apt_jax.methods.published import EVERY, published_on
from apt_jax.places import whole
from apt_jax.provenance import protocol_card
from apt_jax.training.fit import usual_every
from apt_jax.words import counted, form

CROPS = "random crop and flip", "random crops and flips"


def resolved(asked, prepared, recipe: Recipe | None):
    """The configuration with nothing left open: what config.json holds."""
    places = configuration.flat(asked)
    in_package = ("clip.checkpoint", "tiny")
    places = {
        name: as_written(places[name])
        for name in PLACES
        if places.get(name) and (name, places[name]) != in_package
    }
    config = configuration.placed(asked, places)
    with config.unlocked():
        config.data.name = asked.data.name or prepared.dataset.name
        config.data.templates = prepared.dataset.templates
        if prepared.dataset.descriptions:
            config.data.descriptions = prepared.dataset.descriptions
        config.method.update(values_of(prepared.method))
        config.augment.views = prepared.views.count
        config.augment.area = prepared.views.area
        config.clip.dtype = prepared.clip.dtype
        config.clip.revision = prepared.clip.revision
        of_recipe = dataclasses.asdict(recipe) if recipe else {}
        config.train.update({name: of_recipe.get(name) for name in config.train})
        config.train.checkpoint_every = asked.train.checkpoint_every
        if recipe and config.train.checkpoint_every is None:
            config.train.checkpoint_every = usual_every(recipe.epochs)
    return config


def values_of(method: Method) -> dict:
    """The fields of a method by name."""
    return {one.name: getattr(method, one.name) for one in dataclasses.fields(method)}


def as_written(place: str) -> str:
    """A place as config.json has it: whole, after the prefix of a set of the hub."""
    prefix = HUB_PREFIX * place.startswith(HUB_PREFIX)
    return prefix + whole(place.removeprefix(prefix))


def set_by_hand(asked) -> dict:
    """Hyper-parameters whose defaults were overruled, by field."""
    standard = configuration.default(asked.method.name, asked.data.source)
    defaults = configuration.flat(standard)
    return {
        field: value
        for field, value in configuration.flat(asked).items()
        if field.startswith(("augment.", "method.", "train."))
        and value != defaults[field]
    }


def describe(workdir, config, prepared, by_hand):
    """Writes config.json, classes.json, split.json and protocol.json."""
    split = split_of(prepared)
    workdir.write("config.json", json.loads(configuration.to_json(config)))
    workdir.write("classes.json", list(prepared.dataset.classes))
    if prepared.new is not None:
        workdir.write("new_classes.json", list(prepared.new.classes))
    workdir.write("split.json", split)
    workdir.write("protocol.json", card(config, prepared, split, by_hand))


def split_of(prepared, trained=None) -> dict:
    """Every image of every split with label and content hash; and which were drawn.

    `trained` are the images that train, if not the shots alone. `new_test`, if there,
    are the test images of `new_classes.json`.
    """
    named = dict(prepared.dataset.splits)
    if prepared.new is not None:
        named["new_test"] = prepared.new.test
    splits = {
        name: [[item.path, item.label, item.sha256] for item in items]
        for name, items in named.items()
    }
    splits["few_shot_train"] = [item.path for item in trained or prepared.shots]
    splits["few_shot_val"] = [item.path for item in prepared.validation]
    splits["selected_on"] = [item.path for item in prepared.selection]
    return splits


def split_sha256(dataset, split) -> str:
    """Of all images with labels and hashes; `split` is from `split_of`."""
    names = [name for name in (*dataset.splits, "new_test") if name in split]
    return digest([split[name] for name in names])


def selected_by(prepared, protocol: str, trained=None) -> str:
    """What chose the method's hyper-parameters, in words; `trained` as in `split_of`."""
    method = prepared.method
    if protocol == "as_published":
        return method.selection.as_published
    return method.selection.said_of(label_array(trained or prepared.shots))


def left_out(config, prepared):
    """What the method's paper sets on the data set, where the protocol does not ask."""
    if prepared.known_as:
        return
    method, name = prepared.method, known_name(prepared.dataset.name)
    there = published_on(method.by_data_set, name or EVERY)
    trains, reads = config.train.epochs is not None, prepared.clip.tokenizer is not None
    theirs = {**(there.train if trains else {}), **there.method}
    ours = {field: {**config.train, **config.method}[field] for field in theirs}
    if there.templates and reads:
        theirs["templates"], ours["templates"] = there.templates, config.data.templates
    if others := [field for field in theirs if theirs[field] != ours[field]]:
        yield (
            f"{listed(others)} of the paper on this data set "
            f"{form(len(others), 'is', 'are')} left out: protocol=inside_shots"
        )


def set_by_the_paper_on(prepared) -> str | None:
    """The data set on which the method's paper sets what the protocol took over."""
    of_method = prepared.method.by_data_set
    there = (name for name in (prepared.known_as, EVERY) if name in of_method)
    return next(there, None) if prepared.known_as else None


def trained_on(config, prepared) -> str:
    """What a training image becomes, in words."""
    if config.method.name == "zero_shot":
        return "nothing"
    if not config.augment.views:
        return prepared.clip.pixels.view
    return (
        f"{counted(config.augment.views, *CROPS)} of each image, of at least "
        f"{config.augment.area:g} of its area"
    )


def card(config, prepared, split, by_hand, trained=None) -> dict:
    """The protocol card of a run; `by_hand` is from `set_by_hand`.

    `split` and `trained` are as in `split_of`.
    """
    clip, dataset = prepared.clip, prepared.dataset
    return protocol_card(
        data={
            "name": dataset.name,
            "source": config.data.source,
            "classes": config.data.classes,
            "split_sha256": split_sha256(dataset, split),
            "few_shot_sha256": digest([split["few_shot_train"], split["few_shot_val"]]),
            "classes_sha256": digest(list(dataset.classes)),
            "new_classes_sha256": (
                digest(list(prepared.new.classes)) if prepared.new else None
            ),
            "templates": list(dataset.templates),
            "templates_sha256": digest(list(dataset.templates)),
            "descriptions_sha256": (
                digest(dataset.descriptions) if dataset.descriptions else None
            ),
        },
        transforms={
            "train": trained_on(config, prepared),
            "test": clip.pixels.view,
            "pixels": dataclasses.asdict(prepared.method.preprocessing(clip)),
        },
        backbone=clip.identity,
        method=config.method.to_dict(),
        differs=[*prepared.method.differs, *left_out(config, prepared)],
        train=config.train.to_dict(),
        protocol={
            "name": config.protocol,
            "set_by_the_paper_on": set_by_the_paper_on(prepared),
            "validation_images": len(prepared.selection),
            "validation_sha256": digest(split["selected_on"]),
        },
        selected_by=selected_by(prepared, config.protocol, trained),
        set_by_hand=by_hand,
        seed=config.seed,
        shots=config.shots,
    )
