"""Errors that name the fix."""


class UserError(Exception):
    """Something the person at the keyboard can mend.

    The message is one line, "what is wrong; what to do". Commands print it as
    `error: ...` and leave with status 2; every other exception is our bug.
    """
