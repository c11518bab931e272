"""Preparing data sets of TFDS as array_record, the format read here.

Any image-classification builder of TFDS, or one of ours (`data.published.builders`), which
need no TensorFlow; TFDS's own do. Where records are written is TFDS's data directory.
"""

import importlib.util
import shutil
from pathlib import Path

import tensorflow_datasets as tfds

from apt_jax.data.published import tfds as source
from apt_jax.data.published.builders import Original  # importing them registers them
from apt_jax.errors import UserError, did_you_mean, with_type

FORMAT = "array_record"
CATALOG = "https://www.tensorflow.org/datasets/catalog lists what there is"


def builder(name: str, place: Path):
    """The builder of TFDS, or of ours, that has this name.

    Raises:
        UserError: if there is none, with the nearest name.
    """
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


def is_own(builder) -> bool:
    """Whether it is one of ours, which need no TensorFlow."""
    return isinstance(builder, Original)


def _size(builder) -> int:
    """Bytes to download, as far as they are known."""
    if is_own(builder):
        return builder.SIZE
    return sum(url.size or 0 for url in builder.url_infos.values())


def described(builder, place) -> str:
    """What will be downloaded, its size, licence and home page."""
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


def require_room(builder, place):
    """Refuses a full disk: archive, images and records are three times the archive."""
    there = next(above for above in (place, *place.parents) if above.exists())
    free, needed = shutil.disk_usage(there).free, 3 * _size(builder)
    if needed > free:
        raise UserError(
            f"{builder.info.full_name} needs about {needed / 1e9:.0f} GB while it is "
            f"prepared, and {free / 1e9:.0f} GB are free in {place}; free some, or name "
            "another folder with `data_dir`"
        )


def write_records(builder, place, manual_dir):
    """Downloads, and writes the records; what was done before is not done again."""
    config = tfds.download.DownloadConfig(
        manual_dir=manual_dir or place / "downloads/manual", try_download_gcs=False
    )
    try:
        builder.download_and_prepare(download_config=config)
    except Exception as error:  # of the network, of the files, of TFDS: all kinds
        if is_own(builder) or isinstance(error, UserError):
            raise
        raise UserError(
            f"TFDS cannot prepare {builder.info.full_name} ({with_type(error)}); fix "
            "that and give the same command again"
        ) from error


def require_tensorflow(name):
    """Refuses where TensorFlow is not installed, which builders of TFDS need."""
    if importlib.util.find_spec("tensorflow") is None:
        raise UserError(
            f"preparing {name} needs TensorFlow, which is not installed; pip install -r "
            "requirements-tfds.txt (here, or in another environment with the same "
            "`data_dir`)"
        )


def verified(name, place) -> str:
    """What there is, every record read once."""
    folder = source.prepared_folder(name, str(place))
    counts = source.verify(folder)
    splits = ", ".join(f"{split} {count:,}" for split, count in counts.items())
    return f"whole: {folder} ({splits})"
