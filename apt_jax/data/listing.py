"""Names in messages: the first few, on one line, whatever bytes they hold."""

from apt_jax.names import printable

SHOWN = 10


def listed(texts, separator=", ") -> str:
    """The first ten of `texts` and how many more there are."""
    texts = list(texts)
    shown = separator.join(map(printable, texts[:SHOWN]))
    return shown + (f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else "")
