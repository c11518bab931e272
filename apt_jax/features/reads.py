"""The form in which frozen outputs are kept, and the way back to what a method reads.

| a method reads | kept of each view |
|---|---|
| embedding [D] | `embedding` [D] float32 |
| tokens [N, D], CLS first | `embedding` [D] float32 and `patches` [N-1, D] float16 |
| pixels [H, W, 3] | `crop` [H, W, 3] uint8 |

The CLS token carries the logits, so it keeps float32; patches only feed the attention,
and half the bytes is twice the shots that fit. Features are raw: projected, not yet
normalised.
"""

import dataclasses

import jax.numpy as jnp

from apt_jax.clip.model import TOKEN_SOURCES

KINDS = {
    "embedding": ("embedding",),
    "tokens": ("embedding", "patches"),
    "pixels": ("crop",),
}


@dataclasses.dataclass(frozen=True)
class Reads:
    """What is read of an image: the embedding, all tokens or the pixels."""

    inputs: str  # of KINDS
    token_source: str = "last"  # which tokens

    @property
    def holders(self) -> tuple["Reads", ...]:
        """Those whose frozen outputs hold what is read: tokens hold the embedding."""
        if self.inputs == "embedding":
            tokens = tuple(Reads("tokens", source) for source in TOKEN_SOURCES)
            return (EMBEDDING, *tokens)
        return (self,)


EMBEDDING = Reads("embedding")


def image_of(stored, inputs: str, pixels=None):
    """What a method with these `inputs` reads of ONE image, from what was kept of it.

    `stored` may hold more than is asked for: an embedding is there beside patches.
    """
    if inputs == "embedding":
        return stored["embedding"]
    if inputs == "tokens":
        patches = stored["patches"].astype(jnp.float32)
        return jnp.concatenate([stored["embedding"][None], patches])
    return pixels.normalise(stored["crop"])
