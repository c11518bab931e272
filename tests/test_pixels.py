"""Preprocessing equals transformers' Pillow processor for CLIP."""

import io
import json
import warnings

import numpy as np
import pytest
from PIL import Image, ImageOps

from apt_jax.clip import pixels as module
from apt_jax.clip.pixels import Preprocessing, Squared
from apt_jax.clip.resample import BICUBIC, BILINEAR, part
from apt_jax.data.images import decode, to_rgb
from apt_jax.errors import UserError
from apt_jax.features.views import Views, make_view

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


# -- long pictures: the same pixels without those that the crop leaves away ---------------


def whole(pixels, picture) -> np.ndarray:
    """The crop as it was always made: resize all, then cut."""
    resized = picture.resize(pixels.resized(*picture.size), pixels.resample)
    return module._crop(np.asarray(resized), pixels.size)


LONG = [(1, 500), (500, 1), (3, 901), (902, 3), (2, 777), (1, 1), (5, 400), (37, 1201)]
USUAL = [(64, 64), (65, 33), (33, 65), (7, 9), (200, 131), (131, 200), (63, 300)]


@pytest.mark.parametrize("shape", LONG + USUAL)
@pytest.mark.parametrize(("size", "resize"), [(16, 16), (16, 21), (17, 9), (32, 32)])
@pytest.mark.parametrize("waste", [0, module.WASTE])
def test_a_part_of_a_resize_has_the_pixels_of_all_of_it(
    shape, size, resize, waste, monkeypatch
):
    monkeypatch.setattr(module, "WASTE", waste)
    picture = Image.fromarray(noise(*shape))
    for pixels in (Preprocessing(size, resize), Squared(size, max(size, resize))):
        np.testing.assert_array_equal(
            pixels.centre_crop(picture), whole(pixels, picture)
        )


def test_any_part_of_any_resize_is_pillows():
    for _ in range(200):
        height, width, new_width, new_height = GENERATOR.integers(1, 90, 4).tolist()
        left, right = sorted(GENERATOR.integers(0, new_width + 1, 2).tolist())
        top, bottom = sorted(GENERATOR.integers(0, new_height + 1, 2).tolist())
        if left == right or top == bottom:
            continue
        picture, size = Image.fromarray(noise(height, width)), (new_width, new_height)
        for resample in (BILINEAR, BICUBIC):
            expected = np.asarray(picture.resize(size, resample))
            found = part(picture, size, (left, top, right, bottom), resample)
            np.testing.assert_array_equal(found, expected[top:bottom, left:right])


@pytest.fixture
def small_resizes(monkeypatch):
    """Lets Pillow make no large picture by a resize."""
    plain = Image.Image.resize

    def resize(picture, size, *rest, **named):
        assert size[0] * size[1] <= module.WASTE * 224**2
        return plain(picture, size, *rest, **named)

    monkeypatch.setattr(Image.Image, "resize", resize)


@pytest.mark.parametrize("shape", [(1, 20_000), (20_000, 1), (3, 60_000), (60_000, 3)])
@pytest.mark.usefixtures("small_resizes")
def test_memory_does_not_grow_with_the_shape_of_a_picture(shape):
    picture, pixels = Image.fromarray(noise(*shape)), Preprocessing(224, 224)
    assert pixels.centre_crop(picture).shape == (224, 224, 3)
    for view in Views(2).each:
        assert make_view(picture, "ab" * 32, view, pixels).shape == (224, 224, 3)
