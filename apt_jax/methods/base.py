"""What a method is: hyper-parameters, and pure functions of one image.

A method is a frozen dataclass whose fields are its hyper-parameters. All chance comes
from keys, and no key means no chance. Batches, Monte-Carlo samples and seeds are
`jax.vmap`s over images, keys and parameters, written once for every method
(`training`, `uncertainty`, `evaluation`).

Axis letters: B images, K classes, N tokens, D embedding, T Monte-Carlo samples.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from apt_jax import keys
from apt_jax.clip.checkpoint import Clip
from apt_jax.clip.pixels import Preprocessing
from apt_jax.data.listing import listed
from apt_jax.errors import UserError
from apt_jax.features.reads import Reads, image_of
from apt_jax.features.views import Views
from apt_jax.fields import faults, fields_of
from apt_jax.methods.published import NOTHING, Published, published_on
from apt_jax.methods.selection import Selection
from apt_jax.methods.task import Task

Params = Any  # pytree of arrays: everything a method trains, and its state
Chosen = Mapping[str, Any]  # what was selected, by name; JSON values

# Of each training image by default: CoOp's crops. It draws a new one each time; ten that
# are encoded once stand for that.
CROPS = Views(10, 0.08)
STORED = "views are stored, where the authors crop an image anew in every epoch"
OTHER_LISTS = "few-shot lists are CoOp's; the authors draw theirs in another way"
PLAIN_NAMES = "underscores in class names become spaces"

# What CoOp's authors do on ImageNet, whichever of its classes; and from how many classes
# on every data set is trained so.
COOP_BY_DATA_SET = {"imagenet": Published(train={"epochs": 50})}
MANY_CLASSES = 1_000
FEW_EPOCHS = (
    f"from {MANY_CLASSES:,} classes on 50 epochs on any data set, not on ImageNet alone"
)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a method is trained when the configuration does not say otherwise.

    To a compiled function learning rate and weight decay are arguments, so that a search
    over them compiles once; all other fields are constants.
    """

    learning_rate: float
    epochs: int
    batch_size: int = 32
    drop_last: bool = True  # a last, smaller batch; never the only one
    optimizer: str = "sgd"  # one of training.optimizer.OPTIMIZERS
    momentum: float = 0.9  # of sgd
    epsilon: float = 1e-8  # of adam and adamw
    weight_decay: float = 5e-4  # added to the gradient; decoupled in adamw
    schedule: str = "coop"  # one of training.schedules.SCHEDULES
    not_decayed: tuple[str, ...] = ()  # parameters by the end of their path


SEARCHED = ("learning_rate", "weight_decay")
jax.tree_util.register_dataclass(
    Recipe,
    data_fields=SEARCHED,
    meta_fields=[f.name for f in dataclasses.fields(Recipe) if f.name not in SEARCHED],
)


def steps_of(images: int, recipe: Recipe) -> int:
    """Steps an epoch; fewer images than a batch are one batch."""
    whole, left = divmod(images, recipe.batch_size)
    return max(whole + (left > 0 and not recipe.drop_last), 1)


def with_steps(recipe: Recipe, images: int, steps: int, fewest: int, most: int):
    """The recipe with enough epochs for so many steps, from `fewest` to `most`."""
    enough = math.ceil(steps / steps_of(images, recipe))
    return dataclasses.replace(recipe, epochs=min(max(enough, fewest), most))


def coop_recipe(task: Task) -> Recipe:
    """CoOp's, which others follow: 50, 100 or 200 epochs for 1, up to 4, more shots.

    50 for many classes: an epoch of them is many steps, as on ImageNet.
    """
    shots, many = task.shots_per_class, task.num_classes >= MANY_CLASSES
    epochs = 50 if shots <= 1 or many else 100 if shots <= 4 else 200
    return Recipe(learning_rate=2e-3, epochs=epochs)


