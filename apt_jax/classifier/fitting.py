"""From images and labels in memory to a classifier, in two steps.

prepare   pictures are checked and hashed, shots drawn, the frozen towers run: a `Task`
fit       one method on that task (`training.fit`): a `Classifier`
"""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from apt_jax import data, keys, methods
from apt_jax.arguments import (
    plain,
    require_sound,
    require_sound_members,
    require_sound_recipe,
)
from apt_jax.classifier.classifier import Classifier
from apt_jax.classifier.handed import (
    as_features,
    class_names,
    dataset_of,
    descriptions_of,
    drawn_of,
    labels_among,
    labels_in_order,
)
from apt_jax.classifier.saved import FILES
from apt_jax.clip import checkpoint
from apt_jax.data.check import require_classes
from apt_jax.data.dataset import label_array
from apt_jax.data.few_shot import few_shot
from apt_jax.data.scan import scan
from apt_jax.data.templates import templates_of
from apt_jax.errors import UserError
from apt_jax.features.cache import USUAL, known_good_file
from apt_jax.features.encoder import Encoder
from apt_jax.files import digest
from apt_jax.lock import working_in
from apt_jax.methods import require_fit
from apt_jax.methods.base import Method
from apt_jax.methods.readable import require_prompts
from apt_jax.methods.task import Shots, Task, encode_shots, make_task
from apt_jax.places import CHECKPOINTS, folder_of, require_own
from apt_jax.progress import showing
from apt_jax.provenance import made_by
from apt_jax.training import fit as training
from apt_jax.training.checkpoints import Checkpoints, require_name
from apt_jax.training.log import Log

CLIP = "openai/clip-vit-base-patch16"
LEAVE_OUT = "fix them or leave them out"
HOLDS, LOG = "the checkpoints of a fit", "metrics.jsonl"


def fit(
    images,
    labels,
    *,
    classes: Sequence[str] | None = None,
    templates: Sequence[str] | None = None,
    descriptions: Sequence[Sequence[str]] | None = None,
    groups: Sequence | None = None,
    clip: str = CLIP,
    method: str | Mapping[str, Any] | Method = "apt",
    shots: float = 0,
    seed: int = 1,
    views: int | None = None,
    area: float | None = None,
    train: Mapping[str, Any] | None = None,
    samples: int = 30,
    dtype: str = "auto",
    cache_dir: str = USUAL,
    checkpoints=None,
    progress: bool = True,
) -> Classifier:
    """A classifier of these images; no configuration, no work directory.

    Args:
        images: paths, a folder, PIL images, bytes, file objects, uint8 arrays, one or
            many (`data.pictures`); [n, D] raw embeddings; or `Features`.
        labels: a name for each image, or its place among `classes`.
        classes: class names in the order of probabilities; by default the labels', sorted.
        templates: prompts with {} for the class name; by default the usual one.
        descriptions: further texts of each class, in the order of `classes`.
        groups: equal for images that belong together; by default only copies do.
        clip: a hub name, a folder, or "tiny", the small CLIP in the package.
        method: a name, a mapping with its `name` and fields, or a Method.
        shots: labelled images a class that are drawn of them; 0 = all; a share below 1.
        seed: what all chance derives from.
        views, area: random views of each image and the least share of it that one shows;
            by default the method's recipe.
        train: fields of the recipe that are set otherwise, such as {"epochs": 20}.
        samples: Monte-Carlo samples of a prediction, T.
        dtype: what the towers compute in: "float32", "bfloat16", "auto" = the faster one.
        cache_dir: where frozen outputs are kept; empty = in memory.
        checkpoints: a folder in which an interrupted fit goes on.
        progress: whether bars are shown.

    Raises:
        UserError: for all that can be fixed; it is a ValueError.
    """
    method, members = made(method)
    samples, seed, shots, views, area = map(plain, (samples, seed, shots, views, area))
    train = train or {}
    if not isinstance(train, Mapping):
        raise UserError(f'`train`={train!r}: give fields by name, as {{"epochs": 20}}')
    train = {name: plain(value) for name, value in train.items()}
    require_sound(samples=samples)
    require_sound_recipe(train)
    folder = None if checkpoints is None else own_folder(checkpoints)
    with showing(progress):
        task = prepare(
            images,
            labels,
            classes=classes,
            templates=templates,
            descriptions=descriptions,
            groups=groups,
            clip=clip,
            method=method,
            shots=shots,
            seed=seed,
            views=views,
            area=area,
            dtype=dtype,
            cache_dir=cache_dir,
            progress=progress,
        )
        method = method.settled(task.dataset, task.backbone)
        how = {"train": train, "members": members}
        card = card_of(task, method, seed=seed, shots=shots, asked=(views, area), **how)
        with keeping(folder, card) as kept:
            key = keys.of_seed(seed, keys.TRAIN)
            fitted, _ = training.fit(
                method, task, key, kept=kept, shown=progress, **how
            )
    card |= {"chosen": dict(fitted.chosen)}
    return Classifier(task.bare, fitted, seed, samples, card)


