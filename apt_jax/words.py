"""Counts in sentences."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count before what is counted: "1 group", "2 groups"; `many` for odd plurals."""
    return f"{count:,} {form(count, one, many)}"


def series(texts) -> str:
    """Texts in a sentence: "a, b and c"."""
    *others, last = texts
    return f"{', '.join(others)} and {last}" if others else last


def form(count: int, one: str, many: str | None = None) -> str:
    """The form of a word that goes with a count."""
    return one if count == 1 else many or f"{one}s"


def shots_in_words(shots) -> str:
    """A number of shots in words: 0 is all of them, below 1 a share of all."""
    if 0 < shots < 1:
        return f"{100 * shots:g} % of images"
    return "all shots" if shots == 0 else counted(int(shots), "shot")
