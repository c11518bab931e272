"""The architecture of a ViT-CLIP, read from `config.json` of the Hugging Face layout.

Published files store only what differs from the defaults, so the defaults below are part
of the format. Anything that is no ViT-CLIP is refused by name.
"""

import dataclasses

from apt_jax.errors import UserError

ACTIVATIONS = ("quick_gelu", "gelu")


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
    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    image_size: int = 224
    patch_size: int = 32
    num_channels: int = 3

    @property
    def num_patches(self) -> int:
        return (self.image_size // self.patch_size) ** 2


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

    @classmethod
    def from_json(cls, fields: dict) -> "ClipConfig":
        """The architecture that a `config.json` describes.

        Raises:
            UserError: if it is another model than a ViT-CLIP, naming what it is.
        """
        _require_clip(fields)
        # Older files carry `*_config_dict`, whose keys win over those of `*_config`.
        parts = {
            part: (fields.get(f"{part}_config") or {})
            | (fields.get(f"{part}_config_dict") or {})
            for part in ("vision", "text")
        }
        config = cls(
            vision=_tower(VisionConfig, parts["vision"]),
            text=_tower(TextConfig, parts["text"]),
            projection_dim=fields.get("projection_dim", cls.projection_dim),
        )
        faults = [*_faults("vision", config.vision), *_faults("text", config.text)]
        if faults:
            raise UserError(f"config.json is no ViT-CLIP's: {'; '.join(faults)}")
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


def _require_clip(fields):
    kind = fields.get("model_type")
    if kind != "clip":
        raise UserError(
            f"config.json describes a model of type {kind!r}; apt_jax reads ViT-CLIP "
            "checkpoints only (model_type 'clip', such as "
            "openai/clip-vit-base-patch16)"
        )


def _tower(cls, given):
    known = {field.name for field in dataclasses.fields(cls)}
    return cls(**{name: value for name, value in given.items() if name in known})


def _faults(name, tower):
    if tower.hidden_act not in ACTIVATIONS:
        yield f"{name} hidden_act {tower.hidden_act!r} is not one of {ACTIVATIONS}"
    if not isinstance(tower.num_hidden_layers, int):
        yield f"{name} num_hidden_layers {tower.num_hidden_layers!r}: a ResNet tower?"
        return
    if tower.hidden_size % tower.num_attention_heads:
        yield (
            f"{name} width {tower.hidden_size} does not divide into "
            f"{tower.num_attention_heads} heads"
        )
    if isinstance(tower, VisionConfig) and tower.num_channels != 3:
        yield f"vision num_channels {tower.num_channels}: only RGB is supported"
