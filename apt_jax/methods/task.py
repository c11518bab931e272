"""The task: all that is frozen while a method trains, as one pytree.

It is an argument of every compiled function, never a closure: what a jitted function
closes over is compiled in as a constant.
"""

from collections.abc import Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from apt_jax.clip.checkpoint import Clip
from apt_jax.data.dataset import Dataset, label_array
from apt_jax.data.templates import prompts
from apt_jax.features.encoder import Encoder, Features, require_directions, wanted
from apt_jax.features.reads import Reads
from apt_jax.features.views import CENTRE, Views

PROMPTS_AT_ONCE = 64  # bounds the memory of the text tower


@flax.struct.dataclass
class Texts:
    """What the text tower says of K classes, and the tokens of their prompts."""

    features: Array  # [K, D] unit-norm text feature of each class
    raw: Array  # [K, D] mean of its prompts' features as they are, not unit
    prompt_ids: Array  # [K, P, L] int32 token ids of at most P prompts a class
    prompt_eos: Array  # [K, P] int32 position of the end token
    prompt_shares: Array  # [K, P] what each is of its class's mean; 0 for none
    name_ids: Array  # [K, L] int32 token ids of "NAME.", between start and end
    name_eos: Array  # [K] int32 position of the end token


@flax.struct.dataclass
class Shots:
    """Labelled images, held once; which of them count is `rows`.

    `stored` and `centre` are frozen outputs (`features.Features.stored`): of the views that
    train, and of the centre crops, as which a test image is read: what is selected inside
    the shots is judged on these. Several subsets (seeds, folds) share what is held; of S
    that train together (`training.loop`) rows have a leading axis [S].
    """

    stored: Any  # each [N, R, ...]
    centre: Any  # each [N, 1, ...]
    all_labels: Array  # [N] int32
    rows: Array | None = None  # [n] int32 places of those that count; None = all
    contents: Array | None = None  # [N, 2] uint32 hash of the centre crops' pixels
    groups: Array | None = None  # [N] int32, equal for images that belong together

    @classmethod
    def of(cls, views: Features, centre: Features, labels, groups=None) -> "Shots":
        """Labelled images of which this is known; on the device."""
        stored = _on_device(views.stored)
        if centre is views:
            crops = {name: array[:, :1] for name, array in stored.items()}
        else:
            crops = _on_device(centre.stored)
        return cls(
            stored,
            crops,
            jnp.asarray(labels),
            contents=jnp.asarray(np.asarray(centre.contents[:, 0])),
            groups=None if groups is None else jnp.asarray(groups),
        )

    @property
    def count(self) -> int:
        """n."""
        return (self.all_labels if self.rows is None else self.rows).shape[-1]

    @property
    def num_views(self) -> int:
        """R."""
        return jax.tree.leaves(self.stored)[0].shape[1]

    @property
    def labels(self) -> Array:
        """[n] int32."""
        return self._of_rows(self.all_labels)

    @property
    def embeddings(self) -> Array:
        """[n, R, D] raw embeddings of the views."""
        return self._of_rows(self.stored["embedding"])

    @property
    def crops(self) -> Any:
        """What is kept of the centre crops, each [n, ...]."""
        return jax.tree.map(lambda array: self._of_rows(array)[:, 0], self.centre)

    def take(self, rows) -> "Shots":
        """Some of those that count: indices, or [n] bool. Nothing is copied."""
        there = np.arange(self.count) if self.rows is None else np.asarray(self.rows)
        return self.replace(rows=jnp.asarray(there[np.asarray(rows)], jnp.int32))

    def batch(self, images, views) -> Any:
        """What is kept of one view each of some images, [B, ...]; and their labels."""
        places = images if self.rows is None else self.rows[images]
        kept = jax.tree.map(lambda array: array[places, views], self.stored)
        return kept, self.all_labels[places]

    def _of_rows(self, array):
        return array if self.rows is None else array[self.rows]


