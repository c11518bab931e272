"""A table of photographs: a row an image, CSV or Parquet.

    path,label[,split][,...]

`path` is inside the table's folder and relative to it; `label` is the class name that CLIP
reads (numbers keep their order; `data.class_names` names them); `split` is train, val or
test. Without that column the seed divides. `data.group` may name any column. CSV is UTF-8,
its fields apart by commas, semicolons or tabs. Rows keep their order, because the few-shot
sampler depends on it.
"""

import csv
import io
from pathlib import Path

from apt_jax.data.dataset import SPLITS, Item
from apt_jax.data.listing import listed
from apt_jax.data.own.copies import content_keys
from apt_jax.data.own.found import Found
from apt_jax.data.own.groups import GROUPS
from apt_jax.data.roots import reader, require_images
from apt_jax.errors import UserError

TEXT, PARQUET = (".csv", ".tsv"), (".parquet", ".pq")
KINDS = (*TEXT, *PARQUET)
LAYOUT = "the columns are path, label and, if you have it, split"
SPELLINGS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def find(config) -> Found:
    """The photographs that the table `config.root` lists.

    Raises:
        UserError: for a table that is not as above, and for images that are not there.
    """
    file = _file(config.root)
    root = file.parent
    columns = _columns(file)
    _require(columns, file, config.group)
    paths = [path.replace("\\", "/") for path in columns["path"]]
    require_images(root, paths, config.on_error)
    classes = class_names(columns["label"])
    label_of = {name: label for label, name in enumerate(classes)}
    items = [
        Item(path, label_of[name])
        for path, name in zip(paths, columns["label"], strict=True)
    ]
    groups = None
    if config.group not in GROUPS:
        groups = dict(zip(paths, columns[config.group.casefold()], strict=True))
    return Found(
        name=file.stem,
        layout="a table",
        classes=classes,
        splits=_given(items, columns["split"], file)
        if "split" in columns
        else {"": items},
        read=reader(root),
        keys=lambda paths: content_keys(root, paths),
        groups=groups,
    )


def is_table(root: str) -> bool:
    """Whether a root is a file of rows, by its ending."""
    return root.lower().endswith(KINDS)


def class_names(labels) -> tuple[str, ...]:
    """The different labels, sorted: numbers by size, names as text."""
    found = set(labels)
    numbers = all(name.isdecimal() for name in found)
    return tuple(
        sorted(found, key=(lambda name: (int(name), name)) if numbers else None)
    )


def _file(root) -> Path:
    if not root:
        raise UserError(
            f"data.root is empty; name a table ({', '.join(KINDS)}): {LAYOUT}"
        )
    file = Path(root).expanduser()
    if is_table(file.name) and not file.is_file():
        raise UserError(f"there is no table {root}; name it with --config.data.root")
    if not is_table(file.name):
        raise UserError(
            f"{root} is no table; name a file that ends in {', '.join(KINDS)}"
        )
    return file


def _columns(file) -> dict[str, list[str]]:
    """The columns as text, by name in small letters."""
    try:
        read = _parquet if file.suffix.lower() in PARQUET else _text
        return read(file)
    except OSError as error:
        raise UserError(
            f"cannot read {file} ({error.strerror or error}); check the file"
        ) from None


def _parquet(file):
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(file)
    except pyarrow.ArrowException as error:
        raise UserError(f"{file} is no Parquet ({error}); write it again") from None
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pyarrow.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        values = column.to_pylist()
        columns[name.strip().casefold()] = [
            "" if value is None else str(value) for value in values
        ]
    return columns


def _text(file):
    text = _decoded(file.read_bytes(), file)
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    try:
        rows = list(
            csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        )
    except csv.Error as error:
        raise UserError(f"{file} is no CSV ({error}); write it again") from None
    rows = [row for row in rows if row]
    if not rows:
        raise UserError(f"{file} is empty; {LAYOUT}")
    names = [name.strip().casefold() for name in rows[0]]
    uneven = [
        f"row {number} has {len(row)}"
        for number, row in enumerate(rows[1:], 2)
        if len(row) != len(names)
    ]
    if uneven:
        raise UserError(
            f"{file} has {len(names)} columns, but {listed(uneven)}; mend these rows "
            "(a field with a comma goes in quotes)"
        )
    cells = zip(*rows[1:], strict=True) if rows[1:] else [()] * len(names)
    return {
        name: [cell.strip() for cell in column]
        for name, column in zip(names, cells, strict=True)
    }


def _decoded(data, file):
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"line {line} of {file} is no UTF-8; save the whole table as UTF-8"
        ) from None


def _require(columns, file, group):
    """Refuses missing columns, and empty cells in those that are read."""
    wanted = ["path", "label"]
    if group not in GROUPS:
        wanted.append(group.casefold())
    if missing := [name for name in wanted if name not in columns]:
        raise UserError(
            f"{file} has no column {', '.join(missing)} (it has {listed(columns)}); "
            f"{LAYOUT}"
        )
    empty = [
        f"row {number} ({name})"
        for name in (*wanted, *{"split"} & columns.keys())
        for number, cell in enumerate(columns[name], 2)
        if not cell
    ]
    if empty or not columns["path"]:
        raise UserError(
            f"{file} has empty cells: {listed(empty) or 'all'}; fill them in"
        )


def _given(items, spelled, file) -> dict[str, list[Item]]:
    if odd := sorted(set(map(str.casefold, spelled)) - SPELLINGS.keys()):
        raise UserError(
            f"{file} has splits that are no train, val or test ({listed(map(repr, odd))}); "
            "mend them"
        )
    splits = {split: [] for split in SPLITS}
    for item, split in zip(items, spelled, strict=True):
        splits[SPELLINGS[split.casefold()]].append(item)
    return splits
