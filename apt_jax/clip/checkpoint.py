"""A checkpoint in the Hugging Face layout, from a folder or a hub name; and written.

`config.json`, `model.safetensors` (or shards with an index), of a CLIP `vocab.json` and
`merges.txt` or `tokenizer.json`, and, if it is there, `preprocessor_config.json` or
`processor_config.json`. A plain ViT may also be one of Google's `.npz` files
(`clip.google`). No torch, no pickle. What is wrong with any of it is told at once.
"""

import functools
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from apt_jax.clip import config as architecture
from apt_jax.clip import foreign, google, hub, pixels, tokens
from apt_jax.clip.config import ClipConfig, ViTConfig
from apt_jax.clip.fields import shown
from apt_jax.clip.model import ViT, module_of
from apt_jax.clip.pixels import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, Squared
from apt_jax.clip.precision import fastest_dtype
from apt_jax.clip.side_files import names_in, read_mapping, require_file
from apt_jax.clip.tokens import Tokenizer
from apt_jax.clip.weights import flat, from_tensors, names_of, nested, to_tensors
from apt_jax.data.listing import listed
from apt_jax.errors import UserError, one_line
from apt_jax.files import sha256_of_file, write_bytes, write_json

TINY = Path(__file__).parent / "tiny"
WEIGHTS, INDEX = hub.WEIGHTS
SHARD = re.compile(r"(?!\.{1,2}$)[^/\\\0]+")  # the name of a file, no way to one


known = functools.partial(flax.struct.field, pytree_node=False)


@flax.struct.dataclass
class Clip:
    """A loaded checkpoint, CLIP or plain ViT; nothing in it is ever trained.

    A pytree of its parameters, so that it can be an argument of compiled functions.
    """

    params: Any  # float32, or bfloat16 matrices under dtype "bfloat16"
    name: str = known()
    revision: str | None = known()  # the commit it came from; None for folders
    config: ClipConfig | ViTConfig = known()
    tokenizer: Tokenizer | None = known()  # None for a plain ViT, which reads no text
    pixels: Preprocessing = known()
    sha256: str = known()  # of the weight files' bytes
    dtype: str = known()  # "float32", "bfloat16": of the operands of matrix products

    @property
    def module(self) -> ViT:
        return module_of(self.config, self.dtype)

    @property
    def identity(self) -> dict:
        """What names it, as JSON."""
        names = ("name", "revision", "sha256", "dtype")
        return {name: getattr(self, name) for name in names}

    def apply(self, method: str, *inputs, **options):
        """What a method of the module gives for these parameters."""
        return self.module.apply(
            {"params": self.params}, *inputs, **options, method=method
        )


def load(name_or_folder: str, *, revision=None, dtype="float32") -> Clip:
    """Loads a checkpoint.

    Args:
        name_or_folder: a hub name, a folder, an .npz of Google's, or "tiny", the CLIP in
            the package.
        revision: of a hub name: branch, tag or commit.
        dtype: "float32", "bfloat16", or "auto" for the faster one on this device.

    Raises:
        UserError: if it cannot be had, is neither a ViT-CLIP nor a plain ViT, is damaged,
            or does not fit together.
    """
    place, commit = find(name_or_folder, revision)
    config, read_weights = read(place)
    # The small files first: what is wrong with them is told before all is read.
    tokenizer = tokenizer_of(place, config) if config.text else None
    prepared = read_pixels(place, config)
    tensors, sha256 = read_weights()
    dtype = fastest_dtype() if dtype == "auto" else dtype
    params = from_tensors(tensors, config, parameter_shapes(config))
    return Clip(
        name=str(name_or_folder),
        revision=commit,
        config=config,
        params=stored(params, dtype, names_of(tensors, config)),
        tokenizer=tokenizer,
        pixels=prepared,
        sha256=sha256,
        dtype=dtype,
    )


def find(name_or_folder: str, revision=None) -> tuple[Path, str | None]:
    """Where a checkpoint is, downloaded if need be, and its commit on the hub.

    A folder, or the one file of Google's.
    """
    if str(name_or_folder) == "tiny":
        return TINY, None
    place = Path(os.path.expanduser(name_or_folder))
    if os.path.isdir(place) or (os.path.isfile(place) and place.suffix == ".npz"):
        return place, None
    if os.path.isfile(place):
        raise UserError(
            f"{name_or_folder} is one file of a checkpoint; name the folder that it is in"
        )
    if (
        str(name_or_folder).count("/") != 1
        or str(name_or_folder).startswith((".", "~", "/"))
        or place.suffix == ".npz"
    ):
        raise UserError(
            f"no folder {name_or_folder}; name a folder in the Hugging Face layout, an "
            ".npz of Google's ViT, a hub name such as openai/clip-vit-base-patch16, or "
            "'tiny'"
        )
    return hub.snapshot(str(name_or_folder), revision)


def read(place: Path) -> tuple[ClipConfig | ViTConfig, Callable]:
    """The architecture, and what then reads all tensors and the weight files' SHA-256."""
    if npz := google.npz_in(place):
        config, tensors = google.read(npz)
        return config, lambda: (tensors, sha256_of_file(npz))
    names = names_in(place)
    if "config.json" not in names and (told := foreign.in_folder(place, names)):
        raise UserError(told)
    config = architecture.from_json(read_mapping(place / "config.json"))
    return config, functools.partial(read_tensors, place)


