"""Files that are downloaded: resumed, verified, and there whole or not at all."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import DownloadError, HTTPStatusError

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

DATA = bytes(range(256)) * 1200  # 300 KiB
SHA256 = hashlib.sha256(DATA).hexdigest()
BASE64 = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
WRONG = base64.b64encode(b"x" * 32).decode()
OLD = "Wed, 01 Jan 2025 00:00:00 GMT"
NOW = "Thu, 02 Jan 2025 00:00:00 GMT"


class FileServer:
    """Serves one file, with ranges, and breaks off where it is told to.

    Attributes:
        cuts: for each response with content: bytes of it after which the connection breaks, or None.
        requests: the fields of what was asked for, one dict a request.
    """

    def __init__(self, scripted: ScriptedServerFactory, *, data: bytes = DATA, etag: str | None = '"v1"') -> None:
        self.data = data
        self.etag = etag
        self.fields: dict[str, str] = {}
        self.trailers: dict[str, str] = {}  # with any, content is chunked
        self.ranges = True
        self.cuts: list[int | None] = []
        self.answers: list[bytes] = []  # instead of the file, first of all
        self.at_most: int | None = None  # bytes of a range
        self.requests: list[dict[str, str]] = []
        self.url = scripted(self.handle).url

    def handle(self, connection: Any, _: int) -> None:
        while not connection.is_closed and (request := connection.read_request()):
            lines = request.decode("latin-1").split("\r\n")[1:]
            self.requests.append(dict(line.lower().split(": ", 1) for line in lines if ": " in line))
            if self.answers:
                connection.sendall(self.answers.pop(0))
                continue
            head, content = self.answer(self.requests[-1])
            cut = self.cuts.pop(0) if self.cuts else None
            connection.sendall(head + content[:cut])
            if cut is not None:
                connection.close()

    def answer(self, fields: dict[str, str]) -> tuple[bytes, bytes]:
        span = re.fullmatch("bytes=([0-9]+)-", fields.get("range", ""))
        validator = self.etag or self.fields.get("Last-Modified", "")
        own = dict(self.fields)
        if self.etag is not None:
            own["ETag"] = self.etag
        status, content, start = "200 OK", self.data, 0
        if span and self.ranges and fields.get("if-range", "") == validator.lower():
            start = int(span[1])
            end = len(self.data) if self.at_most is None else min(start + self.at_most, len(self.data))
            status, content = "206 Partial Content", self.data[start:end]
            own["Content-Range"] = f"bytes {start}-{end - 1}/{len(self.data)}"
            if start >= len(self.data):
                status, content = "416 Range Not Satisfiable", b"nothing there"
                own["Content-Range"] = f"bytes */{len(self.data)}"
        if self.trailers:
            own["Transfer-Encoding"] = "chunked"
            content = chunked(content, self.trailers)
        else:
            own.setdefault("Content-Length", str(len(content)))
        lines = [f"{name}: {value}\r\n" for name, value in own.items()]
        return f"HTTP/1.1 {status}\r\n{''.join(lines)}\r\n".encode(), content


def chunked(content: bytes, trailers: dict[str, str]) -> bytes:
    pieces = [content[at : at + 50_000] for at in range(0, len(content), 50_000)]
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    lines = [f"{name}: {value}\r\n".encode() for name, value in trailers.items()]
    return b"".join([*chunks, b"0\r\n", *lines, b"\r\n"])


@pytest.fixture
def server(scripted: ScriptedServerFactory) -> FileServer:
    return FileServer(scripted)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def interrupted(client: Any, server: FileServer, target: Any, cut: int = 100_000, **options: Any) -> None:
    server.cuts = [cut]
    with pytest.raises(hyperhttp.TransportError):
        await client.download(server.url + "/file", target, **options)


# -- a whole file ----------------------------------------------------------------------------------------


async def test_a_file_is_saved_under_its_name(face: Any, server: FileServer, tmp_path: Path) -> None:
    async with face.client() as client:
        result = await client.download(server.url + "/file", tmp_path / "x.bin")
    assert (tmp_path / "x.bin").read_bytes() == DATA
    assert names(tmp_path) == ["x.bin"]
    assert (result.path, result.size, result.resumed, result.verified) == (tmp_path / "x.bin", len(DATA), 0, ())
    assert result.response.status_code == 200
    assert server.requests[0]["accept-encoding"] == "identity"
    assert "range" not in server.requests[0]


@pytest.mark.parametrize("http2", [False, "prior-knowledge"])
async def test_a_file_comes_over_both_versions(
    face: Any, hyperhttp_http2_origin: Origin, tmp_path: Path, http2: Any
) -> None:
    url = f"{hyperhttp_http2_origin.url}/bytes/3000000"
    async with face.client(http2=http2) as client:
        digest = (await client.json(await client.get(f"{url}/sha256?seed=x")))["sha256"]
        result = await client.download(f"{url}?seed=x", tmp_path / "x", digest={"SHA-256": digest}, length=3_000_000)
    assert result.response.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert hashlib.sha256((tmp_path / "x").read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("http2", [False, "prior-knowledge"])
async def test_a_file_is_resumed_over_both_versions(
    face: Any, hyperhttp_http2_origin: Origin, tmp_path: Path, http2: Any
) -> None:
    def stop(done: int, _total: int | None) -> None:
        raise InterruptedError

    url = f"{hyperhttp_http2_origin.url}/range/2600000"
    async with face.client(http2=http2) as client:
        with pytest.raises(InterruptedError):
            await client.download(url, tmp_path / "x", progress=stop)
        result = await client.download(url, tmp_path / "x")
    assert 0 < result.resumed < 2_600_000
    assert (tmp_path / "x").read_bytes() == b"abcdefghijklmnopqrstuvwxyz" * 100_000


async def test_the_connection_serves_the_next_download(face: Any, server: FileServer, tmp_path: Path) -> None:
    async with face.client() as client:
        for _ in range(3):
            await client.download(server.url, str(tmp_path / "x"))
        assert [each["total"] for each in client.raw.get_pool_stats().values()] == [1]


async def test_an_empty_file_is_a_file(face: Any, scripted: ScriptedServerFactory, tmp_path: Path) -> None:
    server = FileServer(scripted, data=b"")
    async with face.client() as client:
        await client.download(server.url, tmp_path / "x", length=0)
    assert (tmp_path / "x").read_bytes() == b""
    assert names(tmp_path) == ["x"]


async def test_an_old_file_stays_until_the_new_one_is_whole(face: Any, server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(0o640)
    async with face.client() as client:
        await interrupted(client, server, path)
        assert path.read_bytes() == b"old"
        await client.download(server.url + "/file", path)
    assert path.read_bytes() == DATA
    assert path.stat().st_mode & 0o777 == 0o640


async def test_a_link_stays_and_what_it_leads_to_is_replaced(face: Any, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    async with face.client() as client:
        await client.download(server.url, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == DATA


async def test_coded_content_is_decoded_and_never_resumed(face: Any, origin: Origin, tmp_path: Path) -> None:
    async with face.client() as client:
        result = await client.download(f"{origin.url}/gzip", tmp_path / "x")
        assert result.size == (tmp_path / "x").stat().st_size
    assert b'"gzipped"' in (tmp_path / "x").read_bytes()


async def test_options_of_a_request_count(face: Any, server: FileServer, tmp_path: Path) -> None:
    async with face.client() as client:
        await client.download(server.url, tmp_path / "x", headers={"X-Own": "1"}, auth=("u", "p"), timeout=5)
    assert server.requests[0]["x-own"] == "1"
    assert server.requests[0]["authorization"].startswith("basic ")


# -- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (None, "file"),
        ('attachment; filename="report.pdf"', "report.pdf"),
        ("attachment; filename*=UTF-8''na%C3%AFve.txt; filename=x", "naïve.txt"),
        ('attachment; filename="../../../etc/passwd"', "passwd"),
        ("attachment; filename*=UTF-8''..%2f..%2fevil", "evil"),
        ('attachment; filename="C:\\\\boot.ini"', "boot.ini"),
        ('attachment; filename=".."', "file"),
        ('attachment; filename="/"', "file"),
        ('attachment; filename=".bashrc"', "bashrc"),
        ('attachment; filename="nul.txt"', "_nul.txt"),
        ("attachment; filename*=UTF-8''a%00b%0a%1b%7f.txt", "ab.txt"),
    ],
)
async def test_a_folder_gets_a_plain_name_of_the_servers(
    face: Any, server: FileServer, tmp_path: Path, disposition: str | None, name: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if disposition is not None:
        server.fields["Content-Disposition"] = disposition
    async with face.client() as client:
        result = await client.download(server.url + "/a/file", folder)
    assert result.path == folder / name
    assert names(folder) == [name]
    assert names(tmp_path) == ["folder"]


async def test_a_name_of_the_servers_replaces_nothing(face: Any, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    async with face.client() as client:
        with pytest.raises(FileExistsError, match="overwrite=True"):
            await client.download(server.url + "/file", tmp_path)
        assert (tmp_path / "file").read_bytes() == b"mine"
        assert names(tmp_path) == ["file"]
        await client.download(server.url + "/file", tmp_path, overwrite=True)
    assert (tmp_path / "file").read_bytes() == DATA


async def test_a_name_of_the_servers_does_not_lead_elsewhere_through_a_link(
    face: Any, server: FileServer, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside").write_bytes(b"mine")
    (folder / "file").symlink_to(tmp_path / "outside")
    async with face.client() as client:
        await client.download(server.url + "/file", folder, overwrite=True)
    assert (tmp_path / "outside").read_bytes() == b"mine"
    assert not (folder / "file").is_symlink()


async def test_a_file_of_the_callers_may_be_protected(face: Any, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"mine")
    async with face.client() as client:
        with pytest.raises(FileExistsError):
            await client.download(server.url, tmp_path / "x", overwrite=False)
    assert (tmp_path / "x").read_bytes() == b"mine"


# -- resuming --------------------------------------------------------------------------------------------


async def test_an_interrupted_download_goes_on_where_it_broke_off(
    face: Any, server: FileServer, tmp_path: Path
) -> None:
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x")
        assert "x" not in names(tmp_path)
        result = await client.download(server.url + "/file", tmp_path / "x", digest=f"sha256:{SHA256}")
    assert (tmp_path / "x").read_bytes() == DATA
    assert names(tmp_path) == ["x"]
    assert 0 < result.resumed <= 100_000
    assert server.requests[1]["range"] == f"bytes={result.resumed}-"
    assert server.requests[1]["if-range"] == '"v1"'
    assert result.response.status_code == 206


async def test_a_download_to_a_folder_is_resumed_too(face: Any, server: FileServer, tmp_path: Path) -> None:
    server.fields["Content-Disposition"] = "attachment; filename=own.bin"
    async with face.client() as client:
        await interrupted(client, server, tmp_path)
        result = await client.download(server.url + "/file", tmp_path)
    assert result.resumed
    assert names(tmp_path) == ["own.bin"]
    assert (tmp_path / "own.bin").read_bytes() == DATA


async def test_killed_again_and_again_the_file_is_the_same(face: Any, server: FileServer, tmp_path: Path) -> None:
    async with face.client() as client:
        for cut in (1, 70_000, 65_536, 12_345, 0, 90_000):
            await interrupted(client, server, tmp_path / "x", cut)
        result = await client.download(server.url + "/file", tmp_path / "x", digest=f"sha256:{SHA256}")
    assert result.resumed > 200_000
    assert names(tmp_path) == ["x"]


async def test_another_version_begins_anew(face: Any, server: FileServer, tmp_path: Path) -> None:
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x")
        server.data, server.etag = b"another version", '"v2"'
        result = await client.download(server.url + "/file", tmp_path / "x")
    assert result.resumed == 0
    assert (tmp_path / "x").read_bytes() == b"another version"
    assert names(tmp_path) == ["x"]


async def test_a_server_without_ranges_begins_anew(face: Any, server: FileServer, tmp_path: Path) -> None:
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x")
        server.ranges = False
        result = await client.download(server.url + "/file", tmp_path / "x")
    assert (result.resumed, (tmp_path / "x").read_bytes()) == (0, DATA)


async def test_a_file_that_was_complete_already_is_only_moved(face: Any, server: FileServer, tmp_path: Path) -> None:
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x")
        (part,) = [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
        part.write_bytes(DATA)
        result = await client.download(server.url + "/file", tmp_path / "x", digest=f"sha256:{SHA256}")
    assert result.response.status_code == 416
    assert (result.resumed, result.size) == (len(DATA), len(DATA))
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 416 No\r\nContent-Range: bytes */5\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 206 OK\r\nETag: "v2"\r\nContent-Range: bytes 100000-307199/307200\r\nContent-Length: 0\r\n\r\n',
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-307199/307200\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes 100000-307199/400000\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes=100000-307199\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 206 OK\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 206 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 206 OK\r\nContent-Encoding: gzip\r\nContent-Range: bytes 100000-307199/307200\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_a_part_that_does_not_fit_is_not_taken(
    face: Any, server: FileServer, tmp_path: Path, answer: bytes
) -> None:
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x")
        server.answers = [answer]
        result = await client.download(server.url + "/file", tmp_path / "x", digest=f"sha256:{SHA256}")
    assert result.resumed == 0
    assert "range" not in server.requests[-1]
    assert names(tmp_path) == ["x"]


async def test_a_part_that_was_not_asked_for_is_an_error(face: Any, server: FileServer, tmp_path: Path) -> None:
    server.answers = [b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-4/10\r\nContent-Length: 5\r\n\r\nhello"]
    async with face.client() as client:
        with pytest.raises(DownloadError, match="206"):
            await client.download(server.url, tmp_path / "x")
    assert names(tmp_path) == []


async def test_a_server_that_sends_less_of_a_range_is_asked_again(
    face: Any, server: FileServer, tmp_path: Path
) -> None:
    server.at_most = 90_000
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x", 50_000)
        await client.download(server.url + "/file", tmp_path / "x", digest=f"sha256:{SHA256}")
    assert len(server.requests) == 1 + 3


async def test_an_empty_range_is_an_error_and_not_asked_for_for_ever(
    face: Any, server: FileServer, tmp_path: Path
) -> None:
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x")
        (part,) = [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
        field = f"Content-Range: bytes {part.stat().st_size}-307199/307200"
        server.answers = [f"HTTP/1.1 206 OK\r\n{field}\r\nContent-Length: 0\r\n\r\n".encode()]
        with pytest.raises(DownloadError, match="empty range"):
            await client.download(server.url + "/file", tmp_path / "x")


async def test_a_folder_is_not_replaced(face: Any, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    async with face.client() as client:
        with pytest.raises(IsADirectoryError):
            await client.download(server.url + "/file", tmp_path, overwrite=True)
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("etag", "fields"),
    [
        ('W/"v1"', {}),
        ("v1", {}),
        (None, {}),
        (None, {"Last-Modified": OLD, "Date": OLD}),
        (None, {"Last-Modified": OLD}),
        ('W/"v1"', {"Last-Modified": OLD, "Date": NOW}),
        ('"v1"', {"Accept-Ranges": "none"}),
    ],
)
async def test_without_a_strong_validator_nothing_is_kept(
    face: Any, server: FileServer, tmp_path: Path, etag: str | None, fields: dict[str, str]
) -> None:
    server.etag = etag
    server.fields = fields
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x")
        assert names(tmp_path) == []
        await client.download(server.url + "/file", tmp_path / "x")
    assert "range" not in server.requests[1]


async def test_a_date_that_tells_versions_apart_is_a_validator(face: Any, server: FileServer, tmp_path: Path) -> None:
    server.etag = None
    server.fields = {"Last-Modified": OLD, "Date": NOW}
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x")
        result = await client.download(server.url + "/file", tmp_path / "x", digest=f"sha256:{SHA256}")
    assert result.resumed
    assert server.requests[1]["if-range"] == OLD.lower()


async def test_without_resuming_nothing_is_kept_or_taken(face: Any, server: FileServer, tmp_path: Path) -> None:
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x", resume=False)
        assert names(tmp_path) == []
        await interrupted(client, server, tmp_path / "x")
        await client.download(server.url + "/file", tmp_path / "x", resume=False)
    assert "range" not in server.requests[2]


async def test_a_part_that_somebody_else_has_put_there_is_not_taken(
    face: Any, server: FileServer, tmp_path: Path
) -> None:
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x")
        (part,) = [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
        secret = tmp_path / "secret"
        secret.write_bytes(b"do not touch")
        part.unlink()
        part.symlink_to(secret)
        result = await client.download(server.url + "/file", tmp_path / "x")
    assert result.resumed == 0
    assert secret.read_bytes() == b"do not touch"


async def test_an_error_keeps_what_has_arrived(face: Any, server: FileServer, tmp_path: Path) -> None:
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x")
        server.answers = [b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"]
        with pytest.raises(HTTPStatusError) as caught:
            await client.download(server.url + "/file", tmp_path / "x")
        assert caught.value.response.content == b"busy"
        assert (await client.download(server.url + "/file", tmp_path / "x")).resumed


async def test_two_downloads_of_one_file_do_not_meet(
    face: Any, scripted: ScriptedServerFactory, tmp_path: Path
) -> None:
    both = threading.Barrier(2)

    def handler(connection: Any, _: int) -> None:
        connection.read_request()
        connection.sendall(b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 10\r\n\r\nhello')
        both.wait(20)
        connection.sendall(b"world")

    url = scripted(handler).url
    async with face.client() as client:
        await face.together(*[client.download(url, tmp_path / "x") for _ in range(2)])
    assert (tmp_path / "x").read_bytes() == b"helloworld"
    assert names(tmp_path) == ["x"]


# -- verifying -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "digest",
    [f"sha256:{SHA256}", f"SHA-256:{SHA256.upper()}", {"md5": hashlib.md5(DATA).hexdigest(), "sha256": SHA256}],
)
async def test_a_digest_that_fits_is_verified(face: Any, server: FileServer, tmp_path: Path, digest: Any) -> None:
    async with face.client() as client:
        assert "sha256" in (await client.download(server.url, tmp_path / "x", digest=digest)).verified


async def test_a_digest_that_does_not_fit_leaves_nothing(face: Any, server: FileServer, tmp_path: Path) -> None:
    async with face.client() as client:
        with pytest.raises(DownloadError, match="sha256 digest of the file is") as caught:
            await client.download(server.url, tmp_path / "x", digest="sha256:" + "0" * 64)
    assert names(tmp_path) == []
    assert caught.value.host == "127.0.0.1"
    assert caught.value.request is not None


@pytest.mark.parametrize("field", ["Repr-Digest", "Content-Digest"])
async def test_a_digest_of_the_server_is_verified(face: Any, server: FileServer, tmp_path: Path, field: str) -> None:
    async with face.client() as client:
        server.fields[field] = f"unknown=:aGk=:, sha-256=:{BASE64}:"
        assert (await client.download(server.url, tmp_path / "x")).verified == ("sha256",)
        server.fields[field] = f"sha-256=:{WRONG}:"
        with pytest.raises(DownloadError, match=r"digest of the (file|content)"):
            await client.download(server.url, tmp_path / "y")
    assert names(tmp_path) == ["x"]


async def test_a_digest_of_the_whole_counts_for_a_resumed_file(face: Any, server: FileServer, tmp_path: Path) -> None:
    server.fields["Repr-Digest"] = f"sha-256=:{BASE64}:"
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x")
        (part,) = [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
        spoiled = bytearray(part.read_bytes())
        spoiled[0] ^= 1
        part.write_bytes(spoiled)
        with pytest.raises(DownloadError, match="digest"):
            await client.download(server.url + "/file", tmp_path / "x")
        assert names(tmp_path) == []  # it would not get better
        assert (await client.download(server.url + "/file", tmp_path / "x")).verified == ("sha256",)


async def test_a_digest_of_the_part_counts_for_the_part(face: Any, server: FileServer, tmp_path: Path) -> None:
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x", 100_000)
        (part,) = [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
        rest = hashlib.sha256(DATA[part.stat().st_size :]).digest()
        server.fields["Content-Digest"] = f"sha-256=:{base64.b64encode(rest).decode()}:"
        assert (await client.download(server.url + "/file", tmp_path / "x")).verified == ("sha256",)
    assert (tmp_path / "x").read_bytes() == DATA


@pytest.mark.parametrize("announced", [False, True])
@pytest.mark.parametrize("field", ["Repr-Digest", "Content-Digest"])
async def test_a_digest_that_comes_after_the_content_is_verified(
    face: Any, server: FileServer, tmp_path: Path, field: str, announced: bool
) -> None:
    server.fields = {"Trailer": field} if announced else {}
    async with face.client() as client:
        server.trailers = {"X-Other": "1", field: f"sha-256=:{BASE64}:"}
        result = await client.download(server.url, tmp_path / "x")
        assert result.verified == ("sha256",)
        assert result.response.trailers[field] == f"sha-256=:{BASE64}:"
        server.trailers[field] = f"sha-256=:{WRONG}:"
        with pytest.raises(DownloadError, match=r"digest of the (file|content)"):
            await client.download(server.url, tmp_path / "y")
        server.fields["Repr-Digest"] = f"sha-512=:{base64.b64encode(hashlib.sha512(DATA).digest()).decode()}:"
        server.trailers[field] = f"sha-256=:{BASE64}:"
        assert (await client.download(server.url, tmp_path / "z")).verified == ("sha256", "sha512")
    assert names(tmp_path) == ["x", "z"]
    assert (tmp_path / "x").read_bytes() == DATA


async def test_digests_after_the_parts_of_a_file_count_for_parts_and_whole(
    face: Any, server: FileServer, tmp_path: Path
) -> None:
    server.trailers = {"X-Other": "1"}
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x", 220_000)
        (part,) = [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
        rest = hashlib.sha256(DATA[part.stat().st_size :]).digest()
        server.trailers = {
            "Content-Digest": f"sha-256=:{base64.b64encode(rest).decode()}:",
            "Repr-Digest": f"sha-512=:{base64.b64encode(hashlib.sha512(DATA).digest()).decode()}:",
        }
        result = await client.download(server.url + "/file", tmp_path / "x")
    assert result.resumed > 0
    assert result.verified == ("sha256", "sha512")
    assert (tmp_path / "x").read_bytes() == DATA


@pytest.mark.parametrize("length", [len(DATA) - 1, len(DATA) + 1])
@pytest.mark.parametrize("fields", [{}, {"Transfer-Encoding": "chunked"}])
async def test_a_length_that_does_not_fit_leaves_nothing(
    face: Any, server: FileServer, tmp_path: Path, length: int, fields: dict[str, str]
) -> None:
    if fields:
        head = b'HTTP/1.1 200 OK\r\nETag: "1"\r\nTransfer-Encoding: chunked\r\n\r\n'
        server.answers = [head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(DATA), DATA)]
    async with face.client() as client:
        with pytest.raises(DownloadError, match=str(length)):
            await client.download(server.url, tmp_path / "x", length=length)
    assert names(tmp_path) == []


# -- progress --------------------------------------------------------------------------------------------


async def test_progress_is_told(face: Any, server: FileServer, tmp_path: Path) -> None:
    told: list[Any] = []

    def progress(done: int, total: int | None) -> None:
        told.append((done, total))

    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x")
        await client.download(server.url + "/file", tmp_path / "x", progress=progress)
    assert told == sorted(told)
    assert told[0][0] > 60_000  # what was there counts
    assert told[-1] == (len(DATA), len(DATA))


async def test_what_progress_raises_comes_out_and_the_download_can_be_resumed(
    face: Any, server: FileServer, tmp_path: Path
) -> None:
    def stop(done: int, _total: int | None) -> None:
        raise KeyError("enough")

    async with face.client() as client:
        with pytest.raises(KeyError, match="enough"):
            await client.download(server.url, tmp_path / "x", progress=stop)
        assert not any(each["in_use"] for each in client.raw.get_pool_stats().values())
        assert (await client.download(server.url, tmp_path / "x")).resumed


async def test_progress_may_be_asynchronous(server: FileServer, tmp_path: Path) -> None:
    told = []

    async def progress(done: int, _total: int | None) -> None:
        await asyncio.sleep(0)
        told.append(done)

    async with hyperhttp.Client() as client:
        await client.download(server.url, tmp_path / "x", progress=progress)
    assert told[-1] == len(DATA)


# -- what goes wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"digest": "sha256:12"}, ValueError), ({"digest": "nonsense:12"}, ValueError), ({"digest": 5}, TypeError),
        ({"length": -1}, ValueError), ({"length": "5"}, ValueError), ({"headers": {"Range": "bytes=1-"}}, ValueError),
        ({"stream": True}, TypeError), ({"content": b"x"}, TypeError), ({"json": {}}, TypeError), ({"reusme": 1}, TypeError),
    ],
)  # fmt: skip
async def test_wrong_options_are_refused_before_anything_is_sent(
    face: Any, server: FileServer, tmp_path: Path, options: dict[str, Any], error: type[Exception]
) -> None:
    async with face.client() as client:
        with pytest.raises(error):
            await client.download(server.url, tmp_path / "x", **options)
    assert server.requests == []
    assert names(tmp_path) == []


async def test_a_folder_that_is_not_there_is_an_error_of_the_system(
    face: Any, server: FileServer, tmp_path: Path
) -> None:
    async with face.client() as client:
        with pytest.raises(FileNotFoundError):
            await client.download(server.url, tmp_path / "none" / "x")
        with pytest.raises(NotADirectoryError):
            await client.download(server.url, f"{tmp_path}/none/")
        with pytest.raises(ValueError, match="no plain file"):
            await client.download(server.url, os.devnull)
    assert server.requests == []


@pytest.mark.parametrize(
    "status", [b"404 Not Found", b"500 Oh", b"302 Found\r\nLocation: /x", b"304 Not Modified", b"204 No"]
)
async def test_anything_but_the_file_is_an_error(face: Any, server: FileServer, tmp_path: Path, status: bytes) -> None:
    server.answers = [
        b"HTTP/1.1 %b\r\n%b\r\n"
        % (status, b"" if status[0] in b"23" and status[:3] != b"302" else b"Content-Length: 0\r\n")
    ]
    async with face.client() as client:
        with pytest.raises(HTTPStatusError, match=status[:3].decode()):
            await client.download(server.url, tmp_path / "x")
    assert names(tmp_path) == []


async def test_redirects_are_followed_when_asked_for(face: Any, server: FileServer, tmp_path: Path) -> None:
    server.answers = [b"HTTP/1.1 302 Found\r\nLocation: /other?name=../x\r\nContent-Length: 0\r\n\r\n"]
    async with face.client() as client:
        result = await client.download(server.url + "/mine", tmp_path, follow_redirects=True)
    assert result.path.name == "mine"  # where a redirect leads says nothing about the name
    assert len(result.response.history) == 1


async def test_a_download_that_is_cancelled_can_be_resumed(scripted: ScriptedServerFactory, tmp_path: Path) -> None:
    server = FileServer(scripted)
    seen = asyncio.Event()

    def handle(connection: Any, index: int) -> None:
        if index:
            server.handle(connection, index)
            return
        connection.read_request()
        head, content = server.answer({})
        connection.sendall(head + content[:100_000])
        connection.wait_for_eof(30)

    url = scripted(handle).url
    async with hyperhttp.Client() as client:
        task = asyncio.ensure_future(client.download(url, tmp_path / "x", progress=lambda done, total: seen.set()))
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not any(each["in_use"] for each in client.get_pool_stats().values())
    while open_files(tmp_path):
        await asyncio.sleep(0.01)  # a thread that was writing closes the file
    async with hyperhttp.Client() as client:
        result = await client.download(url, tmp_path / "x", digest=f"sha256:{SHA256}")
    assert result.resumed
    assert names(tmp_path) == ["x"]


#: Downloads until it is killed.
KILLED = """
import sys
import hyperhttp

