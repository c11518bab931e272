"""A plain ViT as Google released it: an `.npz` of named arrays without a configuration.

Dosovitskiy et al. 2021, arXiv:2010.11929. The shapes say what a config.json would:

    embedding/kernel                                [p, p, 3, W]
    Transformer/posembed_input/pos_embedding        [1, 1 + (S / p)^2, W]
    Transformer/encoderblock_i/MlpBlock_3/Dense_0/kernel    [W, M]
    .../MultiHeadDotProductAttention_1/query/kernel [W, H, W / H]; out/kernel [H, W / H, W]

The layer norms' epsilon is 1e-6, the GELU is the exact one.
"""

import math
import re
from pathlib import Path

import numpy as np

from apt_jax.clip.config import PlainVisionConfig, ViTConfig, faults_of
from apt_jax.clip.side_files import names_in, require_file
from apt_jax.errors import UserError, one_line

EPSILON = 1e-6
_BLOCK = "Transformer/encoderblock_"
_ATTENTION = "MultiHeadDotProductAttention_1"


def npz_in(place: Path) -> Path | None:
    """The `.npz` that is meant by a file or folder; None for other checkpoints."""
    if place.is_file():
        return place
    names = names_in(place)
    if "config.json" in names:
        return None
    files = sorted(place / name for name in names if name.endswith(".npz"))
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise UserError(f"{place} has several checkpoints ({names}); name one of them")
    return files[0] if files else None


def read(file: Path) -> tuple[ViTConfig, dict[str, np.ndarray]]:
    """The architecture and the arrays by name, with the axes of heads joined.

    Raises:
        UserError: for what is no such file; it is never unpickled.
    """
    require_file(file)
    try:
        with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except Exception as error:  # what parsers of zip, zlib and NumPy stumble on
        raise UserError(
            f"{file} is no whole .npz of plain arrays ({one_line(error)}); download it "
            "again"
        ) from None
    config = architecture(file, found)
    return config, {name: joined(name, array) for name, array in found.items()}


def architecture(file, arrays) -> ViTConfig:
    """What the arrays' shapes say."""
    try:
        patch, _, _, width = arrays["embedding/kernel"].shape
        _, tokens, _ = arrays["Transformer/posembed_input/pos_embedding"].shape
        _, hidden = arrays[f"{_BLOCK}0/MlpBlock_3/Dense_0/kernel"].shape
        _, heads, _ = arrays[f"{_BLOCK}0/{_ATTENTION}/query/kernel"].shape
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{file} is no ViT in Google's layout ({error}); use one of Google's ViT "
            "files, such as ViT-B_16.npz"
        ) from None
    blocks = {re.match(rf"{_BLOCK}\d+", name) for name in arrays}
    vision = PlainVisionConfig(
        hidden_size=width,
        intermediate_size=hidden,
        num_hidden_layers=len({block.group() for block in blocks if block}),
        num_attention_heads=heads,
        image_size=math.isqrt(max(tokens - 1, 0)) * patch,
        patch_size=patch,
        layer_norm_eps=EPSILON,
    )
    if faults := list(faults_of("image", vision)):
        raise UserError(
            f"{file} is no ViT in Google's layout ({', '.join(faults)}); download it again"
        )
    return ViTConfig(vision)


def joined(name: str, array: np.ndarray) -> np.ndarray:
    """An attention's kernels as [W, W] and its biases as [W]: the heads are one axis."""
    if _ATTENTION not in name:
        return array
    width = array.shape[-1] if "/out/" in name else array.shape[0]
    if name.endswith("bias"):
        return array.reshape(-1)
    return array.reshape((-1, width) if "/out/" in name else (width, -1))
