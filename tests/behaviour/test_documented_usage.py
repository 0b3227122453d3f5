"""The examples of the documentation, run as they are written, with the origin in place of example.com."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator
    from pathlib import Path

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory


@pytest.fixture
def api(origin: Origin) -> str:
    """What stands where the documentation says https://api.example.com."""
    return origin.url


# -- the first page ----------------------------------------------------------------------------------------


def test_the_quick_example(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        async with hyperhttp.Client() as client:
            response = await client.get(api + "/html")
            await response.aread()
            print(response.status_code, response.text[:120])

    asyncio.run(main())
    assert capsys.readouterr().out.startswith("200 <!DOCTYPE html>")


# -- basic usage -------------------------------------------------------------------------------------------


async def test_get(api: str) -> None:
    async with hyperhttp.Client() as client:
        response = await client.get(api + "/get")
        response = await client.get(api + "/get", params={"q": "python", "sort": "stars"})
        assert (await response.ajson())["args"] == {"q": "python", "sort": "stars"}
        response = await client.get(api + "/bearer", headers={"Authorization": "Bearer token123"})
        assert response.status_code == 200


async def test_post_put_patch(api: str) -> None:
    async with hyperhttp.Client() as client:
        response = await client.post(api + "/post", json={"name": "John", "email": "john@example.com"})
        assert (await response.ajson())["json"] == {"name": "John", "email": "john@example.com"}
        response = await client.post(api + "/post", data={"user": "alice", "password": "secret"})
        assert (await response.ajson())["form"] == {"user": "alice", "password": "secret"}
        response = await client.put(api + "/put", content=b"...binary...")
        assert (await response.ajson())["data"] == "...binary..."

        async def chunks() -> AsyncIterator[bytes]:
            for i in range(100):
                yield f"chunk-{i}\n".encode()

        response = await client.post(api + "/post", content=chunks())
        assert (await response.ajson())["data"].endswith("chunk-99\n")


async def test_other_methods(api: str) -> None:
    async with hyperhttp.Client() as client:
        assert (await client.head(api + "/get")).status_code == 200
        assert (await client.options(api + "/anything")).status_code == 200
        assert (await client.delete(api + "/delete")).status_code == 200
        assert (await client.request("PATCH", api + "/patch")).status_code == 200


async def test_working_with_responses(api: str) -> None:
    async with hyperhttp.Client() as client:
        response = await client.get(api + "/json")
        await response.aread()
        assert isinstance(response.json(), dict)
        assert isinstance(response.text, str)
        assert isinstance(response.content, bytes)
        assert response.status_code == 200
        assert response.http_version == "HTTP/1.1"
        assert str(response.url) == api + "/json"
        assert response.headers["content-type"].startswith("application/json")
        assert 0 < response.elapsed < 5
        assert response.is_success
        assert not response.is_redirect
        response = await client.get(api + "/status/404")
        with pytest.raises(hyperhttp.HTTPStatusError):
            response.raise_for_status()


async def test_streaming_the_body(api: str) -> None:
    async with hyperhttp.Client() as client:
        response = await client.get(api + "/bytes/300000")
        size = 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
        assert size == 300_000
        response = await client.get(api + "/stream/3")
        async for text in response.aiter_text():
            assert isinstance(text, str)
        response = await client.get(api + "/stream/3")
        lines = [line async for line in response.aiter_lines()]
        assert len(lines) == 3
        async with await client.get(api + "/bytes/300000") as response:
            async for _ in response.aiter_bytes():
                break
        assert sum(counts["in_use"] for counts in client.get_pool_stats().values()) == 0


async def test_client_configuration(api: str) -> None:
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
        shown = (await (await client.get("/headers", cookies={"more": "1"})).ajson())["headers"]
    assert shown["User-Agent"] == "my-app/1.0"
    assert set(shown["Cookie"].split("; ")) == {"session=abc", "more=1"}


async def test_timeouts(api: str) -> None:
    from hyperhttp import Timeout

    async with hyperhttp.Client(timeout=10.0) as client:
        assert (await client.get(api + "/get", timeout=5.0)).status_code == 200
    async with hyperhttp.Client(timeout=Timeout(connect=5.0, read=30.0, write=30.0, pool=2.0)) as client:
        assert (await client.get(api + "/get")).status_code == 200


async def test_redirects(api: str) -> None:
    async with hyperhttp.Client(follow_redirects=True, max_redirects=10) as client:
        assert str((await client.get(api + "/redirect/2")).url) == api + "/get"
    async with hyperhttp.Client() as client:
        response = await client.get(api + "/redirect/1", follow_redirects=True)
        assert str(response.url) == api + "/get"


async def test_cookies(api: str) -> None:
    async with hyperhttp.Client(cookies={"session": "abc"}) as client:
        await client.post(api + "/response-headers?Set-Cookie=user%3Dalice", data={"a": "b"})
        response = await client.get(api + "/cookies")
        assert (await response.ajson())["cookies"] == {"session": "abc", "user": "alice"}


async def test_error_handling(api: str, scripted: ScriptedServerFactory) -> None:
    from hyperhttp import (
        ConnectTimeout,
        HTTPStatusError,
        HyperHTTPError,
        ReadTimeout,
        TLSError,
        TransportError,
    )

    gone = scripted([b""])
    gone.close()
    said = []
    async with hyperhttp.Client(timeout=0.2) as client:
        for url in (api + "/status/500", api + "/delay/1", gone.url, "nonsense"):
            try:
                response = await client.get(url)
                response.raise_for_status()
            except HTTPStatusError as e:
                said.append(f"HTTP {e.response.status_code} from {e.response.url.path}")
            except ConnectTimeout:
                said.append("Couldn't open a TCP connection in time")
            except ReadTimeout:
                said.append("Server didn't respond in time")
            except TLSError as e:
                said.append(f"TLS handshake failed: {e}")
            except TransportError:
                said.append("Transport-level failure")
            except HyperHTTPError:
                said.append("Something else went wrong")
    assert said == [
        "HTTP 500 from /status/500",
        "Server didn't respond in time",
        "Transport-level failure",
        "Something else went wrong",
    ]


# -- advanced features -------------------------------------------------------------------------------------


async def test_connection_pooling(api: str) -> None:
    client = hyperhttp.Client(max_connections=200, max_keepalive_connections=32, keepalive_expiry=120.0)
    responses = await asyncio.gather(client.get(api + "/get?1"), client.get(api + "/get?2"), client.get(api + "/get?3"))
    assert [response.status_code for response in responses] == [200] * 3
    (stats,) = client.get_pool_stats().values()
    assert set(stats) >= {"idle", "in_use", "total"}
    await client.close()


async def test_event_hooks(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def log_request(request: Any) -> None:
        request._start = time.monotonic()
        print(f">> {request.method} {request.url}")

    async def log_response(response: Any) -> None:
        dt = (time.monotonic() - response.request._start) * 1000
        print(f"<< {response.status_code} ({dt:.1f} ms)")

    def inject_trace(request: Any) -> None:
        request.headers["X-Trace-Id"] = "abc"

    hooks = {"request": [log_request, inject_trace], "response": [log_response]}
    async with hyperhttp.Client(event_hooks=hooks) as client:
        response = await client.get(api + "/headers")
        assert (await response.ajson())["headers"]["X-Trace-Id"] == "abc"
        client.event_hooks["request"].append(lambda request: print("appended"))
        await client.get(api + "/get")
        client.event_hooks["request"].pop()
        await client.get(api + "/get")
    said = capsys.readouterr().out
    assert said.count(f">> GET {api}/get") == 2
    assert said.count("<< 200 (") == 3
    assert said.count("appended") == 1


async def test_request_signing(api: str) -> None:
    def sign_aws(request: Any) -> None:
        ts = "20260101T000000Z"
        request.headers["x-amz-date"] = ts
        canonical = f"{request.method}\n{request.url.target}\n{ts}"
        sig = hmac.new(b"key", canonical.encode(), hashlib.sha256).hexdigest()
        request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Signature={sig}"

    async with hyperhttp.Client(event_hooks={"request": [sign_aws]}) as client:
        shown = await (await client.get(api + "/headers")).ajson()
        assert shown["headers"]["Authorization"].startswith("AWS4-HMAC-SHA256 Signature=")


async def test_a_request_hook_may_change_the_body(face: Any, origin: Origin) -> None:
    def rewrite(request: Any) -> None:
        request.content = b"rewritten by the hook"

    async with face.client(event_hooks={"request": [rewrite]}, timeout=3) as client:
        shown = await client.json(await client.post(origin.url + "/post", content=b"short"))
        assert shown["data"] == "rewritten by the hook"
        shown = await client.json(await client.post(origin.url + "/post", content=face.pieces(b"streamed")))
        assert shown["data"] == "rewritten by the hook"


async def test_authentication(api: str) -> None:
    from hyperhttp import Auth, BasicAuth, BearerAuth

    class ApiKeyAuth(Auth):
        def __init__(self, key: str) -> None:
            self._key = key

        def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
            request.headers["X-API-Key"] = self._key
            yield request

    async with hyperhttp.Client(auth=("alice", "s3cret")) as client:
        assert (await client.get(api + "/basic-auth/alice/s3cret")).status_code == 200
    async with hyperhttp.Client(auth=BearerAuth("abc.def.ghi")) as client:
        assert (await client.get(api + "/bearer")).status_code == 200
    async with hyperhttp.Client(auth=BasicAuth("u", "p")) as client:
        assert (await client.get(api + "/basic-auth/u/p")).status_code == 200
        assert (await client.get(api + "/basic-auth/u/p", auth=None)).status_code == 401
        assert (await client.get(api + "/basic-auth/x/y", auth=("x", "y"))).status_code == 200
    async with hyperhttp.Client(auth=ApiKeyAuth("key")) as client:
        assert (await (await client.get(api + "/headers")).ajson())["headers"]["X-Api-Key"] == "key"


async def test_file_uploads(api: str, tmp_path: Path) -> None:
    from hyperhttp import Client, MultipartEncoder, MultipartFile

    report = tmp_path / "report.pdf"
    report.write_bytes(b"%PDF-1.7")
    async with hyperhttp.Client() as client:
        r = await client.post(
            api + "/upload",
            data={"user": "alice", "note": "quarterly report"},
            files={"avatar": ("me.png", b"\x89PNG...", "image/png"), "report": report},
        )
        shown = await r.ajson()
        assert shown["fields"] == {"user": "alice", "note": "quarterly report"}
        assert [part["filename"] for part in shown["files"]] == ["me.png", "report.pdf"]
    encoder = MultipartEncoder(
        [("user", "alice"), ("file", MultipartFile(path=str(report), content_type="application/octet-stream"))],
        chunk_size=2 * 1024 * 1024,
    )
    async with Client() as client:
        r = await client.post(api + "/upload", content=encoder)
        assert (await r.ajson())["files"][0]["size"] == 8


async def test_tls(origin: Origin) -> None:
    @asynccontextmanager
    async def fetched(**options: Any) -> AsyncIterator[Any]:
        async with hyperhttp.Client(**options) as client:
            yield await client.get(origin.https_url + "/get")

    async with fetched(ssl_context=origin.ssl_context()) as response:
        assert response.status_code == 200
    async with fetched(verify=False) as response:
        assert response.status_code == 200
    async with fetched(verify=origin.ca_pem, cert=origin.client_cert) as response:
        assert response.status_code == 200


async def test_dns_and_user_agent(api: str) -> None:
    async with hyperhttp.Client(
        happy_eyeballs_delay=0.25, connect_timeout=10.0, user_agent="my-service/1.2.3"
    ) as client:
        shown = await (await client.get(api + "/user-agent")).ajson()
        assert shown == {"user-agent": "my-service/1.2.3"}


def test_one_name_serves_both_styles(api: str) -> None:
    with hyperhttp.Client() as client:
        assert client.get(api + "/get").json()["url"] == api + "/get"
    assert hyperhttp.get(api + "/get").status_code == 200
