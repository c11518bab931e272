"""Errors that name the fix."""

from apt_jax.names import printable


class UserError(ValueError):
    """Something the person at the keyboard can mend.

    The message is one line, "what is wrong; what to do". Commands print it as
    `error: ...` and leave with status 2; every other exception is our bug.
    """


class NotFinite(UserError):
    """NaN or infinity where a number should be."""


def one_line(error) -> str:
    """What an error says, on one line; its type where it says nothing."""
    return _flat(error) or type(error).__name__


def with_type(error) -> str:
    """What an error of another's code says, on one line, behind its type."""
    name, words = type(error).__name__, _flat(error)
    return f"{name}: {words}" if words else name


def reason(error) -> str:
    """Why a file cannot be read or written: what the system says of it, or the error."""
    return getattr(error, "strerror", None) or one_line(error)


def _flat(error):
    return printable(" ".join(str(error).split()))
