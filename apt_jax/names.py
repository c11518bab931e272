"""Names that people give are text: never markup, never a column, never more than a line."""

import re


def printable(text: str) -> str:
    """`text`, escaped where a terminal would break its line or refuse its bytes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def storable(text: str) -> str:
    """`text`, escaped where UTF-8 cannot hold it: the bytes of an odd file name."""
    return text.encode("utf-8", "backslashreplace").decode()


def short(text: str, letters: int) -> str:
    """`text` for a picture, where no more letters than these have room."""
    return text if len(text) <= letters else text[: letters - 1] + "…"


def as_part(name: str) -> str:
    """`name` as one part of a path: no folder of its own, and not hidden."""
    return re.sub(r"[/\\%\0]|^\.", lambda odd: f"%{ord(odd[0]):02X}", name)


def probability_column(name: str) -> str:
    """The column of a class's probability: a prefix that no other column has."""
    return f"p:{name}"
