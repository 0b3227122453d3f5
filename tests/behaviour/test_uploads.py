"""Uploads: memory that does not grow with the file, disks that are read ahead, and progress that is told."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import MultipartEncoder, MultipartFile, Request

if TYPE_CHECKING:
    from pathlib import Path

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MIB = 1024 * 1024
VERSIONS = pytest.mark.parametrize("http2", [False, "prior-knowledge"])


@pytest.fixture
def h2_origin(hyperhttp_http2_origin: Origin) -> Any:
    hyperhttp_http2_origin.clear()
    yield hyperhttp_http2_origin
    assert hyperhttp_http2_origin.errors == []


class Told(list[tuple[int, "int | None"]]):
    """What progress has said."""

    def __call__(self, done: int, total: int | None) -> None:
        self.append((done, total))


# -- memory and disks ------------------------------------------------------------------------------------

#: Sends a small file, then a large one, and says by how much the large one has raised the peak of memory.
SENDER = """
import asyncio, resource, sys
import hyperhttp

face, url, small, large, kind = sys.argv[1:]

def content(path):
    return {"content": open(path, "rb")} if kind == "file" else {"files": {"file": hyperhttp.MultipartFile(path=path)}}

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

async def main():
    async with hyperhttp.Client(timeout=60) as client:
        for path in (small, large):
            before = peak()
            assert (await client.post(url, **content(path))).status_code == 200
    return peak() - before

if face == "asyncio":
    grown = asyncio.run(main())
else:
    with hyperhttp.SyncClient(timeout=60) as client:
        for path in (small, large):
            before = peak()
            assert client.post(url, **content(path)).status_code == 200
    grown = peak() - before
