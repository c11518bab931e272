"""Text lists as authors publish them: a line an entry, parts apart by the first space."""

from apt_jax.errors import UserError


def lines(path) -> list[str]:
    """The lines of a UTF-8 text file that are not empty.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        raise UserError(
            f"cannot read {path} ({reason}); unpack the archive again"
        ) from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def table(path) -> dict[str, str]:
    """Lines "KEY VALUE" as a dict, in order; a value may hold spaces."""
    rows = [line.partition(" ") for line in lines(path)]
    return {key: value.strip() for key, _, value in rows}
