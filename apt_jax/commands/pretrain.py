"""Trains the small CLIP of the package on drawn aircraft and their captions.

    python -m apt_jax pretrain --out DIR [--steps 3600]

About 30 minutes on two CPU cores.
"""

from pathlib import Path

from apt_jax import command


def main(arguments: list[str]):
    parser = command.Arguments("pretrain", __doc__)
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    parser.add_argument("--steps", type=int, default=3600)
    options = parser.parse_args(arguments)
    from apt_jax.clip import pretrain  # heavy: not before the command line is sound

    pretrain.run(options.out, options.steps)
