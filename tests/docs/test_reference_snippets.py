"""What the reference documents show can be typed here: one test for each snippet about what exists.

The docstring of a test names the document and the section it covers. The hosts are the local origin's, the
values are made up; the names, the arguments and the order of the calls are what is being held to.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Auth, BasicAuth, BearerAuth, Client, MultipartEncoder, MultipartFile, Timeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator


@pytest.fixture
def api(world: Any) -> str:
    """The base of the API that snippets use: TLS, HTTP/2 on offer."""
    return str(world.origin.https_url)


# -- Overview ----------------------------------------------------------------------------------------------


def test_the_quick_example(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Overview, "Quick example"."""

    async def main() -> None:
        async with hyperhttp.Client() as client:
            response = await client.get(f"{api}/html")
            await response.aread()
            print(response.status_code, response.text[:120])

    asyncio.run(main())
    assert capsys.readouterr().out.startswith("200 ")


@pytest.mark.parametrize(
    ("path", "coding"), [("gzip", "gzip"), ("deflate", "deflate"), ("brotli", "br"), ("zstd", "zstd")]
)
async def test_codings_are_decoded_in_passing(api: str, path: str, coding: str) -> None:
    """Overview, "Features": gzip and deflate by themselves, br and zstd with their packages."""
    async with hyperhttp.Client() as client:
        response = await client.get(f"{api}/{path}")
        await response.aread()
    assert response.headers["content-encoding"] == coding
    assert response.json()["method"] == "GET"


# -- Basic usage: making requests --------------------------------------------------------------------------


async def test_get_with_parameters_and_fields(api: str) -> None:
    """Basic usage, "GET"."""
    async with hyperhttp.Client() as client:
        response = await client.get(f"{api}/users")
        assert response.is_success
        response = await client.get(f"{api}/search", params={"q": "python", "sort": "stars"})
        assert (await response.ajson())["target"] == "/search?q=python&sort=stars"
        response = await client.get(f"{api}/protected", headers={"Authorization": "Bearer token123"})
        assert await response.aread() == b"Bearer"


async def test_content_in_four_ways(api: str) -> None:
    """Basic usage, "POST / PUT / PATCH"."""

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(100):
            yield f"chunk-{number}\n".encode()

    async with hyperhttp.Client() as client:
        response = await client.post(f"{api}/anything", json={"name": "John", "email": "john@example.com"})
        shown = await response.ajson()
        assert shown["json"] == {"name": "John", "email": "john@example.com"}
        assert shown["headers"]["Content-Type"] == "application/json"

        response = await client.post(f"{api}/anything", data={"user": "alice", "password": "secret"})
        shown = await response.ajson()
        assert shown["form"] == {"user": "alice", "password": "secret"}
        assert shown["headers"]["Content-Type"] == "application/x-www-form-urlencoded"

        response = await client.put(f"{api}/anything", content=b"...binary...")
        assert (await response.ajson())["data"] == "...binary..."

        response = await client.post(f"{api}/sha256", content=chunks())
        expected = b"".join([f"chunk-{number}\n".encode() for number in range(100)])
        assert (await response.ajson())["sha256"] == hashlib.sha256(expected).hexdigest()


async def test_the_other_methods(api: str) -> None:
    """Basic usage, "Other methods"."""
    async with hyperhttp.Client() as client:
        responses = [
            await client.head(f"{api}/users/1"),
            await client.options(f"{api}/users"),
            await client.delete(f"{api}/users/1"),
            await client.request("QUERY", f"{api}/anything"),
        ]
    assert [response.status_code for response in responses] == [200] * 4
    assert [response.request.method for response in responses] == ["HEAD", "OPTIONS", "DELETE", "QUERY"]


# -- Basic usage: responses --------------------------------------------------------------------------------


async def test_content_is_lazy_until_it_is_read(api: str) -> None:
    """Basic usage, "Working with responses"."""
    async with hyperhttp.Client() as client:
        response = await client.get(f"{api}/data")
        with pytest.raises(hyperhttp.ResponseNotRead, match="aread"):
            response.json()
        await response.aread()
        assert response.json()["target"] == "/data"
        assert response.text.encode() == response.content


