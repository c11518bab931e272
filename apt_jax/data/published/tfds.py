"""Data sets prepared by TensorFlow Datasets, read without TensorFlow.

`ROOT/NAME[/CONFIG]/VERSION/` in the array_record format, as `python -m
apt_jax prepare NAME` leaves it; no builder code is needed. Records keep the order they are
stored in, images the bytes they were stored as, and a record is named by split and place:
`train/000012`. Splits may be slices such as `train[:80%]` or sums of slices. TFDS's other
formats are refused: tfrecord cannot be read without TensorFlow, and of parquet slices are
ignored.
"""

import dataclasses
import fnmatch
import functools
import os
import re
from pathlib import Path

from apt_jax.data.dataset import SPLITS, Dataset, Item
from apt_jax.data.given_splits import usual
from apt_jax.data.listing import listed
from apt_jax.data.roots import entries
from apt_jax.data.source import Source
from apt_jax.errors import UserError, with_type
from apt_jax.fields import field
from apt_jax.files import read_json
from apt_jax.progress import progress
from apt_jax.words import counted, form

INFO = "dataset_info.json"  # marks the folder of a prepared version
AT_ONCE = 256  # records read together


@dataclasses.dataclass(frozen=True)
class TFDS(Source):
    """The data set `name`, such as "eurosat/rgb:2.0.0", below the root."""

    train_split: str = field("", "slices, in TFDS's spelling; empty = what there is")
    val_split: str = field("", "the same, of the validation images")
    test_split: str = field("", "the same, of the test images")
    image: str = field("image", "the feature with the picture")
    label: str = field("label", "the feature with the class")

    @property
    def called(self):
        """By its builder."""
        return re.split("[/:]", self.name)[0]

    def load(self, seed: int) -> Dataset:
        del seed  # the splits are given
        info, sources = _sources(prepared_folder(self.name, self.root))
        self._require_features(info.features)

        @functools.cache  # a stored split is read once, however it is sliced
        def labels(stored):
            batches = _batches(sources[stored], stored, "reading labels of")
            return [int(record[self.label]) for batch in batches for record in batch]

        splits = {
            split: tuple(
                Item(f"{stored}/{place:07d}", labels(stored)[place])
                for stored, place in _records(spec, info.splits, self.name)
            )
            for split, spec in self._specs(info.splits).items()
        }
        return self.dataset(
            name=self.called or info.name,
            classes=tuple(info.features[self.label].names),
            **splits,
            read=_reader(sources, self.image),
        )

    def _require_features(self, features):
        import tensorflow_datasets as tfds

        for setting, named, kind in (
            ("image", self.image, tfds.features.Image),
            ("label", self.label, tfds.features.ClassLabel),
        ):
            fitting = [name for name, one in features.items() if isinstance(one, kind)]
            if named not in fitting:
                raise UserError(
                    f"feature {named!r} is no {kind.__name__}; set "
                    f"`{setting}` to one of {fitting}"
                )

    def _specs(self, there) -> dict[str, str]:
        """The slices that make each split, as the fields or else the names say."""
        given = (self.train_split, self.val_split, self.test_split)
        given = dict(zip(SPLITS, given, strict=True))
        named = usual(there) if not (given["train"] and given["test"]) else {}
        specs = {split: given[split] or named.get(split, "") for split in SPLITS}
        for split in ("train", "test"):
            if not specs[split]:
                raise UserError(
                    f"there is no split for {split}; `{split}_split`=SLICES "
                    f"makes one of {sorted(there)}, such as train[:70%] and train[70%:]"
                )
        return specs


def data_dir(root: str = "") -> Path:
    """Where TFDS keeps prepared data, unless `root` names another place."""
    default = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return Path(root or default).expanduser()


def prepared_folder(name: str, root: str = "") -> Path:
    """The folder of the newest prepared version that NAME[/CONFIG][:VERSION] means.

    `root` is TFDS's data_dir, or itself the folder of a version.

    Raises:
        UserError: if it is not there, or NAME has several configs and none is named.
    """
    place = data_dir(root)
    if (place / INFO).is_file():
        return place
    if not name:
        raise UserError(
            "data.name is empty; name a TFDS data set, such as food101 or eurosat/rgb"
        )
    name, _, wanted = name.partition(":")
    base = place / name
    configs = [
        one for one in (entries(base) if base.is_dir() else ()) if _versions(base / one)
    ]
    if len(configs) > 1:
        named = listed(f"{name}/{config}" for config in configs)
        raise UserError(f"{name} is prepared in several configs; name one: {named}")
    base = base.joinpath(*configs)
    there = _versions(base)
    if fitting := [one for one in there if fnmatch.fnmatch(one, wanted or "*")]:
        return base / fitting[-1]
    missing = f"version {wanted} of {name}" if wanted and there else name
    others = f" (there is {listed(there)})" if there else ""
    raise UserError(
        f"no prepared data set {missing} below {place}{others}; prepare it with "
        f"python -m apt_jax prepare {name} --data_dir={place}, or name another folder with "
        "`root`"
    )


