"""A table of photographs: a row an image, CSV or Parquet.

    path,label[,split][,...]

`path` (or `file_name`) is inside the table's folder and relative to it. `label` is the
class name that CLIP reads; numbers sort by size, and `data.class_names` names them. `split`
is train, val or test. Without that column the seed divides, whatever the order of the rows;
with it rows keep their order, because the few-shot sampler depends on it. `data.group` may
name any column. CSV is UTF-8, its fields apart by commas, semicolons or tabs.
"""

import csv
import dataclasses
import io
from pathlib import Path

from apt_jax.data.dataset import SPLITS, Item
from apt_jax.data.given_splits import split_of
from apt_jax.data.listing import listed
from apt_jax.data.own.found import Found
from apt_jax.data.own.groups import GROUPS
from apt_jax.data.own.labels import (
    NO_LABEL,
    as_text,
    class_names,
    is_missing,
    with_labelled_test,
)
from apt_jax.data.own.photographs import Photographs
from apt_jax.data.roots import reader, relative, require_images
from apt_jax.errors import UserError, one_line
from apt_jax.files import telling

TEXT, PARQUET = (".csv", ".tsv"), (".parquet", ".pq")
KINDS = (*TEXT, *PARQUET)
LAYOUT = "the columns are path, label and, if you have it, split"
PATH = ("path", "file_name")  # the second is what an imagefolder's metadata.csv has


@dataclasses.dataclass(frozen=True)
class Table(Photographs):
    """A table, in the folder of the photographs or above them."""

    @property
    def called(self):
        """By the file's name without its ending."""
        return self.name or Path(self.root).stem

    def find(self) -> Found:
        """The photographs that the table lists."""
        file = _file(self.root)
        root = file.parent
        columns = _columns(file, self.group)
        paths = [relative(root, path) for path in columns["path"]]
        require_images(root, paths, self.on_error)
        classes = class_names(columns["label"], file)
        items = [
            Item(path, NO_LABEL if is_missing(name) else classes.index(name))
            for path, name in zip(paths, columns["label"], strict=True)
        ]
        splits = {"": items}
        if "split" in columns:
            splits = _given(items, columns["split"], file)
        groups = None
        if self.group not in GROUPS:
            groups = dict(zip(paths, columns["group"], strict=True))
        return Found(
            layout="a table",
            classes=classes,
            splits=splits,
            read=reader(root),
            groups=groups,
        )


def is_table(root: str) -> bool:
    """Whether a root is a file of rows, by its ending."""
    return root.lower().endswith(KINDS)


def _file(root) -> Path:
    if not is_table(root):
        what = f"data.root={root} is no table" if root else "data.root is empty"
        raise UserError(
            f"{what}; name a file that ends in {', '.join(KINDS)}: {LAYOUT}"
        )
    file = Path(root).expanduser()
    if not file.is_file():
        raise UserError(f"there is no table {root}; name it with `root`")
    return file


def _columns(file, group) -> dict[str, list[str]]:
    """What is read of the table, as text: path, label, split and group, if there.

    Raises:
        UserError: for columns that are missing, doubled or no text, and for empty cells.
    """
    read = _parquet if file.suffix.lower() in PARQUET else _text
    with telling("read", file, "check the file"):
        names, columns_of = read(file)
    path = next((name for name in PATH if name in names), PATH[0])
    wanted = {"path": path, "label": "label"}
    if "split" in names:
        wanted["split"] = "split"
    if group not in GROUPS:
        wanted["group"] = group.casefold()
    if missing := [name for name in wanted.values() if name not in names]:
        raise UserError(
            f"{file} has no column {', '.join(missing)} (it has {listed(names)}); "
            f"{LAYOUT}"
        )
    if doubled := [name for name in wanted.values() if names.count(name) > 1]:
        raise UserError(
            f"{file} has column {', '.join(doubled)} more than once; keep the one that "
            "counts"
        )
    columns = {use: columns_of(names.index(name)) for use, name in wanted.items()}
    _require_cells(columns, file)
    return columns


def _parquet(file):
    """The names of the columns, and what gives the text of one by its place."""
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(file).read()
    except pyarrow.ArrowException as error:
        raise UserError(
            f"{file} is no Parquet ({one_line(error)}); write it again"
        ) from None

    def texts(place):
        column, name = table.column(place), table.column_names[place]
        if pyarrow.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pyarrow.types.is_nested(column.type):
            raise UserError(
                f"column {name} of {file} holds {column.type}; an image has one path and "
                "one label: write one text or number a row"
            )
        if pyarrow.types.is_float32(column.type):  # 0.1 and not 0.10000000149011612
            column = column.cast("string")
        try:
            return list(map(as_text, column.to_pylist()))
        except UnicodeDecodeError:
            raise UserError(
                f"column {name} of {file} holds bytes that are no UTF-8; write text"
            ) from None

    return [name.strip().casefold() for name in table.column_names], texts


def _text(file):
    """The names of the columns, and what gives the text of one by its place."""
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
            f"{file} has {len(names)} columns, but {listed(uneven)}; fix these rows "
            "(a field with a comma goes in quotes)"
        )
    return names, lambda place: [row[place].strip() for row in rows[1:]]


def _decoded(data, file):
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"line {line} of {file} is no UTF-8; save the whole table as UTF-8"
        ) from None


def _require_cells(columns, file):
    """Refuses empty cells, and a table without rows; labels may be missing."""
    empty = [
        f"row {number} ({use})"
        for use, cells in columns.items()
        for number, cell in enumerate(cells, 2)
        if use != "label" and (not cell or (use == "group" and is_missing(cell)))
    ]
    if empty or not columns["path"]:
        raise UserError(
            f"{file} has empty cells: {listed(empty) or 'all'}; fill them in"
        )


def _given(items, named, file) -> dict[str, list[Item]]:
    odd = sorted({name for name in named if not split_of(name)})
    if odd:
        raise UserError(
            f"{file} has splits that are no train, val or test ({listed(map(repr, odd))}); "
            "fix them"
        )
    splits = {split: [] for split in SPLITS}
    for item, split in zip(items, named, strict=True):
        splits[split_of(split)].append(item)
    return with_labelled_test(splits)
