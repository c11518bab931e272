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

from apt_jax.data.templates import prompts
from apt_jax.features.encode import require_directions

PROMPTS_AT_ONCE = 64  # bounds the memory of the text tower


@flax.struct.dataclass
class Task:
    """What every method may read and none may train.

    `shots` are stored features (`features.Features.stored`), [n, R, ...] for R views
    of each image, and `centre` those of their centre crops, [n, 1, ...], which is what a
    test image is read as: what is selected inside the shots is judged on these. They and
    `shot_labels` are None once training is over. Of S runs that train together
    (`training.loop`) shots and labels have a leading axis [S], and no centre crops. `val`
    and `val_labels` are there while training if the protocol is `as_published` and the
    paper selects on validation images: their centre crops, [m, 1, ...]. With a plain ViT,
    which reads no text, all that comes from text is None, and the logit scale 1.
    """

    text: Array | None  # [K, D] unit-norm text feature of each class
    raw_text: Array | None  # [K, D] mean of its prompts' features as they are, not unit
    logit_scale: Array  # [] exp of CLIP's learned temperature
    prompt_ids: Array | None  # [K, P, L] int32 token ids of at most P prompts a class
    prompt_eos: Array | None  # [K, P] int32 position of the end token
    prompt_shares: Array | None  # [K, P] what each is of its class's mean; 0 for none
    name_ids: Array | None  # [K, L] int32 token ids of "NAME.", between start and end
    name_eos: Array | None  # [K] int32 position of the end token
    clip: Any = None  # the backbone's parameters
    shots: Any = None
    centre: Any = None
    shot_labels: Array | None = None  # [n] int32
    val: Any = None
    val_labels: Array | None = None  # [m] int32
    module: Any = flax.struct.field(pytree_node=False, default=None)  # clip.ViT
    pixels: Any = flax.struct.field(pytree_node=False, default=None)  # preprocessing
    tokenizer: Any = flax.struct.field(pytree_node=False, default=None)
    names: tuple[str, ...] = flax.struct.field(pytree_node=False, default=())  # [K]
    # The name in `data.templates` under which a paper sets things by data set; "" inside
    # the shots, where nothing hangs on it.
    dataset: str = flax.struct.field(pytree_node=False, default="")

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.names) if self.text is None else self.text.shape[0]

    @property
    def embedding_dim(self) -> int:
        """D."""
        if self.text is None:
            return self.module.config.embedding_dim
        return self.text.shape[1]

    @property
    def num_shots(self) -> int:
        """Labelled images of a run in all; 0 once training is over."""
        return 0 if self.shot_labels is None else self.shot_labels.shape[-1]

    def take(self, rows) -> "Task":
        """The same task with the shots `rows` only: indices, or [n] bool."""
        of_rows = lambda features: jax.tree.map(lambda array: array[rows], features)  # noqa: E731
        return self.replace(
            shots=of_rows(self.shots),
            centre=of_rows(self.centre),
            shot_labels=self.shot_labels[rows],
        )

    def validation(self) -> "Task":
        """The same task with the validation images in the place of the shots."""
        return self.replace(
            shots=self.val, centre=self.val, shot_labels=self.val_labels
        )

    @property
    def shots_per_class(self) -> int:
        """Labelled images a class, rounded up where they differ."""
        return -(-self.num_shots // self.num_classes)


def make_task(
    clip,
    classes: Sequence[str],
    templates: Sequence[str],
    descriptions: Sequence[Sequence[str]] = (),
) -> Task:
    """The task of telling K classes apart, each given by templates and descriptions.

    The text feature of a class is the mean of its prompts' unit features, made unit
    again (CoOp's rule, the one most of the literature follows).
    """
    frozen = {
        "clip": clip.params,
        "module": clip.module,
        "pixels": clip.pixels,
        "tokenizer": clip.tokenizer,
        "names": tuple(classes),
    }
    if clip.tokenizer is None:
        return Task(
            text=None,
            raw_text=None,
            logit_scale=jnp.float32(1),
            prompt_ids=None,
            prompt_eos=None,
            prompt_shares=None,
            name_ids=None,
            name_eos=None,
            **frozen,
        )
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
    return Task(
        text=jnp.asarray(_unit(mean)),
        raw_text=jnp.asarray(_means(features, of_classes)),
        logit_scale=jnp.exp(jnp.asarray(clip.params["logit_scale"], jnp.float32)),
        prompt_ids=jnp.asarray(_trimmed(ids, eos)[rows]),
        prompt_eos=jnp.asarray(eos[rows]),
        prompt_shares=jnp.asarray(shares),
        name_ids=jnp.asarray(_trimmed(name_ids, name_eos)),
        name_eos=jnp.asarray(name_eos),
        **frozen,
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
    return np.asarray(_encode_text(clip.module, clip.params, ids, eos))[:n]


@jax.jit(static_argnames="module")
def _encode_text(module, params, ids, eos):
    return module.apply({"params": params}, ids, eos, method="text_features")


def _unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)
