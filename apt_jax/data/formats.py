"""Which formats of pictures are read, and the names of what is not.

Pillow has readers that start other programs (Ghostscript for EPS), that hand a file to
whoever registered for it (WMF, HDF5, GRIB), or that open what is packed inside by any
reader there is (IPTC). So what may be opened is a list, of raster formats that decode
themselves. What else is met under the names of pictures is told apart by its first bytes.
"""

import io
from pathlib import Path

from PIL import Image

READ = (
    *("AVIF", "BMP", "DDS", "DIB", "GIF", "ICNS", "ICO", "JPEG", "JPEG2000", "PCX"),
    *("PNG", "PPM", "QOI", "SGI", "TIFF", "WEBP"),
    "TGA",  # has no mark to know it by, and so comes last
)
TO_PNG, TO_JPEG = "save it as PNG", "save it as JPEG"
STILL, FILE = "take a still of it", "download the file itself"
STARTS = (  # with what a file begins, what it is, what to do
    (b"%PDF", "PDF", TO_PNG),
    (b"8BPS", "a Photoshop document", TO_PNG),
    (b"gimp xcf", "a GIMP document", TO_PNG),
    (b"\xff\x0a", "JPEG XL", TO_JPEG),
    (b"\0\0\0\x0cJXL ", "JPEG XL", TO_JPEG),
    (b"II\xbc\x01", "JPEG XR", TO_JPEG),
    (b"\x76\x2f\x31\x01", "OpenEXR", TO_PNG),
    (b"#?RADIANCE", "Radiance HDR", TO_PNG),
    (b"FUJIFILMCCD-RAW", "a raw photograph", TO_JPEG),
    (b"IIRO", "a raw photograph", TO_JPEG),
    (b"IIRS", "a raw photograph", TO_JPEG),
    (b"IIU\0", "a raw photograph", TO_JPEG),
    (b"\x1aE\xdf\xa3", "a video", STILL),
    (b"\0\0\x01\xba", "a video", STILL),
    (b"\0\0\x01\xb3", "a video", STILL),
    (b"version https://git-lfs", "a Git LFS pointer", "run git lfs pull"),
    (b"\0\x05\x16\x07", "what macOS keeps beside a file", "leave it out"),
    (b"PK\x03\x04", "a ZIP archive", "unpack it"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"7z\xbc\xaf'\x1c", "a 7z archive", "unpack it"),
)
HEIC_ENDINGS = (".heic", ".heif")  # pictures, though not read
HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
MARKUP = (b"<!doctype html", b"<html", b"<head", b"<body")
CANON = b"CR"  # at byte 8 of a TIFF
DNG_VERSION, KIND_OF_SUBFILE, SUB_IMAGES = 50706, 254, 330  # tags of TIFF
REDUCED = 1  # a bit of the kind: a smaller copy of another picture in the file


def is_named_as_picture(name: str) -> bool:
    """Whether a file is named as pictures are; what is in it may be otherwise."""
    endings = Image.registered_extensions()
    ending = Path(name).suffix.lower()
    return endings.get(ending) in READ or ending in HEIC_ENDINGS


def open_picture(data: bytes) -> Image.Image:
    """Opens, without decoding it, a picture in one of the formats that are read.

    Raises:
        UnidentifiedImageError: if it is in none.
    """
    return Image.open(io.BytesIO(data), formats=READ)


def is_raw(data: bytes, image: Image.Image) -> bool:
    """Whether a TIFF is a camera's raw file, of which Pillow sees the thumbnail."""
    if image.format != "TIFF":
        return False
    if data[8:10] == CANON:
        return True
    tags = image.tag_v2
    reduced = tags.get(KIND_OF_SUBFILE, 0) & REDUCED
    return DNG_VERSION in tags or bool(reduced and SUB_IMAGES in tags)


def unread(data: bytes) -> str:
    """Why a file is in none of the formats that are read, if its first bytes tell."""
    for start, what, remedy in STARTS:
        if data.startswith(start):
            return told(what, remedy)
    return _by_parts(data[:64]) or _by_markup(data[:1024]) or _by_pillow(data[:16])


def told(what, remedy) -> str:
    return f"{what} is not read: {remedy}"


def _by_parts(start):
    """Formats that say what they are behind their first bytes."""
    if start[:2] in (b"II", b"MM") and start[8:10] == CANON:
        return told("a raw photograph", TO_JPEG)
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return told("a video", STILL)
    if start[4:8] in (b"moov", b"mdat", b"wide"):
        return told("a video", STILL)
    if start[4:8] != b"ftyp":
        return ""
    brands = {start[place : place + 4] for place in range(8, len(start), 4)}
    if brands & {b"avif", b"avis"}:
        return ""
    if b"crx " in brands:
        return told("a raw photograph", TO_JPEG)
    return told("HEIC", TO_JPEG) if brands & set(HEIC) else told("a video", STILL)


def _by_markup(start):
    """Drawings and web pages, which are text."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")) and b"<svg" in text:
        return told("SVG", TO_PNG)
    return told("a web page", FILE) if text.startswith(MARKUP) else ""


def _by_pillow(start):
    """Formats that Pillow knows and that are not on the list."""
    Image.init()
    for name, (_, accepts) in Image.OPEN.items():
        if name not in READ and accepts and len(start) == 16 and accepts(start) is True:
            return told(name, TO_PNG)
    return ""
