"""Whatever a split file, a table or an archive holds: it is read, or refused."""

import contextlib
import io
import json
import tarfile
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from photos import load, write

from apt_jax.data.check import check
from apt_jax.data.naming import renamed
from apt_jax.data.published.archives import unpack
from apt_jax.errors import UserError

FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,  # CI must not fail by chance
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NAMES = st.sampled_from(["a/1.png", "a/2.png", "b/1.png", "b/2.png"]) | st.text()
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
ROWS = st.tuples(NAMES, st.integers(-1, 3), st.sampled_from(["ant", "bee"]) | st.text())
LISTS = st.lists(ROWS | VALUES, max_size=5)
SPLITS = st.fixed_dictionaries({"train": LISTS, "val": LISTS, "test": LISTS}) | VALUES


@pytest.fixture
def root(tmp_path):
    files = {
        path: n for n, path in enumerate(["a/1.png", "a/2.png", "b/1.png", "b/2.png"])
    }
    write(tmp_path, files)
    return tmp_path


def read_or_refuse(read):
    """Calls `read`; whatever it raises but a `UserError` is our bug."""
    with contextlib.suppress(UserError):
        read()


@FUZZ
@given(content=SPLITS)
def test_any_split_file_is_read_or_refused(root, content):
    file = root / "split_zhou_Fuzz.json"
    file.write_text(json.dumps(content), encoding="utf-8", errors="surrogatepass")
    read_or_refuse(lambda: check(load("coop", root, split_file=str(file)), 1))


@FUZZ
@given(data=st.binary(max_size=60))
def test_any_bytes_for_a_split_file_are_read_or_refused(root, data):
    (root / "split.json").write_bytes(data)
    read_or_refuse(lambda: load("coop", root, split_file=str(root / "split.json")))


CELLS = NAMES | st.sampled_from(
    ["train", "test", "ant", "bee", "path", "label", "split"]
)


@FUZZ
@given(
    rows=st.lists(st.lists(CELLS, max_size=4), max_size=5),
    delimiter=st.sampled_from(",;\t"),
    head=st.booleans(),
)
def test_any_table_is_read_or_refused(root, rows, delimiter, head):
    lines = [["path", "label", "split"]] * head + rows
    text = "\n".join(delimiter.join(line) for line in lines)
    (root / "t.csv").write_bytes(text.encode(errors="surrogatepass"))
    read_or_refuse(lambda: check(load("table", root / "t.csv"), 1))


@FUZZ
@given(data=st.binary(max_size=60), ending=st.sampled_from([".csv", ".parquet"]))
def test_any_bytes_for_a_table_are_read_or_refused(root, data, ending):
    (root / f"t{ending}").write_bytes(data)
    read_or_refuse(lambda: load("table", root / f"t{ending}"))


@FUZZ
@given(
    data=st.binary(max_size=40)
    | st.text(max_size=40).map(lambda t: t.encode("utf-8", "ignore"))
)
def test_any_names_file_is_read_or_refused(root, data):
    (root / "names.yaml").write_bytes(data)
    dataset = load("folder", root, group="none")
    read_or_refuse(lambda: renamed(dataset, str(root / "names.yaml"), ""))


PARTS = st.sampled_from(["a", "..", ".", "", "/", "b c", "C:", "\\", "é"]) | st.text(
    max_size=3
)
MEMBERS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from(
    [
        tarfile.REGTYPE,
        tarfile.DIRTYPE,
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.FIFOTYPE,
    ]
)


def outside(folder):
    """What stands beside the archive and the folder it unpacks to."""
    return {path.name for path in folder.iterdir()} - {"x.tar", "x.zip", "out"}


@FUZZ
@given(members=st.lists(st.tuples(MEMBERS, KINDS, MEMBERS), max_size=4))
def test_any_members_of_a_tar_stay_inside_or_are_refused(tmp_path_factory, members):
    root = tmp_path_factory.mktemp("tar")
    with tarfile.open(root / "x.tar", "w", format=tarfile.PAX_FORMAT) as file:
        for name, kind, link in members:
            info = tarfile.TarInfo(name.replace("\0", ""))
            info.type, info.linkname = kind, link.replace("\0", "")
            content = b"x" if kind == tarfile.REGTYPE else b""
            info.size = len(content)
            try:
                file.addfile(info, io.BytesIO(content))
            except (ValueError, UnicodeError):  # no tar can hold such a name
                continue
    read_or_refuse(lambda: unpack(root / "x.tar", root / "out"))
    assert not outside(root)


@FUZZ
@given(members=st.lists(MEMBERS, max_size=4, unique=True))
def test_any_members_of_a_zip_stay_inside_or_are_refused(tmp_path_factory, members):
    root = tmp_path_factory.mktemp("zip")
    with zipfile.ZipFile(root / "x.zip", "w") as file:
        for name in members:
            try:
                file.writestr(name or "x", b"x")
            except (ValueError, UnicodeError):
                continue
    read_or_refuse(lambda: unpack(root / "x.zip", root / "out"))
    assert not outside(root)


@FUZZ
@given(
    data=st.binary(max_size=700), ending=st.sampled_from(["tar", "tar.gz", "zip", "gz"])
)
def test_any_bytes_for_an_archive_are_refused_or_unpacked(
    tmp_path_factory, data, ending
):
    root = tmp_path_factory.mktemp("any")
    (root / f"x.{ending}").write_bytes(data)
    read_or_refuse(lambda: unpack(root / f"x.{ending}", root / "out"))
