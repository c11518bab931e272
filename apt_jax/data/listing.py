"""Names in messages: the first few, on one line, whatever bytes they hold."""

SHOWN = 10


def listed(texts, separator=", ") -> str:
    """The first ten of `texts` and how many more there are."""
    texts = list(texts)
    shown = separator.join(map(printable, texts[:SHOWN]))
    return shown + (f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else "")


def printable(text: str) -> str:
    """`text`, escaped where a terminal would break its line or refuse its bytes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
