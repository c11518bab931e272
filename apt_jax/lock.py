"""One process works in a folder; a second is told which one, and on what machine.

The lock is held on a file `lock` in the folder, which says who holds it. The system drops
it with its process: what a killed one leaves is a file, and no lock.
"""

import contextlib
import errno
import fcntl
import os
import socket
from pathlib import Path

from apt_jax.errors import UserError
from apt_jax.files import telling

NAME = "lock"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of some network disks


@contextlib.contextmanager
def working_in(folder):
    """Makes the folder if need be, and holds it; what is still empty goes afterwards.

    Raises:
        UserError: if another process works in it, or if it cannot be written.
    """
    folder = Path(folder)
    with telling("write in", folder):
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        held = _lock(folder)
    try:
        with telling("write in", folder):
            os.ftruncate(held, 0)
            os.pwrite(
                held, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0
            )
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / NAME).unlink()
        os.close(held)
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()


def _lock(folder) -> int:
    path = folder / NAME
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _take(file, folder)
            if _is_at(file, path):  # else its holder has just removed it
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _take(file, folder):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(file, 400, 0).decode(errors="replace") or "another process"
        raise UserError(
            f"{holder} works in {folder}; wait until it is done, or choose another `folder`"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def _is_at(file, path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def holds_more(folder) -> bool:
    """Whether a folder holds anything but a lock."""
    return any(path.name != NAME for path in Path(folder).iterdir())