@dataclasses.dataclass(frozen=True)
class Method:
    """Zero-shot CLIP, the base of all methods: each overrides what its paper says."""

    inputs: ClassVar[str]  # "embedding" [D] | "tokens" [N, D], CLS first | "pixels"
    token_source: ClassVar[str] = "last"  # which tokens; see clip.model
    views: ClassVar[Views] = CROPS  # of a training image, as the paper has them
    selection: ClassVar[Selection] = Selection()  # what selects its hyper-parameters
    by_data_set: ClassVar[Mapping[str, Published]] = NOTHING  # of its paper
    # What fields that are None stand for where no data set sets them; see `settled`.
    usual: ClassVar[Mapping[str, Any]] = NOTHING
    # Where it is not as its paper or its authors' code has it, a phrase each.
    differs: ClassVar[tuple[str, ...]] = ()
    # Whether its parameters serve any class name, also of classes met after training.
    names_new_classes: ClassVar[bool] = False
    # Entries of the parameters that are not trained: a cache, a running mean. They get no
    # gradient and no optimiser slot; `after_epoch` may change them.
    state: ClassVar[tuple[str, ...]] = ()
    needs_text: ClassVar[bool] = True  # a plain ViT has none; see methods.require_fit
    # Whether `logits` runs a tower: then one sample of a batch fills the device.
    runs_tower: ClassVar[bool] = False

    def __post_init__(self):
        """Raises `UserError` for values that no task allows."""
        if found := faults(fields_of(type(self)), vars(self), "method."):
            raise UserError("; ".join(found))

    @property
    def reads(self) -> Reads:
        """What is encoded of an image for it."""
        source = self.token_source if self.inputs == "tokens" else "last"
        return Reads(self.inputs, source)

    @property
    def stochastic(self) -> bool:
        """Whether a key changes the logits: some rate of dropout, `drop_...`, is not 0."""
        rates = (x for name, x in vars(self).items() if name.startswith("drop_"))
        return any(rates)

    @property
    def stochastic_classes(self) -> bool:
        """Whether a key changes what `classes` gives; else samples share it."""
        return False

    def published(self, data_set: str) -> Published:
        """What its paper sets on a data set; nothing for "" (`Task.dataset`)."""
        return published_on(self.by_data_set, data_set)

    def settled(self, data_set: str, clip: Clip) -> "Method":
        """The method with its fields filled in that data set and backbone settle.

        Not those that are chosen (`choose`).
        """
        fields = {**self.usual, **self.published(data_set).method}
        left_open = {k: v for k, v in fields.items() if getattr(self, k) is None}
        return dataclasses.replace(self, **left_open)

    def value(self, name: str):
        """What a field is, or stands for while it is left open."""
        own = getattr(self, name)
        return self.usual[name] if own is None else own

    def preprocessing(self, clip: Clip) -> Preprocessing:
        """How pictures become what the tower reads in `logits`."""
        return clip.pixels

    def check(self, task: Task) -> None:
        """Raises `UserError` if the method cannot work on this task."""

    def choose(self, key: Array, task: Task) -> Chosen:
        """What is selected inside the shots, or on `task.val`; nothing for most."""
        return {}

    def init(self, key: Array, task: Task, chosen: Chosen) -> Params:
        """Parameters before training: what is trained, and the entries named in `state`."""
        raise NotImplementedError

    def fit(self, key: Array, task: Task, chosen: Chosen) -> Params:
        """The parameters, at once: of methods that have no recipe."""
        raise NotImplementedError

    def classes(self, params: Params, task: Task, *, key: Array | None = None):
        """What depends on no image; a key (of the sample) turns dropout on.

        By default [K, D] unit text features.
        """
        return task.text

    def logits(self, params, task, classes, image, *, key=None) -> Array:
        """[K] logits of ONE image; a key (of sample and image) turns dropout on.

        By default s cos(c, f) of the class features c and the embedding f.
        """
        return task.logit_scale * classes @ unit(image)

    def recipe(self, task: Task, chosen: Chosen) -> Recipe | None:
        """The recipe, whatever the data set; None for methods that `fit` at once."""
        return None

    def after_epoch(self, params: Params, task: Task, epoch, recipe) -> Params:
        """The parameters to go on with: for methods that look back over their epochs.

        `epoch` counts from 0, and is traced. What they remember is `state`.
        """
        return params

    def parts(self, params: Params) -> tuple[Params, Params]:
        """What is trained of the parameters, and the `state` among them."""
        if not self.state:
            return params, {}
        state = {name: params[name] for name in self.state if name in params}
        return {k: v for k, v in params.items() if k not in state}, state

    def loss(self, params, task, images, labels, *, key) -> tuple[Array, Array]:
        """Mean cross-entropy (nats) of a batch, and the [B, K] logits behind it."""
        logits = batch_logits(self, params, task, images, key=key)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return loss, logits


def batch_logits(method, params, task, images, *, key=None) -> Array:
    """[B, K] logits; with a key every image draws masks of its own."""
    if key is None:
        classes = method.classes(params, task)
        one = lambda image: method.logits(params, task, classes, image)  # noqa: E731
        return jax.vmap(one)(images)
    class_key, image_keys = keys.of_batch(key, jax.tree.leaves(images)[0].shape[0])
    classes = method.classes(params, task, key=class_key)

    def one_image(image, key):
        return method.logits(params, task, classes, image, key=key)

    return jax.vmap(one_image)(images, image_keys)


def images_of(method: Method, task: Task, stored):
    """What the method reads of each of B images, from what was kept of them."""
    reads_pixels = method.inputs == "pixels"
    pixels = method.preprocessing(task.backbone) if reads_pixels else None
    return jax.vmap(lambda kept: image_of(kept, method.inputs, pixels))(stored)


def require_every_class(task: Task) -> None:
    """Refuses shots, where there are some, that leave classes out."""
    if task.shots is None:
        return
    missing = set(range(task.num_classes)) - set(np.asarray(task.shots.labels).tolist())
    if missing:
        names = listed(task.names[at] for at in sorted(missing))
        raise UserError(
            f"{len(missing)} of {task.num_classes} classes have no labelled image "
            f"({names}), and this method needs one of each; add some, leave the classes "
            "out, or raise `shots`"
        )


def torch_linear(key, shape) -> Array:
    """[n, m] initial kernel as torch's Linear has it: uniform, up to 1 / sqrt(n)."""
    bound = shape[0] ** -0.5
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


def unit(x: Array) -> Array:
    """`x` divided by its length along the last axis, in float32."""
    x = x.astype(jnp.float32)
    return x / jnp.linalg.norm(x, axis=-1, keepdims=True)
