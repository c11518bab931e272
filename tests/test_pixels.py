"""Preprocessing equals transformers' Pillow processor for CLIP."""

import io
import json
import warnings

import numpy as np
import pytest
from PIL import Image, ImageOps

from apt_jax.clip.pixels import Preprocessing
from apt_jax.data.images import decode, to_rgb
from apt_jax.errors import UserError

GENERATOR = np.random.default_rng(0)


def noise(height, width, channels=3):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return GENERATOR.integers(0, 256, shape, dtype=np.uint8)


def smooth(height, width):
    """A picture with edges and slopes, by formula."""
    y, x, c = np.ogrid[:height, :width, :3]
    return ((7 * y + 13 * x + 50 * c + 64 * ((x // 16 + y // 16) % 2)) % 256).astype(
        "u1"
    )


PICTURES = {
    "colour": Image.fromarray(noise(300, 401)),
    "smooth": Image.fromarray(smooth(231, 225)),
    "grey": Image.fromarray(noise(90, 120, 1)),
    "palette": Image.fromarray(noise(250, 240)).quantize(32),
    "alpha": Image.fromarray(noise(260, 230, 4)),
    "CMYK": Image.fromarray(noise(240, 260)).convert("CMYK"),
    "tiny": Image.fromarray(noise(3, 5)),
    "very wide": Image.fromarray(noise(17, 900)),
    "very tall": Image.fromarray(noise(700, 31)),
    "odd margins": Image.fromarray(noise(224, 301)),
}


@pytest.fixture(scope="module")
def processor():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.models.clip.image_processing_pil_clip import (
            CLIPImageProcessorPil,
        )

        return CLIPImageProcessorPil()


def theirs(processor, picture):
    pixels = processor(picture, return_tensors="np")["pixel_values"][0]
    return pixels.transpose(1, 2, 0)


@pytest.mark.parametrize("name", PICTURES)
def test_pixels_equal_the_pillow_processor(processor, name):
    ours = Preprocessing(224, 224)
    crop = ours.centre_crop(to_rgb(PICTURES[name]))
    expected = theirs(processor, PICTURES[name])
    assert ours.normalise(crop).dtype == np.float32
    np.testing.assert_allclose(ours.normalise(crop), expected, atol=1e-6)


@pytest.mark.parametrize("tag", [2, 3, 5, 6, 8])
def test_a_rotated_photograph_is_processed_upright(processor, tag):
    exif, data = Image.Exif(), io.BytesIO()
    exif[0x0112] = tag
    PICTURES["colour"].save(data, "png", exif=exif)
    ours = Preprocessing(224, 224)
    upright = ImageOps.exif_transpose(Image.open(data))
    np.testing.assert_allclose(
        ours.normalise(ours.centre_crop(decode(data.getvalue()))),
        theirs(processor, upright),
        atol=1e-6,
    )


GOLDEN = {  # of the smooth picture: sum of the uint8 crop, the pixel at [100, 57]
    (300, 401): (19196208, [88, 138, 188]),
    (480, 640): (19195112, [104, 154, 205]),
    (100, 151): (19134746, [59, 59, 109]),
    (224, 224): (19185408, [225, 19, 69]),
    (231, 225): (19181920, [199, 42, 92]),
}


@pytest.mark.parametrize("size", GOLDEN)
def test_crops_equal_the_goldens(size):
    crop = Preprocessing(224, 224).centre_crop(Image.fromarray(smooth(*size)))
    total, pixel = GOLDEN[size]
    assert crop.sum(dtype=int) == total
    assert crop[100, 57].tolist() == pixel


def test_a_resize_smaller_than_the_crop_is_padded_as_theirs():
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    sizes = {"size": {"shortest_edge": 50}, "crop_size": {"height": 64, "width": 64}}
    processor = CLIPImageProcessorPil(**sizes)
    ours = Preprocessing.from_json(sizes, image_size=64)
    for picture in ("colour", "very wide", "grey"):
        crop = ours.centre_crop(PICTURES[picture].convert("RGB"))
        np.testing.assert_allclose(
            ours.normalise(crop), theirs(processor, PICTURES[picture]), atol=1e-6
        )


def test_settings_survive_the_way_to_the_file_and_back():
    ours = Preprocessing(64, 72, (0.5, 0.5, 0.5), (0.4, 0.5, 0.6))
    again = Preprocessing.from_json(json.loads(json.dumps(ours.to_json())), 64)
    assert again == ours


def test_without_a_file_the_settings_are_clips_own(tmp_path):
    assert Preprocessing.read(tmp_path, 224) == Preprocessing(224, 224)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"resample": 2}, "resample 2 and not bicubic"),
        ({"do_center_crop": False}, "do_center_crop off"),
        ({"crop_size": 336}, "a crop of 336 for a tower that reads 224"),
        ({"rescale_factor": 1.0}, "rescale_factor 1.0"),
        ({"size": {"height": 224, "width": 224}}, "a shortest_edge is needed"),
    ],
)
def test_other_preprocessing_is_refused(fields, message):
    with pytest.raises(UserError, match=message):
        Preprocessing.from_json(fields, 224)


def test_jax_and_numpy_normalise_alike():
    import jax.numpy as jnp

    crop, ours = noise(8, 8), Preprocessing(8, 8)
    np.testing.assert_allclose(
        ours.normalise(jnp.asarray(crop)), ours.normalise(crop), atol=1e-6
    )
