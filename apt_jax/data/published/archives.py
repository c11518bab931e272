"""Archives as their authors publish them, unpacked once and safely.

tar (plain, gz, bz2, xz), zip, and single gzipped files. A member that would leave the
folder (`../`, absolute, through a link), a device or a link in a zip is refused. An
archive is unpacked under another name and renamed when whole, so a folder that is there
is complete.
"""

import gzip
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from apt_jax.errors import UserError
from apt_jax.files import sync_folder
from apt_jax.names import printable
from apt_jax.progress import MEGABYTE, progress_of_bytes

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
KINDS = (*TAR, ".zip", ".gz")


def stem(archive) -> str:
    """A file's name without what says that it is an archive: "images" of images.tar.gz."""
    name = Path(archive).name
    endings = [kind for kind in KINDS if name.lower().endswith(kind)]
    return name[: -len(max(endings, key=len))] if endings else name


def unpack(archive: Path, folder: Path) -> Path:
    """`folder` with what is in `archive`; nothing is done if it is there already.

    Raises:
        UserError: for a broken archive, one cut short, one with unsafe members, and where
            the folder cannot be written. Nothing is left behind then.
    """
    if folder.is_dir():
        return folder
    beside = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(parents=True)
        _extract(archive, beside)
        os.rename(beside, folder)
        sync_folder(folder.parent)
    except Exception as error:  # what a damaged archive raises varies
        if folder.is_dir():
            return folder  # another process was first
        if getattr(error, "errno", None):  # of the disk
            raise UserError(
                f"cannot unpack {archive} into {folder.parent} ({error.strerror}); free "
                "space or change permissions there"
            ) from None
        reason = printable(str(error)) or "it ends too early"
        raise UserError(
            f"cannot unpack {archive}: {reason}; download it again"
        ) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def _extract(archive, folder):
    name, size = archive.name.lower(), archive.stat().st_size
    shown = progress_of_bytes(size, f"unpacking {archive.name}")
    with open(archive, "rb") as file, shown as reach:
        if name.endswith(TAR):
            with tarfile.open(fileobj=file) as tar:
                for member in tar:
                    _require_inside(member.name)
                    tar.extract(member, folder, filter="data")
                    reach(file.tell())
                _require_end(tar)
        elif name.endswith(".zip"):
            with zipfile.ZipFile(file) as whole:
                for member in whole.infolist():
                    _require_inside(member.filename)
                    if stat.S_ISLNK(member.external_attr >> 16):
                        raise zipfile.BadZipFile(f"{member.filename!r} is a link")
                    whole.extract(member, folder)
                    reach(file.tell())
        else:
            with gzip.open(file) as packed, open(folder / stem(archive), "wb") as plain:
                while chunk := packed.read(16 * MEGABYTE):
                    plain.write(chunk)
                    reach(file.tell())


def _require_end(tar):
    """Refuses a tar without its closing zeros: tarfile takes a cut header for the end."""
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.TarError("it ends too early")


def _require_inside(name):
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive:
        raise tarfile.TarError(f"{name!r} would be written outside the folder")