async def test_attributes_of_a_response(api: str) -> None:
    """Basic usage, "Response attributes"."""
    async with hyperhttp.Client() as client:
        response = await client.get(f"{api}/json")
    assert response.status_code == 200
    assert response.http_version in ("HTTP/1.1", "HTTP/2")
    assert str(response.url) == f"{api}/json"
    assert response.headers["content-type"].startswith("application/json")
    assert 0 < response.elapsed < 60
    assert (response.is_success, response.is_redirect) == (True, False)


async def test_error_statuses_raise_when_asked_to(api: str) -> None:
    """Basic usage, "Raising on HTTP errors"."""
    async with hyperhttp.Client() as client:
        response = await client.get(f"{api}/missing")
        with pytest.raises(hyperhttp.HTTPStatusError, match="404"):
            response.raise_for_status()
        response = await client.get(f"{api}/json")
        assert response.raise_for_status() is response


async def test_content_is_iterated_as_bytes_text_and_lines(api: str) -> None:
    """Basic usage, "Streaming the body"."""
    async with hyperhttp.Client() as client:
        response = await client.get(f"{api}/large.bin")
        assert sum([len(chunk) async for chunk in response.aiter_bytes()]) == 1_000_000
        response = await client.get(f"{api}/log.txt")
        assert "".join([text async for text in response.aiter_text()]) == "first\nsecond\nthird\n"
        response = await client.get(f"{api}/log.txt")
        assert [line async for line in response.aiter_lines()] == ["first", "second", "third"]


async def test_leaving_early_gives_the_connection_up(api: str) -> None:
    """Basic usage, "Streaming the body": aclose() and ``async with``."""
    async with hyperhttp.Client() as client:
        response = await client.get(f"{api}/stream-bytes/1000000")
        async for _ in response.aiter_bytes():
            break
        await response.aclose()
        async with await client.get(f"{api}/stream-bytes/1000000") as response:
            async for _ in response.aiter_bytes():
                break
        assert all(counts["in_use"] == 0 for counts in client.get_pool_stats().values())


# -- Basic usage: settings ---------------------------------------------------------------------------------


async def test_a_client_with_every_basic_setting(api: str) -> None:
    """Basic usage, "Client configuration"."""
    client = hyperhttp.Client(
        base_url=api,
        headers={"User-Agent": "my-app/1.0"},
        cookies={"session": "abc"},
        timeout=30.0,
        max_connections=100,
        max_keepalive_connections=20,
        keepalive_expiry=120.0,
        http2=True,
        follow_redirects=False,
        max_redirects=20,
        verify=True,
    )
    async with client:
        response = await client.get("/anything", headers={"X-More": "1"}, cookies={"other": "def"})
        shown = (await response.ajson())["headers"]
    assert shown["User-Agent"] == "my-app/1.0"
    assert shown["X-More"] == "1"
    assert set(shown["Cookie"].split("; ")) == {"session=abc", "other=def"}


async def test_timeouts_of_client_and_call(api: str) -> None:
    """Basic usage, "Timeouts"."""
    async with hyperhttp.Client(timeout=10.0) as client:
        response = await client.get(f"{api}/data", timeout=5.0)
        assert response.is_success
        with pytest.raises(hyperhttp.ReadTimeout):
            await client.get(f"{api}/delay/5", timeout=0.1)
    async with hyperhttp.Client(timeout=Timeout(connect=5.0, read=30.0, write=30.0, pool=2.0)) as client:
        assert client.timeout.read == 30.0
        assert (await client.get(f"{api}/data", timeout=Timeout(read=None))).is_success


async def test_redirects_for_a_client_and_for_a_call(api: str) -> None:
    """Basic usage, "Redirects"."""
    async with hyperhttp.Client() as client:
        response = await client.get(f"{api}/redirect/2")
        assert response.is_redirect
        response = await client.get(f"{api}/redirect/2", follow_redirects=True)
        assert str(response.url) == f"{api}/get"
    async with hyperhttp.Client(follow_redirects=True, max_redirects=10) as client:
        assert (await client.get(f"{api}/redirect/10")).is_success
        with pytest.raises(hyperhttp.TooManyRedirects):
            await client.get(f"{api}/redirect/11")


