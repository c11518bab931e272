"""What stands in the place of a label: a class name, a number, nothing, or several.

A missing label is missing however a program spells it. Several labels in one place are
refused: an image has one class here. Labels that are numbers sort by size.
"""

import decimal
import re
from collections.abc import Iterable

from apt_jax.data.dataset import Item
from apt_jax.data.listing import listed
from apt_jax.data.roots import note
from apt_jax.errors import UserError
from apt_jax.words import counted

NO_LABEL = -1  # as sets of the hub write it

# What pandas takes for missing when it reads a table, so what tables were written with.
MISSING = {
    *("", "nan", "NaN", "-nan", "-NaN", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA"),
    *(
        "<NA>",
        "null",
        "NULL",
        "None",
        "NaT",
        "1.#IND",
        "-1.#IND",
        "1.#QNAN",
        "-1.#QNAN",
    ),
}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# Apart by a mark, or a list, set or mapping as Python and JSON write them.
SEVERAL = re.compile(r"""[|;]|^(array)?[\[({]+\s*['"].*['"]?\s*[\])}]+$""")


def is_missing(text: str) -> bool:
    """Whether a cell says that there is no label."""
    return text.strip() in MISSING


def class_names(labels: Iterable[str], where) -> tuple[str, ...]:
    """The different labels, sorted: numbers by size, names as text; missing ones apart.

    `where` they are is told, if they are refused.

    Raises:
        UserError: for several labels in one place, and for a number in two spellings.
    """
    found = sorted({label for label in labels if not is_missing(label)})
    if several := [label for label in found if SEVERAL.search(label)]:
        raise UserError(
            f"{where}: several labels in one place ({listed(map(repr, several))}); an "
            "image has one class: choose one, or list each image under the label that "
            "counts"
        )
    if not all(NUMBER.fullmatch(label) for label in found):
        return tuple(found)
    same = {}
    for label in found:
        same.setdefault(decimal.Decimal(label), []).append(label)
    if twice := [names for names in same.values() if len(names) > 1]:
        raise UserError(
            f"{where}: labels that are one number ({listed(map(' = '.join, twice))}); "
            "spell it one way"
        )
    return tuple(same[number][0] for number in sorted(same))


def as_text(value) -> str:
    """A cell as text; whole numbers without decimals: missing ones made them floats.

    Raises:
        UnicodeDecodeError: for bytes that are no text.
    """
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode().strip()
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if is_whole else value).strip()


def with_labelled_test(splits: dict[str, list[Item]]) -> dict[str, list[Item]]:
    """The splits, validation as the test where none of the test's labels are told.

    So competitions publish: the labels of their test stay hidden.
    """
    test, val = splits.get("test", ()), splits.get("val", ())
    is_hidden = test and all(item.label == NO_LABEL for item in test)
    if not is_hidden or not any(item.label != NO_LABEL for item in val):
        return splits
    note(
        f"the labels of the test are hidden ({counted(len(test), 'image')}); validation "
        "is the test"
    )
    return splits | {"val": [], "test": val}
