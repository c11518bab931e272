"""Downloads and prepares a TFDS data set as array_record, the format read here.

    python -m apt_jax prepare NAME[/CONFIG] [--data_dir=DIR] [--manual_dir=DIR]

NAME is any image-classification builder of TFDS, or one of ours (`data.builders`:
fgvc_aircraft, nabirds), which need no TensorFlow. TFDS's own do while they prepare:
pip install -r requirements-tfds.txt, here or in another environment. TensorFlow then runs
in a process of its own without sight of any accelerator. The same command again goes on
where it stopped, and only checks what is prepared already. Reading is
--config.data.source=tfds --config.data.name=NAME.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from apt_jax import command
from apt_jax.data import tfds as source
from apt_jax.errors import UserError, did_you_mean, with_type

FORMAT = "array_record"
CATALOG = "https://www.tensorflow.org/datasets/catalog lists what there is"


def main(arguments: list[str]) -> int:
    """Prepares and checks; prints what is there in the end."""
    options = _options(arguments)
    place = source.data_dir(options.data_dir)
    if options.in_process:
        _prepare(_builder(options.name, place), place, options.manual_dir)
        return 0
    builder = _builder(options.name, place)
    print(_described(builder, place))
    if not _is_prepared(builder):
        _require_room(builder, place)
        if _is_own(builder):
            _prepare(builder, place, options.manual_dir)
        else:
            _prepare_apart(options, place)
    print(_checked(options.name, place))
    return 0


def _options(arguments):
    parser = command.Arguments("prepare", __doc__)
    parser.add_argument(
        "name", help="such as food101, eurosat/rgb, fgvc_aircraft/family"
    )
    parser.add_argument("--data_dir", default="", help="default: ~/tensorflow_datasets")
    parser.add_argument("--manual_dir", help="default: DATA_DIR/downloads/manual")
    parser.add_argument("--in_process", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _builder(name, place):
    import tensorflow_datasets as tfds

    from apt_jax.data import builders  # registers ours

    del builders
    try:
        return tfds.builder(name, data_dir=place, file_format=FORMAT)
    except (tfds.core.DatasetNotFoundError, AssertionError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        known = tfds.list_builders(with_community_datasets=False)
        base = name.partition("/")[0]
        hint = CATALOG if base in known else did_you_mean(base, known, CATALOG)
        raise UserError(
            f"TFDS has no {name} ({' '.join(lines[:2]) or type(error).__name__}); {hint}"
        ) from None


def _is_own(builder):
    from apt_jax.data.builders import OWN

    return type(builder) in OWN.values()


def _is_prepared(builder):
    folder = Path(builder.data_path)
    return (folder / source.INFO).is_file() and any(folder.glob(f"*.{FORMAT}*"))


def _size(builder) -> int:
    """Bytes to download, as far as they are known."""
    if _is_own(builder):
        return builder.SIZE
    return sum(url.size or 0 for url in builder.url_infos.values())


def _described(builder, place):
    licence = (
        getattr(builder, "LICENCE", None) or builder.info.redistribution_info.license
    )
    size = _size(builder)
    return "\n".join(
        (
            f"{builder.info.full_name} into {place}",
            f"to download: {size / 1e9:.2f} GB" if size else "to download: not known",
            f"licence: {licence or 'TFDS names none; see the home page'}",
            f"home page: {builder.info.homepage}",
        )
    )


def _require_room(builder, place):
    """Archive, unpacked images and records: three times what is downloaded."""
    there = place
    while not there.exists():
        there = there.parent
    free, needed = shutil.disk_usage(there).free, 3 * _size(builder)
    if needed > free:
        raise UserError(
            f"{builder.info.full_name} needs about {needed / 1e9:.0f} GB while it is "
            f"prepared, and {free / 1e9:.0f} GB are free in {place}; free some, or name "
            "another folder with --data_dir"
        )


def _prepare(builder, place, manual_dir):
    import tensorflow_datasets as tfds

    config = tfds.download.DownloadConfig(
        manual_dir=manual_dir or place / "downloads/manual", try_download_gcs=False
    )
    try:
        builder.download_and_prepare(download_config=config)
    except Exception as error:  # of the network, of the files, of TFDS: all kinds
        if _is_own(builder) or isinstance(error, UserError):
            raise
        raise UserError(
            f"TFDS cannot prepare {builder.info.full_name} ({with_type(error)}); mend "
            "that and give the same command again"
        ) from error


def _prepare_apart(options, place):
    """The same in a process of its own, in which TensorFlow sees no accelerator."""
    if importlib.util.find_spec("tensorflow") is None:
        raise UserError(
            f"preparing {options.name} needs TensorFlow, which is not installed; pip "
            "install -r requirements-tfds.txt (here, or in another environment with the "
            "same --data_dir)"
        )
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


def _checked(name, place):
    """Every record read once; says what there is and how to train on it."""
    folder = source.prepared_folder(name, str(place))
    counts = source.verify(folder)
    splits = ", ".join(f"{split} {count:,}" for split, count in counts.items())
    root = "" if place == source.data_dir() else f" --config.data.root={place}"
    return (
        f"whole: {folder} ({splits})\n"
        "train on it: python train.py --config configs/folder.py "
        f"--config.data.source=tfds --config.data.name={name}{root}"
    )


if __name__ == "__main__":
    sys.exit(command.run(main))
