"""A picture to what the image tower was trained on: resized, cropped, normalised.

The steps of `transformers`' Pillow processor for CLIP, in its order: the shorter side to
`resize` pixels by Pillow's bicubic filter on uint8 (the longer side rounded down), the
centre crop, division by 255, then (x - mean) / std in float32.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
from PIL import Image

from apt_jax.errors import UserError

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
BICUBIC = 3  # Pillow's number, as preprocessor_config.json writes it
STEPS = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Frozen and hashable: an argument of compiled functions, and of cache keys."""

    size: int  # side of the crop, which the tower reads
    resize: int  # what the shorter side becomes before the crop
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD

    @classmethod
    def read(cls, folder, image_size: int) -> "Preprocessing":
        """From `preprocessor_config.json`; CLIP's own where there is none.

        Raises:
            UserError: for settings that CLIP's preprocessing does not have.
        """
        path = Path(folder) / "preprocessor_config.json"
        if not path.exists():
            return cls(image_size, image_size)
        return cls.from_json(json.loads(path.read_text()), image_size)

    @classmethod
    def from_json(cls, fields: dict, image_size: int) -> "Preprocessing":
        resize = _side(fields.get("size", image_size), "shortest_edge")
        crop = _side(fields.get("crop_size", image_size), "height")
        faults = [f"{step} off" for step in STEPS if not fields.get(step, True)]
        if fields.get("resample", BICUBIC) != BICUBIC:
            faults.append(f"resample {fields['resample']} and not bicubic")
        if abs(fields.get("rescale_factor", 1 / 255) - 1 / 255) > 1e-9:
            faults.append(f"rescale_factor {fields['rescale_factor']} and not 1/255")
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
        short = min(image.size)
        size = tuple(int(self.resize * side / short) for side in image.size)
        pixels = np.asarray(image.resize(size, Image.Resampling.BICUBIC))
        return _crop(pixels, self.size)

    def normalise(self, pixels):
        """[..., 3] uint8 to the float32 that the tower reads; NumPy or JAX arrays."""
        scaled = pixels.astype("float32") * np.float32(1 / 255)
        mean, std = np.float32(self.mean), np.float32(self.std)
        lead = (1,) * (pixels.ndim - 1)
        return (scaled - mean.reshape(*lead, 3)) / std.reshape(*lead, 3)


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