def progress(done, total):
    if done > 60_000:
        print(done, flush=True)

with hyperhttp.SyncClient(timeout=60) as client:
    client.download(sys.argv[1], sys.argv[2], progress=progress)
"""


async def test_what_a_killed_process_has_left_is_taken_up(
    face: Any, scripted: ScriptedServerFactory, tmp_path: Path
) -> None:
    server = FileServer(scripted)

    def handle(connection: Any, index: int) -> None:
        if index >= 3:
            server.handle(connection, index)
            return
        connection.read_request()
        head, content = server.answer({})
        connection.sendall(head + content[:100_000])
        connection.wait_for_eof(30)

    url = scripted(handle).url
    for _ in range(3):
        arguments = [sys.executable, "-c", KILLED, url, str(tmp_path / "x")]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert int(process.stdout.readline()) > 60_000
            process.kill()
    assert names(tmp_path) == [name for name in names(tmp_path) if name.startswith(".")]
    (part,) = [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
    size = part.stat().st_size
    async with face.client(timeout=20) as client:
        result = await client.download(url, tmp_path / "x", digest=f"sha256:{SHA256}")
    assert result.resumed == size
    assert names(tmp_path) == ["x"]


#: Downloads a small file, then a large one, and says by how much the large one has raised the peak of memory.
MEASURED = """
import asyncio, resource, sys
import hyperhttp

