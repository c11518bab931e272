"""CLIP with vision transformers, and plain ones, in Linen, equal to the released models.

Radford et al. 2021, arXiv:2103.00020. Both towers are pre-norm transformers:

    x <- x + attention(norm1(x));   x <- x + mlp(norm2(x))

The image tower reads patches and a class token (CLS), the text tower reads tokens under a
causal mask and answers at the end token. Both project into one space of width D:

    logits = exp(logit_scale) cos(image, text)

A plain ViT (Dosovitskiy et al. 2021, arXiv:2010.11929) is the image tower alone, with a
bias in its patch embedding, without the norm before its blocks and without a projection.

Beyond that, what prompt methods need: all projected image tokens, visual prompts, text
from given embeddings. Weights are changed by name in the parameters (`clip.adapt`), which
this file need not know.

Precision: operands in `dtype`; products accumulate in float32; norms, softmax, residual
stream and output are float32. (bfloat16 operands with bfloat16 results would be silently
upcast on CPUs, and slower than float32.)
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from apt_jax.clip.config import (
    ClipConfig,
    TextConfig,
    TowerConfig,
    VisionConfig,
    ViTConfig,
)

ACTIVATIONS = {
    "quick_gelu": lambda x: x * jax.nn.sigmoid(1.702 * x),
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
}
TOKEN_SOURCES = ("last", "penultimate", "value_path")
PLACEMENTS = ("after_cls", "end")
NORMAL = nn.initializers.normal(0.02)


class ViT(nn.Module):
    """An image tower; call its methods through `apply(..., method=...)`."""

    config: ViTConfig | ClipConfig
    dtype: str = "float32"

    def setup(self):
        config = self.config
        self.image = ImageTower(config.vision, config.projection_dim, self.dtype)

    def __call__(self, pixels):
        """[B, D] embeddings of images."""
        return self.image_embedding(pixels)

    def image_embedding(self, pixels, *, prompts=None, placement="end"):
        """[B, D] CLS tokens of [B, H, W, 3] normalised pixels, projected, not unit.

        Of a plain ViT nothing is projected: D is its width.
        """
        return self.image.embedding(pixels, prompts, placement)

    def image_tokens(
        self, pixels, *, token_source="last", prompts=None, placement="end"
    ):
        """[B, N, D] projected tokens, CLS first, not unit.

        CLIP itself projects the CLS token only: patches go through the same last norm
        and projection, but were never trained to. `token_source` is "last" (the last
        block's output), "penultimate" (the block before) or "value_path" (the last
        block with each token attending to itself alone, as LoCoOp has it).

        `prompts` has an entry for each of the first blocks: None, an array [n, W] or
        [B, n, W], or a function of the tokens that enter the block, to such an array.
        Those of block 0 are inserted, later ones replace them. Placement "after_cls" is
        VPT's (inserted after CLIP's first norm), "end" is the CLIP form (appended before
        that norm); a plain ViT has no such norm, and both come after the position
        embedding. Prompts are not among the tokens that come back.
        """
        return self.image.tokens(pixels, token_source, prompts, placement)


class CLIP(ViT):
    """Both towers."""

    def setup(self):
        super().setup()
        config = self.config
        self.text = TextTower(config.text, config.projection_dim, self.dtype)
        self.logit_scale = self.param(
            "logit_scale", nn.initializers.constant(2.6592), ()
        )

    def __call__(self, pixels, ids, eos):
        """[B, K] logits of images and texts."""
        image = _unit(self.image_embedding(pixels))
        text = _unit(self.text_features(ids, eos))
        return jnp.exp(self.logit_scale) * image @ text.T

    def text_features(self, ids, eos):
        """[K, D] features of token ids [K, L] with the end token at `eos` [K]."""
        return self.text(self.embed_tokens(ids), eos)

    def text_features_from_embeddings(self, embeddings, eos, *, prompts=None):
        """[K, D] features of given token embeddings [K, L, W], before positions.

        `prompts` has an entry for each of the first blocks: None, or an array [n, W] that
        takes the places 1 .. n, behind the start token, of what enters the block. Those
        of block 0 stand among the embeddings, and get positions.
        """
        return self.text(embeddings, eos, prompts)

    def embed_tokens(self, ids):
        """[K, L, W] word embeddings of token ids [K, L]."""
        return self.text.embed(ids)


def module_of(config: ClipConfig | ViTConfig, dtype: str = "float32") -> ViT:
    """The model of an architecture."""
    return (CLIP if config.text else ViT)(config, dtype)


class ImageTower(nn.Module):
    """Pixels to tokens, projected if there is a width to project to."""

    config: VisionConfig
    projection_dim: int | None
    dtype: str

    def setup(self):
        config, width = self.config, self.config.hidden_size
        patch = (config.patch_size, config.patch_size, 3, width)
        self.patch_embedding = Kernel(patch, self.dtype, config.patch_bias)
        self.class_embedding = self.param("class_embedding", NORMAL, (width,))
        self.position_embedding = self.param(
            "position_embedding", NORMAL, (1 + config.num_patches, width)
        )
        if config.pre_norm:
            self.pre_norm = layer_norm(config.layer_norm_eps)
        self.blocks = [
            Block(config, self.dtype) for _ in range(config.num_hidden_layers)
        ]
        self.post_norm = layer_norm(config.layer_norm_eps)
        if self.projection_dim:
            self.projection = Kernel((width, self.projection_dim), self.dtype)

    def embedding(self, pixels, prompts, placement):
        x = self._embed(pixels, prompts, placement)
        for index, block in enumerate(self.blocks):
            x = self._replace(index, x, prompts, placement)
            # Of the last block's output only the CLS token is read.
            x = block(x, rows=1 if index == len(self.blocks) - 1 else None)
        return self._project(x[:, 0])

    def tokens(self, pixels, source, prompts, placement):
        if source not in TOKEN_SOURCES:
            raise ValueError(f"token_source {source!r}: choose of {TOKEN_SOURCES}")
        x = self._embed(pixels, prompts, placement)
        for index, block in enumerate(self.blocks):
            x = self._replace(index, x, prompts, placement)
            if index == len(self.blocks) - 1 and source != "last":
                x = x if source == "penultimate" else block.value_path(x)
            else:
                x = block(x)
        return self._project(self._without_prompts(x, placement))

    def _embed(self, pixels, prompts, placement):
        """[B, N + n, W] tokens that enter the first block, its prompts among them."""
        if placement not in PLACEMENTS:
            raise ValueError(f"placement {placement!r}: choose of {PLACEMENTS}")
        x = self._patches(pixels)
        cls = jnp.broadcast_to(self.class_embedding, (len(x), 1, x.shape[-1]))
        x = jnp.concatenate([cls.astype(x.dtype), x], axis=1)
        x = x + self.position_embedding[None].astype(jnp.float32)
        norm = self.pre_norm if self.config.pre_norm else lambda x: x
        first = _of_block(prompts, 0)
        if placement == "end":
            return norm(_insert(x, first, x.shape[1]))
        return _insert(norm(x), first, 1)

    def _patches(self, pixels):
        """[B, g*g, W]: a convolution whose windows do not overlap is one product."""
        p, grid = (
            self.config.patch_size,
            self.config.image_size // self.config.patch_size,
        )
        x = pixels[:, : grid * p, : grid * p]
        x = x.reshape(len(x), grid, p, grid, p, 3).swapaxes(2, 3)
        return self.patch_embedding(x.reshape(len(x), grid * grid, -1))

    def _replace(self, index, x, prompts, placement):
        """Puts the prompts of a later block in the place of those that entered it."""
        prompt = _of_block(prompts, index)
        if index == 0 or prompt is None:
            return x
        inserted = x.shape[1] - self._num_tokens
        prompt = _of_batch(prompt, x)
        if prompt.shape[1] != inserted:
            raise ValueError(
                f"block {index} has {prompt.shape[1]} prompts, but block 0 was given "
                f"{inserted}"
            )
        at = 1 if placement == "after_cls" else self._num_tokens
        return _insert(self._without_prompts(x, placement), prompt, at)

    def _without_prompts(self, x, placement):
        if placement == "end":
            return x[:, : self._num_tokens]
        inserted = x.shape[1] - self._num_tokens
        return jnp.concatenate([x[:, :1], x[:, 1 + inserted :]], axis=1)

    @property
    def _num_tokens(self):
        return 1 + self.config.num_patches

    def _project(self, x):
        x = self.post_norm(x)
        return self.projection(x) if self.projection_dim else x


class TextTower(nn.Module):
    """Token embeddings to the projected end token."""

    config: TextConfig
    projection_dim: int
    dtype: str

    def setup(self):
        config, width = self.config, self.config.hidden_size
        self.token_embedding = self.param(
            "token_embedding", NORMAL, (config.vocab_size, width)
        )
        self.position_embedding = self.param(
            "position_embedding", NORMAL, (config.max_position_embeddings, width)
        )
        self.blocks = [
            Block(config, self.dtype) for _ in range(config.num_hidden_layers)
        ]
        self.final_norm = layer_norm(config.layer_norm_eps)
        self.projection = Kernel((width, self.projection_dim), self.dtype)

    def embed(self, ids):
        return self.token_embedding[ids].astype(jnp.float32)

    def __call__(self, embeddings, eos, prompts=None):
        length = embeddings.shape[1]
        x = embeddings + self.position_embedding[None, :length].astype(jnp.float32)
        causal = jnp.tril(jnp.ones((length, length), bool))
        for index, block in enumerate(self.blocks):
            prompt = _of_block(prompts, index)
            if index and prompt is not None:
                rest = x[:, 1 + len(prompt) :]
                x = _insert(jnp.concatenate([x[:, :1], rest], axis=1), prompt, 1)
            x = block(x, causal)
        return self.projection(self.final_norm(x[jnp.arange(len(x)), eos]))


class Block(nn.Module):
    """One pre-norm transformer block; its output is sown as `hidden`."""

    config: TowerConfig
    dtype: str

    def setup(self):
        config = self.config
        width, hidden = config.hidden_size, config.intermediate_size
        self.norm1 = layer_norm(config.layer_norm_eps)
        self.attention = Attention(width, config.num_attention_heads, self.dtype)
        self.norm2 = layer_norm(config.layer_norm_eps)
        self.mlp_in = Kernel((width, hidden), self.dtype, bias=True)
        self.mlp_out = Kernel((hidden, width), self.dtype, bias=True)

    def __call__(self, x, mask=None, rows=None):
        """[B, N, W], or only the first `rows` of the N tokens; they attend to all."""
        x = x[:, :rows] + self.attention(self.norm1(x), mask, rows)
        x = x + self._mlp(x)
        self.sow("intermediates", "hidden", x)
        return x

    def value_path(self, x):
        """The block with every token attending to itself alone."""
        x = x + self.attention.own_value(self.norm1(x))
        return x + self._mlp(x)

    def _mlp(self, x):
        activation = ACTIVATIONS[self.config.hidden_act]
        return self.mlp_out(activation(self.mlp_in(self.norm2(x))))


class Attention(nn.Module):
    """Multi-head self-attention, softmax in float32."""

    width: int
    heads: int
    dtype: str

    def setup(self):
        square = (self.width, self.width)
        self.query = Kernel(square, self.dtype, bias=True)
        self.key = Kernel(square, self.dtype, bias=True)
        self.value = Kernel(square, self.dtype, bias=True)
        self.out = Kernel(square, self.dtype, bias=True)

    def __call__(self, x, mask=None, rows=None):
        # Heads before tokens: batched products of [N, d] and [d, N] are fast on CPUs.
        q = self._heads(self.query(x[:, :rows]))  # [B, H, N or rows, d]
        v = self._heads(self.value(x))  # [B, H, N, d]
        k = self._heads(self.key(x)).swapaxes(-1, -2)  # [B, H, d, N]
        scores = product(q * q.shape[-1] ** -0.5, k, self.dtype)
        if mask is not None:
            lowest = jnp.finfo(scores.dtype).min
            scores = jnp.where(jnp.broadcast_to(mask, scores.shape), scores, lowest)
        mixed = product(jax.nn.softmax(scores), v, self.dtype)
        return self.out(mixed.swapaxes(1, 2).reshape(len(x), -1, self.width))

    def own_value(self, x):
        return self.out(self.value(x))

    def _heads(self, x):
        return x.reshape(*x.shape[:2], self.heads, -1).swapaxes(1, 2)


class Kernel(nn.Module):
    """A dense layer on the last axis; leading kernel axes count as one input axis."""

    shape: tuple[int, ...]
    dtype: str
    bias: bool = False

    @nn.compact
    def __call__(self, x):
        kernel = self.param("kernel", nn.initializers.lecun_normal(), self.shape)
        y = product(x, kernel.reshape(-1, self.shape[-1]), self.dtype)
        if self.bias:
            bias = self.param("bias", nn.initializers.zeros, self.shape[-1:])
            y = y + jnp.broadcast_to(bias.astype(y.dtype), y.shape)
        return y


def layer_norm(epsilon):
    """Layer norm in float32, with the two-pass variance of the released models."""
    return nn.LayerNorm(epsilon=epsilon, use_fast_variance=False, dtype=jnp.float32)


def product(a, b, dtype):
    """a @ b with operands in `dtype`, accumulated and returned in float32."""
    a, b = a.astype(dtype), b.astype(dtype)
    return jnp.matmul(a, b, preferred_element_type=jnp.float32)


def _insert(x, prompt, at):
    """[B, N + n, W]: `x` with prompts at position `at`; `x` itself without prompts."""
    if prompt is None:
        return x
    prompt = _of_batch(prompt, x)
    return jnp.concatenate([x[:, :at], prompt, x[:, at:]], axis=1)


def _of_block(prompts, index):
    """The prompts of a block; None where it has none of its own."""
    return None if prompts is None or index >= len(prompts) else prompts[index]


def _of_batch(prompt, x):
    """[B, n, W] of prompts given as [n, W], as [B, n, W] or as a function of `x`."""
    prompt = prompt(x) if callable(prompt) else prompt
    return jnp.broadcast_to(prompt, (len(x), *prompt.shape[-2:]))


def _unit(x):
    return x / jnp.linalg.norm(x, axis=-1, keepdims=True)
