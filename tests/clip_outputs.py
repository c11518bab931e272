"""What our CLIP says, under the names of the torch model's outputs in `torch_clip`."""

import jax
import numpy as np


def outputs(clip_module, params, pixels, ids, eos) -> dict[str, np.ndarray]:
    """Embeddings, tokens, hidden states of every block, logits; in float32."""

    @jax.jit
    def run(params, pixels, ids, eos):
        def apply(*inputs, **options):
            return clip_module.apply({"params": params}, *inputs, **options)

        logits, state = apply(pixels, ids, eos, mutable=["intermediates"])
        hidden = {
            f"{tower}_{name.removeprefix('blocks_')}": block["hidden"][0]
            for tower, blocks in state["intermediates"].items()
            for name, block in blocks.items()
        }
        return hidden | {
            "logits": logits,
            "tokens": apply(pixels, method="image_tokens"),
            "embedding": apply(pixels, method="image_embedding"),
            "penultimate": apply(
                pixels, token_source="penultimate", method="image_tokens"
            ),
            "text": apply(ids, eos, method="text_features"),
        }

    with jax.default_matmul_precision("highest"):
        found = run(params, pixels, ids, eos)
    return jax.tree.map(np.asarray, found)


def relative_error(ours, theirs) -> float:
    """The largest difference over the largest value."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())
