"""Rows of frozen outputs in blocks: a file of some hundred rows each, or memory.

A row is what was kept of one view of one picture. Its key, 16 bytes, is a hash of all
that it depends on, so a row is never stale. A block is one safetensors file with the rows'
`key`s beside their arrays, written whole under a name made of the keys; it is read
memory-mapped, so there may be more than fits into memory.
"""

import functools
import hashlib
import json
from pathlib import Path

import numpy as np

from apt_jax.errors import UserError, one_line
from apt_jax.files import telling, write_bytes

ROWS = 256  # of a block: what is lost, at most, with a killed process
BYTES = 2**26  # of a block, so that large rows wait for no others
KEY = 16  # bytes
# As safetensors has them.
DTYPES = {"F32": "<f4", "F16": "<f2", "U8": "u1", "U32": "<u4"}
OPEN = 64  # blocks whose files stay mapped
REMEDY = (
    "free some space, name another cache with `cache_dir`=DIR, or none with an empty "
    "one"
)

Arrays = dict[str, np.ndarray]  # each [rows, ...]


def key_of(*parts) -> bytes:
    """The key of a row that depends on `parts`."""
    text = "\n".join(map(str, parts)).encode()
    return hashlib.blake2b(text, digest_size=KEY).digest()


def write(folder: Path, keys: list[bytes], arrays: Arrays) -> Path:
    """Writes a block; returns its file."""
    from safetensors.numpy import save

    joined = b"".join(keys)
    named = np.frombuffer(joined, np.uint8).reshape(len(keys), KEY)
    tensors = {"key": named} | {k: np.ascontiguousarray(v) for k, v in arrays.items()}
    path = folder / f"{hashlib.sha256(joined).hexdigest()[:32]}.safetensors"
    write_bytes(path, save(tensors), REMEDY)
    return path


@functools.lru_cache(maxsize=OPEN)
def read(path: Path) -> Arrays:
    """The arrays of a block, memory-mapped.

    Raises:
        UserError: if the file cannot be read, or is not what `write` wrote.
    """
    try:
        with telling("read", path, REMEDY):
            return _mapped(path)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"frozen outputs in {path} are damaged ({one_line(error)}); remove that "
            "file, and they are encoded again"
        ) from None


def _mapped(path):
    whole = np.memmap(path, "u1", "r")  # one for all arrays: each holds its file open
    size = int.from_bytes(whole[:8].tobytes(), "little")
    if size > len(whole):
        raise ValueError("its beginning is garbled")
    header, data = json.loads(whole[8 : 8 + size].tobytes()), whole[8 + size :]
    header.pop("__metadata__", None)
    arrays = {}
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        array = data[begin:end].view(DTYPES[tensor["dtype"]])
        arrays[name] = array.reshape(tensor["shape"])
    if arrays["key"].shape[1:] != (KEY,):
        raise ValueError("it has no keys")
    return arrays


def keys_in(path: Path) -> list[bytes]:
    """The keys of a block's rows, in their order."""
    keys = read(path)["key"].tobytes()
    return [keys[at : at + KEY] for at in range(0, len(keys), KEY)]
