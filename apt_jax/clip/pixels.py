"""A picture to what the image tower was trained on: resized, cropped, normalised.

The steps of `transformers`' Pillow processor for CLIP, in its order: the shorter side to
`resize` pixels by Pillow's bicubic filter on uint8 (the longer side rounded down), the
centre crop, division by 255, then (x - mean) / std in float32. A plain ViT's differ in
the first step alone: the whole picture becomes a square, whatever its shape was.

The settings are in `preprocessor_config.json`, or, as transformers 5 saves a CLIP, under
`image_processor` in `processor_config.json`, which then is the one that counts.
"""

import dataclasses
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from apt_jax.clip import side_files
from apt_jax.clip.fields import are_numbers, is_number, is_whole, shown
from apt_jax.clip.resample import BICUBIC, BILINEAR, part
from apt_jax.data.roots import note
from apt_jax.errors import UserError

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)  # mean and std of a ViT trained on labels
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
STEPS = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")
TOLD = {"image_mean", "image_std"}  # what no folder leaves to be guessed
HARMLESS = ("do_convert_rgb",)  # what is done to every picture anyway
PROCESSOR, IMAGE_PROCESSOR = "processor_config.json", "preprocessor_config.json"
MOST_SIDE = 2**14  # pixels that a side may be resized to
RESCALED = (1 / 255 - 1e-9, 1 / 255 + 1e-9)  # as decimals of some length
WASTE = 64  # times as many resized pixels as are kept: then only those are made


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
        """From the files in `folder`; `default`, or the class's, where they say nothing.

        Raises:
            UserError: for settings that this preprocessing does not have.
        """
        if found := settings_in(Path(folder)):
            file, fields = found
            if fields.keys() >= TOLD:
                return cls.from_json(fields, image_size, file)
            default = cls.from_json(fields, image_size, file)
        default = default or cls(image_size, image_size)
        note(
            f"{folder} has no {IMAGE_PROCESSOR} that says how pictures are prepared: "
            f"assumed are {default.view}, {default.size} pixels, mean {default.mean} and "
            f"standard deviation {default.std}"
        )
        return default

    @classmethod
    def from_json(
        cls, fields: dict, image_size: int, file=IMAGE_PROCESSOR
    ) -> "Preprocessing":
        resize = _side(fields.get("size", image_size), "shortest_edge")
        crop = _side(fields.get("crop_size", image_size), "height")
        faults = _faults(fields, STEPS)
        if fields.get("resample", BICUBIC) != BICUBIC:
            faults.append(f"resample {shown(fields['resample'])} and not bicubic")
        if not is_whole(crop, MOST_SIDE) or crop != image_size:
            faults.append(
                f"a crop of {shown(crop)} for a tower that reads {image_size}"
            )
        if not is_whole(resize, MOST_SIDE):
            size = fields.get("size", image_size)
            faults.append(f"size {shown(size)}: a shortest_edge is needed")
        mean, std = _colours(fields, MEAN, STD, faults)
        if faults:
            raise UserError(
                f"{file} asks for {', '.join(faults)}; apt_jax does "
                "CLIP's resize, centre crop and normalisation only"
            )
        return cls(image_size, resize, tuple(mean), tuple(std))

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
        width, height = self.resized(*image.size)
        if width * height <= WASTE * self.size**2:
            pixels = np.asarray(image.resize((width, height), self.resample))
        else:
            (left, right), (top, bottom) = (
                _middle(side, self.size) for side in (width, height)
            )
            box = (left, top, right, bottom)
            pixels = part(image, (width, height), box, self.resample)
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
    def from_json(
        cls, fields: dict, image_size: int, file=IMAGE_PROCESSOR
    ) -> "Squared":
        resize = _side(fields.get("size", image_size), "height")
        cropped = fields.get("do_center_crop", False)
        crop = _side(fields.get("crop_size", image_size), "height")
        crop = crop if cropped else resize
        resample = fields.get("resample", BILINEAR)
        faults = _faults(fields, [step for step in STEPS if step != "do_center_crop"])
        if resample not in (BILINEAR, BICUBIC):
            faults.append(f"resample {shown(resample)}, neither bilinear nor bicubic")
        if not is_whole(resize, MOST_SIDE):
            size = fields.get("size", image_size)
            faults.append(f"size {shown(size)}: equal height and width are needed")
        elif not is_whole(crop, MOST_SIDE) or crop != image_size:
            faults.append(
                f"pictures of {shown(crop)} for a tower that reads {image_size}"
            )
        mean, std = _colours(fields, HALF, HALF, faults)
        if faults:
            raise UserError(
                f"{file} asks for {', '.join(faults)}; of a plain ViT "
                "apt_jax does the resize to a square, centre crop and normalisation only"
            )
        return cls(image_size, resize, tuple(mean), tuple(std), int(resample))

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


def settings_in(folder: Path) -> tuple[str, dict] | None:
    """The file that tells of the preprocessing, and what it says; None without one."""
    names = side_files.names_in(folder)
    if PROCESSOR in names:
        fields = side_files.read_mapping(folder / PROCESSOR)
        if "image_processor" in fields:
            settings = fields["image_processor"]
            if not isinstance(settings, dict):
                raise UserError(
                    f"{folder / PROCESSOR} has an image_processor {shown(settings)} "
                    "without named values; download it again"
                )
            return PROCESSOR, settings
    if IMAGE_PROCESSOR in names:
        return IMAGE_PROCESSOR, side_files.read_mapping(folder / IMAGE_PROCESSOR)
    return None


def _faults(fields, steps) -> list[str]:
    """What no preprocessing here can do: steps left out or added, another range."""
    switches = {name: fields[name] for name in fields if name.startswith("do_")}
    faults = [
        f"{name} {shown(value)}, neither true nor false"
        for name, value in switches.items()
        if not isinstance(value, bool | None)
    ]
    faults += [f"{step} off" for step in steps if not switches.get(step, True)]
    known = {*STEPS, *HARMLESS}
    faults += [name for name in switches if switches[name] and name not in known]
    if fields.get("crop_pct") is not None:
        faults.append(f"crop_pct {shown(fields['crop_pct'])}")
    if not is_number(fields.get("rescale_factor", 1 / 255), *RESCALED):
        faults.append(f"rescale_factor {shown(fields['rescale_factor'])} and not 1/255")
    return faults


def _colours(fields, mean, std, faults: list[str]):
    """Mean and standard deviation of the channels; adds to `faults` what is wrong."""
    found = []
    for name, usual, least in (("image_mean", mean, 0), ("image_std", std, 0.001)):
        value = fields.get(name, list(usual))
        if not are_numbers(value, 3, least, 1):
            faults.append(f"{name} {shown(value)}, not three numbers from {least} to 1")
        found.append(value)
    return found


def _middle(side: int, size: int) -> tuple[int, int]:
    """Where the `size` pixels in the middle of a side start and stop."""
    start = max(side - size, 0) // 2
    return start, min(start + size, side)


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
