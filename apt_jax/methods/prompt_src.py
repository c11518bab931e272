"""PromptSRC: prompts in both towers, held near what frozen CLIP says.

Khattak et al. 2023, arXiv:2307.06948. n vectors in each of the first `depth` blocks of
either tower, independent of each other, at the places of MaPLe. With f, t the features
with prompts, f*, t* those of frozen CLIP (f* of the same view of the image, t* the mean
over 60 templates) and p, p* their softmax probabilities:

    loss = cross-entropy + 25 mean |t - t*| + 10 mean |f - f*| + mean p* (log p* - log p)

with means over all entries. What is kept is a Gaussian average over the epochs e = 1..E:

    theta = sum_e w_e theta_e,   w_e ~ exp(-(e - m)^2 / (2 s^2)),   sum_e w_e = 1

The recipe is that of the few-shot experiments, m = s = 30 of 50 epochs, or 45 and 5 on
some data sets; `average_at` and `average_spread` are shares of E, so that they fit any E.
"""

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp

from apt_jax.data.templates import IMAGENET_60, prompts
from apt_jax.errors import UserError
from apt_jax.fields import SHARE, at_least, field, one_of
from apt_jax.methods.base import STORED, Method, Recipe, unit
from apt_jax.methods.prompted_text import (
    IN_WORDS,
    SPREAD,
    WORDS,
    first_context,
    prompted_features,
    require_room,
    text_features,
    word_embeddings,
)
from apt_jax.methods.published import Published
from apt_jax.methods.visual_prompts import embedding

TEACHERS = ("ensemble", "task")
TEXT_WEIGHT, IMAGE_WEIGHT = 25.0, 10.0
AVERAGE = "0.6, or as published there"
LATE = Published(method={"average_at": 0.9, "average_spread": 0.1})


@dataclasses.dataclass(frozen=True)
class PromptSRC(Method):
    prompts: int = field(4, "n: vectors in each block of each tower", IN_WORDS)
    depth: int = field(
        9, "blocks with prompts of their own, at most all of a tower", at_least(1)
    )
    teacher: str = field(
        "ensemble", "t* is of 60 templates, or of the task's own", one_of(*TEACHERS)
    )
    average_at: float | None = field(
        None, "m / E: where the average over epochs lies", SHARE, AVERAGE
    )
    average_spread: float | None = field(
        None, "s / E: how wide it is", at_least(1e-6), AVERAGE
    )

    inputs: ClassVar[str] = "pixels"
    runs_tower: ClassVar[bool] = True
    names_new_classes: ClassVar[bool] = True
    usual: ClassVar = {"average_at": 0.6, "average_spread": 0.6}
    by_data_set: ClassVar = dict.fromkeys(
        ("dtd", "eurosat", "fgvc_aircraft", "oxford_flowers", "stanford_cars"), LATE
    )
    differs: ClassVar = (
        STORED,
        "base-to-new has the recipe of few shots too; the paper has 20 epochs there",
        "what is averaged are the prompts; the authors average all weights, in half "
        "precision",
    )
    state: ClassVar[tuple[str, ...]] = ("teacher", "average")

    def check(self, task):
        require_room(task, 0, WORDS)
        cut = [text for text in _ensemble(task) if task.backbone.tokenizer.is_cut(text)]
        if cut and self.teacher == "ensemble":
            raise UserError(
                f"the tokenizer cuts {cut[0]!r}, one of the teacher's 60 prompts; "
                "let it read the task's own with `method.teacher`=task"
            )

    def init(self, key, task, chosen):
        config = task.backbone.config
        of_text, of_image = jax.random.split(key)
        first = first_context(task, None, 0, WORDS)[: self.prompts]
        texts = min(self.depth, config.text.num_hidden_layers) - 1
        images = min(self.depth, config.vision.num_hidden_layers)
        of_block = (self.prompts, config.vision.hidden_size)
        params = {
            "first": first,
            "image": SPREAD * jax.random.normal(of_image, (images, *of_block)),
            "teacher": task.text if self.teacher == "task" else ensemble(task),
        }
        if texts:
            params["text"] = SPREAD * jax.random.normal(of_text, (texts, *first.shape))
        prompts, _ = self.parts(params)
        return params | {"average": jax.tree.map(jnp.zeros_like, prompts)}

    def classes(self, params, task, *, key=None):
        """[K, D] unit text features with prompts."""
        return prompted_features(task, params["first"], params.get("text", ()))

    def logits(self, params, task, classes, image, *, key=None):
        return task.logit_scale * classes @ self._feature(params, task, image)

    def _feature(self, params, task, image):
        """[D] unit embedding of ONE image with prompts."""
        return unit(embedding(task, image, list(params["image"]), "end"))

    def loss(self, params, task, images, labels, *, key):
        t, t_frozen = self.classes(params, task), params["teacher"]
        f = jax.vmap(lambda image: self._feature(params, task, image))(images)
        frozen = jax.vmap(lambda image: unit(embedding(task, image, [], "end")))(images)
        logits = task.logit_scale * f @ t.T
        log_p = jax.nn.log_softmax(logits)
        log_p_frozen = jax.nn.log_softmax(task.logit_scale * frozen @ t_frozen.T)
        loss = -jnp.take_along_axis(log_p, labels[:, None], axis=1).mean()
        loss += departure(t, t_frozen, f, frozen, log_p, log_p_frozen)
        return loss, logits

    def recipe(self, task, chosen):
        return Recipe(learning_rate=2.5e-3, epochs=50, batch_size=4)

    def after_epoch(self, params, task, epoch, recipe):
        weight = jnp.asarray(self.epoch_weights(recipe))[epoch]
        prompts, _ = self.parts(params)
        average = jax.tree.map(
            lambda a, theta: a + weight * theta, params["average"], prompts
        )
        last = epoch + 1 == recipe.epochs
        kept = jax.tree.map(
            lambda a, theta: jnp.where(last, a, theta), average, prompts
        )
        return {**params, **kept, "average": average}

    def epoch_weights(self, recipe) -> tuple[float, ...]:
        """[E] weights w_e."""
        m = self.value("average_at") * recipe.epochs
        s = self.value("average_spread") * recipe.epochs
        far = [(e - m) ** 2 / (2 * s**2) for e in range(1, recipe.epochs + 1)]
        w = [math.exp(min(far) - one) for one in far]  # some epoch has weight 1
        return tuple(weight / sum(w) for weight in w)


def departure(t, t_frozen, f, f_frozen, log_p, log_p_frozen):
    """How far features and probabilities are from frozen CLIP's; 0 where they are equal."""
    return (
        TEXT_WEIGHT * jnp.abs(t - t_frozen).mean()
        + IMAGE_WEIGHT * jnp.abs(f - f_frozen).mean()
        + (jnp.exp(log_p_frozen) * (log_p_frozen - log_p)).mean()
    )


def ensemble(task):
    """[K, D] unit features t* of frozen CLIP: the mean of raw ones over 60 templates."""
    ids, eos = task.backbone.tokenizer.encode(_ensemble(task))
    words = word_embeddings(task, jnp.asarray(ids[:, : eos.max() + 1]))
    raw = text_features(task, words, jnp.asarray(eos))
    return unit(raw.reshape(task.num_classes, len(IMAGENET_60), -1).mean(axis=1))


def _ensemble(task):
    """The prompts of all classes, a class after the other."""
    return [text for of_class in prompts(task.names, IMAGENET_60) for text in of_class]
