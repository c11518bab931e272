"""What a checkpoint is, and whether its logits are those that are published.

They are known of OpenAI's ViT-B/32: of the two-cats picture (COCO val2017 000000039769)
against two texts, in transformers' own tests.
"""

import math
import urllib.request
from pathlib import Path

import numpy as np

from apt_jax.clip.weights import flat, rows
from apt_jax.data.images import ImageError, decode
from apt_jax.errors import UserError

CATS = "http://images.cocodataset.org/val2017/000000039769.jpg"
TEXTS = ("a photo of a cat", "a photo of a dog")
LOGITS, TOLERANCE = (24.5701, 19.3049), 1e-3
OPENAI_B32 = 151_277_313  # parameters; B/32 of others is told apart by its name
SECONDS = 10


def description(clip) -> str:
    """What a checkpoint is, a line a fact."""
    vision = clip.config.vision
    facts = {
        "checkpoint": clip.name + (f" @ {clip.revision}" if clip.revision else ""),
        "parameters": f"{parameters_of(clip):,} in {len(list(rows(clip.config)))} tensors",
        "dtype": clip.dtype,
        "sha256": clip.sha256,
        "image tower": (
            f"ViT, width {vision.hidden_size}, {vision.num_hidden_layers} blocks, "
            f"{vision.image_size} px in patches of {vision.patch_size}, "
            f"{vision.hidden_act}"
        ),
        **_of_text(clip),
    }
    width = max(map(len, facts))
    return "\n".join(f"{name:{width}}  {fact}" for name, fact in facts.items())


def _of_text(clip) -> dict:
    """What there is beside the image tower."""
    text = clip.config.text
    if text is None:
        return {"text tower": "none: a plain ViT, for methods with a linear head"}
    return {
        "text tower": (
            f"width {text.hidden_size}, {text.num_hidden_layers} blocks, "
            f"{text.max_position_embeddings} tokens of {text.vocab_size:,}"
        ),
        "projection": str(clip.config.projection_dim),
        "logit scale": f"{math.exp(float(clip.params['logit_scale'])):.4f}",
    }


def parameters_of(clip) -> int:
    """How many numbers a checkpoint has."""
    return sum(leaf.size for leaf in flat(clip.params).values())


def is_openai_b32(clip) -> bool:
    theirs = "laion" not in clip.name.lower() and "metaclip" not in clip.name.lower()
    return parameters_of(clip) == OPENAI_B32 and theirs


def compare_cats(clip, picture: Path | None) -> tuple[bool, str]:
    """Whether the two-cats logits are other than published, and what to say of them.

    Without a picture nothing is known to be other.

    Raises:
        UserError: if the file is no picture.
    """
    try:
        data = picture.read_bytes() if picture else fetch(CATS)
    except OSError as error:
        return False, (
            f"two-cats logits: NOT CHECKED, no picture ({error}); download {CATS} and "
            "pass `picture` PATH"
        )
    try:
        found = logits(clip, decode(data), TEXTS)
    except ImageError as error:
        raise UserError(
            f"{picture or CATS}: {error}; pass another `picture` PATH"
        ) from None
    differs = not abs(found - LOGITS).max() <= TOLERANCE  # NaN differs too
    shown = ", ".join(f"{value:.4f}" for value in found)
    verdict = "DIFFERENT from" if differs else "equal to"
    return differs, (
        f"two-cats logits: {shown}, {verdict} the published {LOGITS} within {TOLERANCE}"
    )


def logits(clip, picture, texts):
    """[K] logits of one picture against texts."""
    ids, eos = clip.tokenizer.encode(texts)
    pixels = clip.pixels.normalise(clip.pixels.centre_crop(picture))[None]
    found = clip.module.apply({"params": clip.params}, pixels, ids, eos)
    return np.asarray(found[0], np.float64)


def fetch(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=SECONDS) as response:
        return response.read()
