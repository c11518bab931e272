"""A checkpoint in the Hugging Face layout, from a folder or a hub name; and written.

`config.json`, `model.safetensors` (or shards with an index), `vocab.json`, `merges.txt`,
and, if it is there, `preprocessor_config.json`. No torch, no pickle.
"""

import dataclasses
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from apt_jax.clip import hub
from apt_jax.clip.config import ClipConfig
from apt_jax.clip.model import CLIP
from apt_jax.clip.pixels import Preprocessing
from apt_jax.clip.precision import fastest_dtype
from apt_jax.clip.tokens import FILES as TOKENIZER_FILES
from apt_jax.clip.tokens import Tokenizer
from apt_jax.clip.weights import from_tensors, to_tensors
from apt_jax.errors import UserError
from apt_jax.files import write_bytes, write_json

TINY = Path(__file__).parent / "tiny"
WEIGHTS, INDEX = hub.WEIGHTS


@dataclasses.dataclass(frozen=True)
class Clip:
    """A loaded checkpoint; nothing in it is ever trained."""

    name: str
    revision: str | None  # the commit it came from; None for folders
    config: ClipConfig
    params: Any  # float32, or bfloat16 matrices under dtype "bfloat16"
    tokenizer: Tokenizer
    pixels: Preprocessing
    sha256: str  # of the weight files' bytes
    dtype: str  # "float32" or "bfloat16": of the operands of matrix products

    @property
    def module(self) -> CLIP:
        return CLIP(self.config, self.dtype)


def load(name_or_folder: str, *, revision=None, dtype="float32") -> Clip:
    """Loads a checkpoint.

    Args:
        name_or_folder: a hub name, a folder, or "tiny", the one in the package.
        revision: of a hub name: branch, tag or commit.
        dtype: "float32", "bfloat16", or "auto" for the faster one on this device.

    Raises:
        UserError: if it cannot be had, is no ViT-CLIP, or does not fit together.
    """
    folder, commit = find(name_or_folder, revision)
    config = ClipConfig.from_json(_read_json(folder / "config.json"))
    dtype = fastest_dtype() if dtype == "auto" else dtype
    tensors, sha256 = read_tensors(folder)
    params = from_tensors(tensors, config, parameter_shapes(config))
    return Clip(
        name=str(name_or_folder),
        revision=commit,
        config=config,
        params=stored(params, dtype),
        tokenizer=Tokenizer(folder, config.text.max_position_embeddings),
        pixels=Preprocessing.read(folder, config.vision.image_size),
        sha256=sha256,
        dtype=dtype,
    )


def find(name_or_folder: str, revision=None) -> tuple[Path, str | None]:
    """The folder of a checkpoint, downloaded if need be, and its commit on the hub."""
    if str(name_or_folder) == "tiny":
        return TINY, None
    folder = Path(name_or_folder).expanduser()
    if folder.is_dir():
        return folder, None
    if str(name_or_folder).count("/") != 1 or str(name_or_folder).startswith(
        (".", "~", "/")
    ):
        raise UserError(
            f"no folder {name_or_folder}; name a folder in the Hugging Face layout, a "
            "hub name such as openai/clip-vit-base-patch16, or 'tiny'"
        )
    return hub.snapshot(str(name_or_folder), revision)


def read_tensors(folder: Path) -> tuple[dict, str]:
    """All tensors of a checkpoint by name, and the SHA-256 of its weight files.

    Of several shards, the hash is over their concatenated bytes in the order of their
    names.
    """
    files = weight_files(folder)
    sha256, tensors = hashlib.sha256(), {}
    for file in files:
        with open(file, "rb") as stream:
            while chunk := stream.read(2**24):
                sha256.update(chunk)
        tensors |= _read_safetensors(file)
    return tensors, sha256.hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint, shards in the order of their names."""
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    if not (folder / INDEX).exists():
        raise UserError(
            f"{folder} has neither {WEIGHTS} nor {INDEX}; apt_jax reads safetensors "
            "only: convert other files with transformers' save_pretrained"
        )
    names = sorted(set(_read_json(folder / INDEX)["weight_map"].values()))
    if missing := [name for name in names if not (folder / name).exists()]:
        raise UserError(
            f"{folder} lacks {', '.join(missing)}, which {INDEX} names; download them"
        )
    return [folder / name for name in names]


def _read_safetensors(file) -> dict:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="flax") as tensors:
            names = tensors.keys()  # a safetensors file is no mapping
            return {name: np.asarray(tensors.get_tensor(name)) for name in names}
    except SafetensorError as error:
        raise UserError(
            f"{file} is no whole safetensors file ({error}); download it again"
        ) from None


def parameter_shapes(config: ClipConfig):
    """The parameters of a CLIP of this architecture, as shapes."""
    side = config.vision.image_size
    pixels = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    ids = jax.ShapeDtypeStruct((1, config.text.max_position_embeddings), jnp.int32)
    eos = jax.ShapeDtypeStruct((1,), jnp.int32)
    init = functools.partial(CLIP(config).init, jax.random.key(0))
    return jax.eval_shape(init, pixels, ids, eos)["params"]


def stored(params, dtype: str):
    """Parameters as the tower wants them: matrices in `dtype`, all else in float32."""

    def cast(array):
        matrix = dtype == "bfloat16" and array.ndim > 1
        return jnp.asarray(array, jnp.bfloat16 if matrix else jnp.float32)

    return jax.tree.map(cast, params)


def _read_json(path: Path):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(
            f"{path.parent} has no {path.name}; it is no checkpoint in the Hugging Face "
            "layout"
        ) from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is no JSON ({error}); download it again") from None


def write(
    folder, config: ClipConfig, params, pixels, tokenizer_folder, dtype="float16"
):
    """Writes a checkpoint in the Hugging Face layout, weights in `dtype`."""
    from safetensors.numpy import save

    folder = Path(folder)
    tensors = {
        name: np.asarray(tensor, dtype, order="C")
        for name, tensor in to_tensors(params, config).items()
    }
    fields = config.to_json() | {"dtype": dtype}
    tokenizer = Tokenizer(tokenizer_folder, config.text.max_position_embeddings)
    fields["text_config"] |= {
        "bos_token_id": tokenizer.start,
        "eos_token_id": tokenizer.end,
    }
    write_json(folder / "config.json", fields)
    write_json(folder / "preprocessor_config.json", pixels.to_json())
    for name in TOKENIZER_FILES:
        write_bytes(folder / name, (Path(tokenizer_folder) / name).read_bytes())
    write_bytes(folder / WEIGHTS, save(tensors, metadata={"format": "pt"}))