async def test_cookies_that_a_server_sets_are_kept(api: str) -> None:
    """Basic usage, "Cookies"."""
    async with hyperhttp.Client(cookies={"theme": "dark"}) as client:
        response = await client.post(f"{api}/login", data={"user": "alice"})
        assert response.cookies["session"] == "abc"
        response = await client.get(f"{api}/profile")
        assert set((await response.atext()).split("; ")) == {"theme=dark", "session=abc"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/data", "ok"), ("/missing", "HTTP 404"), ("/delay/9", "slow"), ("/data?fault=reset", "transport")],
)
async def test_errors_are_told_apart_by_their_classes(api: str, path: str, expected: str) -> None:
    """Basic usage, "Error handling"."""
    async with hyperhttp.Client(timeout=1.0) as client:
        try:
            response = await client.get(api + path)
            response.raise_for_status()
            outcome = "ok"
        except hyperhttp.HTTPStatusError as error:
            outcome = f"HTTP {error.response.status_code}" if str(error.response.url) == api + path else "lost"
        except hyperhttp.ConnectTimeout:
            outcome = "unreachable"
        except hyperhttp.ReadTimeout:
            outcome = "slow"
        except hyperhttp.TLSError:
            outcome = "tls"
        except hyperhttp.TransportError:
            outcome = "transport"
        except hyperhttp.HyperHTTPError:
            outcome = "other"
    assert outcome == expected


# -- Advanced features: HTTP/2 and pool ---------------------------------------------------------------------


@pytest.mark.parametrize(("http2", "version"), [(True, "HTTP/2"), (False, "HTTP/1.1")])
async def test_http2_is_switched_by_one_argument(api: str, http2: bool, version: str) -> None:
    """Advanced features, "HTTP/2"."""
    async with hyperhttp.Client(http2=http2) as client:
        assert (await client.get(f"{api}/get")).http_version == version


async def test_concurrent_requests_share_one_connection(api: str, world: Any) -> None:
    """Advanced features, "HTTP/2": streams of one connection; HTTP/1.1 where the host offers nothing else."""
    opened = world.origin.connections.opened
    async with hyperhttp.Client() as client:
        responses = await asyncio.gather(
            client.get(f"{api}/v2/1"), client.get(f"{api}/v2/2"), client.get(f"{api}/v2/3")
        )
        assert [response.http_version for response in responses] == ["HTTP/2"] * 3
        assert world.origin.connections.opened == opened + 1
        assert (await client.get(f"{world.origin.url}/get")).http_version == "HTTP/1.1"


async def test_the_pool_has_caps_and_can_be_looked_at(world: Any) -> None:
    """Advanced features, "Connection pooling"."""
    options = {"max_connections": 200, "max_keepalive_connections": 32, "keepalive_expiry": 120.0}
    async with hyperhttp.Client(**options) as client:
        for response in await asyncio.gather(*(client.get(f"{world.origin.url}/delay/0.05") for _ in range(6))):
            await response.aread()
        name = f"127.0.0.1:{world.origin.port}"
        assert client.get_pool_stats()[name] == {"idle": 6, "in_use": 0, "total": 6}


# -- Advanced features: proxies -----------------------------------------------------------------------------


def first_lines(world: Any) -> list[str]:
    return [head.partition("\r\n")[0] for head in world.proxy.heads]


async def test_one_proxy_for_everything(api: str, world: Any) -> None:
    """Advanced features, "Proxies", quick start and routing: absolute-form for http, CONNECT for https."""
    proxy = f"http://127.0.0.1:{world.proxy.port}"
    async with hyperhttp.Client(proxies=proxy) as client:
        secure = await client.get(f"{api}/get")
        clear = await client.get(f"{world.origin.url}/get")
    assert (secure.http_version, clear.http_version) == ("HTTP/2", "HTTP/1.1")
    https = api.removeprefix("https://")
    assert first_lines(world) == [f"CONNECT {https} HTTP/1.1", f"GET {world.origin.url}/get HTTP/1.1"]


