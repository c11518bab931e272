"""Adaptive Prompt Tuning: each class's text feature reads the image it judges.

Brouwer et al. 2024, arXiv:2412.14640. CLIP is frozen; one cross-attention layer takes
the class features W [K, D] as queries and the projected image tokens Z [N, D] (CLS
first) as keys and values, so that every image gets class prompts of its own. Dropout
inside the layer stays on at test time (Monte-Carlo dropout).

    q = norm(W) Wq + bq,   k = norm(Z) Wk + bk,   v = norm_v(Z) Wv + bv
    A = drop_attn(softmax(g q k' / sqrt(D/H)))       per head, over the N tokens
    o = drop_out(concat_heads(A v) Wo + bo)
    w = R + gate * o                                 R = W if residual else 0
    w' = w + drop_mlp(MLP(w))                        if there is an MLP
    logit_c = s cos(w'_c, f)                         f = Z_0, the projected CLS token

The paper leaves the residual, normalisation, initialisation, place of dropout, rates,
heads and all training settings open; the defaults below were chosen on validation
splits (docs/results.md). Classes do not see each other: adding one leaves the other
logits as they were. Tokens have no order: permuting them changes nothing.

W arrives with unit length. `norm` scales its rows to length sqrt(D): unit rows would
give scores with a standard deviation of 0.002 and gradients to match. `norm_v` leaves
the values at unit length, since what they add meets a W of unit length: longer ones add
mostly what all classes have in common, and outgrow it. The scores g q k' start with a
standard deviation of about g: small, so that attention starts near the mean of all
tokens; many classes learn better so, at the price of a slow start.
"""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from apt_jax.clip.model import TOKEN_SOURCES
from apt_jax.errors import UserError
from apt_jax.features.views import Views
from apt_jax.fields import RATE, above, at_least, field, one_of
from apt_jax.methods.base import Method, Recipe, unit, with_steps
from apt_jax.methods.dropout import dropout
from apt_jax.methods.selection import Selection

EPSILON = 1e-5  # of every layer norm, as in CLIP
MAX_LOGIT_SCALE = 100.0  # CLIP's own cap
STEPS, EPOCHS = 300, (50, 200)  # of training: the fewest steps; bounds of the epochs

INPUT_NORMS = {
    "none": lambda x: x,
    "l2": unit,
    "l2_sqrt_dim": lambda x: unit(x) * x.shape[-1] ** 0.5,
    "layer": lambda x: jax.nn.standardize(x.astype(jnp.float32), epsilon=EPSILON),
}
GATES = ("none", "scalar", "per_dim")
XAVIER = nn.initializers.xavier_uniform()


