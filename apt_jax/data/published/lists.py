"""Text lists as authors publish them: a line an entry, parts apart by the first space."""

from apt_jax.files import read_text


def lines(path) -> list[str]:
    """The lines of a UTF-8 text file that are not empty.

    Raises:
        UserError: if it cannot be read.
    """
    text = read_text(path, "unpack the archive again")
    return [line.strip() for line in text.splitlines() if line.strip()]


def table(path) -> dict[str, str]:
    """Lines "KEY VALUE" as a dict, in order; a value may hold spaces."""
    rows = [line.partition(" ") for line in lines(path)]
    return {key: value.strip() for key, _, value in rows}
