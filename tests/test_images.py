"""Any picture becomes upright 8-bit RGB; what is none gets a short reason."""

import concurrent.futures
import io
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from photos import encoded, png
from PIL import Image

from apt_jax.data import images
from apt_jax.data.images import ImageError, decode, to_rgb

RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
RAMP = np.linspace(0, 65535, 30).reshape(5, 6)  # a 16-bit grey from black to white


def pixels(data) -> np.ndarray:
    image = decode(data)
    assert image.mode == "RGB"
    return np.asarray(image)


def grey(fractions):
    """[H, W, 3] of the same 8-bit grey."""
    levels = np.rint(np.asarray(fractions) * 255).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=-1)


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff", "ppm", "tga", "webp", "gif"])
def test_lossless_formats_give_back_what_was_stored(kind):
    plain = Image.fromarray(RGB)
    options = {"lossless": True} if kind == "webp" else {}
    np.testing.assert_array_equal(pixels(encoded(plain, kind, **options)), RGB)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr", "HSV"]
)
def test_every_mode_becomes_what_pillow_makes_of_it(mode):
    image = Image.fromarray(RGB).convert("L" if mode == "LA" else "RGB").convert(mode)
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(np.asarray(to_rgb(image)), expected)


@pytest.mark.parametrize(
    ("mode", "kind"), [("CMYK", "tiff"), ("CMYK", "jpeg"), ("LAB", "tiff")]
)
def test_print_and_lab_colours_are_read(mode, kind):
    image = Image.new("LAB", (3, 2), (128, 128, 128))
    if mode == "CMYK":
        image = Image.new("RGB", (3, 2), (200, 30, 90)).convert("CMYK")
    assert pixels(encoded(image, kind)).shape == (2, 3, 3)


def over_white(colours, opacity):
    """By hand: [H, W, 3] colours seen through [H, W] opacities in [0, 1]."""
    return colours * opacity[..., None] + 255 * (1 - opacity[..., None])


@pytest.mark.parametrize("kind", ["png", "tiff", "tga", "webp"])
def test_what_is_transparent_becomes_white(kind):
    alpha = np.linspace(1, 255, 30).astype(np.uint8).reshape(6, 5)
    options = {"lossless": True} if kind == "webp" else {}
    data = encoded(Image.fromarray(np.dstack([RGB, alpha])), kind, **options)
    np.testing.assert_allclose(pixels(data), over_white(RGB, alpha / 255), atol=1)


def test_a_grey_with_alpha_is_laid_over_white():
    image = Image.new("LA", (2, 1), (10, 128))
    shown = over_white(np.full((1, 2, 3), 10), np.full((1, 2), 128 / 255))
    np.testing.assert_allclose(pixels(encoded(image, "png")), shown, atol=1)


@pytest.mark.parametrize(("mode", "colour"), [("L", 10), ("RGB", (10, 20, 30))])
def test_a_colour_named_transparent_becomes_white(mode, colour):
    image = Image.new(mode, (2, 1), colour)
    image.putpixel((1, 0), 99 if mode == "L" else (99, 99, 99))
    data = encoded(image, "png", transparency=colour)
    np.testing.assert_array_equal(pixels(data), [[[255] * 3, [99] * 3]])


@pytest.mark.parametrize(
    ("transparency", "opacity"), [(1, [255, 0, 255]), (b"\x00\x80\xff", [0, 128, 255])]
)
def test_a_palette_with_transparency_is_laid_over_white_without_a_warning(
    transparency, opacity
):
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    data = encoded(image, "png", transparency=transparency)
    colours = np.array([[[10, 20, 30], [40, 50, 60], [70, 80, 90]]])
    expected = over_white(colours, np.array([opacity]) / 255)
    np.testing.assert_allclose(pixels(data), expected, atol=1)
    opened = Image.open(io.BytesIO(data))  # outside decode, where warnings are errors
    np.testing.assert_allclose(np.asarray(to_rgb(opened)), expected, atol=1)


@pytest.mark.parametrize("kind", ["png", "tiff", "ppm"])
def test_16_bit_greys_are_scaled_not_clipped(kind):
    data = encoded(Image.fromarray(RAMP.astype(np.uint16)), kind)
    np.testing.assert_array_equal(pixels(data), grey(RAMP.astype(np.uint16) / 65535))


@pytest.mark.parametrize("kind", ["png", "tiff", "ppm"])
def test_a_dark_16_bit_grey_stays_dark(kind):
    dark = np.full((3, 3), 250, np.uint16)
    np.testing.assert_array_equal(
        pixels(encoded(Image.fromarray(dark), kind)), grey(dark / 65535)
    )


