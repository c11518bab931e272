"""Frozen outputs: what is kept of a view, and what it depends on."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from toy import CLASSES, drawn_dataset, toy_clip

from apt_jax.errors import UserError
from apt_jax.features.cache import kind_of
from apt_jax.features.encoder import Encoder, require_directions
from apt_jax.features.reads import EMBEDDING, Reads, image_of
from apt_jax.features.views import Views, content, make_view, random_box, random_view
from apt_jax.methods.task import make_task


@pytest.fixture(scope="module")
def clip():
    return toy_clip()


@pytest.fixture(scope="module")
def dataset():
    return drawn_dataset()


TOKENS, PIXELS = Reads("tokens"), Reads("pixels")


def encoded(dataset, clip, reads=TOKENS, **options):
    return Encoder(clip).encode(dataset.pictures(dataset.train), reads, **options)


def test_tokens_are_kept_as_a_float32_embedding_and_float16_patches(dataset, clip):
    found = encoded(dataset, clip)
    n, patches, dim = len(dataset.train), 16, 8
    assert found.stored["embedding"].shape == (n, 1, dim)
    assert found.stored["embedding"].dtype == np.float32
    assert found.stored["patches"].shape == (n, 1, patches, dim)
    assert found.stored["patches"].dtype == np.float16
    assert found.contents.shape == (n, 1, 2)
    tokens = image_of(
        {name: array[0, 0] for name, array in found.stored.items()}, "tokens"
    )
    crop = clip.pixels.centre_crop(Image.open(dataset.files[0]).convert("RGB"))
    pixels = clip.pixels.normalise(crop)[None]
    direct = clip.module.apply({"params": clip.params}, pixels, method="image_tokens")
    np.testing.assert_allclose(tokens, direct[0], atol=2e-3)
    np.testing.assert_allclose(tokens[0], direct[0, 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("source", ["penultimate", "value_path"])
def test_the_embedding_is_the_last_blocks_whatever_the_source_of_patches(
    dataset, clip, source
):
    last, other = (encoded(dataset, clip, Reads("tokens", s)) for s in ("last", source))
    np.testing.assert_allclose(
        other.stored["embedding"], last.stored["embedding"], rtol=1e-4, atol=1e-5
    )
    patches = (np.asarray(found.stored["patches"]) for found in (other, last))
    assert (next(patches) != next(patches)).any()


def test_images_that_nobody_has_hashed_are_refused(dataset, clip):
    unknown = [dataclasses.replace(item, sha256="") for item in dataset.train]
    with pytest.raises(ValueError, match=r"red/0\.png has no hash; scan the data set"):
        dataset.pictures(unknown)


def test_each_kind_of_input_keeps_what_it_reads(dataset, clip):
    assert set(encoded(dataset, clip, EMBEDDING).stored) == {"embedding"}
    crops = encoded(dataset, clip, PIXELS).stored["crop"]
    image = image_of({"crop": crops[0, 0]}, "pixels", clip.pixels)
    assert image.shape == (16, 16, 3)
    assert image.dtype == np.float32


@pytest.mark.parametrize(
    "change",
    [
        {"reads": EMBEDDING},
        {"reads": Reads("tokens", "penultimate")},
        {"sha256": "another"},
        {"dtype": "bfloat16"},
        {"pixels": {"mean": (0.5, 0.5, 0.5)}},
        {"pixels": {"resize": 20}},
    ],
    ids=str,
)
def test_rows_are_kept_apart_by_everything_they_depend_on(clip, change):
    reads, pixels = change.pop("reads", TOKENS), change.pop("pixels", {})
    changed = {"pixels": dataclasses.replace(clip.pixels, **pixels), **change}
    other = dataclasses.replace(clip, **changed)
    assert kind_of(clip, TOKENS) != kind_of(other, reads)
    assert kind_of(clip, TOKENS) == kind_of(dataclasses.replace(clip), TOKENS)


def test_crops_are_the_same_for_towers_that_crop_alike(clip):
    pixels = dataclasses.replace(clip.pixels, mean=(0.5, 0.5, 0.5))
    other = dataclasses.replace(clip, sha256="another", pixels=pixels)
    assert kind_of(clip, PIXELS) == kind_of(other, PIXELS)
    larger = dataclasses.replace(clip.pixels, resize=20)
    assert kind_of(clip, PIXELS) != kind_of(
        dataclasses.replace(clip, pixels=larger), PIXELS
    )


def test_a_view_depends_on_its_image_area_and_number_and_not_on_the_set(dataset, clip):
    views = Views(3, 0.3)
    whole = np.asarray(encoded(dataset, clip, PIXELS, views=views).stored["crop"])
    pictures = dataset.pictures(dataset.train[2:4])
    some = Encoder(clip).encode(pictures, PIXELS, Views(2, 0.3))
    np.testing.assert_array_equal(some.stored["crop"], whole[2:4, :2])
    other = encoded(dataset, clip, PIXELS, views=Views(3, 0.6))
    assert (np.asarray(other.stored["crop"]) != whole).any()
    assert (whole[:, 0] != whole[:, 1]).any()
    picture = Image.open(dataset.files[0]).convert("RGB")
    views = [
        make_view(picture, byte * 32, views.each[1], clip.pixels)
        for byte in ("ab", "cd")
    ]
    assert (views[0] != views[1]).any()


@pytest.mark.parametrize("least", [0.08, 0.5])
def test_random_boxes_lie_inside_and_cover_at_least_the_area_asked_for(least):
    generator = np.random.default_rng(0)
    shares, ratios = [], []
    for _ in range(300):
        left, top, right, bottom = random_box((120, 90), generator, least)
        assert 0 <= left < right <= 120
        assert 0 <= top < bottom <= 90
        shares.append((right - left) * (bottom - top) / (120 * 90))
        ratios.append((right - left) / (bottom - top))
    assert 0.98 * least - 0.01 < min(shares) < 1.2 * least + 0.06
    assert 0.85 < max(shares) <= 1
    assert 0.72 < min(ratios) < 0.85
    assert 1.2 < max(ratios) < 1.38


def test_an_image_too_long_for_any_box_gives_its_centre(clip):
    strip = Image.new("RGB", (400, 2), "red")
    view = random_view(strip, np.random.default_rng(0), clip.pixels, 0.08)
    assert view.shape == (16, 16, 3)


def test_content_names_the_pixels():
    crop = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    other = crop.copy()
    other[0, 0, 0] += 1
    assert content(crop).dtype == np.uint32
    assert (content(crop) == content(crop.copy())).all()
    assert (content(crop) != content(other)).any()
    assert (content(crop) != content(crop.reshape(2, 8, 3))).any()


def test_crops_by_hand_and_files_give_the_same_features(dataset, clip):
    whole = encoded(dataset, clip)
    crops = [
        clip.pixels.centre_crop(Image.open(path).convert("RGB"))
        for path in dataset.files
    ]
    by_hand = Encoder(clip).crops(crops, TOKENS)
    np.testing.assert_array_equal(by_hand.contents, whole.contents)
    for name in whole.stored:
        np.testing.assert_array_equal(by_hand.stored[name], whole.stored[name])


def test_there_are_as_many_classes_as_drawn(dataset):
    assert {item.label for item in dataset.train} == set(range(len(CLASSES)))


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_backbone_that_gives_no_direction_is_blamed_whatever_the_method(clip, value):
    features = np.ones((3, 4), np.float32)
    require_directions(features, clip, "images")
    features[1] = value
    with pytest.raises(UserError, match=r"the backbone .* gives features of images"):
        require_directions(features, clip, "images")
    params = {**clip.params}
    for tower in ("image", "text"):
        kernel = clip.params[tower]["projection"]["kernel"]
        params[tower] = {**clip.params[tower], "projection": {"kernel": kernel * 0}}
    empty = dataclasses.replace(clip, params=params)
    crop = np.zeros((clip.pixels.size, clip.pixels.size, 3), np.uint8)
    with pytest.raises(
        UserError, match="features of images that are zero or not finite"
    ):
        Encoder(empty).crops([crop], EMBEDDING)
    with pytest.raises(UserError, match="features of class names that are zero"):
        make_task(empty, ("red", "blue"), ("a {}.",))