def prepare(
    images,
    labels,
    *,
    classes=None,
    templates=None,
    descriptions=None,
    groups=None,
    clip: str = CLIP,
    method: str | Mapping[str, Any] | Method = "apt",
    shots: float = 0,
    seed: int = 1,
    views: int | None = None,
    area: float | None = None,
    dtype: str = "auto",
    cache_dir: str = USUAL,
    progress: bool = True,
) -> Task:
    """The task of telling these images apart: backbone, class texts and shots.

    Methods that read the same of an image, in the same views, can be fitted to one task
    (`training.fit`). The arguments are those of `fit`; of the method counts what it reads.
    """
    method, _ = made(method)
    seed, shots, views, area = map(plain, (seed, shots, views, area))
    clip, cache_dir = map(plain, (clip, cache_dir or ""))
    require_sound(clip=clip, cache_dir=cache_dir, dtype=dtype)
    require_sound(shots=shots, seed=seed, views=views, area=area)
    labels = labels_in_order(labels)
    names = class_names(labels, classes)
    described = descriptions_of(descriptions, names)
    texts = names, templates_of("", templates or ()), described
    backbone = checkpoint.load(clip, dtype=dtype)
    encoder = Encoder(backbone, cache_dir)
    with showing(progress):
        given = as_features(images, method.reads, backbone)
        if given is not None:
            require_classes(names)
            require_prompts(backbone, texts)
            held = drawn_of(given, labels_among(labels, names), groups, shots, seed)
            task = make_task(backbone, *texts).replace(shots=held)
            require_fit(method.settled(task.dataset, backbone), task)
            return task
        dataset = dataset_of(images, labels, texts, groups)
        data.check(dataset, shots)
        require_prompts(backbone, dataset.texts)
        known = known_good_file(cache_dir)
        dataset = scan(dataset, known_good_file=known, remedy=LEAVE_OUT)
        items, _ = few_shot(dataset, shots, seed)
        task = make_task(backbone, *dataset.texts)
        labelled = task.replace(
            shots=Shots(None, None, jnp.asarray(label_array(items)))
        )
        require_fit(method.settled(task.dataset, backbone), labelled)
        wanted = method.views.set_to(views, area, images=len(items))
        held, _ = encode_shots(encoder, dataset, items, method.reads, wanted)
    return task.replace(shots=held)


def made(method) -> tuple[Method, int]:
    """A method by its name, a mapping with its fields, or itself; and its members."""
    if isinstance(method, Method):
        return method, 1
    fields = {"name": method} if isinstance(method, str) else method
    if not isinstance(fields, Mapping) or "name" not in fields:
        raise UserError(
            f"`method`={method!r} has no name; give a name, a Method, or fields by name, "
            'as {"name": "apt", "heads": 8}'
        )
    fields = {key: plain(value) for key, value in fields.items()}
    members = fields.pop("members", 1)
    require_sound_members(members)
    return methods.make(**fields), members


def card_of(task, method, *, seed, shots, asked, train, members) -> dict:
    """The protocol card of what is fitted in memory; `asked` are views and area."""
    clip, labels = task.backbone, np.asarray(task.shots.labels)
    prompts = () if task.texts is None else np.asarray(task.texts.prompt_ids).tolist()
    pictures = np.asarray(task.shots.contents)
    return {
        "data": {
            "classes": list(task.names),
            "images": len(labels),
            "few_shot_sha256": digest([pictures.tolist(), labels.tolist()]),
            "prompts_sha256": digest(prompts),
            "views": [task.shots.num_views, *asked],
        },
        "backbone": clip.identity,
        "method": {"name": methods.name_of(method), **dataclasses.asdict(method)},
        "members": members,
        "differs": list(method.differs),
        "train": train,
        "selected_by": method.selection.said_of(labels),
        "seed": seed,
        "shots": shots,
        **made_by(),
    }


def own_folder(checkpoints) -> Path:
    """The folder in which a fit keeps what it needs to go on, free of other files."""
    folder = folder_of(checkpoints, HOLDS)
    require_own(folder, (*CHECKPOINTS, *FILES), HOLDS)
    require_name(folder)
    return folder


@contextlib.contextmanager
def keeping(folder, card):
    """Where an interrupted fit goes on; None without a folder."""
    if folder is None:
        yield None
        return
    owner = {name: card[name] for name in ("method", "members", "train", "seed")}
    data = card["data"]
    owner |= {"list of classes": data["classes"], "views": data["views"]}
    owner |= {
        "set of shots": data["few_shot_sha256"],
        "prompts": data["prompts_sha256"],
    }
    owner["backbone"] = {name: card["backbone"][name] for name in ("sha256", "dtype")}
    every = card["train"].get("checkpoint_every")
    with working_in(folder), Checkpoints(folder / "checkpoints", owner) as checkpoints:
        yield training.Kept(checkpoints, Log(folder / LOG), every)
