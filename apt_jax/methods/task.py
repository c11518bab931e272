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

PROMPTS_AT_ONCE = 64  # bounds the memory of the text tower


@flax.struct.dataclass
class Task:
    """What every method may read and none may train.

    `shots` are stored features (`features.Features.stored`), [n, R, ...] for R views
    of each image; they and `shot_labels` are None once training is over. Of S runs that
    train together (`training.loop`) both have a leading axis [S].
    """

    text: Array  # [K, D] unit-norm text feature of each class
    raw_text: Array  # [K, D] mean of its prompts' features as they are, not unit
    logit_scale: Array  # [] exp of CLIP's learned temperature
    prompt_ids: Array  # [K, P, L] int32 token ids of P prompts a class
    prompt_eos: Array  # [K, P] int32 position of the end token
    name_ids: Array  # [K, L] int32 token ids of "NAME.", between start and end
    name_eos: Array  # [K] int32 position of the end token
    clip: Any = None  # CLIP's parameters
    shots: Any = None
    shot_labels: Array | None = None  # [n] int32
    module: Any = flax.struct.field(pytree_node=False, default=None)  # clip.CLIP
    pixels: Any = flax.struct.field(pytree_node=False, default=None)  # preprocessing
    tokenizer: Any = flax.struct.field(pytree_node=False, default=None)
    # Tokens of the longest "NAME.", start and end among them; 0 = not known. A number and
    # no array, since lengths of sequences are part of a compiled program.
    longest_name: int = flax.struct.field(pytree_node=False, default=0)

    @property
    def num_classes(self) -> int:
        return self.text.shape[0]

    @property
    def num_shots(self) -> int:
        """Labelled images of a run in all; 0 once training is over."""
        return 0 if self.shot_labels is None else self.shot_labels.shape[-1]

    def take(self, rows) -> "Task":
        """The same task with the shots `rows` only: indices, or [n] bool."""
        return self.replace(
            shots=jax.tree.map(lambda array: array[rows], self.shots),
            shot_labels=self.shot_labels[rows],
        )

    @property
    def shots_per_class(self) -> int:
        """Labelled images a class, rounded up where they differ."""
        return -(-self.num_shots // self.num_classes)


def make_task(clip, classes: Sequence[str], templates: Sequence[str]) -> Task:
    """The task of telling K classes apart, each given by P templates.

    The text feature of a class is the mean of its prompts' unit features, made unit
    again (CoOp's rule, the one most of the literature follows).
    """
    of_classes = prompts(classes, templates)
    flat = [prompt for of_class in of_classes for prompt in of_class]
    ids, eos = clip.tokenizer.encode(flat)
    features = np.concatenate(
        [
            _text_features(clip, ids[start : start + PROMPTS_AT_ONCE], eos[start:])
            for start in range(0, len(flat), PROMPTS_AT_ONCE)
        ]
    )
    shape = (len(classes), len(templates))
    mean = _unit(features).reshape(*shape, -1).mean(axis=1)
    names = [name for (name,) in prompts(classes, ("{}.",))]
    name_ids, name_eos = clip.tokenizer.encode(names)
    return Task(
        text=jnp.asarray(_unit(mean)),
        raw_text=jnp.asarray(features.reshape(*shape, -1).mean(axis=1)),
        logit_scale=jnp.exp(jnp.asarray(clip.params["logit_scale"], jnp.float32)),
        prompt_ids=jnp.asarray(ids).reshape(*shape, -1),
        prompt_eos=jnp.asarray(eos).reshape(shape),
        name_ids=jnp.asarray(name_ids),
        name_eos=jnp.asarray(name_eos),
        longest_name=int(np.max(name_eos)) + 1,
        clip=clip.params,
        module=clip.module,
        pixels=clip.pixels,
        tokenizer=clip.tokenizer,
    )


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
