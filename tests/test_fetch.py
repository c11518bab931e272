"""Downloads: whole and checked, going on where they were cut off."""

import hashlib
import http.server
import re
import threading

import pytest

from apt_jax.data.published.fetch import MEGABYTE, fetch
from apt_jax.errors import UserError

CONTENT = bytes(range(256)) * (3 * MEGABYTE // 256) + b"end"
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(http.server.BaseHTTPRequestHandler):
    """Sends CONTENT; `ranges` says whether parts, `cut` after how many bytes it breaks."""

    ranges, cut, asked = True, None, None

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        start = (
            int(re.match(r"bytes=(\d+)-", wanted)[1]) if wanted and self.ranges else 0
        )
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : self.cut])

    def log_message(self, *args):
        del args


@pytest.fixture
def server():
    """(settings, URL) of a server that runs as long as the test."""

    own = type("Own", (Server,), {"asked": []})
    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), own)
    thread = threading.Thread(target=http_server.serve_forever)
    thread.start()
    yield own, f"http://127.0.0.1:{http_server.server_port}/x.tar.gz"
    http_server.shutdown()
    thread.join()
    http_server.server_close()


def test_a_file_comes_whole_and_once(server, tmp_path):
    own, url = server
    for _ in range(2):
        file = fetch(url, tmp_path / "new/x.tar.gz", md5=MD5)
        assert file.read_bytes() == CONTENT
    assert own.asked == [None]


@pytest.mark.parametrize("ranges", [True, False])
def test_what_was_cut_off_goes_on(server, tmp_path, ranges):
    own, url = server
    own.cut, own.ranges = 2 * MEGABYTE, ranges
    with pytest.raises(UserError, match=r"cut off after 2097152 bytes.*goes on from"):
        fetch(url, tmp_path / "x", md5=MD5)
    assert [file.name for file in tmp_path.iterdir()] == ["x.part"]
    own.cut = None
    assert fetch(url, tmp_path / "x", md5=MD5).read_bytes() == CONTENT
    assert own.asked == [None, "bytes=2097152-"]


def test_a_part_that_is_whole_only_needs_its_check(server, tmp_path):
    (tmp_path / "x.part").write_bytes(CONTENT)
    assert fetch(server[1], tmp_path / "x", md5=MD5).read_bytes() == CONTENT


def test_another_file_than_expected_is_removed(server, tmp_path):
    with pytest.raises(UserError, match=f"MD5 {MD5}, not 0000"):
        fetch(server[1], tmp_path / "x", md5="0000")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_told_with_the_way_round(tmp_path):
    with pytest.raises(UserError, match=r"cannot download .*or put the file to"):
        fetch("http://127.0.0.1:9/x", tmp_path / "x", md5=MD5)
    with pytest.raises(UserError, match=r"cannot download .*GB are missing"):
        fetch_huge(tmp_path)


def fetch_huge(folder):
    """A server that announces more than any disk holds."""

    class Huge(Server):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(10**16))
            self.end_headers()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Huge) as http_server:
        thread = threading.Thread(target=http_server.handle_request)
        thread.start()
        try:
            fetch(f"http://127.0.0.1:{http_server.server_port}/x", folder / "x", md5="")
        finally:
            thread.join()
