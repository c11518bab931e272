"""A picture to what the image tower was trained on: resized, cropped, normalised.

The steps of `transformers`' Pillow processor for CLIP, in its order: the shorter side to
`resize` pixels by Pillow's bicubic filter on uint8 (the longer side rounded down), the
centre crop, division by 255, then (x - mean) / std in float32. A plain ViT's differ in
the first step alone: the whole picture becomes a square, whatever its shape was.
"""

import dataclasses
import json
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from apt_jax.errors import UserError

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)  # mean and std of a ViT trained on labels
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
BILINEAR, BICUBIC = 2, 3  # Pillow's numbers, as preprocessor_config.json writes them
STEPS = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """CLIP's; frozen and hashable, for compiled functions and for cache keys."""

    size: int  # side of the crop, which the tower reads
    resize: int  # what the shorter side becomes before the crop
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD

    resample: ClassVar[int] = BICUBIC
    view: ClassVar[str] = "centre crop"  # what is made of a test image

    @classmethod
    def read(cls, folder, image_size: int, default=None) -> "Preprocessing":
        """From `preprocessor_config.json`; `default`, or the class's, without one.

        Raises:
            UserError: for settings that this preprocessing does not have.
        """
        path = Path(folder) / "preprocessor_config.json"
        if not path.exists():
            return default or cls(image_size, image_size)
        return cls.from_json(json.loads(path.read_text()), image_size)

    @classmethod
    def from_json(cls, fields: dict, image_size: int) -> "Preprocessing":
        resize = _side(fields.get("size", image_size), "shortest_edge")
        crop = _side(fields.get("crop_size", image_size), "height")
        faults = _faults(fields, STEPS)
        if fields.get("resample", BICUBIC) != BICUBIC:
            faults.append(f"resample {fields['resample']} and not bicubic")
        if crop != image_size:
            faults.append(f"a crop of {crop} for a tower that reads {image_size}")
        if resize is None:
            faults.append(f"size {fields['size']}: a shortest_edge is needed")
        if faults:
            raise UserError(
                f"preprocessor_config.json asks for {', '.join(faults)}; apt_jax does "
                "CLIP's resize, centre crop and normalisation only"
            )
        mean, std = fields.get("image_mean", MEAN), fields.get("image_std", STD)
        return cls(crop, resize, tuple(mean), tuple(std))

    def to_json(self) -> dict:
        """The `preprocessor_config.json` of this preprocessing."""
        return {
            "image_processor_type": "CLIPImageProcessor",
            "do_convert_rgb": True,
            **dict.fromkeys(STEPS, True),
            "size": {"shortest_edge": self.resize},
            "crop_size": {"height": self.size, "width": self.size},
            "resample": BICUBIC,
            "rescale_factor": 1 / 255,
            "image_mean": list(self.mean),
            "image_std": list(self.std),
        }

    def centre_crop(self, image: Image.Image) -> np.ndarray:
        """[S, S, 3] uint8 of an RGB picture."""
        size = self.resized(*image.size)
        pixels = np.asarray(image.resize(size, self.resample))
        return _crop(pixels, self.size)

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a picture before the crop."""
        short = min(width, height)
        return int(self.resize * width / short), int(self.resize * height / short)

    def normalise(self, pixels):
        """[..., 3] uint8 to the float32 that the tower reads; NumPy or JAX arrays."""
        scaled = pixels.astype("float32") * np.float32(1 / 255)
        mean, std = np.float32(self.mean), np.float32(self.std)
        lead = (1,) * (pixels.ndim - 1)
        return (scaled - mean.reshape(*lead, 3)) / std.reshape(*lead, 3)


@dataclasses.dataclass(frozen=True)
class Squared(Preprocessing):
    """A plain ViT's: both sides to `resize` pixels; what is cut off that is optional."""

    mean: tuple[float, ...] = HALF
    std: tuple[float, ...] = HALF
    resample: int = BILINEAR

    view: ClassVar[str] = "whole picture made square"

    @classmethod
    def from_json(cls, fields: dict, image_size: int) -> "Squared":
        resize = _side(fields.get("size", image_size), "height")
        cropped = fields.get("do_center_crop", False)
        crop = _side(fields.get("crop_size", image_size), "height")
        crop = crop if cropped else resize
        resample = fields.get("resample", BILINEAR)
        faults = _faults(fields, [step for step in STEPS if step != "do_center_crop"])
        if resample not in (BILINEAR, BICUBIC):
            faults.append(f"resample {resample}, neither bilinear nor bicubic")
        if not isinstance(resize, int):
            faults.append(f"size {fields['size']}: equal height and width are needed")
        elif crop != image_size:
            faults.append(f"pictures of {crop} for a tower that reads {image_size}")
        if faults:
            raise UserError(
                f"preprocessor_config.json asks for {', '.join(faults)}; of a plain ViT "
                "apt_jax does the resize to a square, centre crop and normalisation only"
            )
        mean, std = fields.get("image_mean", HALF), fields.get("image_std", HALF)
        return cls(image_size, resize, tuple(mean), tuple(std), resample)

    def to_json(self) -> dict:
        """The `preprocessor_config.json` of this preprocessing."""
        return super().to_json() | {
            "image_processor_type": "ViTImageProcessor",
            "do_center_crop": self.size != self.resize,
            "size": {"height": self.resize, "width": self.resize},
            "resample": self.resample,
        }

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """The square, whatever the picture's shape."""
        return self.resize, self.resize


def _faults(fields, steps) -> list[str]:
    """What no preprocessing here can do: steps left out, another range of pixels."""
    faults = [f"{step} off" for step in steps if not fields.get(step, True)]
    if abs(fields.get("rescale_factor", 1 / 255) - 1 / 255) > 1e-9:
        faults.append(f"rescale_factor {fields['rescale_factor']} and not 1/255")
    return faults


def _crop(pixels, size):
    """The centre [size, size] of an image, with zeros where it is smaller."""
    height, width = pixels.shape[:2]
    pad = [(max(size - side, 0) + 1) // 2 for side in (height, width)]
    if any(pad):
        pixels = np.pad(pixels, [(pad[0], pad[0]), (pad[1], pad[1]), (0, 0)])
        height, width = pixels.shape[:2]
    top, left = (height - size) // 2, (width - size) // 2
    return pixels[top : top + size, left : left + size]


def _side(value, edge):
    """A side in pixels, written as a number or as {"shortest_edge": n} and the like."""
    if not isinstance(value, dict):
        return value
    if edge == "height" and value.get("height") != value.get("width"):
        return value.get("height"), value.get("width")
    return value.get(edge)