async def test_proxies_by_scheme_with_credentials(api: str, world: Any) -> None:
    """Advanced features, "Proxies", per-scheme routing and "Authentication": credentials only for the proxy."""
    proxy = f"http://user:pass@127.0.0.1:{world.proxy.port}"
    async with hyperhttp.Client(proxies={"http": proxy, "https": proxy}) as client:
        await client.get(f"{world.origin.url}/get")
        inner = await (await client.get(f"{api}/headers")).ajson()
    assert all("Proxy-Authorization: Basic dXNlcjpwYXNz" in head for head in world.proxy.heads)
    assert len(world.proxy.heads) == 2
    assert "Proxy-Authorization" not in inner["headers"]


async def test_a_scheme_without_proxy_goes_straight(api: str, world: Any) -> None:
    """Advanced features, "Proxies", None for one scheme."""
    proxies = {"http": f"http://127.0.0.1:{world.proxy.port}", "https": None}
    async with hyperhttp.Client(proxies=proxies) as client:
        await client.get(f"{api}/get")
        assert world.proxy.heads == []
        await client.get(f"{world.origin.url}/get")
        assert len(world.proxy.heads) == 1


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_proxies_of_the_environment(world: Any, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Advanced features, "Proxies", environment variables, and how they are switched off."""
    monkeypatch.setenv(variable, f"http://127.0.0.1:{world.proxy.port}")
    async with hyperhttp.Client() as client:
        await client.get(f"{world.origin.url}/get")
    async with hyperhttp.Client(trust_env=False) as client:
        await client.get(f"{world.origin.url}/get")
    async with hyperhttp.Client(proxies={"http": None}) as client:
        await client.get(f"{world.origin.url}/get")
    assert len(world.proxy.heads) == 1


@pytest.mark.parametrize(
    ("no_proxy", "is_used"),
    [
        ("127.0.0.1", False),
        ("127.0.0.0/8", False),
        ("127.0.0.1:{port}", False),
        ("127.0.0.1:1", True),
        ("*", False),
        ("api.internal, .corp", True),
    ],
)
async def test_hosts_that_no_proxy_names(
    world: Any, monkeypatch: pytest.MonkeyPatch, no_proxy: str, is_used: bool
) -> None:
    """Advanced features, "Proxies", NO_PROXY."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{world.proxy.port}")
    monkeypatch.setenv("NO_PROXY", no_proxy.format(port=world.origin.port))
    async with hyperhttp.Client() as client:
        await client.get(f"{world.origin.url}/get")
    assert bool(world.proxy.heads) is is_used


async def test_socks_needs_a_plugin(world: Any) -> None:
    """Advanced features, "Proxies": SOCKS is not part of the core."""
    with pytest.raises(hyperhttp.ProxyError, match="socks"):
        hyperhttp.Client(plugins=[], proxies="socks5://127.0.0.1:1080")


# -- Advanced features: event hooks --------------------------------------------------------------------------


async def test_hooks_plain_and_async(api: str) -> None:
    """Advanced features, "Event hooks", the first example."""
    log: list[str] = []

    async def log_request(request: Any) -> None:
        request._start = time.monotonic()
        log.append(f">> {request.method} {request.url}")

    async def log_response(response: Any) -> None:
        milliseconds = (time.monotonic() - response.request._start) * 1000
        assert 0 < milliseconds < 60_000
        log.append(f"<< {response.status_code}")

    def inject_trace(request: Any) -> None:
        request.headers["X-Trace-Id"] = "trace-1"

    hooks = {"request": [log_request, inject_trace], "response": [log_response]}
    async with hyperhttp.Client(event_hooks=hooks) as client:
        shown = await (await client.get(f"{api}/headers")).ajson()
    assert log == [f">> GET {api}/headers", "<< 200"]
    assert shown["headers"]["X-Trace-Id"] == "trace-1"


