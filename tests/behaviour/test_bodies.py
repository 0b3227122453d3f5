"""What a request carries: bytes, text, JSON, forms, files and streams, and how each is framed."""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import MultipartEncoder, MultipartFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from hyperhttp.testing.origin import Origin

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"bytes", b"bytes"), (bytearray(b"array"), b"array"), (memoryview(b"view"), b"view"), ("tëxt", "tëxt".encode()),
        (b"", b""), ("", b""), (b"\0\r\n\xff", b"\0\r\n\xff"),
    ],
)  # fmt: skip
async def test_content_in_memory_is_sent_with_its_length(face: Any, origin: Origin, content: Any, sent: bytes) -> None:
    async with face.client() as client:
        await client.post(origin.url + "/post", content=content)
    (request,) = origin.requests
    assert bytes(request.body) == sent
    assert request.headers["content-length"] == str(len(sent))
    assert "transfer-encoding" not in request.headers


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 262_145, 5_000_000])
async def test_content_of_any_size_arrives_whole(face: Any, origin: Origin, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with face.client(timeout=10) as client:
        for _ in range(2):
            shown = await client.json(await client.post(origin.url + "/sha256", content=content))
            assert shown == {"length": size, "sha256": hashlib.sha256(content).hexdigest()}
    assert len({request.connection_id for request in origin.requests}) == 1


@pytest.mark.parametrize(
    "value",
    [{"a": [1, 2.5, None, True, "ü"]}, [], {}, 0, "text", False, {"日本": "語"}, 2**70, [[[]]]],
)
async def test_json_is_sent_and_read_back(face: Any, origin: Origin, value: Any) -> None:
    async with face.client() as client:
        response = await client.post(origin.url + "/echo", json=value)
        assert await client.json(response) == value
    assert origin.requests[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {"a": {1, 2}}])
async def test_what_json_cannot_say_is_refused_before_sending(face: Any, origin: Origin, value: Any) -> None:
    async with face.client() as client:
        with pytest.raises((TypeError, ValueError)):
            await client.post(origin.url + "/post", json=value)
    assert origin.requests == []


@pytest.mark.parametrize(
    ("data", "form"),
    [
        ({"a": "b"}, {"a": "b"}),
        ({"a": ["1", "2"]}, {"a": ["1", "2"]}),
        ([("a", "1"), ("a", "2")], {"a": ["1", "2"]}),
        ({"a": 1, "b": True, "c": None, "d": 1.5}, {"a": "1", "b": "true", "d": "1.5"}),
        ({"a b": "c&d=e+f"}, {"a b": "c&d=e+f"}),
        ({"ü": "日本"}, {"ü": "日本"}),
        ({"line": "a\r\nb"}, {"line": "a\r\nb"}),
    ],
)
async def test_a_form_is_urlencoded(face: Any, origin: Origin, data: Any, form: Any) -> None:
    async with face.client() as client:
        assert (await client.json(await client.post(origin.url + "/post", data=data)))["form"] == form
    assert origin.requests[0].headers["content-type"] == FORM


