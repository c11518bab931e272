"""Archives are unpacked whole or not at all, and never outside their folder."""

import gzip
import io
import tarfile
import zipfile

import pytest

from apt_jax.data.published import archives
from apt_jax.data.published.archives import stem, unpack
from apt_jax.errors import UserError

FILES = {"a b/1.txt": b"one", "c/d/2.txt": b"two"}
LINK = 0o120777 << 16


def tar(path, members=None, kind="w:gz"):
    """Writes a tar of {name: bytes, or TarInfo}."""
    with tarfile.open(path, kind) as archive:
        for name, content in (members or FILES).items():
            info = tarfile.TarInfo(name)
            if isinstance(content, dict):
                for field, value in content.items():
                    setattr(info, field, value)
                content = b""
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def zipped(path, members=None):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members or FILES).items():
            archive.writestr(name, content)
    return path


def there(folder):
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.tar", "w"),
        ("x.tgz", "w:gz"),
        ("x.tar.gz", "w:gz"),
        ("x.tar.gz", "w"),  # some tar.gz of well-known data sets are plain tars
        ("x.tar.bz2", "w:bz2"),
        ("x.tar.xz", "w:xz"),
    ],
)
def test_every_kind_of_tar_is_unpacked(tmp_path, name, kind):
    assert there(unpack(tar(tmp_path / name, kind=kind), tmp_path / "out")) == FILES


def test_zips_and_gzipped_files_are_unpacked(tmp_path):
    assert there(unpack(zipped(tmp_path / "x.zip"), tmp_path / "out")) == FILES
    (tmp_path / "y.h5.gz").write_bytes(gzip.compress(b"data"))
    assert there(unpack(tmp_path / "y.h5.gz", tmp_path / "y")) == {"y.h5": b"data"}


def test_what_was_unpacked_is_not_unpacked_again(tmp_path):
    (tmp_path / "out").mkdir()
    assert there(unpack(tar(tmp_path / "x.tar.gz"), tmp_path / "out")) == {}


def test_what_another_process_unpacked_meanwhile_is_taken(tmp_path, monkeypatch):
    extract = archives._extract

    def slowly(archive, folder):
        extract(archive, folder)
        with monkeypatch.context() as patch:
            patch.setattr(archives, "_extract", extract)
            patch.setattr(archives.os, "getpid", lambda: 0)
            archives.unpack(archive, tmp_path / "out")

    monkeypatch.setattr(archives, "_extract", slowly)
    assert there(unpack(tar(tmp_path / "x.tar.gz"), tmp_path / "out")) == FILES
    assert {path.name for path in tmp_path.iterdir()} == {"x.tar.gz", "out"}


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"ok": b"1", "../out/x": b"2"}, "outside the folder"),
        ({"/etc/x": b"2"}, "outside the folder"),
        ({"..\\x": b"2"}, "outside the folder"),
        ({"C:\\x": b"2"}, "outside the folder"),
        ({"l": {"type": tarfile.SYMTYPE, "linkname": "/etc"}}, "link"),
        ({"l": {"type": tarfile.SYMTYPE, "linkname": "../../etc"}}, "outside"),
        ({"l": {"type": tarfile.LNKTYPE, "linkname": "../x"}}, "outside"),
        ({"d": {"type": tarfile.CHRTYPE}}, "special file"),
    ],
)
def test_unsafe_members_of_a_tar_are_refused(tmp_path, members, said):
    archive = tar(tmp_path / "x.tar", members, "w")
    with pytest.raises(UserError, match=rf"cannot unpack .*x\.tar.*{said}"):
        unpack(archive, tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["x.tar"]


def test_a_link_inside_the_folder_is_no_fault(tmp_path):
    members = FILES | {"l": {"type": tarfile.SYMTYPE, "linkname": "c/d/2.txt"}}
    out = unpack(tar(tmp_path / "x.tar", members, "w"), tmp_path / "out")
    assert (out / "l").read_bytes() == b"two"


def test_unsafe_members_of_a_zip_are_refused(tmp_path):
    link = zipfile.ZipInfo("l")
    link.external_attr = LINK
    for members, said in (
        ({"ok": b"", "../x": b""}, "outside the folder"),
        ({"/x": b""}, "outside the folder"),
        ({link: b"/etc"}, "is a link"),
    ):
        archive = zipped(tmp_path / "x.zip", members)
        with pytest.raises(UserError, match=said):
            unpack(archive, tmp_path / "out")
        assert [file.name for file in tmp_path.iterdir()] == ["x.zip"]


def test_a_broken_archive_leaves_nothing(tmp_path):
    content = {"big": bytes(i * i % 251 for i in range(50_000))}
    (tmp_path / "whole").mkdir()
    whole = {
        "x.tar.gz": tar(tmp_path / "whole/x.tar.gz", content),
        "x.tar": tar(tmp_path / "whole/x.tar", content, "w"),
        "x.tar.xz": tar(tmp_path / "whole/x.tar.xz", content, "w:xz"),
        "x.zip": zipped(tmp_path / "whole/x.zip", content),
    }
    for name, archive in whole.items():
        data = archive.read_bytes()
        for broken in (data[: len(data) // 2], b"", b"<html>not found</html>"):
            (tmp_path / name).write_bytes(broken)
            with pytest.raises(UserError, match=r"cannot unpack.*download it again"):
                unpack(tmp_path / name, tmp_path / "out")
            assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("cut", [512 * 3, 512 * 3 + 100])
def test_a_tar_cut_between_or_in_headers_is_no_whole_one(tmp_path, cut):
    members = {f"{n}": b"x" for n in range(5)}  # two blocks each
    data = tar(tmp_path / "whole.tar", members, "w").read_bytes()
    (tmp_path / "x.tar").write_bytes(data[: cut + 512])
    with pytest.raises(UserError, match=r"it ends too early; download it again"):
        unpack(tmp_path / "x.tar", tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="free space or change permissions"):
        unpack(tar(tmp_path / "x.tar"), tmp_path / "file" / "out")


def test_the_stem_of_an_archive_is_its_name_without_kind():
    assert stem("a/images.tar.gz") == "images"
    assert stem("x.h5.gz") == "x.h5"
    assert stem("CLEVR_v1.0.zip") == "CLEVR_v1.0"
    assert stem("photos") == "photos"