async def test_hooks_of_a_live_client(api: str) -> None:
    """Advanced features, "Event hooks": the lists are writable while the client is in use."""
    seen: list[Any] = []
    async with hyperhttp.Client() as client:
        client.event_hooks["request"].append(seen.append)
        await client.get(f"{api}/get")
        client.event_hooks["request"].pop()
        await client.get(f"{api}/get")
    assert len(seen) == 1


async def test_what_a_hook_raises_comes_out(api: str, world: Any) -> None:
    """Advanced features, "Event hooks", semantics: a failing hook ends the request with its own exception."""

    def refuse(request: Any) -> None:
        raise LookupError(request.method)

    async with hyperhttp.Client(event_hooks={"request": [refuse]}) as client:
        with pytest.raises(LookupError, match="GET"):
            await client.get(f"{api}/get")
    assert world.origin.requests == []


async def test_hooks_sign_each_attempt(api: str, world: Any) -> None:
    """Advanced features, "Request signing example": once per attempt, a redirect hop being one."""
    stamps = iter(range(10))

    def sign(request: Any) -> None:
        stamp = datetime.now(UTC).strftime(f"%Y%m%d-{next(stamps)}")
        request.headers["x-amz-date"] = stamp
        canonical = f"{request.method}\n{request.url.target}\n{stamp}"
        signature = hmac.new(b"secret", canonical.encode(), hashlib.sha256).hexdigest()
        request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Signature={signature}"

    async with hyperhttp.Client(event_hooks={"request": [sign]}, follow_redirects=True) as client:
        await client.get(f"{api}/redirect/1")
    dates = [request.headers["x-amz-date"][-1] for request in world.origin.requests]
    signatures = {request.headers["authorization"] for request in world.origin.requests}
    assert (dates, len(signatures)) == (["0", "1"], 2)


# -- Advanced features: authentication ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "path"),
    [
        (("alice", "s3cret"), "/basic-auth/alice/s3cret"),
        (BasicAuth("alice", "s3cret"), "/basic-auth/alice/s3cret"),
        (BearerAuth("abc.def.ghi"), "/bearer?token=abc.def.ghi"),
    ],
)
async def test_schemes_of_a_client(api: str, auth: Any, path: str) -> None:
    """Advanced features, "Basic" and "Bearer"."""
    async with hyperhttp.Client(auth=auth) as client:
        assert (await client.get(api + path)).status_code == 200


async def test_schemes_of_a_call(api: str) -> None:
    """Advanced features, "Per-request control": None switches off, a value takes the place."""
    async with hyperhttp.Client(auth=BasicAuth("u", "p")) as client:
        assert (await client.get(f"{api}/basic-auth/u/p")).status_code == 200
        assert (await client.get(f"{api}/basic-auth/u/p", auth=None)).status_code == 401
        assert (await client.get(f"{api}/basic-auth/x/y", auth=("x", "y"))).status_code == 200


async def test_a_scheme_of_ones_own(api: str) -> None:
    """Advanced features, "Custom schemes", a field with every request."""

    class ApiKeyAuth(Auth):
        def __init__(self, key: str) -> None:
            self._key = key

        def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
            request.headers["X-API-Key"] = self._key
            yield request

    async with hyperhttp.Client(auth=ApiKeyAuth("k-1")) as client:
        shown = await (await client.get(f"{api}/headers")).ajson()
    assert shown["headers"]["X-Api-Key"] == "k-1"


async def test_a_scheme_that_answers_a_challenge(api: str, world: Any) -> None:
    """Advanced features, "Custom schemes", a second request after a look at the first response."""

    class MyChallengeAuth(Auth):
        requires_response = True

        def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
            response = yield request
            if response.status_code == 401:
                request.headers["Authorization"] = f"Basic answer-to-{response.headers['www-authenticate'][:5]}"
                yield request

    async with hyperhttp.Client(auth=MyChallengeAuth()) as client:
        response = await client.get(f"{api}/basic-auth/u/p")
    assert response.status_code == 401  # the answer is wrong, and the second response is what comes out
    sent = [request.headers.get("authorization") for request in world.origin.requests]
    assert sent == [None, "Basic answer-to-Basic"]


