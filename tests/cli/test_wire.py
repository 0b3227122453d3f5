from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.cli.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable


def told(play: Callable[[Wire], object]) -> list[str]:
    stream = io.StringIO()
    play(Wire(stream, clock=lambda: 1.0))
    return stream.getvalue().splitlines()


def exchange(origin: Any, path: str, **options: Any) -> list[str]:
    """What is told about a request."""

    def play(wire: Wire) -> None:
        hooks = {"request": wire.request, "response": wire.response}
        with hyperhttp.SyncClient(event_hooks=hooks) as client:
            method = options.pop("method", "GET")
            with client.stream(method, f"{origin.url}{path}", **options) as response:
                sum(map(len, response.iter_bytes()))
                wire.content(response)
            wire.close(client.get_pool_stats())

    return told(play)


def test_an_exchange_is_told_from_request_to_connection(origin: Any) -> None:
    lines = exchange(origin, "/get?x=1", headers={"X-A": "b"})
    length = next(line for line in lines if line.startswith("< Content-Length: ")).rpartition(" ")[2]
    host = origin.url.removeprefix("http://")
    assert lines[0] == f"* GET to {origin.url}"
    assert lines[1] == "> GET /get?x=1 HTTP/1.1"
    assert lines[2] == f"> Host: {host}"
    assert "> X-A: b" in lines
    answer = lines.index("< HTTP/1.1 200 OK")
    assert all(line.startswith("> ") for line in lines[1:answer])
    assert "< Content-Type: application/json" in lines[answer:]
    assert lines[-3] == f"* content: {length} B received"
    assert lines[-2] == f"* connections to {host}: 1 idle, 0 in use, 1 total"
    assert lines[-1] == "* 0.0 ms in all"


def test_redirects_are_told_one_by_one(origin: Any) -> None:
    lines = exchange(origin, "/redirect/2", follow_redirects=True)
    heads = [line for line in lines if line.startswith(("> GET", "< HTTP"))]
    assert heads == [
        "> GET /redirect/2 HTTP/1.1",
        "< HTTP/1.1 302 Found",
        "> GET /relative-redirect/1 HTTP/1.1",
        "< HTTP/1.1 302 Found",
        "> GET /get HTTP/1.1",
        "< HTTP/1.1 200 OK",
    ]


def test_what_is_sent_is_told_without_secrets(origin: Any) -> None:
    lines = exchange(
        origin,
        "/anything?access_token=hush&x=1",
        method="POST",
        auth=("me", "hush"),
        cookies={"sid": "hush"},
        headers={"X-Api-Key": "hush"},
        content=b"12345",
    )
    assert "> POST /anything?access_token=[secret]&x=1 HTTP/1.1" in lines
    assert "> Authorization: Basic [secret]" in lines
    assert "> Cookie: sid=[secret]" in lines
    assert "* content: 5 B" in lines
    assert "hush" not in "".join(lines)
    assert "bWU6" not in "".join(lines)


def test_content_of_unknown_length_is_told(origin: Any) -> None:
    lines = exchange(origin, "/post", method="POST", content=iter([b"a", b"b"]))
    assert "* content: of unknown length" in lines


def test_trailers_are_told(origin: Any) -> None:
    lines = exchange(origin, "/trailers?X-Note=late")
    assert "< X-Note: late" in lines


def test_http2_is_told_as_what_it_is(hyperhttp_http2_origin: Any) -> None:
    stream = io.StringIO()
    wire = Wire(stream)
    hooks = {"request": wire.request, "response": wire.response}
    origin = hyperhttp_http2_origin
    with hyperhttp.SyncClient(verify=origin.ca_pem, event_hooks=hooks) as client:
        response = client.get(f"{origin.https_url}/get")
    lines = stream.getvalue().splitlines()
    assert f"> GET /get {response.http_version}" in lines
    assert any(line.startswith(f"< {response.http_version} 200") for line in lines)
    if response.http_version == "HTTP/2":
        assert f"> :authority: localhost:{origin.https_port}" in lines


def test_a_request_without_an_answer_is_told_at_the_end(origin: Any) -> None:
    def play(wire: Wire) -> None:
        with hyperhttp.SyncClient(event_hooks={"request": wire.request}) as client:
            with pytest.raises(hyperhttp.ReadTimeout):
                client.get(f"{origin.url}/delay/2", timeout=0.05)
            wire.close({})

    lines = told(play)
    assert lines[1] == "> GET /delay/2"
    assert lines[-1] == "* 0.0 ms in all"


def test_a_server_cannot_move_the_cursor() -> None:
    response = hyperhttp.Response(
        200,
        headers=[(b"X-Evil", "\x9b2J".encode())],
        reason="fine\x9b",
        request=hyperhttp.Request("GET", "http://x/"),
    )
    text = "\n".join(told(lambda wire: wire.response(response)))
    assert "\x9b" not in text
    assert "< X-Evil: \\x9b2J" in text