print(grown)
"""


@pytest.mark.parametrize("size", [256 * MIB, pytest.param(3072 * MIB, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["file", "form"])
@pytest.mark.parametrize("name", ["asyncio", "blocking"])
def test_large_files_go_up_in_the_memory_of_a_chunk(
    scripted: ScriptedServerFactory, tmp_path: Path, name: str, kind: str, size: int
) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"x" * 8 * MIB)
    with large.open("wb") as file:
        file.truncate(size)  # sparse: it takes no place on the disk
    received: list[int] = []

    def handler(connection: Any, _: int) -> None:
        sock, buffer = connection.sock, bytearray(4 * MIB)
        for _each in range(2):
            head = connection.read_until(b"\r\n\r\n").lower()
            length = left = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            left -= len(connection.read_exactly(min(left, 1)))
            left -= len(connection._buffer)
            connection._buffer.clear()
            while left > 0 and (count := sock.recv_into(buffer, min(left, len(buffer)))):
                left -= count
            received.append(length - left)
            connection.sendall(OK)

    url = scripted(handler, timeout=60).url
    arguments = [sys.executable, "-c", SENDER, name, url, str(small), str(large), kind]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=55, check=False)
    assert result.returncode == 0, result.stderr
    assert received[1] >= size
    assert int(result.stdout) < 16 * MIB


async def test_a_disk_is_asked_to_read_ahead(
    face: Any, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(os, "posix_fadvise", lambda fd, *rest: asked.append(rest), raising=False)
    monkeypatch.setattr(os, "POSIX_FADV_SEQUENTIAL", 2, raising=False)
    (tmp_path / "x").write_bytes(b"x" * 300_000)
    async with face.client() as client:
        await client.post(origin.url + "/sha256", content=tmp_path / "x")
        await client.post(origin.url + "/upload", files={"f": tmp_path / "x"})
        with (tmp_path / "x").open("rb") as file:
            await client.post(origin.url + "/sha256", content=file)
    assert asked == [(0, 0, 2)] * 3


async def test_a_form_is_read_in_pieces_of_the_size_it_was_told(face: Any, origin: Origin, tmp_path: Path) -> None:
    sizes = []

    class File:
        def __init__(self) -> None:
            self._file = (tmp_path / "x").open("rb")

        def read(self, size: int = -1) -> bytes:
            sizes.append(size)
            return self._file.read(size)

        def close(self) -> None:
            self._file.close()

    (tmp_path / "x").write_bytes(b"x" * 100_000)
    for chunk_size in (50_000, None):
        file = File()
        given: Any = {} if chunk_size is None else {"chunk_size": chunk_size}
        encoder = MultipartEncoder([("user", "alice"), ("f", MultipartFile(file=file))], **given)
        async with face.client() as client:
            response = await client.post(origin.url + "/upload", content=encoder)
            assert (await client.json(response))["files"][0]["size"] == 100_000
        file.close()
        assert max(sizes) == (chunk_size or MIB)
        sizes.clear()


@VERSIONS
async def test_every_shape_of_a_part_goes_over_both_versions(
    face: Any, h2_origin: Origin, tmp_path: Path, http2: Any
) -> None:
    data = bytes(range(256)) * 500
    path = tmp_path / "r.pdf"
    path.write_bytes(data)
    opened = path.open("rb")
    files = {
        "bytes": data, "path": path, "text path": str(path), "file": opened, "two": ("a.txt", data),
        "three": ("b", path, "x/y"), "full": MultipartFile(path=path, filename="c", content_type="q/z"),
    }  # fmt: skip
    async with face.client(http2=http2, timeout=20) as client:
        response = await client.post(h2_origin.url + "/upload", data={"user": "alice"}, files=files)
        shown = await client.json(response)
        unknown = await client.post(h2_origin.url + "/upload", files={"s": ("s", face.pieces(b"1", b"2"))})
        assert (await client.json(unknown))["files"][0]["size"] == 2
    opened.close()
    digest = hashlib.sha256(data).hexdigest()
    assert [part["sha256"] for part in shown["files"]] == [digest] * 6  # bytes have no name: they are a field
    assert {part["name"]: part["filename"] for part in shown["files"]}["text path"] == "r.pdf"
    known, chunked = h2_origin.requests
    assert known.headers["content-length"] == str(known.body_length)
    assert "content-length" not in chunked.headers


# -- progress --------------------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("kind", ["bytes", "file", "form", "json"])
async def test_progress_counts_what_was_sent(
    face: Any, h2_origin: Origin, tmp_path: Path, http2: Any, kind: str
) -> None:
    (tmp_path / "x").write_bytes(b"x" * 1_000_000)
    content: dict[str, Any] = {
        "bytes": {"content": b"x" * 1_000_000},
        "file": {"content": tmp_path / "x"},
        "form": {"files": {"f": tmp_path / "x"}, "data": {"a": "b"}},
        "json": {"json": "x" * 1_000_000},
    }[kind]
    told = Told()
    async with face.client(http2=http2, timeout=20) as client:
        response = await client.post(h2_origin.url + "/sha256", **content, progress=told)
        length = (await client.json(response))["length"]
    assert told[0] == (0, length)
    assert told[-1] == (length, length)
    assert told == sorted(told)
    assert len(told) >= 3
    assert h2_origin.requests[0].headers["content-length"] == str(length)


@VERSIONS
async def test_progress_of_unknown_length_has_no_total(face: Any, h2_origin: Origin, http2: Any) -> None:
    told = Told()
    async with face.client(http2=http2, timeout=20) as client:
        content = face.pieces(b"one", b"three")
        response = await client.post(h2_origin.url + "/echo", content=content, progress=told)
        assert await client.read(response) == b"onethree"
    assert told == [(0, None), (3, None), (8, None)]


async def test_small_content_keeps_its_type_and_length(face: Any, origin: Origin) -> None:
    told = Told()
    async with face.client() as client:
        response = await client.post(origin.url + "/echo", json={"a": 1}, progress=told)
        assert await client.json(response) == {"a": 1}
    assert told[-1] == (7, 7)
    assert origin.requests[0].headers["content-type"] == "application/json"
    assert origin.requests[0].headers["content-length"] == "7"


async def test_content_that_is_sent_again_begins_at_nothing_again(face: Any, origin: Origin) -> None:
    told = Told()
    async with face.client(follow_redirects=True) as client:
        url = f"{origin.url}/redirect-to?status_code=307&url=/echo"
        response = await client.post(url, content=b"content", progress=told)
        assert await client.read(response) == b"content"
    assert told.count((0, 7)) == 2
    assert told[-1] == (7, 7)


async def test_a_request_made_by_hand_takes_progress_too(face: Any, origin: Origin) -> None:
    told = Told()
    async with face.client() as client:
        request = Request("POST", origin.url + "/echo", content=b"content", progress=told)
        assert await client.read(await client.send(request)) == b"content"
        built = client.raw.build_request("POST", origin.url + "/echo", content=b"other", progress=told)
        assert await client.read(await client.send(built)) == b"other"
    assert {(7, 7), (5, 5)} <= set(told)


async def test_without_content_there_is_no_progress(face: Any, origin: Origin) -> None:
    told = Told()
    async with face.client() as client:
        await client.get(origin.url + "/get", progress=told)
    assert told == []


async def test_what_progress_raises_ends_the_request(face: Any, origin: Origin) -> None:
    def stop(done: int, _total: int | None) -> None:
        if done:
            raise KeyError("enough")

    async with face.client() as client:
        with pytest.raises(KeyError, match="enough"):
            await client.post(origin.url + "/sha256", content=b"x" * 1_000_000, progress=stop)
        assert not any(each["in_use"] for each in client.raw.get_pool_stats().values())
        assert (await client.get(origin.url + "/get")).status_code == 200


async def test_progress_that_cannot_be_called_is_refused(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        with pytest.raises(TypeError, match="progress="):
            await client.post(origin.url + "/echo", content=b"x", progress=5)
    assert origin.requests == []


async def test_progress_follows_the_server_and_not_the_buffers(face: Any, scripted: ScriptedServerFactory) -> None:
    """What a server that reads nothing is told to have got stays far below what there is."""
    go_on = threading.Event()
    total = 64 * MIB

    def handler(connection: Any, _: int) -> None:
        connection.read_until(b"\r\n\r\n")
        go_on.wait(20)
        left = total - len(connection._buffer)
        connection._buffer.clear()
        while left > 0 and (data := connection.sock.recv(MIB)):
            left -= len(data)
        connection.sendall(OK)

    told = Told()
    async with face.client(timeout=30) as client:
        work = face.start(client.post(scripted(handler).url, content=b"x" * total, progress=told))
        while not told:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # whatever fits into buffers may be in them by now; no more can be, ever
        stuck_at = told[-1][0]
        go_on.set()
        assert (await work).status_code == 200
    assert stuck_at < total // 2
    assert told[-1] == (total, total)


async def test_progress_may_be_asynchronous(origin: Origin) -> None:
    told = Told()

    async def progress(done: int, total: int | None) -> None:
        await asyncio.sleep(0)
        told(done, total)

    async with hyperhttp.Client() as client:
        await client.post(origin.url + "/echo", content=b"content", progress=progress)
    assert told[-1] == (7, 7)


def test_progress_that_waits_cannot_serve_a_blocking_client(origin: Origin) -> None:
    async def progress(_done: int, _total: int | None) -> None:
        await asyncio.sleep(0.01)

    with hyperhttp.SyncClient() as client, pytest.raises(RuntimeError, match="asynchronous"):
        client.post(origin.url + "/echo", content=b"content", progress=progress)
