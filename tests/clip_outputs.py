"""What our CLIP says, under the names of the torch model's outputs in `torch_clip`."""

import jax
import numpy as np


def outputs(clip_module, params, pixels, ids, eos) -> dict[str, np.ndarray]:
    """Embeddings, tokens, hidden states of every block, logits; in float32."""

    @jax.jit
    def run(params, pixels, ids, eos):
        def apply(*inputs, **options):
            return clip_module.apply({"params": params}, *inputs, **options)

        kept = {"mutable": ["intermediates"]}
        tokens, of_image = apply(pixels, method="image_tokens", **kept)
        text, of_text = apply(ids, eos, method="text_features", **kept)
        hidden = {
            f"{tower}_{name.removeprefix('blocks_')}": block["hidden"][0]
            for state in (of_image, of_text)
            for tower, blocks in state["intermediates"].items()
            for name, block in blocks.items()
        }
        return hidden | {
            "logits": apply(pixels, ids, eos),
            "tokens": tokens,
            "embedding": apply(pixels, method="image_embedding"),
            "penultimate": apply(
                pixels, token_source="penultimate", method="image_tokens"
            ),
            "text": text,
        }

    with jax.default_matmul_precision("highest"):
        found = run(params, pixels, ids, eos)
    return jax.tree.map(np.asarray, found)


def image_outputs(module, params, pixels) -> dict[str, np.ndarray]:
    """Of an image tower alone: embedding, tokens, hidden states; in float32."""

    @jax.jit
    def run(params, pixels):
        def apply(**options):
            return module.apply({"params": params}, pixels, **options)

        tokens, state = apply(method="image_tokens", mutable=["intermediates"])
        blocks = state["intermediates"]["image"]
        return {
            f"image_{name.removeprefix('blocks_')}": block["hidden"][0]
            for name, block in blocks.items()
        } | {
            "tokens": tokens,
            "embedding": apply(method="image_embedding"),
            "penultimate": apply(token_source="penultimate", method="image_tokens"),
        }

    with jax.default_matmul_precision("highest"):
        found = run(params, pixels)
    return jax.tree.map(np.asarray, found)


def relative_error(ours, theirs) -> float:
    """The largest difference over the largest value."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())
