"""CoOp: the words around the class name are learned.

Zhou et al. 2022, arXiv:2109.01134. M vectors v in the space of word embeddings take the
place of "a photo of a", for all classes or for each class apart:

    prompt_c = [start] v_1 .. v_M  name_c . [end];   t_c = unit(text tower(prompt_c))
    logit_c = s cos(t_c, f)

`position` puts the name at the end, in the middle of the context (after M // 2 vectors)
or at the front. The context starts at random, N(0, 0.02^2), or at the embeddings of
`init_words`, which then give M.

`drop_context` is ours and off by default: dropout of whole context vectors, drawn once a
sample for all classes and images, makes static prompts with Monte-Carlo dropout.
"""

import dataclasses
from typing import ClassVar

import jax

from apt_jax.fields import RATE, at_least, field, one_of
from apt_jax.methods.base import (
    COOP_BY_DATA_SET,
    FEW_EPOCHS,
    STORED,
    Method,
    coop_recipe,
    unit,
)
from apt_jax.methods.dropout import dropout
from apt_jax.methods.prompted_text import (
    BEFORE,
    WORDS_OR_NONE,
    first_context,
    insert_context,
    require_room,
    text_features,
)


@dataclasses.dataclass(frozen=True)
class CoOp(Method):
    context_length: int = field(16, "M, where no words give it", at_least(1))
    init_words: str = field(
        "",
        'where the context starts, such as "a photo of a"; empty = at random',
        WORDS_OR_NONE,
    )
    class_specific: bool = field(False, "a context for each class apart")
    position: str = field("end", "where the class name stands", one_of(*BEFORE))
    drop_context: float = field(0.0, "dropout of whole context vectors", RATE)

    inputs: ClassVar[str] = "embedding"
    by_data_set: ClassVar = COOP_BY_DATA_SET
    differs: ClassVar = (
        STORED,
        FEW_EPOCHS,
        "from base to new classes as elsewhere; the authors take 4 vectors there, from "
        '"a photo of a"',
    )

    @property
    def names_new_classes(self):
        return not self.class_specific

    @property
    def stochastic_classes(self):
        return self.drop_context > 0

    def check(self, task):
        require_room(task, self.context_length, self.init_words)

    def _start(self, key, task):
        """[M, W] context before training."""
        return first_context(task, key, self.context_length, self.init_words)

    def init(self, key, task, chosen):
        if not self.class_specific:
            return {"context": self._start(key, task)}
        keys = jax.random.split(key, task.num_classes)
        return {"context": jax.vmap(lambda key: self._start(key, task))(keys)}

    def classes(self, params, task, *, key=None):
        """[K, D] unit text features of the learned prompts."""
        context = params["context"]
        context = dropout(
            context, self.drop_context, key, shape=(*context.shape[-2:-1], 1)
        )
        prompts = insert_context(task, context, self.position)
        return unit(text_features(task, *prompts))

    def recipe(self, task, chosen):
        return coop_recipe(task)
