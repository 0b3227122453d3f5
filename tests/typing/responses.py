"""Reading a response on both faces, as a type checker sees it. Read by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, assert_type

from hyperhttp import URL, ConnectionInfo, Cookies, Headers, Request, Response, Timing


def said(response: Response) -> None:
    assert_type(response.status_code, int)
    assert_type(response.reason, str)
    assert_type(response.http_version, str)
    assert_type(response.url, URL)
    assert_type(response.headers, Headers)
    assert_type(response.headers["content-type"], str)
    assert_type(response.headers.get_list("set-cookie"), list[str])
    assert_type(response.trailers, Headers)
    assert_type(response.cookies, Cookies)
    assert_type(response.history, Sequence[Response])
    assert_type(response.request, Request)
    assert_type(response.elapsed, float)
    assert_type(response.timing, Timing)
    assert_type(response.timing.queue, float)
    assert_type(response.connection, ConnectionInfo | None)
    assert_type(response.encoding, str)
    assert_type(response.links, dict[str, dict[str, str]])
    assert_type(response.extensions, dict[str, Any])
    assert_type(response.num_bytes_downloaded, int)
    assert_type(response.raise_for_status(), Response)
    assert_type(response.is_informational, bool)
    assert_type(response.is_success, bool)
    assert_type(response.is_redirect, bool)
    assert_type(response.is_client_error, bool)
    assert_type(response.is_server_error, bool)
    assert_type(response.is_error, bool)


def in_hand(response: Response) -> None:
    assert_type(response.content, bytes)
    assert_type(response.text, str)
    assert_type(response.json(), Any)
    assert_type(response.json(URL), URL)
    assert_type(response.json(list[int]), list[int])


async def asynchronous(response: Response) -> None:
    assert_type(await response.aread(), bytes)
    assert_type(await response.atext(), str)
    assert_type(await response.ajson(), Any)
    assert_type(await response.ajson(URL), URL)
    assert_type(response.aiter_bytes(), AsyncIterator[bytes])
    assert_type(response.aiter_raw(chunk_size=1024), AsyncIterator[bytes])
    assert_type(response.aiter_text(), AsyncIterator[str])
    async for line in response.aiter_lines():
        assert_type(line, str)
    async with response as same:
        assert_type(same, Response)
    await response.aclose()


def blocking(response: Response) -> None:
    assert_type(response.read(), bytes)
    assert_type(response.iter_bytes(), Iterator[bytes])
    assert_type(response.iter_raw(chunk_size=1024), Iterator[bytes])
    assert_type(response.iter_text(), Iterator[str])
    for line in response.iter_lines():
        assert_type(line, str)
    with response as same:
        assert_type(same, Response)
    response.close()


def mistakes(response: Response) -> None:
    response.status_code.upper()  # type: ignore[attr-defined]
    response.aiter_bytes(chunk_size="1024")  # type: ignore[arg-type]
    response.content = b""  # type: ignore[misc]
    for _ in response.aiter_lines():  # type: ignore[attr-defined]
        pass
