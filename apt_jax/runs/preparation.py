"""All that a run needs, found and checked before any work is done."""

import dataclasses
import functools
import sys

from apt_jax import data
from apt_jax.clip import checkpoint
from apt_jax.clip.checkpoint import Clip
from apt_jax.config import method_of, source_of
from apt_jax.data.base_new import base_and_new, items_of, labels_of
from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.few_shot import few_shot, validation
from apt_jax.data.listing import listed
from apt_jax.data.own.looks import look_at
from apt_jax.data.scan import scan
from apt_jax.data.templates import known_name
from apt_jax.errors import UserError
from apt_jax.features.cache import known_good_file
from apt_jax.features.views import MOST_VIEWS, Views
from apt_jax.methods.base import Method
from apt_jax.methods.published import EVERY
from apt_jax.methods.readable import require_prompts
from apt_jax.words import counted


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What a run works with, known to be sound."""

    method: Method  # with all that data set and backbone settle
    members: int  # trainings of other chance, judged as one
    clip: Clip
    dataset: Dataset  # with the prompts that the protocol has for it; it is scanned
    shots: list[Item]  # the labelled images drawn for training
    validation: list[Item]  # the few drawn beside them, as CoOp does
    selection: list[Item]  # what `protocol=as_published` selects on; mostly nothing
    whole: Dataset  # of all classes, from which shots are drawn; as it was loaded
    views: Views  # of each training image
    new: Dataset | None = None  # the new classes, where `data.classes=base` meets them
    known_as: str = ""  # the name under which papers set things; "" inside the shots


def load_clip(config) -> Clip:
    """The frozen model that a configuration names."""
    return checkpoint.load(
        config.clip.checkpoint, revision=config.clip.revision, dtype=config.clip.dtype
    )


def prepare(
    config, *, load_clip=load_clip, scan=scan, validation: bool | None = None
) -> Prepared:
    """Loads and checks everything, cheap things first; raises `UserError`.

    Who prepares several runs gives a `load_clip` and a `scan` that remember what they
    read. `validation` says whether somebody reads the validation split,
    by default whether the method selects on it.
    """
    method = method_of(config)
    if validation is None:
        validation = selects_on(config, method) != "none"
    memory = known_good_file(config.features.cache_dir)
    remembering = functools.partial(look_at, known_good_file=memory)
    source = source_of(config)
    whole = data.load(
        source, seed=config.seed, look_at=remembering, validation=validation
    )
    dataset, _ = parts(whole, config.data.classes, method)
    notes = data.check(dataset, config.shots)
    if selects_on(config, method) != "none":
        require_validation(dataset, config.method.name)
    clip = load_clip(config)
    require_prompts(clip, worded(config, method, whole).texts)
    whole = scan(whole, on_error=config.data.on_error, known_good_file=memory)
    prepared = drawn(config, method, clip, whole)
    notes = data.check(prepared.dataset, config.shots)  # broken images may be gone
    for note in (*notes, *_left_out(prepared), *_fewer_views(config, prepared)):
        print(f"note: {note}", file=sys.stderr)
    return prepared


def views_of(config, method: Method, images: int) -> Views:
    """The views of each of so many training images: those asked for, or the recipe's.

    Only own photographs can be too many for the usual ones.
    """
    own = data.SOURCES[config.data.source].own
    asked = (config.augment.views, config.augment.area)
    return method.views.set_to(*asked, images=images if own else 0)


def _fewer_views(config, prepared):
    """What to say of training images that are too many for the usual views."""
    count, usual = prepared.views.count, prepared.method.views.count
    if config.augment.views is None and count < usual:
        yield (
            f"{counted(count, 'random view')} of each of "
            f"{len(prepared.shots):,} training images and not {usual}: by default at "
            f"most {MOST_VIEWS:,} are encoded; --config.augment.views={usual} takes all"
        )


def usage_line(config, prepared: Prepared) -> str:
    """How many of the labelled images train, and what becomes of the others."""
    dataset, used = prepared.dataset, len(prepared.shots)
    places = {
        "are the test": len(dataset.test),
        "are for validation": len(set(dataset.val) - set(dataset.test)),
    }
    total = len(dataset.train) + sum(places.values())
    places[f"are more than --config.shots={config.shots}"] = len(dataset.train) - used
    kind = "photographs" if data.SOURCES[config.data.source].own else "images"
    others = ", ".join(f"{count:,} {what}" for what, count in places.items() if count)
    return f"{used:,} of {total:,} labelled {kind} used to train: {others}"


def _left_out(prepared):
    """What to say of a share of the images that leaves classes without any."""
    classes, labels = prepared.dataset.classes, {item.label for item in prepared.shots}
    missing = [repr(name) for at, name in enumerate(classes) if at not in labels]
    if missing:
        yield (
            f"of {len(classes)} classes {counted(len(missing), 'has', 'have')} no "
            "labelled image "
            f"({listed(missing)}); they stay among those to tell apart"
        )


def drawn(config, method, clip, whole: Dataset) -> Prepared:
    """What a run works with, of a data set and a CLIP that are known to be sound."""
    part, name = config.data.classes, known_as(config, whole)
    method = method.settled(name, clip)
    dataset, new = parts(worded(config, method, whole), part, method)
    if clip.tokenizer is None:
        new = None  # nothing could name them
    # Drawn from all classes, whichever are kept: so do CoOp and its followers.
    shots, few = few_shot(whole, config.shots, config.seed)
    kind = selects_on(config, method)
    selection = validation(whole, kind, config.shots, config.seed)
    labels = labels_of(part, len(whole.classes))
    kept = [list(items_of(items, labels)) for items in (shots, few, selection)]
    views = views_of(config, method, len(kept[0]))
    members = config.method.members
    return Prepared(method, members, clip, dataset, *kept, whole, views, new, name)


def known_as(config, dataset) -> str:
    """The name under which a paper sets things on a data set; "" inside the shots."""
    if config.protocol != "as_published":
        return ""
    return known_name(dataset.name) or EVERY


def worded(config, method, dataset) -> Dataset:
    """The data set with the prompts of the method's paper, if the protocol asks for it.

    Prompts that somebody chose (`data.templates`) stay.
    """
    templates = method.published(known_as(config, dataset)).templates
    if not templates or any(config.data.templates):
        return dataset
    return dataclasses.replace(dataset, templates=templates)


def selects_on(config, method) -> str:
    """Which validation images the protocol lets a method select on; mostly "none"."""
    published = config.protocol == "as_published"
    return method.selection.validation if published else "none"


def parts(whole, part: str, method) -> tuple[Dataset, Dataset | None]:
    """What a run adapts to, and the new classes that it meets only afterwards, if any.

    Raises:
        UserError: if the new classes could not be judged.
    """
    if part == "all":
        return whole, None
    base, new = base_and_new(whole)
    if part == "new":
        return new, None
    if not method.names_new_classes:
        return base, None
    data.check(dataclasses.replace(new, name=f"{new.name}, new classes"), 0)
    return base, new


def require_validation(dataset, method):
    """Refuses data without the validation images that a published protocol needs."""
    if not dataset.val:
        raise UserError(
            f"protocol=as_published: {method} selects on validation images, and data set "
            f"{dataset.name!r} has none; add a validation split, or let it choose inside "
            "the shots (--config.protocol=inside_shots)"
        )
