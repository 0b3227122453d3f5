"""Downloads, uploads with progress and server-sent events, as a type checker sees them. Never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import assert_type

from hyperhttp import (
    Client,
    Download,
    EventSource,
    HarRecorder,
    Request,
    Response,
    ServerSentEvent,
    SyncClient,
)


def told(done: int, total: int | None) -> None: ...


async def awaited(done: int, total: int | None) -> None: ...


async def asynchronous(client: Client, response: Response) -> None:
    result = await client.download("https://example.com/x", Path("x"), digest="md5:00", length=5, resume=False)
    assert_type(result, Download)
    assert_type(result.path, Path)
    assert_type(result.verified, tuple[str, ...])
    assert_type(result.response, Response)
    await client.download("https://example.com/x", "x", progress=awaited, overwrite=True, auth=("user", "password"))
    await client.download("https://example.com/x", "x", resum=True)  # type: ignore[call-arg]
    await client.post("https://example.com", content=b"x", progress=told)
    assert_type(response.aiter_sse(), AsyncIterator[ServerSentEvent])
    source = client.sse("https://example.com", last_event_id="5", max_failures=None)
    assert_type(source, EventSource)
    async with source as events:
        async for event in events:
            assert_type(event, ServerSentEvent)
            assert_type(event.retry, int | None)


def blocking(client: SyncClient, response: Response) -> None:
    assert_type(client.download("https://example.com/x", "x", progress=told), Download)
    assert_type(response.iter_sse(max_event_size=None), Iterator[ServerSentEvent])
    with client.sse("https://example.com", method="POST", json={}, retry_delay=0.5) as events:
        for event in events:
            assert_type(event.data, str)


def shown(request: Request) -> None:
    assert_type(request.as_curl(), str)
    assert_type(request.as_curl(secrets=True), str)
    Client(plugins=[HarRecorder(content=True)])
