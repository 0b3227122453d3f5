from __future__ import annotations

import hashlib
import tracemalloc
from typing import Any


def test_a_checksum_of_what_was_sent(fetch: Any) -> None:
    body = bytes(range(256)) * 4000
    expected = {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    assert fetch("/sha256", method="POST", body=body).json() == expected
    pieces = iter([body[:70_000], body[70_000:]])
    assert fetch("/sha256", method="PUT", body=pieces, encode_chunked=True).json() == expected
    assert fetch("/sha256", method="POST").json()["length"] == 0


def test_large_uploads_take_constant_memory(origin: Any, fetch: Any) -> None:
    piece = bytes(256 * 1024)
    tracemalloc.start()
    try:
        answer = fetch("/sha256", method="POST", body=(piece for _ in range(128)), encode_chunked=True).json()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer["length"] == 32 * 1024 * 1024
    assert peak < 8 * 1024 * 1024


def test_an_upload_is_taken_apart(fetch: Any) -> None:
    content = bytes(range(256)) * 1000
    body = (
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n2\r\n'
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="big.bin"\r\n'
        b"Content-Type: image/png\r\n\r\n" + content + b"\r\n--x--\r\n"
    )
    answer = fetch(
        "/upload", method="POST", body=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    ).json()
    assert answer["fields"] == {"a": ["1", "2"]}
    assert answer["files"] == [
        {
            "name": "f",
            "filename": "big.bin",
            "content_type": "image/png",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    ]
    assert answer["length"] == len(body)


def test_an_upload_that_is_not_multipart_is_refused(fetch: Any) -> None:
    assert fetch("/upload", method="POST", body="x").status == 400
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert fetch("/upload", method="POST", body="--x\r\n\r\nno end", headers=headers).status == 400


def test_echo_sends_the_same_back(fetch: Any) -> None:
    body = bytes(range(256)) * 100
    for path in ("/echo", "/echo?stream=1"):
        answer = fetch(path, method="POST", body=body, headers={"Content-Type": "x/y"})
        assert (answer.body, answer.headers["Content-Type"]) == (body, "x/y")
        assert answer.headers["Content-Length"] == str(len(body))
    chunked = fetch("/echo?stream=1", method="PUT", body=iter([b"a", b"b"]), encode_chunked=True)
    assert chunked.body == b"ab"
    assert chunked.headers["Transfer-Encoding"] == "chunked"


def test_a_streaming_echo_answers_while_it_is_asked(h2_client: Any) -> None:
    stream = h2_client.start("/echo?stream=1", method="POST", end=False)
    answer = h2_client.streams[stream]
    for piece in (b"one", b"two"):
        h2_client.send(stream, piece, end=False)
        while not answer.body.endswith(piece):
            assert h2_client.pump()
    h2_client.send(stream, b"", end=True)
    assert h2_client.wait(stream).body == b"onetwo"
