"""Both faces as a type checker sees them. Read by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_type

import hyperhttp
from hyperhttp import URL, Auth, Client, Cookies, Headers, Request, Response, SyncClient, Timeout

ADDRESS = "http://127.0.0.1/"


async def asynchronous() -> None:
    async with Client(timeout=5.0) as client:
        assert_type(client, Client)
        assert_type(await client.request("GET", ADDRESS), Response)
        assert_type(await client.get(ADDRESS, params={"a": "1"}), Response)
        assert_type(await client.head(ADDRESS), Response)
        assert_type(await client.options(ADDRESS), Response)
        assert_type(await client.delete(ADDRESS), Response)
        assert_type(await client.post(ADDRESS, json={"a": 1}), Response)
        assert_type(await client.put(URL(ADDRESS), content=b"a"), Response)
        assert_type(await client.patch(ADDRESS, data={"a": "1"}), Response)
        assert_type(client.build_request("GET", ADDRESS), Request)
        assert_type(await client.send(client.build_request("GET", ADDRESS), stream=True), Response)
        async with client.stream("GET", ADDRESS) as response:
            assert_type(response, Response)
        async with await client.get(ADDRESS) as response:
            assert_type(response, Response)
        await client.close()
        await client.aclose()


def blocking() -> None:
    with SyncClient(timeout=Timeout(read=1.0)) as client:
        assert_type(client, SyncClient)
        assert_type(client.request("GET", ADDRESS), Response)
        assert_type(client.get(ADDRESS, headers={"Accept": "*/*"}), Response)
        assert_type(client.head(ADDRESS), Response)
        assert_type(client.options(ADDRESS), Response)
        assert_type(client.delete(ADDRESS), Response)
        assert_type(client.post(ADDRESS, files={"a": b"b"}), Response)
        assert_type(client.put(URL(ADDRESS), content=[b"a", b"b"]), Response)
        assert_type(client.patch(ADDRESS, content="a"), Response)
        assert_type(client.build_request("GET", ADDRESS), Request)
        assert_type(client.send(client.build_request("GET", ADDRESS), timeout=None), Response)
        with client.stream("GET", ADDRESS) as response:
            assert_type(response, Response)
        with client.get(ADDRESS, stream=True) as response:
            assert_type(response, Response)
        client.close()


def one_name_for_both() -> None:
    with Client(base_url=ADDRESS) as client:
        assert_type(client, SyncClient)
        assert_type(client.get("path"), Response)


def without_a_client() -> None:
    assert_type(hyperhttp.request("GET", ADDRESS), Response)
    assert_type(hyperhttp.get(ADDRESS), Response)
    assert_type(hyperhttp.head(ADDRESS), Response)
    assert_type(hyperhttp.options(ADDRESS), Response)
    assert_type(hyperhttp.delete(ADDRESS), Response)
    assert_type(hyperhttp.post(ADDRESS, json=[1]), Response)
    assert_type(hyperhttp.put(ADDRESS, content=b""), Response)
    assert_type(hyperhttp.patch(ADDRESS, data=[("a", "1")]), Response)
    with hyperhttp.stream("GET", ADDRESS) as response:
        assert_type(response, Response)


def settings(client: Client, twin: SyncClient) -> None:
    assert_type(client.headers, Headers)
    assert_type(client.cookies, Cookies)
    assert_type(client.auth, Auth | None)
    assert_type(client.timeout, Timeout)
    assert_type(client.base_url, URL | None)
    assert_type(client.is_closed, bool)
    assert_type(client.get_pool_stats(), dict[str, dict[str, int]])
    assert_type(client.explain(ADDRESS, timeout=3).proxy.rule, str)
    assert_type(twin.headers, Headers)
    assert_type(twin.cookies, Cookies)
    assert_type(twin.auth, Auth | None)
    assert_type(twin.timeout, Timeout)
    assert_type(twin.base_url, URL | None)
    assert_type(twin.is_closed, bool)
    assert_type(twin.get_pool_stats(), dict[str, dict[str, int]])


async def mistakes(client: Client, twin: SyncClient) -> None:
    with SyncClient() as same:
        await same.get(ADDRESS)  # type: ignore[misc]
    async with SyncClient():  # type: ignore[attr-defined]
        pass
    print(client.get(ADDRESS).status_code)  # type: ignore[attr-defined]
    twin.get()  # type: ignore[call-arg]
