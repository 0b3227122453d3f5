"""Bytes that become another request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import URL

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

LINES = ["\r\n", "\r", "\n", "\0", "\u010a", "\u560a"]
REFUSED = (hyperhttp.LocalProtocolError, hyperhttp.InvalidURL)


@pytest.fixture
async def refuse(make_client: Any, here: Origin) -> Any:
    """Sends what must not be sent, and looks whether anything arrived."""

    async def attempt(method: str, url: str, **options: Any) -> None:
        opened = here.connections.opened
        async with make_client() as client:
            with pytest.raises(REFUSED):
                await client.request(method, url, **options)
        assert here.connections.opened == opened

    return attempt


@pytest.mark.parametrize("line", LINES[:4])
@pytest.mark.parametrize("where", ["host", "path", "query", "userinfo", "port", "scheme"])
async def test_cve_2019_9740_a_url_cannot_carry_a_line(refuse: Any, here: Origin, line: str, where: str) -> None:
    at, text = f"127.0.0.1:{here.port}", f"{line}Evil: yes"
    await refuse(
        "GET",
        {
            "host": f"http://127.0.0.1{text}:{here.port}/",
            "path": f"http://{at}/a{text}/b",
            "query": f"http://{at}/?a={text}&b",
            "userinfo": f"http://user{text}@{at}/",
            "port": f"http://{at}{text}/",
            "scheme": f"ht{line}tp://{at}/",
        }[where],
    )


@pytest.mark.parametrize("character", LINES[4:])
async def test_cve_2019_9741_a_character_does_not_lose_the_bits_that_made_it_harmless(
    make_client: Any, here: Origin, character: str
) -> None:
    async with make_client() as client:
        await client.get(f"{here.url}/anything/{character}Evil:yes?q={character}Evil:yes", params={"p": character})
        with pytest.raises(REFUSED):
            await client.request(f"GET{character}", f"{here.url}/get")
    (request,) = here.requests
    assert request.target.isascii()
    assert "%0A" not in request.target.upper().replace("%C4%8A", "").replace("%E5%98%8A", "")
    assert "evil" not in request.headers


@pytest.mark.parametrize(
    "method", ["GET\r\nEvil: yes", "GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST", "G\nET", "GET\0", "GET ", ""]
)
async def test_cve_2020_26116_a_method_cannot_carry_a_line(refuse: Any, here: Origin, method: str) -> None:
    await refuse(method, f"{here.url}/get")
    await refuse(method, f"{here.url}/post", content=b"x")


FIELDS = ["X-Any", "Host", "Content-Type", "Connection", "Upgrade", "TE", "Cookie", "Transfer-Encoding"]


@pytest.mark.parametrize("line", LINES[:4])
@pytest.mark.parametrize("name", FIELDS)
async def test_cve_2025_57804_a_field_cannot_carry_a_line(refuse: Any, here: Origin, name: str, line: str) -> None:
    await refuse("POST", f"{here.url}/post", content=b"x", headers={name: f"a{line}Evil: yes"})
    await refuse("POST", f"{here.url}/post", content=b"x", headers={f"X{line}Evil": "yes"})


@pytest.mark.parametrize(
    "host", ["a\r\nEvil: yes", "a\nb", "a b", "a/b", "a?b", "a#b", "a@b", "a\0", "[::1", "a%0d%0ab"]
)
async def test_cve_2026_1502_the_target_of_connect_cannot_carry_a_line(
    face: Any, scripted: ScriptedServerFactory, host: str
) -> None:
    proxy = scripted([b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"], repeat=True)
    async with face.client(proxies=proxy.url, timeout=10) as client:
        with pytest.raises((hyperhttp.InvalidURL, hyperhttp.ProxyError)):
            await client.get(f"https://{host}:443/")
    for request in proxy.requests:
        assert re.fullmatch(rb"CONNECT [a-z\[\]:.]+:443", request.split(b"\r\n")[0].removesuffix(b" HTTP/1.1"))
        assert b"Evil" not in request


@pytest.mark.parametrize("line", LINES[:4])
@pytest.mark.parametrize("part", ["name", "filename", "content type", "field"])
async def test_cve_2026_34514_a_part_of_a_form_cannot_carry_a_line(
    make_client: Any, here: Origin, line: str, part: str
) -> None:
    text = f'a{line}Evil: yes"; name="x'
    options: dict[str, Any] = {
        "name": {"files": {text: ("file", b"content")}},
        "filename": {"files": {"name": (text, b"content")}},
        "content type": {"files": {"name": ("file", b"content", text)}},
        "field": {"files": {"name": ("file", b"content")}, "data": {text: "value"}},
    }[part]
    async with make_client() as client:
        try:
            await client.post(f"{here.url}/post", **options)
        except ValueError:
            assert here.requests == []
            return
    body = bytes(here.requests[0].body)
    heads = [piece.partition(b"\r\n\r\n")[0] for piece in body.split(b"\r\n--")]
    assert not any(re.search(rb"[\r\n\0]Evil", head) for head in heads)
    assert not any(b'"; name="x' in head for head in heads)


async def test_cve_2025_22150_boundaries_cannot_be_foretold(make_client: Any, here: Origin) -> None:
    import random

    async with make_client() as client:
        for _ in range(10):
            random.seed(1)
            await client.post(f"{here.url}/post", files={"a": b"b"})
    boundaries = [request.headers["content-type"].partition("boundary=")[2] for request in here.requests]
    assert len(set(boundaries)) == 10
    assert min(map(len, boundaries)) >= 22  # 128 bits, even in base 64


@pytest.mark.parametrize(
    "fields",
    [
        [("Content-Length", "3"), ("content-length", "3")],
        [("Content-Length", "3"), ("CONTENT-LENGTH", "4")],
        [("content-length", "4")],
        [("content-length", "+3")],
        [("content-length", "3"), ("transfer-encoding", "chunked")],
        [("Transfer-Encoding", "xchunked")],
    ],
)
async def test_cve_2026_1525_the_framing_of_a_request_is_said_once(refuse: Any, here: Origin, fields: Any) -> None:
    await refuse("POST", f"{here.url}/post", content=b"abc", headers=fields)


#: URLs that one parser takes for a request to the first host, and another for one to the second.
TWO_READINGS = [
    "http://[::1]evil.test/", "http://[::1]@evil.test:80:80/", "http://good.test[evil.test]/", "http://[evil.test]/",
    "http://[::1%2f/", "http://[v1.evil]/", "http://good.test:80:80/", "http://good.test:80@evil.test:/x:y@z:1/",
    "http://good%2fevil.test/", "http://good%00.evil.test/", "http://good%2eevil.test%23@x/", "http://good.test%5c.evil.test/",
    "http://good\u2100.evil.test/", "http://good.test\uff0fevil.test/", "http://good.test\uff03@evil.test/", "http://a\u2488com/",
    "http://1.2.3.4.5/", "http://0x100000000/", "http://1.2.3.09/", "http://xn--a/", "http://xn--80ak6aa92e\u3002/@x:y/",
    "http://good.test\t.evil.test/", "http:\\\\\0good.test/", "http://good.test\u200b:x/", "http://:80/", "http://@/",
]  # fmt: skip


@pytest.mark.parametrize("url", TWO_READINGS, ids=range(len(TWO_READINGS)))
async def test_cve_2023_24329_a_url_with_two_readings_has_one_host_or_none(face: Any, names: Any, url: str) -> None:
    """Either it is refused, or what is connected to is what everybody else reads in it as well."""
    allowed = re.compile(r"[a-z0-9_.\-]+|[0-9a-f:.]+(?:%[a-z0-9]+)?", re.ASCII)
    try:
        host = URL(url).host
    except hyperhttp.InvalidURL:
        pass
    else:
        assert allowed.fullmatch(host), host
        assert URL(str(URL(url))).host == host
        from urllib.parse import urlsplit

        assert urlsplit(str(URL(url))).hostname == host.rstrip(".") or urlsplit(str(URL(url))).hostname == host
    async with face.client(resolver=names, timeout=0.5) as client:
        with pytest.raises((hyperhttp.InvalidURL, hyperhttp.TransportError)):
            await client.get(url)
    assert set(names.asked) <= {"evil.test", "good.test", "x", "xn--80ak6aa92e."}, "nobody else is asked for"


@pytest.mark.parametrize(
    "spelling", [" http://{}/get", "\x01http://{}/get", "http://{}/get\r\n", "HTTP://{}/get", "http:\\\\{}\\get"]
)
async def test_blanks_and_backslashes_do_not_hide_a_host_from_a_filter(
    make_client: Any, here: Origin, spelling: str
) -> None:
    """CVE-2023-24329: a leading blank made ``urlsplit`` find no scheme and no host where the client found both."""
    url = spelling.format(f"127.0.0.1:{here.port}")
    try:
        parsed = URL(url)
    except hyperhttp.InvalidURL:
        return
    assert (parsed.scheme, parsed.host, parsed.path) == ("http", "127.0.0.1", "/get")
    async with make_client() as client:
        await client.get(url)
    assert here.requests[0].target == "/get"


@pytest.mark.parametrize(
    "part",
    [
        {"host": "evil.test/x"},
        {"host": "a@evil"},
        {"host": "a:1"},
        {"host": "a\\b"},
        {"port": -1},
        {"scheme": "http://evil"},
    ],
)
def test_cve_2021_41945_copy_with_cannot_move_the_authority(part: dict[str, Any]) -> None:
    try:
        changed = URL("http://good.test/path").copy_with(**part)
    except (hyperhttp.InvalidURL, TypeError):
        return
    assert URL(str(changed)).host == changed.host
    assert changed.path == "/path"


def test_cve_2021_41945_nor_can_user_path_and_query() -> None:
    url = URL("http://good.test/path")
    for part in (
        {"userinfo": "a@evil.test/"},
        {"path": "//evil.test/?#@x"},
        {"query": "a#@evil.test/"},
        {"fragment": "@evil"},
    ):
        changed = url.copy_with(**part)
        assert URL(str(changed)).host == "good.test", part


@pytest.mark.parametrize(
    "path", ["//evil.test/get", "///evil.test/get", "/\\evil.test/get", "\\\\evil.test\\get", "/%2f/evil.test"]
)
async def test_cve_2022_35949_a_path_with_two_slashes_stays_with_the_base_url(
    make_client: Any, here: Origin, names: Any, path: str
) -> None:
    async with make_client(base_url=f"{here.url}/anything/", resolver=names) as client:
        try:
            await client.get(path)
        except hyperhttp.InvalidURL:
            pass
        else:
            assert here.requests[0].headers["host"] == f"127.0.0.1:{here.port}"
    assert names.asked == []
