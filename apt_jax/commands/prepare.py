"""Downloads and prepares a TFDS data set as array_record, the format read here.

    python -m apt_jax prepare NAME[/CONFIG] [--data_dir=DIR] [--manual_dir=DIR]

NAME is any image-classification builder of TFDS, or one of ours (`data.published.builders`:
fgvc_aircraft, nabirds), which need no TensorFlow. TFDS's own do while they prepare:
pip install -r requirements-tfds.txt, here or in another environment. TensorFlow then runs
in a process of its own without sight of any accelerator. The same command again goes on
where it stopped, and only checks what is prepared already. Reading is
--config.data.source=tfds --config.data.name=NAME.
"""

import argparse
import os
import subprocess
import sys

from apt_jax import command
from apt_jax.errors import UserError


def main(arguments: list[str]) -> int:
    options = read(arguments)
    from apt_jax.data import prepare  # heavy: not before the command line is sound
    from apt_jax.data.published import tfds

    place = tfds.data_dir(options.data_dir)
    builder = prepare.builder(options.name, place)
    if options.in_process:
        prepare.write_records(builder, place, options.manual_dir)
        return 0
    print(prepare.described(builder, place))
    if not builder.is_prepared():
        prepare.require_room(builder, place)
        if prepare.is_own(builder):
            prepare.write_records(builder, place, options.manual_dir)
        else:
            prepare.require_tensorflow(options.name)
            prepare_apart(options, place)
    print(prepare.verified(options.name, place))
    root = "" if place == tfds.data_dir() else f" --config.data.root={place}"
    print(
        "train on it: python train.py --config configs/folder.py "
        f"--config.data.source=tfds --config.data.name={options.name}{root}"
    )
    return 0


def read(arguments):
    parser = command.Arguments("prepare", __doc__)
    parser.add_argument(
        "name", help="such as food101, eurosat/rgb, fgvc_aircraft/family"
    )
    parser.add_argument("--data_dir", default="", help="default: ~/tensorflow_datasets")
    parser.add_argument("--manual_dir", help="default: DATA_DIR/downloads/manual")
    parser.add_argument("--in_process", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def prepare_apart(options, place):
    """The same in a process of its own, in which TensorFlow sees no accelerator."""
    again = [sys.executable, "-m", "apt_jax", "prepare", options.name, "--in_process"]
    again += [f"--data_dir={place}"]
    if options.manual_dir:
        again.append(f"--manual_dir={options.manual_dir}")
    hidden = {"CUDA_VISIBLE_DEVICES": "-1", "TPU_VISIBLE_DEVICES": ""}
    done = subprocess.run(again, env=os.environ | hidden, check=False)
    if done.returncode:
        raise UserError(
            f"{options.name} is not prepared, for the reason above; what is downloaded "
            "stays, and the same command goes on from there"
        )
