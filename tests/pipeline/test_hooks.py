"""Event hooks: who sees what, in which order, and what a hook may change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hyperhttp.message.response import Response
from hyperhttp.pipeline.hooks import run_hooks


def hooks(request: Any = (), response: Any = ()) -> dict[str, list[Any]]:
    return {"request": list(request), "response": list(response)}


async def test_hooks_run_in_order_around_the_exchange(new_call: Any, stage: Any) -> None:
    order: list[str] = []

    async def asynchronous(request: Any) -> None:
        await asyncio.sleep(0)
        order.append(f"2 {request.method}")

    plain = [lambda request: order.append(f"1 {request.method}"), asynchronous]
    after = [lambda response: order.append(f"3 {response.status_code}"), lambda _: order.append("4")]
    response = await run_hooks(new_call(hooks=hooks(plain, after)), stage(Response(201)))
    assert order == ["1 GET", "2 GET", "3 201", "4"]
    assert response.status_code == 201


async def test_a_request_hook_changes_what_is_sent(new_call: Any, stage: Any) -> None:
    def change(request: Any) -> None:
        request.headers["X-One"] = "1"
        request.url = "http://a.example/other"
        request.method = "PUT"

    call, send = new_call(hooks=hooks([change])), stage(Response(200))
    call.head = b"rendered before"
    await run_hooks(call, send)
    assert send.seen[0][:2] == ("PUT", "http://a.example/other")
    assert send.fields("X-One") == ["1"]
    assert call.head is None


async def test_a_request_sent_elsewhere_by_a_hook_takes_the_way_there(new_call: Any, stage: Any) -> None:
    call = new_call(hooks=hooks([lambda request: setattr(request, "url", "http://b.example/")]))
    send = stage(Response(200))
    await run_hooks(call, send)
    assert [route.host for route in send.routes] == ["b.example"]


async def test_a_hook_may_lead_a_redirected_hop_back(new_call: Any, stage: Any) -> None:
    call = new_call(hooks=hooks([lambda request: setattr(request, "url", "http://a.example/")]))
    call.request.url = "http://b.example/"
    call.route = call.find_route(call.request.url)
    send = stage(Response(200))
    await run_hooks(call, send)
    assert [route.host for route in send.routes] == ["a.example"]


async def test_a_response_hook_may_put_another_response_in_its_place(new_call: Any, stage: Any) -> None:
    first, second = Response(500), Response(200, content=b"from elsewhere")
    seen: list[int] = []
    after = [lambda _: second, lambda response: seen.append(response.status_code)]
    call = new_call(hooks=hooks(response=after))
    response = await run_hooks(call, stage(first))
    assert response is second
    assert seen == [200]
    assert response.request is call.request
    assert first._closed


async def test_anything_else_that_a_hook_gives_is_ignored(new_call: Any, stage: Any) -> None:
    first = Response(200)
    after = [lambda _: 5, lambda _: None, lambda response: response]
    assert await run_hooks(new_call(hooks=hooks(response=after)), stage(first)) is first
    assert not first._closed


async def test_a_response_hook_that_raises_gives_the_response_up(new_call: Any, stage: Any) -> None:
    first = Response(404, request=None)

    async def check(response: Any) -> None:
        response.raise_for_status()

    from hyperhttp.exceptions import HTTPStatusError

    with pytest.raises(HTTPStatusError):
        await run_hooks(new_call(hooks=hooks(response=[check])), stage(first))
    assert first._closed


async def test_a_request_hook_that_raises_sends_nothing(new_call: Any, stage: Any) -> None:
    def refuse(_: Any) -> None:
        raise PermissionError("no")

    send = stage(Response(200))
    with pytest.raises(PermissionError):
        await run_hooks(new_call(hooks=hooks([refuse])), send)
    assert send.seen == []


async def test_a_hook_that_removes_itself_does_not_skip_the_next(new_call: Any, stage: Any) -> None:
    order: list[str] = []
    listed: list[Any] = []

    def once(_: Any) -> None:
        order.append("once")
        listed.remove(once)

    listed += [once, lambda _: order.append("next")]
    call = new_call()
    call.hooks = {"request": listed}
    await run_hooks(call, stage(Response(200)))
    assert order == ["once", "next"]


async def test_what_the_hooks_took_is_not_counted_as_the_servers_time(new_call: Any, stage: Any) -> None:
    call = new_call(hooks=hooks([lambda _: setattr(call.pool.network, "time", 1005.0)]))
    await run_hooks(call, stage(Response(200)))
    assert call.now == 1005.0