# -- Advanced features: file uploads ---------------------------------------------------------------------------


async def test_a_form_with_fields_and_files(api: str) -> None:
    """Advanced features, "File uploads", quick usage; with files the form becomes multipart."""
    async with hyperhttp.Client() as client:
        response = await client.post(
            f"{api}/upload",
            data={"user": "alice", "note": "quarterly report"},
            files={"avatar": ("me.png", b"\x89PNG...", "image/png"), "report": Path("./report.pdf")},
        )
        shown = await response.ajson()
    assert shown["fields"] == {"user": "alice", "note": "quarterly report"}
    avatar, report = shown["files"]
    assert (avatar["filename"], avatar["content_type"], avatar["size"]) == ("me.png", "image/png", 7)
    assert (report["filename"], report["content_type"], report["size"]) == ("report.pdf", "application/pdf", 4096)
    assert int(response.request.headers["content-length"]) == shown["length"]


async def pieces() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


def shapes() -> dict[str, Any]:
    return {
        "bytes": b"data",
        "bytearray": bytearray(b"data"),
        "memoryview": memoryview(b"data"),
        "path": Path("report.pdf"),
        "path as text": "./report.pdf",
        "pair": ("a.txt", b"data"),
        "triple": ("a.bin", b"data", "application/x-thing"),
        "asynchronous": ("a.bin", pieces()),
        "explicit": MultipartFile(content=b"data", filename="b.bin", content_type="x/y"),
        "explicit path": MultipartFile(path="report.pdf"),
    }


@pytest.mark.parametrize("shape", list(shapes()))
async def test_part_shapes(api: str, shape: str) -> None:
    """Advanced features, "Supported part shapes"."""
    async with hyperhttp.Client() as client:
        response = await client.post(f"{api}/upload", files={"part": shapes()[shape]})
        shown = await response.ajson()
    if shape in ("bytes", "bytearray", "memoryview"):
        assert shown["fields"] == {"part": "data"}  # in memory and without a name: no file name is told
        return
    (part,) = shown["files"]
    expected = {
        "pair": ("a.txt", "text/plain", 4),
        "triple": ("a.bin", "application/x-thing", 4),
        "asynchronous": ("a.bin", "application/octet-stream", 6),
        "explicit": ("b.bin", "x/y", 4),
    }
    assert (part["filename"], part["content_type"], part["size"]) == expected.get(
        shape, ("report.pdf", "application/pdf", 4096)
    )


async def test_an_open_file_is_a_part(api: str) -> None:
    """Advanced features, "Supported part shapes": an open binary file."""
    async with hyperhttp.Client() as client:
        with Path("report.pdf").open("rb") as file:
            response = await client.post(f"{api}/upload", files={"part": file})
            (part,) = (await response.ajson())["files"]
    assert (part["filename"], part["size"]) == ("report.pdf", 4096)


async def test_an_encoder_made_beforehand(api: str) -> None:
    """Advanced features, "Pre-building the encoder": length known, sent from the disk."""
    encoder = MultipartEncoder(
        [
            ("user", "alice"),
            ("file", MultipartFile(path="./big.bin", content_type="application/octet-stream")),
        ],
        chunk_size=2 * 1024 * 1024,
    )
    async with Client() as client:
        response = await client.post(f"{api}/upload", content=encoder)
        shown = await response.ajson()
    assert encoder.content_length == shown["length"] == int(response.request.headers["content-length"])
    assert response.request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert shown["files"][0]["size"] == 3 * 1024 * 1024


async def test_a_form_of_unknown_length_is_chunked(api: str, world: Any) -> None:
    """Advanced features, "Pre-building the encoder": no length where a part has none."""
    encoder = MultipartEncoder([("file", ("a.bin", pieces()))])
    assert encoder.content_length is None
    async with Client(http2=False) as client:
        await client.post(f"{api}/upload", content=encoder)
    assert world.origin.requests[-1].headers["transfer-encoding"] == "chunked"


