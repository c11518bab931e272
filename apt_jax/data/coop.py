"""The split files of CoOp: `split_zhou_<Name>.json` and an image root.

{"train": [[path, label, class name], ...], "val": [...], "test": [...]}, paths relative
to the root. Class names come from the training list. The order of the lists is kept: the
few-shot sampler depends on it.
"""

import json
from pathlib import Path

from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.roots import reader, require_folder, require_images
from apt_jax.data.templates import templates_of
from apt_jax.errors import UserError

SPLITS = ("train", "val", "test")


def coop(config, seed: int) -> Dataset:
    """The data set that `config.split_file` lists below `config.root`."""
    del seed  # the split is given
    root = require_folder(config.root, "the images that the split file lists")
    listed = read_split(config.split_file)
    classes = class_names(listed["train"])
    splits = {name: _items(rows, classes, name) for name, rows in listed.items()}
    require_images(root, [item.path for split in splits.values() for item in split])
    name = config.name or root.name
    return Dataset(
        name=name,
        classes=classes,
        **splits,
        templates=templates_of(name, config.templates),
        read=reader(root),
    )


def read_split(path) -> dict[str, list]:
    """The three lists of a split file.

    Raises:
        UserError: if it is missing, no JSON or of another layout.
    """
    if not path:
        raise UserError("data.split_file is empty; name a split_zhou_*.json")
    try:
        content = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"cannot read data.split_file {path}: {error.strerror}; check the path"
        ) from None
    except ValueError as error:
        raise UserError(f"{path} is no JSON ({error}); download it again") from None
    if not isinstance(content, dict) or not all(
        isinstance(content.get(name), list) for name in SPLITS
    ):
        raise UserError(
            f"{path} is no CoOp split file; it needs lists under 'train', 'val', 'test'"
        )
    for name in SPLITS:
        for row in content[name]:
            if not _is_triple(row):
                raise UserError(
                    f"{path} has {row!r} under {name!r}; each entry is "
                    "[path, label from 0, class name]"
                )
    return {name: content[name] for name in SPLITS}


def class_names(train_rows) -> tuple[str, ...]:
    """Class names in label order, from the training list.

    Raises:
        UserError: if a label has two names or a label is missing.
    """
    names = {}
    for _, label, name in train_rows:
        if names.setdefault(label, name) != name:
            raise UserError(
                f"label {label} is called {names[label]!r} and {name!r} in the split "
                "file; give each label one name"
            )
    if sorted(names) != list(range(len(names))):
        missing = sorted(set(range(max(names))) - names.keys())
        raise UserError(
            f"the split file has no training images of labels {missing[:10]}; labels "
            "count from 0 without gaps"
        )
    return tuple(names[label] for label in range(len(names)))


def _items(rows, classes, split):
    unknown = sorted({label for _, label, _ in rows if label >= len(classes)})
    if unknown:
        raise UserError(
            f"labels {unknown[:10]} of the {split} split have no training images; remove "
            "them or add training images"
        )
    return tuple(Item(path.replace("\\", "/"), label) for path, label, _ in rows)


def _is_triple(row):
    return (
        isinstance(row, list)
        and len(row) == 3
        and isinstance(row[0], str)
        and isinstance(row[1], int)
        and row[1] >= 0
        and isinstance(row[2], str)
    )
