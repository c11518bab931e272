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
from PIL import Image, TiffImagePlugin

from apt_jax.data import images
from apt_jax.data.formats import READ
from apt_jax.data.images import ImageError, decode, to_rgb
from apt_jax.data.own.looks import look, small

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


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
FTYP = b"\0\0\0\x18ftyp"
UNREAD = {
    "EPS": (EPS, "EPS is not read: save it as PNG"),
    "EPS of DOS": (b"\xc5\xd0\xd3\xc6" + bytes(40), "EPS is not read: save it as PNG"),
    "WMF": (b"\xd7\xcd\xc6\x9a" + bytes(40), "WMF is not read: save it as PNG"),
    "FITS": (b"SIMPLE  =                    T", "FITS is not read: save it as PNG"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5 is not read: save it as PNG"),
    "GRIB": (b"GRIB\0\x10\0\x01" + bytes(20), "GRIB is not read: save it as PNG"),
    "PSD": (b"8BPS\0\x01" + bytes(40), "a Photoshop document is not read"),
    "HEIC": (FTYP + b"heic\0\0\0\0mif1heic", "HEIC is not read: save it as JPEG"),
    "HEIF": (FTYP + b"mif1\0\0\0\0mif1heic", "HEIC is not read: save it as JPEG"),
    "burst": (FTYP + b"msf1\0\0\0\0msf1hevc", "HEIC is not read: save it as JPEG"),
    "MP4": (FTYP + b"isom\0\0\2\0isomiso2", "a video is not read: take a still of it"),
    "MOV": (FTYP + b"qt  \0\0\2\0qt  \0\0\0\0", "a video is not read"),
    "AVI": (b"RIFF\0\0\0\0AVI LIST", "a video is not read"),
    "WebM": (b"\x1aE\xdf\xa3" + bytes(30), "a video is not read"),
    "CR3": (FTYP + b"crx \0\0\0\x01crx isom", "a raw photograph is not read"),
    "CR2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(9), "a raw photograph is not read"),
    "RAF": (b"FUJIFILMCCD-RAW 0201", "a raw photograph is not read: save it as JPEG"),
    "JPEG XL": (b"\xff\x0a" + bytes(20), "JPEG XL is not read: save it as JPEG"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", "PDF is not read: save it as PNG"),
    "SVG": (b"<svg></svg>", "SVG is not read: save it as PNG"),
    "SVG as XML": (b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg>", "SVG is not read"),
    "a page": (
        b"\n<!DOCTYPE HTML><html>404",
        "a web page is not read: download the file",
    ),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    "AppleDouble": (b"\0\5\x16\7\0\2\0\0", "what macOS keeps beside a file"),
    "ZIP": (b"PK\3\4", "a ZIP archive is not read: unpack it"),
}


@pytest.mark.parametrize("kind", UNREAD)
def test_what_is_read_by_nothing_here_is_named_with_the_remedy(kind):
    data, message = UNREAD[kind]
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert message in str(caught.value)
    with pytest.raises(ImageError) as seen:
        look(data, "")
    assert str(seen.value) == str(caught.value)


@pytest.mark.parametrize("read", [decode, small, lambda data: look(data, "")])
def test_no_reader_that_runs_programs_or_opens_other_readers_is_reached(
    read, monkeypatch
):
    Image.init()
    reached = []
    for name, (_, accept) in list(Image.OPEN.items()):
        if name not in READ:
            spy = (lambda *given, name=name: reached.append(name), accept)
            monkeypatch.setitem(Image.OPEN, name, spy)
    for data, _ in UNREAD.values():
        with pytest.raises(Exception, match=r"not read|cannot identify"):
            read(data)
    assert reached == []
    assert not {"EPS", "WMF", "IPTC", "FITS", "HDF5", "GRIB", "BUFR"} & set(READ)


@pytest.mark.parametrize(
    "kind", ["avif", "jpeg2000", "ico", "pcx", "sgi", "dds", "mpo"]
)
def test_other_formats_of_photographs_are_read(kind):
    picture = Image.new("RGB", (32, 32), (200, 30, 90))
    shown = pixels(encoded(picture, kind))
    np.testing.assert_allclose(shown, np.asarray(picture), atol=6)


@pytest.mark.parametrize(
    "tags", [{50706: b"\1\4\0\0"}, {254: 1, 330: 8}], ids=["DNG", "NEF"]
)
def test_the_thumbnail_of_a_raw_photograph_is_not_taken_for_it(tags):
    described = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        described[tag] = value
    data = encoded(Image.fromarray(RGB), "tiff", tiffinfo=described)
    with pytest.raises(ImageError, match="a raw photograph is not read"):
        decode(data)


def test_a_scan_in_a_tiff_of_several_pictures_is_no_raw_photograph():
    described = TiffImagePlugin.ImageFileDirectory_v2()
    described[330] = 8  # a smaller copy follows: a pyramid
    data = encoded(Image.fromarray(RGB), "tiff", tiffinfo=described)
    np.testing.assert_array_equal(pixels(data), RGB)


def test_a_side_that_no_camera_makes_is_refused():
    with pytest.raises(ImageError, match="a side of more than 1048576 pixels"):
        decode(bomb(1, 2_000_000))


DEEP = np.random.default_rng(2).integers(0, 2**16, (20, 20), dtype=np.uint16)


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize(("bits", "told"), [(8, 10), (10, 10), (12, 12), (14, 14)])
def test_16_bits_of_which_few_are_used_are_found_and_left_alone(kind, bits, told):
    values = DEEP >> (16 - bits)
    data = encoded(Image.fromarray(values), kind)
    assert look(data, "").bits == told
    np.testing.assert_array_equal(pixels(data), grey(values / 65535))


def test_colours_of_16_bits_are_looked_at_too():
    high = np.repeat((DEEP >> 4)[..., None], 3, -1)
    assert look(png_of_16_bits(high), "").bits == 12
    assert look(png_of_16_bits(high << 4), "").bits is None


def test_pictures_that_use_their_bits_are_not_told():
    assert look(encoded(Image.fromarray(DEEP), "png"), "").bits is None
    dark = Image.fromarray((RGB // 64).repeat(4, 0).repeat(4, 1))
    assert look(encoded(dark, "png"), "").bits is None  # 8 bits are what they are


def png_of_16_bits(values) -> bytes:
    """A PNG of [H, W, 3] 16-bit colours, which Pillow does not write."""
    height, width, _ = values.shape
    rows = values.astype(">u2").reshape(height, -1)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return png_of(header, lines)


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
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return png_of(header, b"\0" * 100)


def png_of(header: bytes, lines: bytes) -> bytes:

    def chunk(name, content):
        body = name + content
        return (
            struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
        )

    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines))
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")


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


def test_what_was_known_good_when_more_formats_were_read_is_not_believed(tmp_path):
    from apt_jax.features.cache import known_good_file

    (tmp_path / "decoded.txt").write_text("f" * 64)  # as it was called then
    assert known_good_file(str(tmp_path)) != tmp_path / "decoded.txt"
