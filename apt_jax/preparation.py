"""All that a run needs, found and checked before any work is done."""

import dataclasses
import sys

from apt_jax import data
from apt_jax.clip import checkpoint
from apt_jax.clip.checkpoint import Clip
from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.few_shot import few_shot, validation
from apt_jax.data.scan import scan
from apt_jax.data.templates import prompts
from apt_jax.errors import UserError
from apt_jax.features.cache import known_good_file
from apt_jax.features.encode import Features, encode
from apt_jax.features.views import Views
from apt_jax.methods import make
from apt_jax.methods.base import Method


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What a run works with, known to be sound."""

    method: Method
    clip: Clip
    dataset: Dataset
    hashes: dict[str, str]  # SHA-256 of every image's bytes, by path
    shots: list[Item]  # the labelled images drawn for training
    validation: list[Item]  # the few drawn beside them, as CoOp does
    selection: list[Item]  # what `protocol=as_published` selects on; mostly nothing


def prepare(config) -> Prepared:
    """Loads and checks everything, cheap things first; raises `UserError`."""
    method = make(config.method.name, **hyper_parameters(config))
    selects_on = method.validation if config.protocol == "as_published" else "none"
    dataset = data.load(config.data, seed=config.seed)
    if selects_on != "none":
        require_validation(dataset, config.method.name)
    notes = data.check(dataset, config.shots)
    clip = checkpoint.load(
        config.clip.checkpoint, revision=config.clip.revision, dtype=config.clip.dtype
    )
    require_whole_prompts(clip.tokenizer, dataset.classes, dataset.templates)
    dataset, hashes = scan(
        dataset,
        on_error=config.data.on_error,
        known_good_file=known_good_file(config.features.cache_dir),
    )
    notes = data.check(dataset, config.shots)  # again: broken images may be gone
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    shots, few = few_shot(dataset, config.shots, config.seed)
    selection = validation(dataset, selects_on, config.shots, config.seed)
    return Prepared(
        method, clip, dataset, hashes, list(shots), list(few), list(selection)
    )


def require_validation(dataset, method):
    """Refuses data without the validation images that a published protocol needs."""
    if not dataset.val:
        raise UserError(
            f"protocol=as_published: {method} selects on validation images, and data set "
            f"{dataset.name!r} has none; add a validation split, or let it choose inside "
            "the shots (--config.protocol=inside_shots)"
        )


def hyper_parameters(config) -> dict:
    """The method's fields of a configuration, without its name."""
    fields = config.method.to_dict()
    del fields["name"]
    return fields


def require_whole_prompts(tokenizer, classes, templates):
    """Refuses class names that the text tower would not read to their end."""
    cut = [
        name
        for name, of_class in zip(classes, prompts(classes, templates), strict=True)
        if any(tokenizer.is_cut(prompt) for prompt in of_class)
    ]
    if cut:
        raise UserError(
            f"the tokenizer cuts the prompt of {', '.join(map(repr, cut[:10]))} "
            f"({len(cut)} classes): longer than this CLIP can read; shorten the class "
            "names or the template (--config.data.templates)"
        )


def encode_shots(prepared: Prepared, config) -> Features:
    """Frozen outputs of the shots, in `augment.views` random views each."""
    views = Views(config.augment.views, config.seed, config.augment.area)
    return _encode(prepared, config, prepared.shots, views, "shots")


def encode_test(prepared: Prepared, config) -> Features:
    """Frozen outputs of the test images' centre crops."""
    return _encode(prepared, config, prepared.dataset.test, Views(), "test images")


def encode_selection(prepared: Prepared, config) -> Features | None:
    """Frozen outputs of the images that the protocol selects on, if there are any."""
    if not prepared.selection:
        return None
    items = prepared.selection
    return _encode(prepared, config, items, Views(), "validation images")


def _encode(prepared, config, items, views, what):
    return encode(
        prepared.dataset,
        items,
        prepared.hashes,
        prepared.clip,
        inputs=prepared.method.inputs,
        token_source=prepared.method.token_source,
        views=views,
        cache_dir=config.features.cache_dir,
        what=what,
    )
