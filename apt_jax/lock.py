"""One process works in a folder; a second is told which one, and on what machine.

The lock is held on a file `lock` in the folder, which says who holds it. The system drops
it with its process: what a killed one leaves is a file, and no lock.
"""

import contextlib
import errno
import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

from apt_jax.errors import UserError
from apt_jax.files import telling

NAME = "lock"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of some network disks
TRIES_FOR = 0.2  # seconds, in which a holder may be about to leave


@contextlib.contextmanager
def working_in(folder):
    """Makes the folder if need be, and holds it; what is still empty goes afterwards.

    Raises:
        UserError: if another process works in it, or if it cannot be written.
    """
    folder = Path(folder)
    lock = FileLock(folder / NAME, timeout=TRIES_FOR, fallback_to_soft=False)
    with telling("write in", folder):
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        _take(lock, folder)
    try:
        with telling("write in", folder):
            who = f"process {os.getpid()} on {socket.gethostname()}"
            (folder / NAME).write_text(who, encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / NAME).unlink()
        lock.release()
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()


def _take(lock, folder):
    try:
        while not lock.is_locked:
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # its holder just removed it
                lock.acquire()
    except Timeout:
        raise UserError(
            f"{_holder(folder)} works in {folder}; wait until it is done, or choose "
            "another `folder`"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def _holder(folder) -> str:
    try:
        said = (folder / NAME).read_text(encoding="utf-8", errors="replace")
    except OSError:
        said = ""
    return said[:400] or "another process"


def holds_more(folder) -> bool:
    """Whether a folder holds anything but a lock."""
    return any(path.name != NAME for path in Path(folder).iterdir())