def _versions(folder) -> list[str]:
    """Names of the prepared versions in a folder, oldest first."""
    from tensorflow_datasets.core.utils.version import list_all_versions

    versions = map(str, list_all_versions(folder))
    return [version for version in versions if (folder / version / INFO).is_file()]


def verify(folder: Path) -> dict[str, int]:
    """Reads every record of a prepared version; returns how many there are by split.

    Raises:
        UserError: if files are missing or damaged, or records fewer than they should be.
    """
    info, sources = _sources(folder)
    for split, records in sources.items():
        count = sum(len(batch) for batch in _batches(records, split, "checking"))
        if count != info.splits[split].num_examples:
            raise UserError(
                f"{folder} has {counted(count, 'record')} of {split}, not "
                f"{info.splits[split].num_examples}; prepare it again"
            )
    return {split: info.splits[split].num_examples for split in sources}


def _sources(folder):
    import tensorflow_datasets as tfds

    _require_array_records(folder)
    try:
        builder = tfds.builder_from_directory(folder, file_format="array_record")
        info = builder.info
    except Exception as error:  # what a half-copied folder makes TFDS raise varies
        raise UserError(
            f"cannot read {folder} ({with_type(error)}); prepare it again"
        ) from None
    _require_files(folder, info)
    raw = {
        name: tfds.decode.SkipDecoding()
        for name, feature in info.features.items()
        if isinstance(feature, tfds.features.Image)
    }
    return info, {
        split: builder.as_data_source(split=split, decoders=raw)
        for split in info.splits
    }


def _require_array_records(folder):
    if any(".array_record" in name for name in entries(folder)):
        return
    layout = {"name": str, "configName?": str, "fileFormat?": str}
    info = read_json(folder / INFO, layout, "prepare the data again")
    name, config = info["name"], info.get("configName", "")
    written = info.get("fileFormat", "tfrecord")
    above = folder.parents[2 if config else 1]
    raise UserError(
        f"{folder} is in the format {written}, and only array_record can be read "
        "without TensorFlow; prepare it again: python -m apt_jax prepare "
        f"{name}{config and f'/{config}'} --data_dir={above}"
    )


def _require_files(folder, info):
    wanted = [name for split in info.splits.values() for name in split.filenames]
    absent = [name for name in sorted(wanted) if not (folder / name).is_file()]
    if absent:
        raise UserError(
            f"{len(absent)} of {counted(len(wanted), 'file')} "
            f"{form(len(wanted), 'is', 'are')} not in {folder} "
            f"({listed(absent)}); copy them too, or prepare it again"
        )


def _records(spec, there, name) -> list[tuple[str, int]]:
    """(stored split, place) of each record of a slice, or of a sum of slices."""
    import tensorflow_datasets as tfds

    if not spec:
        return []
    try:
        parts = tfds.core.ReadInstruction.from_spec(spec).to_absolute(there)
        return [
            (part.splitname, place)
            for part in parts
            for place in range(there[part.splitname].num_examples)[part.from_ : part.to]
        ]
    except (AssertionError, KeyError, ValueError) as error:
        raise UserError(
            f"no slice {spec!r} ({error}); the splits of {name} are "
            f"{', '.join(f'{one} ({there[one].num_examples})' for one in there)}"
        ) from None


def _batches(source, split, doing):
    """Yields the records of a split, `AT_ONCE` at a time."""
    with progress(len(source), f"{doing} {split}") as advance:
        for start in range(0, len(source), AT_ONCE):
            places = range(start, min(start + AT_ONCE, len(source)))
            try:
                yield source.__getitems__(places)
            except Exception as error:  # array_record raises bare RuntimeErrors
                raise UserError(
                    f"cannot read records {start} to {places[-1]} of {split} ({error}); "
                    "the file is damaged: prepare the data again"
                ) from None
            advance(len(places))


def _reader(sources, feature):
    def read(item) -> bytes:
        split, _, place = item.path.partition("/")
        try:
            return sources[split][int(place)][feature]
        except RuntimeError as error:  # a damaged file
            raise OSError(str(error)) from None

    return read
