"""The architecture of a backbone, read from `config.json` of the Hugging Face layout.

A CLIP has an image tower and a text tower; a plain ViT, trained on labels or by MAE, has
an image tower alone. Published files store only what differs from the defaults, so the
defaults below are part of the format. Any other model is refused by name.
"""

import dataclasses
from typing import ClassVar

from apt_jax.clip.fields import is_number, is_whole, shown
from apt_jax.errors import UserError

ACTIVATIONS = ("quick_gelu", "gelu")
MOST, MOST_BLOCKS = 2**20, 200  # of any size, and of blocks; no tower comes near
REMEDY = "use the config.json of the checkpoint, or name another one"


@dataclasses.dataclass(frozen=True)
class TowerConfig:
    """A pre-norm transformer."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    hidden_act: str = "quick_gelu"  # x sigmoid(1.702 x); "gelu" is the exact one
    layer_norm_eps: float = 1e-5


@dataclasses.dataclass(frozen=True)
class VisionConfig(TowerConfig):
    """CLIP's image tower."""

    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    image_size: int = 224
    patch_size: int = 32
    num_channels: int = 3

    patch_bias: ClassVar[bool] = False  # of the patch embedding
    pre_norm: ClassVar[bool] = True  # a layer norm before the first block

    @property
    def num_patches(self) -> int:
        return (self.image_size // self.patch_size) ** 2


@dataclasses.dataclass(frozen=True)
class PlainVisionConfig(VisionConfig):
    """The original ViT's: Dosovitskiy et al. 2021, arXiv:2010.11929."""

    patch_size: int = 16
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12

    patch_bias: ClassVar[bool] = True
    pre_norm: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class TextConfig(TowerConfig):
    hidden_size: int = 512
    intermediate_size: int = 2048
    num_hidden_layers: int = 12
    num_attention_heads: int = 8
    vocab_size: int = 49408
    max_position_embeddings: int = 77


@dataclasses.dataclass(frozen=True)
class ClipConfig:
    """Both towers and the width of the space in which they meet."""

    vision: VisionConfig = VisionConfig()
    text: TextConfig = TextConfig()
    projection_dim: int = 512

    @property
    def embedding_dim(self) -> int:
        """D, the width of an image's embedding."""
        return self.projection_dim

    @classmethod
    def from_json(cls, fields: dict) -> "ClipConfig":
        """The architecture that a `config.json` describes.

        Raises:
            UserError: for what no ViT-CLIP has, all of it.
        """
        # Older files carry `*_config_dict`, whose keys win over those of `*_config`.
        parts = {
            part: _part(fields, f"{part}_config") | _part(fields, f"{part}_config_dict")
            for part in ("vision", "text")
        }
        config = cls(
            vision=_tower(VisionConfig, parts["vision"]),
            text=_tower(TextConfig, parts["text"]),
            projection_dim=fields.get("projection_dim", cls.projection_dim),
        )
        faults = [*faults_of("vision", config.vision), *faults_of("text", config.text)]
        if not is_whole(config.projection_dim, MOST):
            faults.append(_no_size("projection_dim", config.projection_dim))
        _require_none(faults, "ViT-CLIP")
        return config

    def to_json(self) -> dict:
        """The `config.json` of this architecture."""
        return {
            "architectures": ["CLIPModel"],
            "model_type": "clip",
            "projection_dim": self.projection_dim,
            "vision_config": {
                "model_type": "clip_vision_model",
                "projection_dim": self.projection_dim,
                **dataclasses.asdict(self.vision),
            },
            "text_config": {
                "model_type": "clip_text_model",
                "projection_dim": self.projection_dim,
                **dataclasses.asdict(self.text),
            },
        }


@dataclasses.dataclass(frozen=True)
class ViTConfig:
    """An image tower alone; its embedding is the CLS token after the last norm."""

    vision: PlainVisionConfig = PlainVisionConfig()
    model_type: str = "vit"  # "vit_mae" was trained to fill masked patches in

    text: ClassVar[None] = None
    projection_dim: ClassVar[None] = None

    @property
    def embedding_dim(self) -> int:
        """D, the width of an image's embedding."""
        return self.vision.hidden_size

    @classmethod
    def from_json(cls, fields: dict) -> "ViTConfig":
        """The architecture that a `config.json` describes.

        Raises:
            UserError: for what no plain ViT has, all of it.
        """
        vision = _tower(PlainVisionConfig, fields)
        faults = list(faults_of("vision", vision))
        if fields.get("qkv_bias", True) is not True:
            faults.append("qkv_bias off: queries, keys and values need their biases")
        _require_none(faults, "plain ViT")
        return cls(vision, fields["model_type"])

    def to_json(self) -> dict:
        """The `config.json` of this architecture."""
        return {
            "architectures": ["ViTModel"],
            "model_type": self.model_type,
            "qkv_bias": True,
            **dataclasses.asdict(self.vision),
        }


KINDS = {"clip": ClipConfig, "vit": ViTConfig, "vit_mae": ViTConfig}


def from_json(fields: dict) -> ClipConfig | ViTConfig:
    """The architecture that a `config.json` describes, of whichever kind.

    Raises:
        UserError: for models that are neither a ViT-CLIP nor a plain ViT.
    """
    kind = fields.get("model_type")
    if kind not in tuple(KINDS):
        raise UserError(
            f"config.json describes a model of type {shown(kind)}, and what is read is "
            f"one of {tuple(KINDS)}; use a ViT-CLIP ('clip', such as "
            "openai/clip-vit-base-patch16) or a plain ViT ('vit' or 'vit_mae', such as "
            "google/vit-base-patch16-224-in21k)"
        )
    return KINDS[kind].from_json(fields)


def _require_none(faults: list[str], kind: str):
    if faults:
        raise UserError(f"config.json is no {kind}'s: {', '.join(faults)}; {REMEDY}")


def _part(fields, name) -> dict:
    """The fields of a tower, which may be absent or null."""
    part = fields.get(name)
    if not isinstance(part, dict | None):
        _require_none([f"{name} {shown(part)} holds no named values"], "ViT-CLIP")
    return part or {}


def _tower(cls, given):
    known = {field.name for field in dataclasses.fields(cls)}
    return cls(**{name: value for name, value in given.items() if name in known})


def faults_of(name, tower):
    """What no tower can be built of, in words."""
    wrong = list(_wrong_sizes(tower))
    yield from (f"{name} {_no_size(size, value)}" for size, value in wrong)
    if tower.hidden_act not in ACTIVATIONS:
        yield f"{name} hidden_act {shown(tower.hidden_act)} is not one of {ACTIVATIONS}"
    if not is_number(tower.layer_norm_eps, 1e-30, 1):
        yield f"{name} layer_norm_eps {shown(tower.layer_norm_eps)}: it is above 0, below 1"
    if not wrong:
        yield from _misfits(name, tower)


def _wrong_sizes(tower):
    """Names and values of the sizes that are none."""
    for field in dataclasses.fields(tower):
        most = MOST_BLOCKS if field.name == "num_hidden_layers" else MOST
        value = getattr(tower, field.name)
        if field.type is int and not is_whole(value, most):
            yield field.name, value


def _no_size(name, value):
    if name == "num_hidden_layers" and isinstance(value, list):
        return f"{name} {shown(value)}: a ResNet tower?"
    return f"{name} {shown(value)}: only one number is supported, whole and above 0"


def _misfits(name, tower):
    """Sizes that do not go together."""
    if tower.hidden_size % tower.num_attention_heads:
        yield (
            f"{name} width {tower.hidden_size} does not divide into "
            f"{tower.num_attention_heads} heads"
        )
    if not isinstance(tower, VisionConfig):
        return
    if tower.num_channels != 3:
        yield f"vision num_channels {tower.num_channels}: only RGB is supported"
    if tower.patch_size > tower.image_size:
        yield f"patches of {tower.patch_size} in pictures of {tower.image_size} pixels"
