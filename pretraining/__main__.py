"""Trains the small CLIP of the package on drawn aircraft and their captions.

    python -m pretraining --out DIR [--steps 3600]

About 30 minutes on two CPU cores.
"""

import argparse
from pathlib import Path

from pretraining.train import run


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    parser.add_argument("--steps", type=int, default=3600)
    options = parser.parse_args()
    run(options.out, options.steps)


if __name__ == "__main__":
    main()
