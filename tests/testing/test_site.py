from __future__ import annotations

from typing import Any

from hyperhttp.testing.exchange import BadRequestError
from hyperhttp.testing.messages import Fields, Reply
from hyperhttp.testing.site import Peer, Site


def make() -> Site:
    return Site(http2=False, record_requests=10, record_body=4)


def test_a_received_request_is_recorded_with_its_peer() -> None:
    site = make()
    request = site.receive("GET", "/", "HTTP/1.1", Fields(), Peer(7, "https", "::1"), stream_id=3)
    request.receive(b"abcdef")
    assert site.log.snapshot() == [request]
    assert (request.connection_id, request.scheme, request.client, request.stream_id) == (
        7,
        "https",
        "::1",
        3,
    )
    assert request.body == b"abcd"
    assert site.counters.requests == 1


async def test_a_request_is_answered_by_its_endpoint(exchange: Any) -> None:
    one = exchange("/base64/YWJj")
    await make().answer(one)
    assert one.sent == [("head", 200, 3), b"abc", ("end", [])]


async def test_a_planned_fault_takes_the_place_of_the_answer(exchange: Any) -> None:
    site = make()
    site.faults.add("close-before-response")
    one = exchange("/get", content=[b"read"], method="GET")
    await site.answer(one)
    assert one.sent == ["close"]
    assert one.pieces == []


async def test_an_early_fault_strikes_before_the_content_is_read(exchange: Any) -> None:
    site = make()
    site.faults.add("close-during-upload")
    one = exchange("/post", content=[b"a", b"b"], method="POST")
    await site.answer(one)
    assert one.sent == ["close"]
    assert one.pieces == [b"b"]


async def test_what_cannot_be_served_is_answered_and_counted(exchange: Any) -> None:
    site = make()
    one = exchange("/nowhere")
    await site.answer(one)
    assert one.sent[0][:2] == ("head", 404)
    assert site.counters.refused == 1
    assert site.errors == []


async def test_an_endpoint_that_fails_is_answered_with_500_and_kept(exchange: Any) -> None:
    site = make()
    error = LookupError("why")

    def fail(name: str) -> Any:
        raise error

    one = exchange("/get")
    one.arg = fail
    site.faults.add("reset", path="/other")
    one.request.target = "/get?fault=x"
    await site.answer(one)
    assert one.sent[0][:2] == ("head", 500)
    assert site.errors == [error]


async def test_a_failure_after_the_head_cuts_the_response_short(exchange: Any) -> None:
    site = make()

    async def produce(write: Any) -> None:
        await write(b"some")
        raise BadRequestError(400, "too late to say")

    from hyperhttp.testing.endpoints import Route

    site.router.add(Route("/late", ("GET",), lambda exchange: Reply(body=produce), is_streaming=False))
    one = exchange("/late")
    await site.answer(one)
    assert one.sent == [("head", 200, None), b"some", "close"]


async def test_the_first_page_lists_all_endpoints_and_faults(exchange: Any) -> None:
    one = exchange("/")
    await make().answer(one)
    page = one.sent[1].decode()
    for text in ("/digest-auth/{qop}/{user}/{password}", "?fault=truncate", "/upload"):
        assert text in page
