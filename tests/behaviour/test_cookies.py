"""Cookies are kept for those they belong to, sent to nobody else, and bad ones are ignored."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Cookies
from hyperhttp.network.addresses import Address

if TYPE_CHECKING:
    from pathlib import Path

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory


def setting(*values: bytes) -> bytes:
    """A response that sets cookies."""
    lines = b"".join(b"Set-Cookie: " + value + b"\r\n" for value in values)
    return b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n"


def cookie_of(request: bytes) -> bytes | None:
    """The Cookie field of a request as it was sent."""
    for line in request.split(b"\r\n"):
        if line.lower().startswith(b"cookie: "):
            return line[8:]
    return None


async def test_cookies_of_the_client_go_with_each_request(face: Any, origin: Origin) -> None:
    async with face.client(cookies={"session": "abc"}) as client:
        for _ in range(2):
            response = await client.get(origin.url + "/cookies")
            assert (await client.json(response))["cookies"] == {"session": "abc"}


async def test_cookies_a_server_sets_are_sent_back(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/cookies/set?a=1&b=2")
        assert response.cookies["a"] == "1"
        shown = await client.json(await client.get(origin.url + "/cookies"))
        assert shown["cookies"] == {"a": "1", "b": "2"}
        await client.get(origin.url + "/cookies/delete?a")
        shown = await client.json(await client.get(origin.url + "/cookies"))
        assert shown["cookies"] == {"b": "2"}
        assert client.raw.cookies["b"] == "2"


async def test_cookies_of_a_call_come_on_top_and_are_not_kept(face: Any, origin: Origin) -> None:
    async with face.client(cookies={"client": "1"}) as client:
        shown = await client.json(await client.get(origin.url + "/cookies", cookies={"call": "2"}))
        assert shown["cookies"] == {"client": "1", "call": "2"}
        shown = await client.json(await client.get(origin.url + "/cookies"))
        assert shown["cookies"] == {"client": "1"}


async def test_a_cookie_of_the_call_wins_over_one_of_the_client(face: Any, origin: Origin) -> None:
    async with face.client(cookies={"same": "client"}) as client:
        await client.get(origin.url + "/cookies", cookies={"same": "call"})
    assert origin.requests[0].headers["cookie"] == "same=call"


async def test_there_is_one_cookie_field(face: Any, origin: Origin) -> None:
    async with face.client(cookies={"a": "1"}) as client:
        await client.get(origin.url + "/cookies", headers={"Cookie": "b=2"}, cookies={"c": "3"})
    (field,) = origin.requests[0].headers.get_list("cookie")
    assert set(field.split("; ")) == {"a=1", "b=2", "c=3"}


async def test_a_cookie_of_one_host_is_not_sent_to_another(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        await client.get(origin.url + "/cookies/set?a=1")
        await client.get(f"http://localhost:{origin.port}/cookies")
    assert "cookie" not in origin.requests[-1].headers


class Everywhere:
    """A resolver that finds every name on the loopback interface."""

    async def resolve(self, host: str, port: int) -> list[Address]:
        """127.0.0.1, whoever is asked for."""
        return [Address(socket.AF_INET, "127.0.0.1", port)]


@pytest.mark.parametrize(
    ("attributes", "fields"),
    [
        # set by http://shop.example.com/a; then asked: the same, its child, its parent, a sibling, a look-alike
        ("", ["a=1", None, None, None, None]),
        ("; Domain=example.com", ["a=1", "a=1", "a=1", "a=1", None]),
        ("; Domain=.EXAMPLE.com", ["a=1", "a=1", "a=1", "a=1", None]),
        ("; Domain=shop.example.com", ["a=1", "a=1", None, None, None]),
        ("; Domain=com", [None] * 5),
        ("; Domain=other.example.com", [None] * 5),
        ("; Domain=deep.shop.example.com", [None] * 5),
        ("; Domain=example.com.", [None] * 5),
        ("; Secure", [None] * 5),
        ("; Path=/b", [None] * 5),
    ],
)
async def test_a_cookie_goes_to_the_hosts_it_belongs_to(
    face: Any, origin: Origin, attributes: str, fields: list[str | None]
) -> None:
    hosts = ["shop.example.com", "deep.shop.example.com", "example.com", "other.example.com", "evilexample.com"]
    async with face.client(resolver=Everywhere()) as client:
        url = f"http://shop.example.com:{origin.port}/response-headers"
        await client.get(url, params={"Set-Cookie": f"a=1{attributes}"})
        for host in hosts:
            await client.get(f"http://{host}:{origin.port}/get")
    assert [request.headers.get("cookie") for request in origin.requests[1:]] == fields


@pytest.mark.parametrize(
    "bad",
    [
        b"a=1; Domain=com", b"a=1; Domain=.com", b"a=1; Domain=co.uk", b"a=1; Domain=evil.example", b"a=1; Domain=0.0.1",
        b"a=1; Domain=.127.0.0.1.", b"__Secure-a=1", b"__Host-a=1; Secure; Path=/x", b"a=1; Path=/elsewhere", b"a=1; Max-Age=0",
        b"a=1; Max-Age=-5", b"a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", b"=", b"",
        b"a=" + b"x" * 10_000, b"a" * 10_000 + b"=1",
    ],
)  # fmt: skip
async def test_a_cookie_that_must_not_be_kept_is_ignored(
    face: Any, scripted: ScriptedServerFactory, bad: bytes
) -> None:
    server = scripted([setting(bad, b"good=1"), setting()])
    async with face.client() as client:
        await client.get(server.url + "/path")
        await client.get(server.url + "/path")
    assert cookie_of(server.requests[1]) == b"good=1"


@pytest.mark.parametrize("value", [b"\xe9", b"\xc3\xa9", b"\xff\xfe"])
async def test_a_cookie_beyond_ascii_does_not_break_later_requests(
    face: Any, scripted: ScriptedServerFactory, value: bytes
) -> None:
    server = scripted([setting(b"a=" + value, b"good=1"), setting()])
    async with face.client() as client:
        await client.get(server.url)
        assert (await client.get(server.url)).status_code == 200
    sent = cookie_of(server.requests[1])
    assert sent is not None
    assert b"good=1" in sent
    if b"a=" in sent:
        assert b"a=" + value in sent


async def test_a_flood_of_cookies_does_not_grow_for_ever(face: Any, scripted: ScriptedServerFactory) -> None:
    def handler(connection: Any, _: int) -> None:
        number = 0
        while connection.read_request():
            connection.sendall(setting(*[b"c%d=%b" % (number + each, b"v" * 100) for each in range(200)]))
            number += 200

    server = scripted(handler)
    async with face.client(timeout=5) as client:
        for _ in range(20):
            await client.get(server.url)
        assert len(client.raw.cookies) < 1000
    assert len(cookie_of(server.requests[-1]) or b"") < 65_536


async def test_paths_and_order_follow_the_standard(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([setting(b"short=1; Path=/", b"long=2; Path=/a/b"), setting(), setting(), setting()])
    async with face.client() as client:
        await client.get(server.url + "/a/b")
        await client.get(server.url + "/a/b/c")
        await client.get(server.url + "/a/bc")
        await client.get(server.url + "/")
    assert [cookie_of(request) for request in server.requests] == [None, b"long=2; short=1", b"short=1", b"short=1"]


async def test_a_jar_may_be_shared_by_clients(face: Any, origin: Origin) -> None:
    jar = Cookies()
    async with face.client(cookies=jar) as client:
        await client.get(origin.url + "/cookies/set?a=1")
    async with face.client(cookies=jar) as client:
        shown = await client.json(await client.get(origin.url + "/cookies"))
    assert shown["cookies"] == {"a": "1"}


async def test_a_saved_jar_is_the_same_jar(face: Any, origin: Origin, tmp_path: Path) -> None:
    async with face.client() as client:
        await client.get(origin.url + "/response-headers?Set-Cookie=a%3D1%3B%20Max-Age%3D1000")
        client.raw.cookies.save(tmp_path / "jar")
    jar = Cookies.load(tmp_path / "jar")
    async with face.client(cookies=jar) as client:
        await client.get(origin.url + "/cookies")
        await client.get(f"http://localhost:{origin.port}/cookies")
    assert origin.requests[1].headers["cookie"] == "a=1"
    assert "cookie" not in origin.requests[2].headers


async def test_cookies_show_no_values_in_repr(face: Any, origin: Origin) -> None:
    async with face.client(cookies={"session": "hunter2"}) as client:
        response = await client.get(origin.url + "/cookies")
        for thing in (client.raw.cookies, response.request.headers, response.request, client.raw, response):
            assert "hunter2" not in repr(thing)


async def test_a_hook_sees_the_cookies_that_are_sent(face: Any, origin: Origin) -> None:
    seen = []
    async with face.client(cookies={"a": "1"}) as client:
        hooks = {"request": [lambda request: seen.append(request.headers.get("cookie"))]}
        await client.get(origin.url + "/cookies", event_hooks=hooks)
    assert seen == ["a=1"]


async def test_cookies_of_a_request_that_is_sent_again_are_not_doubled(face: Any, origin: Origin) -> None:
    async with face.client(cookies={"a": "1"}) as client:
        request = client.raw.build_request("GET", origin.url + "/cookies")
        await client.send(request)
        await client.send(request)
    assert [request.headers["cookie"] for request in origin.requests] == ["a=1", "a=1"]


def test_cookie_errors_are_typed() -> None:
    with pytest.raises(hyperhttp.HyperHTTPError):
        Cookies({"a\n": "b"})
