"""VAPT: visual prompts that are functions of the image.

arXiv:2501.18936. The prompts of block 0 are learned vectors, as in VPT; those of every
later block are made of the patches X [N, W] that enter it, on their grid of g x g:

    F = drop_channel(norm(X) * w)            one K x K kernel w for all channels, no padding
    G = A F + a                              [Np, W], from (g - K + 1)^2 places
    P = G + drop_hidden(relu(G W1)) W2       W1, W2 of rank r, shared by all blocks

A and a start at 0, so the adaptive prompts do; the kernel at N(0, 1). This is the
authors' code: the paper's formula has no "G +", and with A = 0 could never start, since
every gradient would be 0. Training moves A first, then the rest: a shifts all channels
of a prompt alike, which every norm of the tower takes away again, so a acts through W1.

The prompts replace those of the block before, behind the CLS token. `drop_prompt` is on
those of block 0 alone. The paper searches learning rate and weight decay for each task
(configs/studies/visual_prompts.py); the rate here is one of its grid, chosen on validation
images of the drawn aircraft.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from apt_jax.errors import UserError
from apt_jax.features.views import Views
from apt_jax.fields import RATE, at_least, field
from apt_jax.methods.base import torch_linear
from apt_jax.methods.dropout import dropout
from apt_jax.methods.selection import Selection
from apt_jax.methods.visual_prompts import (
    FROM_OTHERS,
    NOT_SEARCHED,
    VPT_CROPS,
    VPT_DIFFERS,
    VPT_RECIPE,
    WithHead,
    embedding,
    head_logits,
    init_head,
    xavier,
)

EPSILON = 1e-5  # of the norm before the kernel


@dataclasses.dataclass(frozen=True)
class VAPT(WithHead):
    prompts: int = field(10, "Np: prompts in each block", at_least(1))
    kernel: int = field(2, "K: side of the kernel, in patches", at_least(1))
    rank: int = field(8, "r: hidden units between W1 and W2", at_least(1))
    drop_prompt: float = field(0.1, "dropout of entries of block 0's prompts", RATE)
    drop_channel: float = field(0.1, "dropout of whole channels of F", RATE)
    drop_hidden: float = field(0.1, "dropout of units between W1 and W2", RATE)

    views: ClassVar[Views] = VPT_CROPS
    differs: ClassVar = (
        *VPT_DIFFERS,
        NOT_SEARCHED,
        "prompts follow the authors' code; the paper's formula has no G + and no norm",
    )
    selection: ClassVar[Selection] = FROM_OTHERS

    def check(self, task):
        grid = _grid(task.backbone.config.vision)
        if self.kernel > grid:
            raise UserError(
                f"method.kernel={self.kernel} is larger than the grid of {grid} x "
                f"{grid} patches; lower it"
            )

    def init(self, key, task, chosen):
        vision = task.backbone.config.vision
        width, blocks = vision.hidden_size, vision.num_hidden_layers - 1
        places = (_grid(vision) - self.kernel + 1) ** 2
        keys = jax.random.split(key, 5)
        return {
            "prompts": xavier(keys[0], (self.prompts, width), vision),
            "adaptive": {  # of each block behind the first
                "scale": jnp.ones((blocks, width)),
                "bias": jnp.zeros((blocks, width)),
                "w": jax.random.normal(keys[1], (blocks, self.kernel, self.kernel)),
                "A": jnp.zeros((blocks, self.prompts, places)),
                "a": jnp.zeros((blocks, self.prompts)),
            },
            "W1": torch_linear(keys[2], (width, self.rank)),
            "W2": torch_linear(keys[3], (self.rank, width)),
            **init_head(keys[4], task, self.head),
        }

    def logits(self, params, task, classes, image, *, key=None):
        blocks = len(params["adaptive"]["A"])
        keys = (
            [None] * (blocks + 1) if key is None else jax.random.split(key, blocks + 1)
        )
        first = dropout(params["prompts"], self.drop_prompt, keys[0])
        later = [
            self._prompts_of(params, block, keys[block + 1]) for block in range(blocks)
        ]
        features = embedding(task, image, [first, *later], "after_cls")
        return head_logits(params, task, features)

    def _prompts_of(self, params, block, key):
        """The function of the tokens that enter a block, [1, 1 + Np + N, W], to P."""
        of_block = jax.tree.map(lambda x: x[block], params["adaptive"])

        def prompts(tokens):
            patches = tokens[0, 1 + self.prompts :]
            return self.adapt(params, of_block, patches, key)

        return prompts

    def adapt(self, params, of_block, patches, key=None):
        """[Np, W] prompts P of patches X [N, W]."""
        of_channel, of_hidden = (None, None) if key is None else jax.random.split(key)
        g, w = int(len(patches) ** 0.5), of_block["w"]
        x = jax.nn.standardize(patches, epsilon=EPSILON)
        x = x * _row(of_block["scale"]) + _row(of_block["bias"])
        x = x.reshape(g, g, -1)
        m = g - self.kernel + 1
        F = sum(
            w[i, j] * x[i : i + m, j : j + m]
            for i in range(self.kernel)
            for j in range(self.kernel)
        )
        F = dropout(F, self.drop_channel, of_channel, shape=(1, 1, F.shape[-1]))
        G = of_block["A"] @ F.reshape(m * m, -1) + of_block["a"][:, None]
        hidden = jax.nn.relu(G @ params["W1"])
        return G + dropout(hidden, self.drop_hidden, of_hidden) @ params["W2"]

    def recipe(self, task, chosen):
        rate = 1.25  # 5.0 for batches of 256
        return dataclasses.replace(VPT_RECIPE, learning_rate=rate)


def _grid(vision):
    """g: patches along a side of the image."""
    return vision.image_size // vision.patch_size


def _row(x):
    return x[None, :]
