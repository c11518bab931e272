"""Errors that name the fix."""

import difflib

from apt_jax.names import printable


class UserError(ValueError):
    """Something the person at the keyboard can fix.

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


def nearest(name, names) -> str | None:
    """The one of `names` that was probably meant; None if none is like `name`."""
    known = {str(one).casefold(): one for one in names}
    close = difflib.get_close_matches(str(name).casefold(), known, n=1, cutoff=0.5)
    return known[close[0]] if close else None


def did_you_mean(name, names, otherwise: str | None = None) -> str:
    """What to do about an unknown `name`: the nearest one, or all that there are."""
    meant = nearest(name, names)
    if meant is not None:
        return f"did you mean {meant}?"
    return otherwise or f"choose one of {', '.join(map(str, names))}"


def require_known(what: str, name, names):
    """Refuses a `name` that is none of `names`."""
    if name not in names:
        raise UserError(f"unknown {what} {name!r}; {did_you_mean(name, names)}")