def test_big_endian_16_bit_greys_are_scaled():
    image = Image.frombytes("I;16B", (6, 5), RAMP.astype(">u2").tobytes())
    np.testing.assert_array_equal(
        np.asarray(to_rgb(image)), grey(RAMP.astype(np.uint16) / 65535)
    )


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0, 4294967295.0])
def test_float_greys_are_scaled_by_the_range_they_seem_to_use(top):
    values = (RAMP / 65535 * top).astype(np.float32)
    shown = pixels(encoded(Image.fromarray(values), "tiff"))
    np.testing.assert_allclose(shown, grey(RAMP / 65535), atol=1)


def test_signed_greys_are_spread_over_black_to_white():
    values = np.array([[-100, 0, 100]], np.int32)
    np.testing.assert_array_equal(
        pixels(encoded(Image.fromarray(values), "tiff")), grey([[0, 0.5, 1]])
    )


def test_greys_that_are_no_numbers_are_refused():
    values = np.array([[0.5, np.nan]], np.float32)
    with pytest.raises(ImageError, match="no finite numbers"):
        decode(encoded(Image.fromarray(values), "tiff"))


@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff", "webp"])
def test_exif_orientation_is_applied(kind):
    upright = np.zeros((32, 16, 3), np.uint8)
    upright[:16] = 255  # white above black
    stored = Image.fromarray(upright).rotate(90, expand=True)  # as a turned camera does
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to view"
    shown = pixels(encoded(stored, kind, exif=exif))
    np.testing.assert_allclose(shown, upright, atol=12)  # JPEG and WebP are lossy


def test_a_pillow_image_is_turned_upright_too():
    exif = Image.Exif()
    exif[0x0112] = 3
    data = encoded(Image.fromarray(RGB), "png", exif=exif)
    turned = to_rgb(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(np.asarray(turned), RGB[::-1, ::-1])


@pytest.mark.parametrize("kind", ["gif", "webp", "png", "tiff"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("white", "black")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert pixels(data).min() == 255


def test_an_empty_file_is_refused():
    with pytest.raises(ImageError, match=r"^empty file$"):
        decode(b"")


@pytest.mark.parametrize("data", [b"\0" * 100, b"hello", b"{}", b"\xff" * 40])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(ImageError, match=r"^not an image$"):
        decode(data)


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "bmp", "tiff", "webp", "ppm"])
def test_truncated_files_are_refused(kind):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(ImageError) as caught:
        decode(data[: len(data) * 3 // 4])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pillow_limit", [None, 10, Image.MAX_IMAGE_PIXELS])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(
    pillow_limit, monkeypatch
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow_limit)
    with pytest.raises(ImageError, match=rf"^more than {images.MAX_PIXELS} pixels"):
        decode(bomb(20_000, 10_000))


def test_a_large_photograph_is_no_bomb(monkeypatch):
    width, height = 12_000, 8_400  # 100 megapixels: Pillow warns, cameras do it
    assert width * height < images.MAX_PIXELS
    with pytest.raises(ImageError, match=r"broken|truncated"):  # it has no pixels
        decode(bomb(width, height))


def bomb(width, height):
    """A PNG that claims to be large and holds next to nothing."""

    def chunk(name, content):
        body = name + content
        return (
            struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    content = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + header + content + chunk(b"IEND", b"")


def test_pillows_own_settings_are_left_alone():
    assert Image.MAX_IMAGE_PIXELS == images.MAX_PIXELS // 2


def test_overlapping_threads_leave_the_warning_filters_as_they_were(monkeypatch):
    # A enters first and leaves first: nested catch_warnings would restore wrongly.
    first_in, second_in, first_out = (threading.Event() for _ in range(3))
    names = {b"a": (first_in, second_in), b"b": (second_in, first_out)}

    def slow(file, formats):
        entered, may_leave = names[file.read()]
        entered.set()
        assert may_leave.wait(10)
        raise OSError("enough")

    monkeypatch.setattr(Image, "open", slow)
    before = list(warnings.filters)

    def run(name):
        with pytest.raises(ImageError):
            decode(name)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        one = pool.submit(run, b"a")
        assert first_in.wait(10)
        two = pool.submit(run, b"b")
        one.result()
        first_out.set()
        two.result()
    assert warnings.filters == before


def test_odd_metadata_is_no_fault_of_the_pixels():
    # A directory of three entries of which one is there: Pillow warns, then reads on.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x03\x01\x12\0\x03\0\0\0\x01\0\x01\0\0"
    jpeg = encoded(Image.fromarray(RGB), "jpeg")
    marked = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        Image.open(io.BytesIO(marked)).getexif().get(0x0112)
    np.testing.assert_array_equal(pixels(marked), pixels(jpeg))


def test_decoding_twice_gives_the_same_pixels():
    np.testing.assert_array_equal(pixels(png(3)), pixels(png(3)))
