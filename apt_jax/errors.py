"""Errors that name the fix."""


class UserError(Exception):
    """Something the person at the keyboard can mend.

    The message is one line, "what is wrong; what to do". Commands print it as
    `error: ...` and leave with status 2; every other exception is our bug.
    """


def one_line(error) -> str:
    """What an error says, on one line; its type where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def with_type(error) -> str:
    """What an error of another's code says, on one line, behind its type."""
    name, words = type(error).__name__, " ".join(str(error).split())
    return f"{name}: {words}" if words else name
