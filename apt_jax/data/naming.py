"""Class names that CLIP can read, and descriptions beside them: classes.yaml.

    ICTE: yellow-breasted chat
    TUTI:
      name: tufted titmouse
      descriptions:
        - grey above, with a crest and large black eyes
        - "a close-up of a {} at a feeder."

Keys are the data set's own class names; a class that is not listed keeps its own. A
description follows the name in every template, one with {} is a prompt of its own.
Descriptions of classes instead of names alone: Menon & Vondrick 2022, arXiv:2210.07183;
Pratt et al. 2022, arXiv:2209.03320.
"""

import dataclasses
from pathlib import Path

from apt_jax.data.dataset import Dataset
from apt_jax.data.listing import listed
from apt_jax.errors import UserError, nearest
from apt_jax.files import telling

FILE = "classes.yaml"
LAYOUT = "CLASS: READABLE NAME, or CLASS: {name: ..., descriptions: [...]}"


def renamed(dataset: Dataset, path: str, root: str) -> Dataset:
    """The data set with the names and descriptions of the file `path`.

    With an empty `path` those of classes.yaml in `root`, or beside it if it is a table,
    where that is there.

    Raises:
        UserError: if the file is missing, of another layout, or names unknown classes.
    """
    beside = _beside(Path(root).expanduser()) if root else None
    if not path and not (beside and beside.is_file()):
        return dataset
    file = Path(path).expanduser() if path else beside
    entries = _entries(file)
    if unknown := [name for name in entries if name not in dataset.classes]:
        meant = nearest(unknown[0], dataset.classes)
        hint = f"; did you mean {meant!r}?" if meant else ""
        raise UserError(
            f"{file} names classes that data set {dataset.name!r} has not "
            f"({listed(map(repr, unknown))}{hint}); fix or remove them"
        )
    named = [entries.get(name, (name, ())) for name in dataset.classes]
    descriptions = tuple(texts for _, texts in named)
    return dataclasses.replace(
        dataset,
        classes=tuple(name for name, _ in named),
        descriptions=descriptions if any(descriptions) else (),
    )


def _beside(root) -> Path:
    return (root.parent if root.is_file() else root) / FILE


def _entries(file) -> dict[str, tuple[str, tuple[str, ...]]]:
    """(readable name, descriptions) by class."""
    import yaml

    with telling("read data.class_names", file, "check the path"):
        data = file.read_bytes()
    try:
        # The base loader keeps all scalars text: "no" is a name and no truth value.
        content = yaml.load(data, yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise UserError(
            f"{file} is no YAML ({error}); its layout is {LAYOUT}"
        ) from None
    if isinstance(content, dict):
        named = content.items()
        odd = [f"{name}: {value!r}" for name, value in named if not _fits(value)]
    else:
        odd = [repr(content)]
    if odd:
        raise UserError(
            f"{file} has entries of another layout ({listed(odd)}); write {LAYOUT}"
        )
    return {
        name: (value, ())
        if isinstance(value, str)
        else (value.get("name", name), tuple(value.get("descriptions", ())))
        for name, value in content.items()
    }


def _fits(value):
    if isinstance(value, str):
        return bool(value.strip())
    if not isinstance(value, dict) or value.keys() - {"name", "descriptions"}:
        return False
    texts = value.get("descriptions", [])
    texts = [*texts, value.get("name", "x")] if isinstance(texts, list) else [None]
    return all(isinstance(text, str) and text.strip() for text in texts)