@flax.struct.dataclass
class Task:
    """What every method may read and none may train.

    There are no `shots` once training is over. `val` are there while training if the
    protocol is `as_published` and the paper selects on validation images: their centre
    crops. With a plain ViT, which reads no text, there are no `texts`.
    """

    backbone: Clip | None = None
    texts: Texts | None = None
    logit_scale: Array = 1.0  # [] exp of CLIP's learned temperature; 1 of a plain ViT
    shots: Shots | None = None
    val: Shots | None = None
    names: tuple[str, ...] = flax.struct.field(pytree_node=False, default=())  # [K]
    # The name in `data.templates` under which a paper sets things by data set; "" inside
    # the shots, where nothing hangs on it.
    dataset: str = flax.struct.field(pytree_node=False, default="")

    @property
    def text(self) -> Array | None:
        """[K, D] unit-norm text feature of each class."""
        return self.texts and self.texts.features

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.names) if self.texts is None else self.text.shape[0]

    @property
    def embedding_dim(self) -> int:
        """D."""
        if self.texts is None:
            return self.backbone.config.embedding_dim
        return self.text.shape[1]

    @property
    def num_shots(self) -> int:
        """Labelled images of a run in all; 0 once training is over."""
        return 0 if self.shots is None else self.shots.count

    @property
    def shots_per_class(self) -> int:
        """Labelled images a class, rounded up where they differ."""
        return -(-self.num_shots // self.num_classes)

    def take(self, rows) -> "Task":
        """The same task with the shots `rows` only: indices, or [n] bool."""
        return self.replace(shots=self.shots.take(rows))

    def validation(self) -> "Task":
        """The same task with the validation images in the place of the shots."""
        return self.replace(shots=self.val)

    @property
    def bare(self) -> "Task":
        """The task as prediction knows it: without labelled images."""
        return self.replace(shots=None, val=None)


def encode_shots(
    encoder: Encoder, dataset: Dataset, items, reads: Reads, views: Views
) -> tuple[Shots, float]:
    """Labelled images in their views and as they are; and the seconds it took."""
    pictures = dataset.pictures(items)
    both = [*wanted(pictures, reads, views), *wanted(pictures, reads)]
    seconds = encoder.fill(both, what="training images")
    return shots_of(encoder, dataset, items, reads, views), seconds


def shots_of(encoder, dataset, items, reads, views=CENTRE) -> Shots:
    """Labelled images that are encoded."""
    pictures = dataset.pictures(items)
    centre = encoder.found(pictures, reads)
    as_they_are = views.each == CENTRE.each
    found = centre if as_they_are else encoder.found(pictures, reads, views)
    _, groups = np.unique([item.group for item in items] or [""], return_inverse=True)
    groups = groups[: len(items)].astype(np.int32)
    return Shots.of(found, centre, label_array(items), groups)


def _on_device(stored) -> dict:
    return {name: jnp.asarray(np.asarray(array)) for name, array in stored.items()}


def make_task(
    clip: Clip,
    classes: Sequence[str],
    templates: Sequence[str],
    descriptions: Sequence[Sequence[str]] = (),
) -> Task:
    """The task of telling K classes apart, each given by templates and descriptions.

    The text feature of a class is the mean of its prompts' unit features, made unit
    again (CoOp's rule, the one most of the literature follows).
    """
    names = tuple(classes)
    if clip.tokenizer is None:
        return Task(clip, logit_scale=jnp.float32(1), names=names)
    scale = jnp.exp(jnp.asarray(clip.params["logit_scale"], jnp.float32))
    texts = make_texts(clip, classes, templates, descriptions)
    return Task(clip, texts, scale, names=names)


def make_texts(clip, classes, templates, descriptions) -> Texts:
    """What the text tower says of the classes; see `make_task`."""
    of_classes = prompts(classes, templates, descriptions)
    flat = [prompt for of_class in of_classes for prompt in of_class]
    ids, eos = clip.tokenizer.encode(flat)
    features = np.concatenate(
        [
            _text_features(clip, ids[start : start + PROMPTS_AT_ONCE], eos[start:])
            for start in range(0, len(flat), PROMPTS_AT_ONCE)
        ]
    )
    require_directions(features, clip, "class names")
    shares, rows = _shares_and_rows([len(of_class) for of_class in of_classes])
    mean = _means(_unit(features), of_classes)
    names = [name for (name,) in prompts(classes, ("{}.",))]
    name_ids, name_eos = clip.tokenizer.encode(names)
    return Texts(
        features=jnp.asarray(_unit(mean)),
        raw=jnp.asarray(_means(features, of_classes)),
        prompt_ids=jnp.asarray(_trimmed(ids, eos)[rows]),
        prompt_eos=jnp.asarray(eos[rows]),
        prompt_shares=jnp.asarray(shares),
        name_ids=jnp.asarray(_trimmed(name_ids, name_eos)),
        name_eos=jnp.asarray(name_eos),
    )


def _shares_and_rows(counts):
    """Of classes with `counts` prompts in a row: [K, P] shares, and [K, P] their rows.

    A class of fewer than P prompts is filled up with its first, at a share of 0.
    """
    place = np.arange(max(counts))
    counts = np.array(counts)[:, None]  # [K, 1]
    first = np.cumsum(counts)[:, None] - counts  # [K, 1]
    there = place < counts  # [K, P]
    return (there / counts).astype(np.float32), first + np.where(there, place, 0)


def _means(features, of_classes):
    """[K, D] the mean of each class's rows of `features` [n, D]."""
    ends = np.cumsum([len(of_class) for of_class in of_classes])
    return np.stack([rows.mean(axis=0) for rows in np.split(features, ends[:-1])])


def _trimmed(ids, eos):
    """Token ids up to the last end token: under a causal mask nothing reads further."""
    return ids[:, : eos.max() + 1]


def _text_features(clip, ids, eos):
    """[n, D] raw text features; the batch is padded so that one program serves all."""
    n = len(ids)
    pad = [(0, PROMPTS_AT_ONCE - n if n < PROMPTS_AT_ONCE else 0)]
    ids = np.pad(ids, [*pad, (0, 0)])
    eos = np.pad(eos[:n], pad)
    return np.asarray(_encode_text(clip, ids, eos))[:n]


@jax.jit
def _encode_text(clip, ids, eos):
    return clip.apply("text_features", ids, eos)


def _unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)