@dataclasses.dataclass(frozen=True)
class APT(Method):
    """The hyper-parameters of the head."""

    heads: int = field(16, "attention heads; they must divide D", at_least(1))
    layers: int = field(
        1, "layers; each asks with the w' of the layer before", at_least(1)
    )
    residual: bool = field(True, "R = W, so that the layer adds to the class features")
    zero_init_out: bool = field(True, "start at w' = R; only with a residual")
    gate: str = field("none", "a factor on o that starts at 1", one_of(*GATES))
    out_projection: bool = field(True, "Wo and bo behind the heads")
    biases: bool = field(True, "bq, bk, bv and bo")
    input_norm: str = field(
        "l2_sqrt_dim", "how queries and keys are scaled", one_of(*INPUT_NORMS)
    )
    value_norm: str = field("l2", "how values are scaled", one_of(*INPUT_NORMS))
    score_scale: float = field(
        0.3, "g: the spread of the scores at the start", above(0)
    )
    norm_queries: bool = field(False, "a trained layer norm on W")
    norm_tokens: bool = field(False, "a trained layer norm on Z")
    norm_out: bool = field(False, "a trained layer norm on w'")
    norm_mlp: bool = field(False, "a trained layer norm before the MLP")
    mlp_ratio: int = field(0, "hidden width of the MLP over D; 0 = no MLP", at_least(0))
    drop_attn: float = field(
        0.5, "dropout of attention weights, not renormalised", RATE
    )
    drop_out: float = field(0.0, "dropout of the layer's output o", RATE)
    drop_mlp: float = field(0.0, "dropout of hidden units of the MLP", RATE)
    drop_token: float = field(0.0, "dropout of whole image tokens", RATE)
    drop_query: float = field(
        0.0, "dropout of entries of norm(W), the same for every image", RATE
    )
    share_over_classes: bool = field(
        True, "one mask of drop_attn and drop_out for all classes"
    )
    cls_in_keys: bool = field(True, "the CLS token is among those that are read")
    token_source: str = field(
        "last", "which tokens of the tower are read", one_of(*TOKEN_SOURCES)
    )
    temperature: str = field("frozen", "the logit scale s", one_of("frozen", "trained"))

    inputs: ClassVar[str] = "tokens"
    views: ClassVar[Views] = Views(10, 0.5)  # the area: docs/results.md
    names_new_classes: ClassVar[bool] = True
    differs: ClassVar = (
        "the paper leaves residual, normalisation, start, dropout, heads and all of "
        "training open: they are ours",
    )
    selection: ClassVar[Selection] = Selection(  # docs/results.md
        "defaults chosen on validation images of other data sets"
    )

    def __post_init__(self):
        super().__post_init__()
        if self.zero_init_out and not self.residual:
            raise UserError(
                "method.zero_init_out without a residual makes w' = 0, which has no "
                "direction; add `method.zero_init_out`=False"
            )

    @property
    def stochastic(self) -> bool:
        drop_mlp = self.drop_mlp if self.mlp_ratio else 0.0
        others = (self.drop_attn, self.drop_out, self.drop_token, self.drop_query)
        return max(drop_mlp, *others) > 0

    @property
    def stochastic_classes(self) -> bool:
        return self.drop_query > 0

    def check(self, task):
        dim = task.text.shape[-1]
        if dim % self.heads:
            raise UserError(
                f"method.heads={self.heads} does not divide the width {dim} of this "
                "CLIP; choose a divisor, such as 8"
            )

    def init(self, key, task, chosen):
        dim = task.text.shape[-1]
        tokens = jnp.zeros((2, dim))
        params = Head(self, dim).init(key, task.text, tokens)["params"]
        if self.temperature == "trained":
            params["logit_scale"] = jnp.log(task.logit_scale)
        return params

    def classes(self, params, task, *, key=None):
        """[K, H, D/H] queries of the first layer."""
        return self._head(params, task, key, "first_queries")

    def logits(self, params, task, classes, image, *, key=None):
        w = self._head(params, task, key, "read", classes, image)
        return self._scale(params, task) * unit(w) @ unit(image[0])

    def _head(self, params, task, key, method, *inputs):
        weights = {"params": {k: v for k, v in params.items() if k != "logit_scale"}}
        head = Head(self, task.text.shape[-1])
        rngs = {} if key is None else {"dropout": key}
        return head.apply(weights, task.text, *inputs, rngs=rngs, method=method)

    def _scale(self, params, task):
        if self.temperature == "frozen":
            return task.logit_scale
        return jnp.minimum(jnp.exp(params["logit_scale"]), MAX_LOGIT_SCALE)

    def recipe(self, task, chosen):
        """Enough epochs for the slow start; logits move alike at every logit scale."""
        recipe = Recipe(learning_rate=2.0 / float(task.logit_scale), epochs=0)
        return with_steps(recipe, task.num_shots, STEPS, *EPOCHS)


