"""What a mock answers when it is asked; its place behind a client's pipeline is told in tests/behaviour."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.exceptions import ReadTimeout
from hyperhttp.message.request import Request
from hyperhttp.message.response import Response
from hyperhttp.network.base import NEVER
from hyperhttp.transports.mock import MockTransport, UnexpectedRequest
from tests.memory import MemoryNetwork

REQUEST = Request("GET", "http://a.example/x")


async def ask(mock: MockTransport, request: Request = REQUEST) -> Response:
    network: Any = MemoryNetwork()
    return await mock.send_over(request, network, NEVER)


async def test_it_works_within_a_client() -> None:
    with pytest.raises(TypeError, match="pass it as transport= or in mounts="):
        await MockTransport().send(REQUEST)


async def test_the_first_route_that_matches_answers() -> None:
    mock = MockTransport([("/y", 500)])
    mock.get("/x", 202)
    mock.get("/x", 203)
    assert (await ask(mock)).status_code == 202
    assert [route.call_count for route in mock.routes] == [0, 1, 0]
    assert repr(mock) == "<MockTransport 3 routes, 1 calls>"


@pytest.mark.parametrize("method", ["get", "head", "options", "post", "put", "patch", "delete"])
async def test_there_is_a_word_for_each_method(method: str) -> None:
    mock = MockTransport()
    route = getattr(mock, method)("/x", 204)
    assert route.matches(Request(method.upper(), "http://a/x"))
    assert not route.matches(Request("TRACE", "http://a/x"))


async def test_each_answer_is_one_of_its_own() -> None:
    answer = Response(200, content=b"abc", headers={"X-A": "1"}, reason="Fine")
    answer.extensions["key"] = "value"
    mock = MockTransport(lambda _: answer)
    first, second = await ask(mock), await ask(mock)
    assert first is not second
    assert (first._encoded, first.reason, first.headers["x-a"], first.extensions) == (
        b"abc",
        "Fine",
        "1",
        {"key": "value"},
    )
    assert first.request is REQUEST
    assert repr(mock) == "<MockTransport handler, 2 calls>"


async def test_each_error_is_one_of_its_own() -> None:
    mock = MockTransport([(None, ReadTimeout("slow"))])
    caught = []
    for _ in range(2):
        with pytest.raises(ReadTimeout) as error:
            await ask(mock)
        caught.append(error.value)
    assert caught[0] is not caught[1]
    assert mock.calls[0].response is None


async def test_nothing_answers_what_is_not_expected() -> None:
    with pytest.raises(UnexpectedRequest, match="there are: none"):
        await ask(MockTransport())
