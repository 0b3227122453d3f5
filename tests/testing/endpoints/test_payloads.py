from __future__ import annotations

import gzip
import hashlib
import json
import time
import zlib
from typing import Any

import pytest

from hyperhttp.testing.endpoints import payloads
from hyperhttp.testing.endpoints.payloads import encode
from hyperhttp.testing.exchange import BadRequestError


def test_gzip_and_deflate(fetch: Any) -> None:
    answer = fetch("/gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.body))["gzipped"] is True
    answer = fetch("/deflate")
    assert answer.headers["Content-Encoding"] == "deflate"
    assert json.loads(zlib.decompress(answer.body))["deflated"] is True
    answer = fetch("/deflate-raw")
    assert answer.headers["Content-Encoding"] == "deflate"
    assert json.loads(zlib.decompress(answer.body, wbits=-15))["deflated"] is True


def test_gzip_in_several_members(fetch: Any) -> None:
    body = fetch("/gzip?members=3").body
    worker = zlib.decompressobj(wbits=31)
    first = worker.decompress(body)
    assert worker.eof
    assert worker.unused_data
    whole = gzip.decompress(body)
    assert whole.startswith(first)
    assert json.loads(whole)["method"] == "GET"


@pytest.mark.parametrize(("path", "module"), [("/brotli", "brotli"), ("/zstd", "zstandard")])
def test_optional_codings_work_when_their_library_is_there(fetch: Any, path: str, module: str) -> None:
    library = pytest.importorskip(module)
    answer = fetch(path)
    assert answer.status == 200
    assert json.loads(library.decompress(answer.body))[path[1:]] is True


def test_optional_codings_are_501_without_their_library() -> None:
    with pytest.raises(BadRequestError) as caught:
        payloads._with_library(("no_such_library", "nor_this"), b"")
    assert caught.value.status == 501


def test_chains_of_codings(fetch: Any) -> None:
    answer = fetch("/coded/deflate,gzip?numbytes=5000")
    assert answer.headers["Content-Encoding"] == "deflate, gzip"
    assert zlib.decompress(gzip.decompress(answer.body)) == bytes(5000)
    assert fetch("/coded/nope").status == 400
    with pytest.raises(BadRequestError, match="unknown content coding"):
        encode(b"", ["gzip", "nope"])


def test_random_bytes_are_the_same_for_the_same_seed(fetch: Any) -> None:
    first, second = fetch("/bytes/100000?seed=a"), fetch("/bytes/100000?seed=a")
    assert first.body == second.body
    assert len(first.body) == int(first.headers["Content-Length"]) == 100_000
    assert fetch("/bytes/100").body != fetch("/bytes/100").body
    expected = fetch("/bytes/100000/sha256?seed=a").json()
    assert expected == {"sha256": hashlib.sha256(first.body).hexdigest(), "length": 100_000}


@pytest.mark.parametrize("path", ["/bytes/x", "/bytes/-1", "/bytes/99999999999", "/stream/1.5", "/range/x"])
def test_wrong_sizes_are_refused(fetch: Any, path: str) -> None:
    assert fetch(path).status == 400


def test_streams_have_no_length(fetch: Any) -> None:
    answer = fetch("/stream-bytes/25000?chunk_size=7000&seed=1")
    assert "Content-Length" not in answer.headers
    assert len(answer.body) == 25000
    lines = fetch("/stream/3?x=1").body.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [0, 1, 2]
    assert json.loads(lines[0])["args"] == {"x": "1"}


def test_drip_takes_its_time(fetch: Any) -> None:
    start = time.monotonic()
    answer = fetch("/drip?duration=0.1&numbytes=5&delay=0.1&code=206")
    assert (answer.status, answer.body) == (206, b"*****")
    assert time.monotonic() - start >= 0.17  # the last byte does not wait for anything
    assert fetch("/drip?code=100").status == 400
    assert fetch("/drip?numbytes=0").body == b""


def test_server_sent_events(fetch: Any) -> None:
    answer = fetch("/sse?count=2&delay=0.01")
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.body == (b'id: 0\nevent: ping\ndata: {"id": 0}\n\nid: 1\nevent: ping\ndata: {"id": 1}\n\n')


LETTERS = b"abcdefghijklmnopqrstuvwxyz" * 8000


@pytest.mark.parametrize(
    ("value", "start", "end"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=70000-140000", 70_000, 140_000),
        ("bytes=199990-", 199_990, 199_999),
        ("bytes=-5", 199_995, 199_999),
        ("bytes=0-9999999", 0, 199_999),
        ("bytes=-9999999", 0, 199_999),
    ],
)
def test_a_range_is_sent(fetch: Any, value: str, start: int, end: int) -> None:
    answer = fetch("/range/200000", headers={"Range": value})
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{end}/200000"
    assert answer.body == LETTERS[start : end + 1]


@pytest.mark.parametrize("value", ["", "bytes=", "bytes=-", "bytes=5-3", "lines=1-2", "bytes=0-1,4-5"])
def test_anything_else_gets_the_whole(fetch: Any, value: str) -> None:
    answer = fetch("/range/1000", headers={"Range": value})
    assert (answer.status, answer.body) == (200, LETTERS[:1000])
    assert answer.headers["ETag"] == '"range1000"'


def test_ranges_outside_and_conditions(fetch: Any) -> None:
    outside = fetch("/range/10", headers={"Range": "bytes=10-"})
    assert (outside.status, outside.headers["Content-Range"]) == (416, "bytes */10")
    changed = fetch("/range/10", headers={"Range": "bytes=1-2", "If-Range": '"other"'})
    assert changed.status == 200
    same = fetch("/range/10", headers={"Range": "bytes=1-2", "If-Range": '"range10"'})
    assert (same.status, same.body) == (206, b"bc")
    assert fetch("/range/10", headers={"If-None-Match": '"range10"'}).status == 304
