"""CoCoOp: CoOp's context, shifted by what the image shows.

Zhou et al. 2022, arXiv:2203.05557. A small network, the meta-net, turns the image
embedding into one vector, which is added to each of the M context vectors:

    pi(f) = W2 relu(W1 f + b1) + b2          f of unit length; D -> D/reduction -> W
    prompt_c(x) = [start] v_1 + pi(f) .. v_M + pi(f)  name_c . [end]
    logit_c = s cos(t_c(x), f)

So every image sends all classes through the text tower. The authors therefore train image
by image; batches here are the same computation for many images at once. `drop_hidden` is
ours and off by default: dropout of the hidden units of the meta-net.
"""

import dataclasses
from typing import ClassVar

import jax

from apt_jax.fields import RATE, at_least, field
from apt_jax.methods.base import STORED, Method, Recipe, torch_linear, unit
from apt_jax.methods.dropout import dropout
from apt_jax.methods.prompted_text import (
    WORDS_OR_NONE,
    first_context,
    insert_context,
    require_room,
    text_features,
)


@dataclasses.dataclass(frozen=True)
class CoCoOp(Method):
    context_length: int = field(4, "M, where no words give it", at_least(1))
    init_words: str = field(
        "a photo of a", "where the context starts; empty = at random", WORDS_OR_NONE
    )
    reduction: int = field(
        16, "the meta-net has D / reduction hidden units", at_least(1)
    )
    drop_hidden: float = field(0.0, "dropout of the meta-net's hidden units", RATE)

    inputs: ClassVar[str] = "embedding"
    runs_tower: ClassVar[bool] = True  # that of the text, for every image
    names_new_classes: ClassVar[bool] = True
    differs: ClassVar = (
        STORED,
        "10 epochs at every number of shots; the paper has 16 shots alone",
    )

    def check(self, task):
        require_room(task, self.context_length, self.init_words)

    def init(self, key, task, chosen):
        keys, dim = jax.random.split(key, 5), task.text.shape[-1]
        hidden = max(dim // self.reduction, 1)
        context = first_context(task, keys[0], self.context_length, self.init_words)
        width = context.shape[-1]
        return {
            "context": context,
            "W1": torch_linear(keys[1], (dim, hidden)),
            "b1": torch_linear(keys[2], (dim, hidden))[0],
            "W2": torch_linear(keys[3], (hidden, width)),
            "b2": torch_linear(keys[4], (hidden, width))[0],
        }

    def logits(self, params, task, classes, image, *, key=None):
        f = unit(image)
        hidden = jax.nn.relu(f @ params["W1"] + params["b1"])
        pi = dropout(hidden, self.drop_hidden, key) @ params["W2"] + params["b2"]
        context = params["context"] + pi[None, :]
        prompts = insert_context(task, context, "end")
        return task.logit_scale * unit(text_features(task, *prompts)) @ f

    def recipe(self, task, chosen):
        return Recipe(learning_rate=2e-3, epochs=10, batch_size=1)