async def test_data_may_be_bytes(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        shown = await client.json(await client.post(origin.url + "/post", data=b"raw"))
        assert shown["data"] == "raw"


async def test_a_content_type_of_the_call_is_kept(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        fields = {"content-type": "application/vnd.api+json"}
        await client.post(origin.url + "/post", json={}, headers=fields)
        await client.post(origin.url + "/post", data={"a": "b"}, headers=fields)
    assert [request.headers.get_list("content-type") for request in origin.requests] == [[*fields.values()]] * 2


@pytest.mark.parametrize("count", [0, 1, 3, 100])
async def test_an_iterator_is_sent_in_chunks(face: Any, origin: Origin, count: int) -> None:
    pieces = [b"%d," % number for number in range(count)]
    async with face.client() as client:
        for _ in range(2):
            shown = await client.json(await client.post(origin.url + "/post", content=face.pieces(*pieces)))
            assert shown["data"] == b"".join(pieces).decode()
    (first, _) = origin.requests
    assert first.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in first.headers


async def test_empty_pieces_do_not_end_the_content(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        content = face.pieces(b"a", b"", b"b", b"", b"")
        shown = await client.json(await client.post(origin.url + "/post", content=content))
        assert shown["data"] == "ab"


async def test_an_iterator_whose_length_is_known_is_sent_with_it(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        content = face.pieces(b"abc", b"def")
        await client.post(origin.url + "/post", content=content, headers={"Content-Length": "6"})
    (request,) = origin.requests
    assert bytes(request.body) == b"abcdef"
    assert "transfer-encoding" not in request.headers


async def test_bytes_may_be_sent_chunked(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        for size in (3, 200_000):
            fields = {"Transfer-Encoding": "chunked"}
            await client.post(origin.url + "/post", content=b"x" * size, headers=fields)
    assert [request.body_length for request in origin.requests] == [3, 200_000]
    assert all("content-length" not in request.headers for request in origin.requests)


@pytest.mark.parametrize("kind", ["file", "BytesIO", "path", "read from the middle"])
async def test_a_file_is_sent_with_its_length(face: Any, origin: Origin, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 50_000)
    expected = 500_000
    with path.open("rb") as file:
        if kind == "read from the middle":
            file.seek(100_000)
            expected = 400_000
        content: Any = {"BytesIO": io.BytesIO(path.read_bytes()), "path": path}.get(kind, file)
        async with face.client() as client:
            shown = await client.json(await client.post(origin.url + "/sha256", content=content))
    assert shown["length"] == expected
    assert origin.requests[0].headers["content-length"] == str(expected)


async def test_a_sync_iterator_never_runs_on_the_event_loop(origin: Origin) -> None:
    threads: set[threading.Thread] = set()

    def content() -> Iterator[bytes]:
        for _ in range(3):
            threads.add(threading.current_thread())
            yield b"x"

    async with hyperhttp.Client() as client:
        await client.post(origin.url + "/post", content=content())
    assert threading.current_thread() not in threads


async def test_reading_a_file_never_runs_on_the_event_loop(origin: Origin) -> None:
    class File(io.BytesIO):
        threads: set[threading.Thread] = set()

        def read(self, size: int | None = -1) -> bytes:
            self.threads.add(threading.current_thread())
            return super().read(size)

    async with hyperhttp.Client() as client:
        await client.post(origin.url + "/post", content=File(b"x" * 1_000_000))
    assert File.threads
    assert threading.current_thread() not in File.threads


async def test_a_slow_server_stops_the_upload(scripted: Any) -> None:
    taken = 0

    async def content() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 65_536
            yield b"x" * 65_536

    server = scripted(lambda connection, _: connection.read_until(b"\r\n\r\n") and connection.sleep(1))
    async with hyperhttp.Client(timeout=5) as client:
        task = asyncio.ensure_future(client.post(server.url, content=content()))
        await asyncio.sleep(0.25)
        assert taken < 20_000_000
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_multipart_form_is_taken_apart_as_it_was_put_together(
    face: Any, origin: Origin, tmp_path: Path
) -> None:
    report = tmp_path / "report.pdf"
    report.write_bytes(b"%PDF" + b"x" * 100_000)
    files = {
        "avatar": ("me.png", b"\x89PNG...", "image/png"),
        "report": report,
        "plain": b"only bytes",
        "pair": ("a.txt", b"text"),
        "stream": ("s.bin", face.pieces(b"12345", b"67890")),
        "full": MultipartFile(content=b"full", filename="f.bin", content_type="x/y"),
    }
    async with face.client() as client:
        response = await client.post(origin.url + "/upload", data={"user": "alice", "tags": ["a", "b"]}, files=files)
        shown = await client.json(response)
    assert shown["fields"]["user"] == "alice"
    assert shown["fields"]["tags"] == ["a", "b"]
    parts = {part["name"]: part for part in shown["files"]}
    assert (parts["avatar"]["filename"], parts["avatar"]["content_type"]) == ("me.png", "image/png")
    assert (parts["report"]["filename"], parts["report"]["size"]) == ("report.pdf", 100_004)
    assert parts["report"]["sha256"] == hashlib.sha256(report.read_bytes()).hexdigest()
    assert parts["pair"]["content_type"] == "text/plain"
    assert parts["stream"]["size"] == 10
    assert parts["full"]["content_type"] == "x/y"


async def test_a_form_whose_parts_are_known_has_a_length(face: Any, origin: Origin, tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"x" * 300_000)
    async with face.client() as client:
        encoder = MultipartEncoder([("user", "alice"), ("file", MultipartFile(path=path))])
        assert encoder.content_length is not None
        await client.post(origin.url + "/upload", content=encoder)
        await client.post(origin.url + "/upload", files={"s": ("s", face.pieces(b"a"))})
    first, second = origin.requests
    assert first.headers["content-length"] == str(first.body_length)
    assert second.headers["transfer-encoding"] == "chunked"
    assert first.headers["content-type"].startswith("multipart/form-data; boundary=")


async def test_boundaries_cannot_be_foretold(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        for _ in range(5):
            await client.post(origin.url + "/upload", files={"a": ("a", b"b")})
    boundaries = {request.headers["content-type"].partition("boundary=")[2] for request in origin.requests}
    assert len(boundaries) == 5
    assert min(map(len, boundaries)) >= 24


@pytest.mark.parametrize("name", ['qu"ote', "ü日", "semi;colon", "per%cent"])
async def test_names_in_a_form_survive(face: Any, origin: Origin, name: str) -> None:
    async with face.client() as client:
        response = await client.post(origin.url + "/upload", files={"f": (name, b"x")}, data={name: "y"})
        shown = await client.json(response)
    assert shown["fields"] == {name: "y"}
    assert shown["files"][0]["filename"] == name


async def test_files_that_are_not_there_are_an_error_before_sending(face: Any, origin: Origin, tmp_path: Path) -> None:
    async with face.client() as client:
        with pytest.raises(OSError, match="nothing"):
            await client.post(origin.url + "/upload", files={"f": tmp_path / "nothing"})
        with pytest.raises(OSError, match="nothing"):
            await client.post(origin.url + "/post", content=tmp_path / "nothing")
    assert origin.requests == []


async def test_a_file_that_shrinks_while_it_is_sent_is_an_error(face: Any, origin: Origin, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    async with face.client(timeout=3) as client:
        request = client.raw.build_request("POST", origin.url + "/post", content=path)
        path.write_bytes(b"x" * 10)
        with pytest.raises(hyperhttp.HyperHTTPError):
            await client.send(request)
        assert client.raw.get_pool_stats() == {}
        await client.get(origin.url + "/get")  # the origin has seen all of the broken request by now


async def test_an_iterator_that_was_sent_is_not_sent_again_as_nothing(face: Any, origin: Origin) -> None:
    content = face.pieces(b"once")
    async with face.client() as client:
        request = client.raw.build_request("POST", origin.url + "/post", content=content)
        await client.send(request)
        with pytest.raises(hyperhttp.StreamConsumed):
            await client.send(request)
    assert len(origin.requests) == 1


@pytest.mark.parametrize("piece", ["text", 1, None])
async def test_pieces_that_are_no_bytes_are_a_type_error(face: Any, origin: Origin, piece: Any) -> None:
    async with face.client(timeout=3) as client:
        with pytest.raises(TypeError):
            await client.post(origin.url + "/post", content=face.pieces(b"first", piece))
        assert client.raw.get_pool_stats() == {}
        await client.get(origin.url + "/get")  # the origin has seen all of the broken request by now
