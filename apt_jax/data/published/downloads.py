"""The files that a data set is read from: found below a root, unpacked once, checked.

An archive may lie in the root as it was downloaded, and is then unpacked beside itself
into a folder of its name; or be unpacked already, into such a folder or into the root; or
the root is the folder that it holds, or one on the way there. What was downloaded is
compared with the size that TFDS published, if it did.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from apt_jax.data.listing import listed
from apt_jax.data.published.archives import stem, unpack
from apt_jax.data.published.lists import lines, package_file
from apt_jax.data.roots import require_folder
from apt_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Download:
    """A file as its authors publish it."""

    url: str
    marker: str  # a file that it holds, or with "/" at the end a folder; a pattern
    top: str = ""  # the folders in it that the marker lies in
    name: str = ""  # the file's name, where it is not the end of the URL
    inside: "Download | None" = None  # the archive that holds it
    instead: "Download | None" = None  # another that does as well
    advice: str = ""  # what to do by hand

    @property
    def file(self) -> str:
        return self.name or urlsplit(self.url).path.rpartition("/")[2]

    @property
    def is_plain(self) -> bool:
        """Whether it is no archive, but the file itself."""
        return self.file == self.marker


def places(
    root: str, name: str, downloads: Mapping[str, Download], builder: str = ""
) -> dict[str, Path]:
    """The folder of each of `downloads`, unpacked where that was to do.

    Args:
        name: the data set's, for errors.
        builder: of TFDS, whose published sizes are those of the files.

    Raises:
        UserError: naming all that is missing, or what is not whole.
    """
    root = require_folder(root, f"the files of {name}")
    sizes = known_sizes(builder)
    found = {key: _place(root, one, sizes) for key, one in downloads.items()}
    if missing := [one for key, one in downloads.items() if not found[key]]:
        named = listed(dict.fromkeys(map(_spelled, missing)))
        raise UserError(
            f"{root} lacks what {name} is read from: {named}; "
            "download it there and leave it as it is or unpack it, or name another folder "
            "with `root`"
        )
    return found


def known_sizes(builder: str) -> dict[str, int]:
    """Bytes of the downloads that TFDS knows for a builder, by file name.

    Empty if there is no such builder. Its lists have a line a download: URL, size, hash,
    file name.
    """
    for path in (f"datasets/{builder}/checksums.tsv", f"url_checksums/{builder}.txt"):
        if (file := package_file(path)).is_file():
            rows = [line.split("\t") for line in lines(file)]
            return {name: int(size) for _, size, _, name in rows}
    return {}


def _place(root, download, sizes) -> Path | None:
    """The folder with the download's marker, if the download is there in some form."""
    if base := _marked(root, download):
        if download.is_plain:
            _require_whole(base / download.file, sizes, is_plain=True)
        return base
    if (root / download.file).is_file():
        return _unpacked(root / download.file, download, sizes)
    if download.inside and (outer := _place(root, download.inside, sizes)):
        return _unpacked(outer / download.file, download, sizes)
    return _place(root, download.instead, sizes) if download.instead else None


def _bases(root, download) -> Iterator[Path]:
    """Where what the download holds may lie."""
    around = _bases(root, download.inside) if download.inside else ()
    for folder in (root, *around):
        for top in _ends(download.top):
            yield folder / stem(download.file) / top
            yield folder / top


def _ends(path) -> Iterator[Path]:
    """A relative path, and what is left of it without its first folders."""
    parts = Path(path).parts
    return (Path(*parts[start:]) for start in range(len(parts) + 1))


def _marked(root, download) -> Path | None:
    """The first folder with the download's marker."""
    is_there = Path.is_dir if download.marker.endswith("/") else Path.is_file
    for base in _bases(root, download):
        if any(map(is_there, base.glob(download.marker))):
            return base
    return None


def _unpacked(archive, download, sizes):
    if archive.suffix == ".rar":
        raise UserError(
            f"Python cannot unpack {archive}; unpack it beside itself (unrar x, 7z x or "
            "bsdtar -xf)"
        )
    folder = archive.with_name(stem(archive))
    if not folder.is_dir():
        _require_whole(archive, sizes)
    unpack(archive, folder)
    if base := _marked(archive.parent, download):
        return base
    inner = Path(download.top, download.marker)
    raise UserError(
        f"{folder} has no {inner}; remove that folder, and download {download.file} "
        f"again if it then holds none either ({download.url})"
    )


def _require_whole(path, sizes, *, is_plain=False):
    size, known = path.stat().st_size, sizes.get(path.name)
    if known not in (None, size):
        other = "" if is_plain else ", or unpack it yourself if it is another edition"
        raise UserError(
            f"{path} has {size} bytes, published are {known}; download it again{other}"
        )


def _spelled(download) -> str:
    """A download as an error names it, with all that does as well."""
    outer = download.inside or download
    advice = f"; {download.advice}" if download.advice else ""
    text = f"{outer.file} ({outer.url}{advice})"
    if download.inside:
        text += f" or its {download.file}"
    return text + (f" or {_spelled(download.instead)}" if download.instead else "")