face, url, target = sys.argv[1:]

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

async def main():
    async with hyperhttp.Client(timeout=60) as client:
        await client.download(url + "/small", target)
        before = peak()
        assert (await client.download(url + "/large", target)).size > 1e8
    return peak() - before

if face == "asyncio":
    grown = asyncio.run(main())
else:
    with hyperhttp.SyncClient(timeout=60) as client:
        client.download(url + "/small", target)
        before = peak()
        assert client.download(url + "/large", target).size > 1e8
    grown = peak() - before
print(grown)
"""


@pytest.mark.parametrize("name", ["asyncio", "blocking"])
def test_a_large_file_comes_in_the_memory_of_a_chunk(
    scripted: ScriptedServerFactory, tmp_path: Path, name: str
) -> None:
    piece = b"x" * 1_048_576

    def handler(connection: Any, _: int) -> None:
        while request := connection.read_request():
            count = 8 if b"/small" in request else 128
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (count * len(piece)))
            for _each in range(count):
                connection.sendall(piece)

    arguments = [sys.executable, "-c", MEASURED, name, scripted(handler, timeout=60).url, str(tmp_path / "x")]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=55, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) < 16 * 1_048_576
    assert (tmp_path / "x").stat().st_size == 128 * 1_048_576


@pytest.mark.usefixtures("no_leaks")
async def test_nothing_is_left_open(face: Any, server: FileServer, tmp_path: Path) -> None:
    before = open_files(tmp_path)
    async with face.client() as client:
        await interrupted(client, server, tmp_path / "x")
        await client.download(server.url + "/file", tmp_path / "x")
        with pytest.raises(DownloadError):
            await client.download(server.url + "/file", tmp_path / "y", length=1)
    assert open_files(tmp_path) == before == set()


def open_files(folder: Path) -> set[str]:
    links = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            links.add(str(entry.readlink()))
    return {link for link in links if link.startswith(str(folder))}


async def test_the_loop_is_free_while_the_disk_is_slow(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hyperhttp.client.partial import PartFile

    loop_ran = threading.Event()
    plain = PartFile.write
    waited = []

    def slow(self: PartFile, data: bytes) -> None:
        waited.append(loop_ran.wait(10))
        plain(self, data)

    monkeypatch.setattr(PartFile, "write", slow)
    async with hyperhttp.Client() as client:
        task = asyncio.ensure_future(client.download(server.url, tmp_path / "x"))
        while not waited and not task.done():
            await asyncio.sleep(0.001)
            asyncio.get_running_loop().call_later(0.01, loop_ran.set)
        await task
    assert waited[0]


async def test_the_event_loop_does_not_wait_for_the_file_system(
    face: Any, scripted: ScriptedServerFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    lexists = os.path.lexists

    def slow(path: Any) -> bool:
        threads.append(threading.get_ident())
        return lexists(path)

    class Target(os.PathLike[str]):
        def __fspath__(self) -> str:
            threads.append(threading.get_ident())
            return str(tmp_path)

    monkeypatch.setattr("os.path.lexists", slow)
    async with face.client() as client:
        done = await client.download(FileServer(scripted).url + "/name", Target())
    assert done.path == tmp_path / "name"
    assert len(threads) >= 2
    assert {each == threading.get_ident() for each in threads} == {face.is_blocking}
