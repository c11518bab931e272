"""CLIP-LoRA: low-rank changes of the attention of both towers.

Zanella & Ben Ayed 2024, arXiv:2405.18541. For the query, key and value of every block

    y = W x + b + gamma B A drop(x),   A: U(-1/sqrt(d), 1/sqrt(d)),  B = 0,
    gamma = alpha / sqrt(r)            as the authors' code has it (its paper: alpha / r)

and logits as CLIP's, whose class texts are computed anew in every step. Without dropout
the change is W + gamma B A, made once for all images (`clip.adapt`). Dropout takes
entries of the branch's input, for every matrix, token and image apart.

It trains for `steps` steps for each shot of a class, 500 as published, rounded up to whole
epochs. The authors prompt every data set with "a photo of a {}."; so do we as published,
and inside the shots prompts are the data set's own.
"""

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp

from apt_jax.clip.adapt import low_rank_branches, updated_kernels, with_kernels
from apt_jax.clip.weights import flat
from apt_jax.data.templates import DEFAULT
from apt_jax.fields import RATE, Rule, at_least, field, one_of
from apt_jax.methods.base import (
    OTHER_LISTS,
    STORED,
    Method,
    Recipe,
    steps_of,
    torch_linear,
    unit,
)
from apt_jax.methods.dropout import dropout
from apt_jax.methods.prompted_text import over_classes, word_embeddings
from apt_jax.methods.published import EVERY, Published
from apt_jax.methods.visual_prompts import embedding

TOWERS = {"both": ("image", "text"), "image": ("image",), "text": ("text",)}
MATRICES = {"q": "query", "k": "key", "v": "value", "o": "out"}
LETTERS = Rule(
    lambda letters: letters and set(letters) <= MATRICES.keys(),
    f"letters of {''.join(MATRICES)!r}",
)


@dataclasses.dataclass(frozen=True)
class CLIPLoRA(Method):
    rank: int = field(2, "r: the rank of the changes", at_least(1))
    alpha: float = field(1.0, "scales the changes, by alpha / sqrt(r)", at_least(0))
    matrices: str = field(
        "qkv", "which are changed: query, key, value, output", LETTERS
    )
    towers: str = field("both", "which towers are changed", one_of(*TOWERS))
    drop_branch: float = field(
        0.25, "dropout of entries of the input of a change", RATE
    )
    steps: int = field(500, "steps of training for each shot of a class", at_least(1))

    inputs: ClassVar[str] = "pixels"
    runs_tower: ClassVar[bool] = True
    names_new_classes: ClassVar[bool] = True
    by_data_set: ClassVar = {EVERY: Published(templates=DEFAULT)}
    differs: ClassVar = (
        STORED,
        OTHER_LISTS,
        "steps are rounded up to whole epochs",
        "gamma is alpha / sqrt(r), as in the authors' code; the paper has alpha / r",
    )

    @property
    def stochastic_classes(self):
        return self.drop_branch > 0

    @property
    def gamma(self) -> float:
        return self.alpha / math.sqrt(self.rank)

    def init(self, key, task, chosen):
        kernels, params = flat(task.backbone.params), {}
        for index, name in enumerate(sorted(filter(self._is_changed, kernels))):
            d, out = kernels[name].shape
            params[name] = {
                "a": torch_linear(jax.random.fold_in(key, index), (d, self.rank)),
                "b": jnp.zeros((self.rank, out)),
            }
        return params

    def _is_changed(self, name):
        chosen = {f"attention/{MATRICES[letter]}/kernel" for letter in self.matrices}
        tower, *_ = name.split("/")
        return tower in TOWERS[self.towers] and name.endswith(tuple(chosen))

    def classes(self, params, task, *, key=None):
        """[K, D] unit text features, and the changed kernels of the image tower by name.

        None in their place where dropout keeps the changes in branches.
        """
        if key is not None and self.drop_branch > 0:
            return self._texts(task, params, key), None
        merged = updated_kernels(task.backbone.params, params, self.gamma)
        text = self._texts(with_changed(task, merged), params, None)
        images = {name: merged[name] for name in merged if name.startswith("image/")}
        return text, images

    def _texts(self, task, params, key):
        """[K, D] unit text features; dropped with a key, which every prompt folds."""
        texts, shape = task.texts, task.texts.prompt_eos.shape
        ids = texts.prompt_ids.reshape(-1, texts.prompt_ids.shape[-1])

        def one(prompt):
            ids, end, index = prompt
            own = None if key is None else jax.random.fold_in(key, index)
            with self._branches(params, own):
                words = word_embeddings(task, ids)[None]
                tower = "text_features_from_embeddings"
                return task.backbone.apply(tower, words, end[None])[0]

        prompts = (ids, texts.prompt_eos.reshape(-1), jnp.arange(len(ids)))
        raw = over_classes(one, prompts)
        shares = texts.prompt_shares[..., None]
        return unit((shares * unit(raw).reshape(*shape, -1)).sum(axis=1))

    def logits(self, params, task, classes, image, *, key=None):
        text, merged = classes
        if merged is not None:
            features = embedding(with_changed(task, merged), image, [], "end")
        else:
            with self._branches(params, key):
                features = embedding(task, image, [], "end")
        return task.logit_scale * text @ unit(features)

    def _branches(self, params, key):
        """A context in which CLIP's layers have their branches; none without a key."""
        return low_rank_branches(
            {} if key is None else params,
            self.gamma,
            lambda x, index: dropout(
                x, self.drop_branch, jax.random.fold_in(key, index)
            ),
        )

    def recipe(self, task, chosen):
        recipe = Recipe(
            learning_rate=2e-4,
            epochs=1,
            drop_last=False,
            optimizer="adamw",
            weight_decay=1e-2,
            schedule="floor_cosine_by_step",
        )
        steps = steps_of(task.num_shots, recipe)
        epochs = math.ceil(self.steps * task.shots_per_class / steps)
        return dataclasses.replace(recipe, epochs=epochs)


def with_changed(task, kernels):
    """The task on CLIP with some kernels changed; all others are there once."""
    params = with_kernels(task.backbone.params, kernels)
    return task.replace(backbone=task.backbone.replace(params=params))
