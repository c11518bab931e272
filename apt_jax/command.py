"""The frame of every command: exit statuses and how errors are told.

0 done; 2 the user can mend it (one line); 130 interrupted; a traceback is our bug.
"""

import sys

from apt_jax.errors import UserError, one_line


def run(main) -> int:
    """Calls `main(arguments)`; returns the exit status, its own if it returns one."""
    try:
        return main(sys.argv[1:]) or 0
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\ninterrupted; the same command again goes on from here", file=sys.stderr
        )
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader left; nothing more to say
        return 0