class Head(nn.Module):
    """All layers of the head, for one image; `dropout` is its one stream of chance."""

    options: APT
    dim: int

    def setup(self):
        self.blocks = [
            CrossAttention(self.options, self.dim, name=f"layer_{i}")
            for i in range(self.options.layers)
        ]

    def __call__(self, text, image):
        """[K, D] adapted features w' of classes `text` [K, D] for tokens [N, D]."""
        return self.read(text, self.first_queries(text), image)

    def first_queries(self, text):
        """[K, H, D/H] queries of the first layer: they depend on no image."""
        return self.blocks[0].queries(text, self.options.drop_query)

    def read(self, text, queries, image):
        """[K, D] adapted features, given the first layer's queries."""
        tokens = image if self.options.cls_in_keys else image[1:]
        w = self.blocks[0](text, queries, tokens)
        for block in self.blocks[1:]:
            w = block(w, block.queries(w, 0.0), tokens)
        return w


class CrossAttention(nn.Module):
    """One layer: classes [K, D] read tokens [N, D]."""

    options: APT
    dim: int

    def setup(self):
        options, dense = self.options, self._dense
        self.query, self.key, self.value = dense(), dense(), dense()
        if options.out_projection:
            zero = options.residual and options.zero_init_out
            self.out = dense(nn.initializers.zeros if zero else XAVIER)
        if options.gate != "none":
            shape = () if options.gate == "scalar" else (self.dim,)
            self.gate = self.param("gate", nn.initializers.ones, shape)
        if options.mlp_ratio:
            hidden = options.mlp_ratio * self.dim
            self.mlp_in, self.mlp_out = self._dense(features=hidden), self._dense()
        self.norms = {
            name: nn.LayerNorm(epsilon=EPSILON)
            for name in ("queries", "tokens", "out", "mlp")
            if getattr(options, f"norm_{name}")
        }

    def queries(self, w, rate):
        """[K, H, D/H] queries of class features `w` [K, D]."""
        w = self._norm("queries", INPUT_NORMS[self.options.input_norm](w))
        return self._heads(self.query(dropout(w, rate, self._dropout_key())))

    def __call__(self, w, q, tokens):
        """[K, D] class features after reading `tokens`, from queries `q` [K, H, D/H]."""
        options, masks = self.options, 1 if self.options.share_over_classes else len(w)
        keep = jnp.ones((len(tokens), 1))
        keep = dropout(keep, options.drop_token, self._dropout_key())
        k = self._heads(self.key(keep * self._tokens(tokens, options.input_norm)))
        v = self._heads(self.value(keep * self._tokens(tokens, options.value_norm)))
        scale = options.score_scale / q.shape[-1] ** 0.5
        a = jax.nn.softmax(scale * jnp.einsum("chd,nhd->hcn", q, k))
        of_heads = (options.heads, masks, len(tokens))
        a = dropout(a, options.drop_attn, self._dropout_key(), shape=of_heads)
        o = jnp.einsum("hcn,nhd->chd", a, v).reshape(w.shape)
        o = self.out(o) if options.out_projection else o
        o = dropout(o, options.drop_out, self._dropout_key(), shape=(masks, self.dim))
        if options.gate != "none":
            o = o * jnp.broadcast_to(self.gate, o.shape)
        w = w + o if options.residual else o
        return self._norm("out", self._with_mlp(w))

    def _tokens(self, tokens, norm):
        """[N, D] tokens as keys or values read them."""
        return self._norm("tokens", INPUT_NORMS[norm](tokens))

    def _with_mlp(self, w):
        if not self.options.mlp_ratio:
            return w
        hidden = nn.gelu(self.mlp_in(self._norm("mlp", w)), approximate=False)
        hidden = dropout(hidden, self.options.drop_mlp, self._dropout_key())
        return w + self.mlp_out(hidden)

    def _dropout_key(self):
        return self.make_rng("dropout") if self.has_rng("dropout") else None

    def _norm(self, name, x):
        return self.norms[name](x) if name in self.norms else x

    def _heads(self, x):
        return x.reshape(len(x), self.options.heads, -1)

    def _dense(self, kernel_init=XAVIER, features=None):
        return nn.Dense(
            features or self.dim, use_bias=self.options.biases, kernel_init=kernel_init
        )