# -- Advanced features: TLS, names, user agent ---------------------------------------------------------------------


async def test_a_context_of_ones_own(api: str) -> None:
    """Advanced features, "TLS": ssl_context with a client certificate."""
    context = ssl.create_default_context()
    context.load_verify_locations("ca.pem")
    context.load_cert_chain("client.pem")
    async with hyperhttp.Client(ssl_context=context) as client:
        assert (await client.get(f"{api}/get")).is_success


@pytest.mark.parametrize(
    "options", [{"verify": False}, {"verify": "ca.pem"}, {"verify": "ca.pem", "cert": ("client.pem", "client.pem")}]
)
async def test_quick_toggles(api: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Advanced features, "TLS": verify and cert."""
    monkeypatch.delenv("SSL_CERT_FILE")
    async with hyperhttp.Client(**options) as client:
        assert (await client.get(f"{api}/get")).is_success


@pytest.mark.parametrize("delay", [0, 0.25, 60.0])
async def test_names_and_the_race_of_addresses(api: str, delay: float) -> None:
    """Advanced features, "DNS and Happy Eyeballs"."""
    async with hyperhttp.Client(happy_eyeballs_delay=delay, connect_timeout=10.0) as client:
        assert (await client.get(f"{api}/get")).is_success
        assert client.timeout.connect == 10.0


async def test_the_user_agent(api: str) -> None:
    """Advanced features, "Custom user agent", and the default."""
    async with hyperhttp.Client(user_agent="my-service/1.2.3") as client:
        assert (await (await client.get(f"{api}/user-agent")).ajson()) == {"user-agent": "my-service/1.2.3"}
    async with hyperhttp.Client() as client:
        shown = await (await client.get(f"{api}/user-agent")).ajson()
    assert shown == {"user-agent": f"hyperhttp/{hyperhttp.__version__}"}


# -- Advanced features: retries and telemetry ----------------------------------------------------------------


def failing(api: str, key: str, *, fault: str = "503", times: int = 2) -> str:
    """An address that fails so many times before it answers."""
    return f"{api}/get?fault={fault}&fault_times={times}&key={key}"


async def test_a_retry_policy_with_every_parameter(api: str) -> None:
    """Advanced features, "Retry policy"."""
    from hyperhttp import Client
    from hyperhttp.errors.retry import RetryPolicy
    from hyperhttp.utils.backoff import ExponentialBackoff

    retry_policy = RetryPolicy(
        max_retries=5,
        retry_categories=["TRANSIENT", "TIMEOUT", "SERVER"],
        status_force_list=[429, 500, 502, 503, 504],
        backoff_strategy=ExponentialBackoff(
            base=0.1,
            factor=2.0,
            max_backoff=30.0,
            jitter=True,
        ),
        respect_retry_after=True,
    )

    async with Client(retry=retry_policy) as client:
        response = await client.get(failing(api, "policy"))
        assert response.status_code == 200
        assert [attempt.status_code for attempt in response.attempts] == [503, 503]


async def test_decorrelated_jitter(api: str) -> None:
    """Advanced features, "Retry policy": the other backoff."""
    from hyperhttp.errors.retry import RetryPolicy
    from hyperhttp.utils.backoff import DecorrelatedJitterBackoff

    retry_policy = RetryPolicy(
        max_retries=5,
        backoff_strategy=DecorrelatedJitterBackoff(base=0.1, max_backoff=10.0),
    )
    async with Client(retry=retry_policy) as client:
        assert (await client.get(failing(api, "jitter", times=1))).status_code == 200


async def test_the_first_failure_surfaces_and_a_later_one_says_that_it_is_later(api: str) -> None:
    """Advanced features, "Retry policy": the original typed exception, RetryError after a retry."""
    from hyperhttp.errors.retry import RetryPolicy
    from hyperhttp.utils.backoff import ExponentialBackoff

    policy = RetryPolicy(max_retries=1, backoff_strategy=ExponentialBackoff(base=0.01))
    url = failing(api, "first", fault="reset", times=100)
    async with Client(retry=policy) as client:
        with pytest.raises(hyperhttp.ReadError):
            await client.post(url.replace("/get", "/post"), json={"a": 1})
        with pytest.raises(hyperhttp.RetryError) as caught:
            await client.get(url)
    assert isinstance(caught.value.original_exception, hyperhttp.ReadError)
    assert caught.value.attempts == 2


async def test_retries_are_disabled_per_request(api: str, world: Any) -> None:
    """Advanced features, "Retry policy": retry=False."""
    url, payload = failing(api, "disabled").replace("/get", "/put"), {"a": 1}
    async with Client(retry=3) as client:
        response = await client.put(url, json=payload, retry=False)
    assert response.status_code == 503
    assert len(world.origin.requests) == 1


async def test_a_circuit_breaker_opens_and_says_for_how_long(
    api: str, world: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Advanced features, "Circuit breaker"."""
    from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager

    cb = DomainCircuitBreakerManager(
        failure_threshold=5,
        recovery_timeout=30.0,
        success_threshold=2,
    )
    async with Client(circuit_breaker_manager=cb) as client:
        for _ in range(6):
            try:
                response = await client.get(f"{api}/status/503")
                assert response.status_code == 503
            except hyperhttp.CircuitBreakerOpen as e:
                print(f"{e.host} unhealthy for another {e.remaining:.1f}s")
    said, _, seconds = capsys.readouterr().out.rpartition(" ")
    assert said == f"{hyperhttp.URL(api).host} unhealthy for another"
    assert 0 < float(seconds.removesuffix("s\n")) <= 30
    assert len(world.origin.requests) == 5


async def test_circuits_are_tracked_per_host_and_port_and_count_their_categories() -> None:
    """Advanced features, "Circuit breaker": the paragraph below it."""
    from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager

    cb = DomainCircuitBreakerManager(failure_threshold=1)
    assert cb.categories == {"CONNECTION", "TIMEOUT", "SERVER", "TRANSIENT"}
    async with Client(circuit_breaker_manager=cb) as client:
        for port in (1, 2):
            with pytest.raises(hyperhttp.ConnectError):
                await client.get(f"http://127.0.0.1:{port}/")
            with pytest.raises(hyperhttp.CircuitBreakerOpen):
                await client.get(f"http://127.0.0.1:{port}/")


async def test_telemetry_hears_of_every_attempt(api: str) -> None:
    """Advanced features, "Telemetry": with retries, and with nothing else as it is shown."""
    from hyperhttp.errors.retry import RetryPolicy
    from hyperhttp.errors.telemetry import ErrorTelemetry
    from hyperhttp.utils.backoff import ExponentialBackoff

    heard = []

    class MyTelemetry(ErrorTelemetry):
        def record_attempt(self, retry_state: Any, outcome: Any) -> None:
            heard.append((retry_state.attempt, outcome))

    async with Client(telemetry=MyTelemetry()) as client:
        await client.get(f"{api}/get")
        await client.get(failing(api, "told", times=1))
    assert heard == [(1, "success"), (1, "fail")]

    heard.clear()
    policy = RetryPolicy(backoff_strategy=ExponentialBackoff(base=0.01))
    async with Client(telemetry=MyTelemetry(), retry=policy) as client:
        await client.get(failing(api, "told again", times=2))
    assert heard == [(1, "retry"), (2, "retry"), (3, "success")]


def test_the_siblings_policy_under_its_names_here(api: str) -> None:
    """The sibling library's "Retry Policy": attempts, factor and status codes in this library's words."""
    from hyperhttp.errors.retry import RetryPolicy
    from hyperhttp.utils.backoff import ExponentialBackoff

    retry_policy = RetryPolicy(
        max_retries=4,
        backoff_strategy=ExponentialBackoff(base=0.05),
        status_force_list=[500, 502, 503, 504],
    )
    with Client(retry=retry_policy) as client:
        response = client.get(failing(api, "sibling", fault="502", times=1))
    assert response.status_code == 200
