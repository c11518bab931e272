"""The frame of every command: exit statuses, how errors are told, how text comes out.

0 done; 2 the user can fix it (one line); 130 interrupted; a traceback is our bug. What
messages call by the name of an argument is told as the option (`options`).
What a terminal cannot show is escaped, as `backslashreplace` does: no name that anybody
gave to a file may cost what was computed.
"""

import argparse
import contextlib
import re
import sys

import apt_jax
from apt_jax.errors import UserError, did_you_mean, nearest, one_line
from apt_jax.files import of_disk
from apt_jax.options import as_options, at_a_command_line

CONSOLE = "python -m apt_jax"


def run(main, arguments: list[str] | None = None) -> int:
    """Calls `main(arguments)`; returns the exit status, its own if it returns one.

    Without `arguments` they are those of the process.
    """
    show_everything()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if "--version" in arguments:
            print(f"apt_jax {apt_jax.__version__}")
            return 0
        with at_a_command_line():
            status = main(arguments) or 0
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
        _close_if_broken(sys.stdout)
        return _told(told)


def show_everything():
    """Lets standard output and error escape what their encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _close_if_broken(stream):
    """Gives up what a full disk does not take, or Python tries again at its end."""
    try:
        if stream:
            stream.flush()
    except OSError:
        with contextlib.suppress(OSError):
            stream.close()


def encoding() -> str:
    """Of standard output."""
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def _told(error) -> int:
    print(f"error: {as_options(one_line(error))}", file=sys.stderr)
    return 2


class Arguments(argparse.ArgumentParser):
    """The arguments of a command of the console; faults are a `UserError`.

    `name` is what follows `CONSOLE`, `description` the docstring, printed as it stands.
    """

    def __init__(self, name: str, description: str):
        self.options = []
        super().__init__(
            f"{CONSOLE} {name}",
            description=description.strip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument(
            "--version", action="store_true", help="print the version and stop"
        )

    def add_argument(self, *names, **how):
        self.options += [name for name in names if name.startswith("--")]
        return super().add_argument(*names, **how)

    def parse_args(self, arguments=None):
        """The options; raises `UserError` with the nearest right one."""
        found, unknown = self.parse_known_args(arguments)
        if unknown:
            option = unknown[0].partition("=")[0]
            names = {name.lstrip("-"): name for name in self.options}
            meant = nearest(option.lstrip("-"), names)
            hint = f"did you mean {names[meant]}?" if meant else self._see_help
            raise UserError(f"unknown argument {unknown[0]!r}; {hint}")
        return found

    def error(self, message):
        """What argparse found wrong, with what was probably meant."""
        chosen = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
        hint = self._see_help
        if chosen:
            names = [name.strip(" '") for name in chosen[2].split(",")]
            hint = did_you_mean(chosen[1], names, hint)
        raise UserError(f"{message}; {hint}")

    @property
    def _see_help(self):
        return f"{self.prog} --help tells what there is"
