"""The frame of every command: exit statuses, how errors are told, how text comes out.

0 done; 2 the user can mend it (one line); 130 interrupted; a traceback is our bug.
What a terminal cannot show is escaped, as `backslashreplace` does: no name that anybody
gave to a file may cost what was computed.
"""

import argparse
import contextlib
import sys

from apt_jax.errors import UserError, one_line
from apt_jax.files import of_disk


class Arguments(argparse.ArgumentParser):
    """A command line; what is wrong with it is a `UserError`."""

    def __init__(self, prog, description):
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(prog, description=description, formatter_class=form)

    def error(self, message):
        raise UserError(f"{message}; {self.prog} --help lists what there is")


def run(main) -> int:
    """Calls `main(arguments)`; returns the exit status, its own if it returns one."""
    show_everything()
    try:
        status = main(sys.argv[1:]) or 0
        if sys.stdout:
            sys.stdout.flush()  # what was printed may find its disk full
        return status
    except UserError as error:
        return _told(error)
    except UnicodeEncodeError as error:
        if error.encoding.startswith("utf"):
            raise
        return _told(
            f"this locale ({error.encoding}) cannot spell the file name "
            f"{error.object!r}; set LC_ALL=C.UTF-8"
        )
    except KeyboardInterrupt:
        print(
            "\ninterrupted; the same command again goes on from here", file=sys.stderr
        )
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader left; nothing more to say
        return 0
    except OSError as error:
        if not (told := of_disk(error)):
            raise
        with contextlib.suppress(OSError):
            sys.stdout.close()  # or Python tries again at its end, and tells of it
        return _told(told)


def show_everything():
    """Lets standard output and error escape what their encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def encoding() -> str:
    """Of standard output."""
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def _told(error) -> int:
    print(f"error: {one_line(error)}", file=sys.stderr)
    return 2
