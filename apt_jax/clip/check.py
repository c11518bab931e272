"""Proves the port on real weights.

    python -m apt_jax check NAME_OR_FOLDER [--image PATH] [--dtype float32]

Prints what the checkpoint is. For OpenAI's ViT-B/32 it also computes the logits of the
two-cats picture (COCO val2017 000000039769) against "a photo of a cat" and "a photo of a
dog" and compares them with the published 24.5701 and 19.3049 (transformers' own tests).
Exit status 1 if they differ.
"""

import math
import sys
import urllib.request
from pathlib import Path

from apt_jax import command
from apt_jax.errors import UserError

CATS = "http://images.cocodataset.org/val2017/000000039769.jpg"
TEXTS = ("a photo of a cat", "a photo of a dog")
LOGITS, TOLERANCE = (24.5701, 19.3049), 1e-3
OPENAI_B32 = 151_277_313  # parameters; B/32 of others is told apart by its name
SECONDS = 10


def main(arguments):
    parser = command.Arguments("check", __doc__)
    parser.add_argument("checkpoint", metavar="NAME_OR_FOLDER")
    parser.add_argument("--revision", help="of a hub name: branch, tag or commit")
    parser.add_argument(
        "--image", type=Path, help="the two-cats picture, if you have it"
    )
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16", "auto"), default="float32"
    )
    options = parser.parse_args(arguments)
    from apt_jax.clip import checkpoint  # heavy: not before the command line is sound

    clip = checkpoint.load(
        options.checkpoint, revision=options.revision, dtype=options.dtype
    )
    print(description(clip))
    if is_openai_b32(clip):
        return check_cats(clip, options.image)
    print("published logits: none known for this checkpoint")
    return 0


def description(clip) -> str:
    """What a checkpoint is, a line a fact."""
    from apt_jax.clip.weights import rows

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
    from apt_jax.clip.weights import flat

    return sum(leaf.size for leaf in flat(clip.params).values())


def is_openai_b32(clip) -> bool:
    theirs = "laion" not in clip.name.lower() and "metaclip" not in clip.name.lower()
    return parameters_of(clip) == OPENAI_B32 and theirs


def check_cats(clip, path) -> int:
    """Compares the two-cats logits with the published ones; the exit status."""
    from apt_jax.data.images import ImageError, decode

    try:
        data = path.read_bytes() if path else fetch(CATS)
    except OSError as error:
        print(
            f"two-cats logits: NOT CHECKED, no picture ({error}); download {CATS} and "
            "pass --image PATH"
        )
        return 0
    try:
        found = logits(clip, decode(data), TEXTS)
    except ImageError as error:
        raise UserError(f"{path or CATS}: {error}; pass another --image PATH") from None
    equal = abs(found - LOGITS).max() <= TOLERANCE
    shown = ", ".join(f"{value:.4f}" for value in found)
    verdict = "equal to" if equal else "DIFFERENT from"
    print(
        f"two-cats logits: {shown}, {verdict} the published {LOGITS} within {TOLERANCE}"
    )
    return 0 if equal else 1


def logits(clip, picture, texts):
    """[K] logits of one picture against texts."""
    import numpy as np

    ids, eos = clip.tokenizer.encode(texts)
    pixels = clip.pixels.normalise(clip.pixels.centre_crop(picture))[None]
    found = clip.module.apply({"params": clip.params}, pixels, ids, eos)
    return np.asarray(found[0], np.float64)


def fetch(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=SECONDS) as response:
        return response.read()


if __name__ == "__main__":
    sys.exit(command.run(main))
