"""A Hugging Face `datasets` set for image classification: of the hub, or from disk.

`data.root` is `hf:OWNER/NAME[:CONFIG]`, downloaded once; `hf:FOLDER` with files as a hub
repository has them; or a folder that `save_to_disk` wrote. Images are the bytes that are
stored, and an image is named by split and place: `train/0000012`. With one split only, the
seed divides it; `data.group` may name a column. Needs requirements-hub.txt.
"""

import os
from pathlib import Path

from apt_jax.data.dataset import SPLITS, Item
from apt_jax.data.given_splits import usual
from apt_jax.data.listing import listed
from apt_jax.data.own.copies import keys_of_content
from apt_jax.data.own.found import Found
from apt_jax.data.own.groups import GROUPS
from apt_jax.errors import UserError, with_type

DEFAULTS = {
    "image": "",  # the column with the picture; by default the only one of that kind
    "label": "",  # the column with the class
}
PREFIX = "hf:"
NO_LABEL = -1  # as the hub writes it
MARKS = ("dataset_dict.json", "state.json")  # what `save_to_disk` leaves


def find(config) -> Found:
    """The data set that `config.root` names.

    Raises:
        UserError: if it cannot be had, and for columns and splits that are not clear.
    """
    sets = _opened(config.root)
    features = next(iter(sets.values())).features
    image = _column(features, "Image", config.get("image"), "image")
    label = _column(features, "ClassLabel", config.get("label"), "label")
    _require_column(features.keys() - {image}, config.group)
    raw = {split: _undecoded(one, image) for split, one in sets.items()}

    def read(item) -> bytes:
        split, _, place = item.path.partition("/")
        stored = raw[split][int(place)][image] or {"bytes": None, "path": None}
        if stored["bytes"] is not None:
            return stored["bytes"]
        if stored["path"] is None:
            raise OSError("no picture is stored")
        return Path(stored["path"]).read_bytes()

    classes = tuple(features[label].names)
    splits = _splits(sets, label, classes)
    groups = None
    if config.group not in GROUPS and "" in splits:
        groups = _groups(sets, config.group)
    return Found(
        name=_name(config.root),
        layout="a set of the hub",
        classes=classes,
        splits=splits,
        read=read,
        keys=lambda paths: keys_of_content(read, paths),
        groups=groups,
        published=True,
    )


def is_hub(root: str) -> bool:
    """Whether a root names a set of the hub, or is a folder of `save_to_disk`."""
    folder = Path(root).expanduser()
    saved = any((folder / mark).is_file() for mark in MARKS)
    return root.startswith(PREFIX) or (bool(root) and saved)


def _opened(root) -> dict:
    """The stored splits by name."""
    try:
        import datasets
    except ModuleNotFoundError:
        raise UserError(
            "data sets of the Hugging Face hub need the package `datasets`; pip install "
            "-r requirements-hub.txt"
        ) from None
    try:
        if root.startswith(PREFIX):
            name, _, config = root.removeprefix(PREFIX).partition(":")
            opened = datasets.load_dataset(name, config or None)
        else:
            opened = datasets.load_from_disk(str(Path(root).expanduser()))
    except Exception as error:  # of the network, of the hub, of the files: all kinds
        raise UserError(
            f"cannot load {root} ({with_type(error)}); check the name (a set of the hub "
            f"is {PREFIX}OWNER/NAME[:CONFIG]) and the network"
        ) from None
    if isinstance(opened, datasets.DatasetDict):
        return dict(opened)
    return {str(opened.split or "train"): opened}


def _undecoded(one, image):
    from datasets import Image

    return one.cast_column(image, Image(decode=False))


def _column(features, kind, given, field):
    fitting = [name for name, one in features.items() if type(one).__name__ == kind]
    chosen = [name for name in fitting if name == given or not given]
    if len(chosen) != 1:
        raise UserError(
            f"the columns of kind {kind} are {fitting}; name one with --config.data.source="
            f"hub --config.data.{field}=COLUMN"
        )
    return chosen[0]


def _require_column(columns, group):
    if group not in (*GROUPS, *columns):
        raise UserError(
            f"data.group={group}: the columns are {listed(sorted(columns))}; name one of "
            f"them, or {', '.join(GROUPS)}"
        )


def _path(split, place):
    return f"{split}/{place:07d}"


def _groups(sets, column) -> dict[str, str]:
    """The column's value for each path of the only split."""
    ((split, one),) = sets.items()
    found = {_path(split, place): value for place, value in enumerate(one[column])}
    if empty := [path for path, value in found.items() if value is None]:
        raise UserError(
            f"column {column} has no value for {len(empty)} images ({listed(empty)}); "
            "fill them in, or choose another --config.data.group"
        )
    return {path: str(value) for path, value in found.items()}


def _splits(sets, label, classes) -> dict[str, list[Item]]:
    """The items of each split, of a single one under ""."""
    found = {
        split: [
            Item(_path(split, place), NO_LABEL if value is None else value)
            for place, value in enumerate(one[label])
        ]
        for split, one in sets.items()
    }
    names = usual(found)
    if names["train"] and names["test"]:
        return {split: found.get(names[split], []) for split in SPLITS}
    if len(found) > 1:
        raise UserError(
            f"the splits are {', '.join(found)}; apt_jax reads train and test (or "
            "validation): save it with these names"
        )
    (items,) = found.values()
    if odd := [item.path for item in items if not 0 <= item.label < len(classes)]:
        raise UserError(
            f"{len(odd)} images have no label ({listed(odd)}); leave them out, or name "
            "another column with --config.data.label"
        )
    return {"": items}


def _name(root):
    name = root.removeprefix(PREFIX).partition(":")[0]
    return os.path.basename(name.rstrip("/"))
