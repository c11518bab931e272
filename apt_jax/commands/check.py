"""Says what a CLIP is, and proves the port on real weights.

    python -m apt_jax check NAME_OR_FOLDER [--image PATH] [--dtype float32]

Prints what the checkpoint is. For OpenAI's ViT-B/32 it also computes the logits of the
two-cats picture (COCO val2017 000000039769) against "a photo of a cat" and "a photo of a
dog" and compares them with the published 24.5701 and 19.3049 (transformers' own tests).
Exit status 1 if they differ.
"""

from pathlib import Path

from apt_jax import command
from apt_jax.options import as_options


def main(arguments: list[str]) -> int:
    options = read(arguments)
    from apt_jax.clip import check, checkpoint  # heavy: not before the line is sound

    clip = checkpoint.load(
        options.checkpoint, revision=options.revision, dtype=options.dtype
    )
    print(check.description(clip))
    if not check.is_openai_b32(clip):
        print("published logits: none known for this checkpoint")
        return 0
    differs, told = check.compare_cats(clip, options.image)
    print(as_options(told))
    return int(differs)


def read(arguments):
    parser = command.Arguments("check", __doc__)
    parser.add_argument("checkpoint", metavar="NAME_OR_FOLDER")
    parser.add_argument("--revision", help="of a hub name: branch, tag or commit")
    parser.add_argument(
        "--image", type=Path, help="the two-cats picture, if you have it"
    )
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16", "auto"), default="float32"
    )
    return parser.parse_args(arguments)
