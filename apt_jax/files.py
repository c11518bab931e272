"""Files that are whole or not there: write beside, flush to disk, rename.

A reader, or a run that starts after `kill -9`, sees the old content or the new,
never a half of either. What the disk refuses is a `UserError`, and so is a file whose
content is not what was written.
"""

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from apt_jax.errors import UserError, one_line

# What to do about what a disk says.
REMEDIES = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        "free some space and repeat the command",
    ),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS),
        "change its permissions, or choose another place",
    ),
    **dict.fromkeys(
        (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP),
        "files and folders stand in each other's place there: choose another place",
    ),
    errno.ENAMETOOLONG: "choose a shorter name",
    **dict.fromkeys(
        (errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ETIMEDOUT),
        "check the disk and repeat the command",
    ),
}


def of_disk(error: OSError) -> str | None:
    """What is wrong and what to do, of an error that a disk raises; None of others."""
    if error.errno not in REMEDIES:
        return None
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror}; {REMEDIES[error.errno]}"


@contextlib.contextmanager
def telling(what: str, path, remedy: str = ""):
    """Makes an `OSError` a `UserError`: cannot WHAT PATH (why); what to do."""
    try:
        yield
    except OSError as error:
        why = error.strerror or one_line(error)
        todo = remedy or REMEDIES.get(error.errno, "check the path")
        raise UserError(f"cannot {what} {path} ({why}); {todo}") from None


def write_bytes(path, data: bytes, remedy: str = ""):
    """`write_parts` of all at once."""
    write_parts(path, [data], remedy)


def write_parts(path, parts: Iterable[bytes | str], remedy: str = ""):
    """Replaces the file `path` in one step, once all parts have come; makes its folder.

    Text is UTF-8, what that cannot hold escaped.

    Raises:
        UserError: if the disk refuses; `remedy` is what to do, if the usual is not.
    """
    path = Path(path)
    beside = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    with telling("write", path, remedy):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(beside, "wb") as file:
                for part in parts:
                    is_text = isinstance(part, str)
                    file.write(_utf8(part) if is_text else part)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_text(path, text: str):
    """`write_bytes` of `text` in UTF-8, what that cannot hold escaped."""
    write_bytes(path, _utf8(text))


def _utf8(text) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def write_json(path, value):
    """`write_bytes` of `value` as `json_text`."""
    write_text(path, json_text(value))


def json_text(value, encoding: str = "utf-8") -> str:
    """`value` as indented JSON, floats in full precision.

    Letters are escaped if the encoding lacks one of them: what escapes them later, as a
    terminal's stream does, knows no JSON.

    Raises:
        ValueError: for what JSON cannot say: NaN and infinity.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    return text + "\n"


def require_writable(path):
    """Refuses, before any work, a file that could not be written after it.

    Raises:
        UserError: if its folder takes no files, or if something else has its name.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no file that can be written; name another")
    there = next(above for above in path.absolute().parents if os.path.lexists(above))
    with (
        telling("write", path, "name a file in a folder of yours"),
        tempfile.TemporaryFile(dir=there),
    ):
        pass


def read_text(path, remedy: str = "") -> str:
    """The text of a UTF-8 file; `remedy` is what to do if it cannot be had.

    Raises:
        UserError: if it cannot be read, or is no UTF-8.
    """
    try:
        with telling("read", path, remedy):
            return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged ({error}); {remedy}") from None


def read_json(path, layout, remedy: str):
    """The content of a JSON file that `fits` the layout.

    Raises:
        UserError: if it cannot be read, or holds anything else.
    """
    return parse_json(read_text(path, remedy), path, layout, remedy)


def parse_json(text: str, path, layout, remedy: str):
    """The value that `text` from `path` spells; raises as `read_json` does."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({one_line(error)}); {remedy}") from None
    if not fits(value, layout):
        raise UserError(f"{path} is damaged (not what was written there); {remedy}")
    return value


def _refuse(constant):
    raise ValueError(f"it holds {constant}")


def fits(value, layout) -> bool:
    """Whether a JSON value is laid out like this.

    A layout is a type (or several), a list with the layout of all entries, or a mapping
    with the layout of those it needs; a name that ends in "?" may be missing.
    """
    if isinstance(layout, dict):
        return isinstance(value, dict) and all(
            fits(value[name], inner)
            if (name := key.removesuffix("?")) in value
            else key.endswith("?")
            for key, inner in layout.items()
        )
    if isinstance(layout, list):
        return isinstance(value, list) and all(fits(one, layout[0]) for one in value)
    return isinstance(value, layout)


def sync_folder(folder):
    """Flushes a folder's entries, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of_file(path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value) -> str:
    """One spelling for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value) -> str:
    """Hex SHA-256 of a JSON value; equal values have equal digests."""
    text = canonical_json(value).encode("utf-8", "backslashreplace")
    return hashlib.sha256(text).hexdigest()