def tokenizer_of(folder, config: ClipConfig) -> Tokenizer:
    """The tokenizer in a folder; raises `UserError` if its ids are not the tower's."""
    tokenizer = Tokenizer(folder, config.text.max_position_embeddings)
    if tokenizer.size > config.text.vocab_size:
        raise UserError(
            f"the vocabulary in {folder} has ids up to {tokenizer.size - 1} and the text "
            f"tower {config.text.vocab_size} tokens; use the files of one checkpoint"
        )
    return tokenizer


def read_pixels(place: Path, config) -> Preprocessing:
    """The preprocessing of a checkpoint; without a file, what its kind was trained on."""
    folder = place.parent if place.is_file() else place
    size = config.vision.image_size
    if config.text:
        return Preprocessing.read(folder, size)
    default = Squared(size, size)
    if config.model_type == "vit_mae":
        default = Squared(size, size, IMAGENET_MEAN, IMAGENET_STD)
    if google.npz_in(place) and not pixels.settings_in(folder):
        return default  # is part of the format, and no assumption
    return Squared.read(folder, size, default)


def read_tensors(folder: Path) -> tuple[dict, str]:
    """All tensors of a checkpoint by name, and the SHA-256 of its weight files.

    Of several shards, the hash is over their concatenated bytes in the order of their
    names.
    """
    files = weight_files(folder)
    sha256, tensors = hashlib.sha256(), {}
    for file in files:
        require_file(file)
        with open(file, "rb") as stream:
            while chunk := stream.read(2**24):
                sha256.update(chunk)
        tensors |= _read_safetensors(file)
    return tensors, sha256.hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint, shards in the order of their names."""
    names = names_in(folder)
    if WEIGHTS in names:
        return [folder / WEIGHTS]
    if INDEX not in names:
        raise UserError(
            foreign.in_folder(folder, names)
            or f"{folder} has neither {WEIGHTS} nor {INDEX}; apt_jax reads safetensors "
            "only: convert other files with transformers' save_pretrained"
        )
    shards = _shards(folder / INDEX)
    if missing := [name for name in shards if name not in names]:
        raise UserError(
            f"{folder} lacks {listed(missing)}, which {INDEX} names; download them"
        )
    return [folder / name for name in shards]


def _shards(index: Path) -> list[str]:
    """The files that an index names, all of them beside it."""
    places = read_mapping(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise UserError(f"{index} has no weight_map of tensors; download it again")
    for name in places.values():
        if not isinstance(name, str) or not SHARD.fullmatch(name):
            raise UserError(
                f"{index} names {shown(name)}, which is no file beside it; download it "
                "again"
            )
    return sorted(set(places.values()))


def _read_safetensors(file) -> dict:
    from safetensors import SafetensorError, safe_open

    found = {}
    try:
        with safe_open(file, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - a safetensors file is no mapping
                found[name] = tensors.get_tensor(name)
    except AttributeError as error:  # NumPy knows no numbers of 8 bits and fewer
        raise UserError(
            f"{file} holds {name}, which is quantised ({one_line(error)}); use the model "
            "in float16, bfloat16 or float32"
        ) from None
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{file} is no whole safetensors file ({one_line(error)}); download it again"
        ) from None
    return found


def parameter_shapes(config: ClipConfig | ViTConfig):
    """The parameters of a model of this architecture, as shapes."""
    side = config.vision.image_size
    inputs = [jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)]
    if config.text:
        length = config.text.max_position_embeddings
        inputs.append(jax.ShapeDtypeStruct((1, length), jnp.int32))  # token ids
        inputs.append(jax.ShapeDtypeStruct((1,), jnp.int32))  # where they end
    init = functools.partial(module_of(config).init, jax.random.key(0))
    return jax.eval_shape(init, *inputs)["params"]


def stored(params, dtype: str, names: dict | None = None) -> dict:
    """Parameters as the tower wants them: matrices in `dtype`, all else in float32.

    Args:
        names: of the tensors they came from, by path.

    Raises:
        UserError: for NaN, infinity and what becomes infinite, naming the tensors.
    """
    kept, faulty = {}, []
    for path, array in flat(params).items():
        matrix = dtype == "bfloat16" and array.ndim > 1
        with np.errstate(over="ignore", invalid="ignore"):  # told below
            cast = np.asarray(array, jnp.bfloat16 if matrix else jnp.float32)
        if not np.isfinite(cast).all():
            faulty.append((names or {}).get(path, path))
        kept[path] = jnp.asarray(cast)
    if faulty:
        raise UserError(
            "the weights of the backbone hold NaN, infinity or numbers too large for "
            f"{dtype} in {listed(faulty)}; download them again, or use another checkpoint"
        )
    return nested(kept)


def write(
    folder,
    config: ClipConfig | ViTConfig,
    params,
    pixels,
    tokenizer_folder=None,
    dtype="float16",
):
    """Writes a checkpoint in the Hugging Face layout, weights in `dtype`.

    A CLIP's tokenizer files come from `tokenizer_folder`.
    """
    from safetensors.numpy import save

    folder = Path(folder)
    tensors = {
        name: np.asarray(tensor, dtype, order="C")
        for name, tensor in to_tensors(params, config).items()
    }
    fields = config.to_json() | {"dtype": dtype}
    if config.text:
        tokenizer = tokenizer_of(tokenizer_folder, config)
        fields["text_config"] |= {
            "bos_token_id": tokenizer.start,
            "eos_token_id": tokenizer.end,
        }
        for name in tokens.files_in(Path(tokenizer_folder)):
            write_bytes(folder / name, (Path(tokenizer_folder) / name).read_bytes())
    write_json(folder / "config.json", fields)
    write_json(folder / "preprocessor_config.json", pixels.to_json())
    write_bytes(folder / WEIGHTS, save(tensors, metadata={"format": "pt"}))
