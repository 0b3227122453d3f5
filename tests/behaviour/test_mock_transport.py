"""Answers made up for tests, behind the pipeline that answers of servers pass."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import MockTransport, Request, Response
from hyperhttp.errors.retry import RetryPolicy
from hyperhttp.testing import MockRoute, UnexpectedRequest
from hyperhttp.utils.backoff import ExponentialBackoff

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

URL = "https://api.example.com"


async def test_a_handler_answers_every_request(face: Any) -> None:
    def handler(request: Request) -> Response:
        return Response(201, headers={"X-Seen": f"{request.method} {request.url.path}"}, content=b"made")

    mock = MockTransport(handler)
    async with face.client(transport=mock) as client:
        response = await client.put(URL + "/thing", content=b"new")
        assert (response.status_code, response.reason) == (201, "Created")
        assert response.headers["x-seen"] == "PUT /thing"
        assert await client.read(response) == b"made"
        assert response.request.url == URL + "/thing"
    assert [call.content for call in mock.calls] == [b"new"]


async def test_an_async_handler_serves_the_asyncio_face() -> None:
    async def handler(request: Request) -> Response:
        return Response(200, content=request.url.path)

    async with hyperhttp.Client(transport=MockTransport(handler)) as client:
        assert await (await client.get(URL + "/path")).atext() == "/path"


async def test_routes_answer_by_method_and_url_and_remember(face: Any) -> None:
    mock = MockTransport()
    user = mock.get(URL + "/users/*", json={"name": "Ada"})
    made = mock.post("/users", status_code=201, headers={"Location": "/users/2"})
    search = mock.get("/search?q=x", text="found")
    async with face.client(transport=mock) as client:
        assert await client.json(await client.get(URL + "/users/1")) == {"name": "Ada"}
        assert (await client.post(URL + "/users", json={"name": "Bob"})).headers["location"] == "/users/2"
        response = await client.get(URL + "/search", params={"p": "2", "q": "x"})
        assert await client.text(response) == "found"
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert (user.call_count, made.call_count, search.called) == (1, 1, True)
    assert made.calls[0].json() == {"name": "Bob"}
    assert made.calls[0].request.headers["host"] == "api.example.com"
    assert made.calls[0].response.status_code == 201
    assert len(mock.calls) == 3
    mock.assert_all_called()


async def test_routes_can_be_given_at_once(face: Any) -> None:
    mock = MockTransport(
        [
            ("GET", URL + "/a", {"a": 1}),
            ("/b", 204),
            (re.compile(r"/items/\d+$"), "an item"),
            (lambda request: "x-special" in request.headers, b"special"),
            MockRoute(["PUT", "PATCH"], None, Response(202)),
        ]
    )
    async with face.client(transport=mock) as client:
        assert await client.json(await client.get(URL + "/a")) == {"a": 1}
        assert (await client.delete(URL + "/b")).status_code == 204
        assert await client.text(await client.get("http://other.example/items/12")) == "an item"
        assert await client.read(await client.get(URL, headers={"X-Special": "1"})) == b"special"
        assert [(await client.patch(URL + "/z")).status_code for _ in range(2)] == [202, 202]


async def test_an_unexpected_request_fails_and_names_the_routes(face: Any) -> None:
    mock = MockTransport([("GET", URL + "/a", 200)])
    async with face.client(transport=mock) as client:
        with pytest.raises(UnexpectedRequest, match=r"no route is for POST https://api.example.com/a.*\n.*GET .*/a"):
            await client.post(URL + "/a")
    assert mock.calls == []
    with pytest.raises(
        AssertionError, match=r"no request came for <MockRoute GET https://api.example.com/a called 0x>"
    ):
        mock.assert_all_called()


async def test_several_replies_serve_one_request_each(face: Any) -> None:
    mock = MockTransport([("/", [503, hyperhttp.ReadTimeout("slow"), "at last"])])
    async with face.client(transport=mock) as client:
        assert (await client.get(URL)).status_code == 503
        with pytest.raises(hyperhttp.ReadTimeout, match="slow") as caught:
            await client.get(URL)
        assert caught.value.request.url == URL
        for _ in range(2):
            assert await client.text(await client.get(URL)) == "at last"


async def test_a_route_that_is_used_up_lets_the_next_one_answer(face: Any) -> None:
    mock = MockTransport()
    mock.get("/", text="first", times=1)
    mock.get("/", text="then")
    async with face.client(transport=mock) as client:
        assert [await client.text(await client.get(URL)) for _ in range(3)] == ["first", "then", "then"]


async def test_redirects_cookies_and_credentials_work_as_over_a_network(face: Any) -> None:
    mock = MockTransport()
    mock.get(URL + "/old", status_code=302, headers={"Location": "/new", "Set-Cookie": "session=abc; Path=/"})
    new = mock.get(URL + "/new", text="here")
    away = mock.get(URL + "/away", status_code=307, headers={"Location": "https://other.example/"})
    other = mock.get("https://other.example/", 200)
    async with face.client(transport=mock, follow_redirects=True, auth=("user", "pw")) as client:
        response = await client.get(URL + "/old")
        assert await client.text(response) == "here"
        assert [each.status_code for each in response.history] == [302]
        await client.get(URL + "/away")
        assert client.raw.cookies.get("session") == "abc"
    assert new.calls[0].request.headers["cookie"] == "session=abc"
    assert new.calls[0].request.headers["authorization"].startswith("Basic ")
    assert "authorization" in away.calls[0].request.headers
    assert "authorization" not in other.calls[0].request.headers
    assert "cookie" not in other.calls[0].request.headers


async def test_digest_is_answered(face: Any) -> None:
    def handler(request: Request) -> Response:
        if "authorization" not in request.headers:
            return Response(401, headers={"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'})
        return Response(200, content=request.headers["authorization"])

    mock = MockTransport(handler)
    async with face.client(transport=mock, auth=hyperhttp.DigestAuth("user", "pw")) as client:
        assert (await client.text(await client.get(URL))).startswith("Digest username=")
    assert [call.response.status_code for call in mock.calls] == [401, 200]
    assert "authorization" not in mock.calls[0].request.headers, "what was recorded stays as it was sent"


async def test_retries_work_and_are_told(face: Any) -> None:
    told: list[Any] = []
    hooks = {"retry": lambda request, attempt, delay, cause: told.append((request.method, attempt, delay, cause))}
    policy = RetryPolicy(
        max_retries=3, status_force_list=[503], backoff_strategy=ExponentialBackoff(base=0.001, jitter=False)
    )
    error = hyperhttp.ConnectError("no way")
    mock = MockTransport([("/", [503, error, "at last"])])
    async with face.client(transport=mock, retry=policy, event_hooks=hooks) as client:
        assert await client.text(await client.get(URL)) == "at last"
    assert [each[:2] for each in told] == [("GET", 1), ("GET", 2)]
    assert told[0][3].status_code == 503
    assert isinstance(told[1][3], hyperhttp.ConnectError)
    assert all(each[2] > 0 for each in told)
    assert len(mock.calls) == 3


async def test_content_is_decoded_and_bounded(face: Any) -> None:
    packed = gzip.compress(b"x" * 5000)
    mock = MockTransport(lambda _: Response(200, headers={"Content-Encoding": "gzip"}, content=packed))
    async with face.client(transport=mock) as client:
        assert await client.read(await client.get(URL)) == b"x" * 5000
    async with face.client(transport=mock, max_response_size=4000) as client:
        with pytest.raises(hyperhttp.DecodingError):
            await client.read(await client.get(URL))


async def test_hooks_hear_of_it(face: Any) -> None:
    seen: list[Any] = []
    hooks = {
        "request": lambda request: request.headers.update({"X-Signed": "1"}),
        "response": lambda response: seen.append(response.status_code),
        "error": lambda _request, error: seen.append(type(error)),
    }
    mock = MockTransport([("/", [200, hyperhttp.ConnectError])])
    async with face.client(transport=mock, event_hooks=hooks) as client:
        await client.get(URL)
        with pytest.raises(hyperhttp.ConnectError):
            await client.get(URL)
    assert seen == [200, hyperhttp.ConnectError]
    assert [call.request.headers["x-signed"] for call in mock.calls] == ["1", "1"]


async def test_content_can_come_piece_by_piece_and_break_off(face: Any) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one"
        yield b""
        yield b"two"
        raise hyperhttp.ReadError("cut")

    mock = MockTransport()
    mock.get("/whole", content=[b"a", b"b"])
    mock.get("/cut", content=pieces())
    async with face.client(transport=mock) as client:
        async with client.stream("GET", URL + "/whole") as response:
            assert [piece async for piece in client.iter_bytes(response)] == [b"a", b"b"]
        seen = []
        async with client.stream("GET", URL + "/cut") as response:
            with pytest.raises(hyperhttp.ReadError, match="cut"):  # noqa: PT012 - what came before is wanted too
                async for piece in client.iter_bytes(response):
                    seen.append(piece)
        assert seen == [b"one", b"two"]


async def test_asynchronous_content_serves_the_asyncio_face() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    mock = MockTransport()
    mock.get("/", content=pieces())
    async with hyperhttp.Client(transport=mock) as client:
        assert await (await client.get(URL)).aread() == b"onetwo"


async def test_content_other_than_announced_is_an_error(face: Any) -> None:
    mock = MockTransport()
    mock.get("/", content=[b"abc"], headers={"Content-Length": "5"})
    async with face.client(transport=mock) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match=r"fewer bytes than Content-Length says \(3 of 5\)"):
            await client.read(await client.get(URL, stream=True))


async def test_streamed_request_content_is_recorded(face: Any) -> None:
    mock = MockTransport([("POST", "/", 200)])
    async with face.client(transport=mock) as client:
        await client.post(URL, content=face.pieces(b"one", b"two"))
        await client.post(URL, data={"a": "b"}, files={"f": b"file"})
    assert mock.calls[0].content == b"onetwo"
    assert b'name="f"' in mock.calls[1].content


async def test_a_response_must_be_read_as_one_of_a_server() -> None:
    async with hyperhttp.Client(transport=MockTransport([("/", "text")])) as client:
        response = await client.get(URL)
        with pytest.raises(hyperhttp.ResponseNotRead):
            _ = response.text
        assert await response.atext() == "text"


async def test_no_content_follows_head_and_204(face: Any) -> None:
    mock = MockTransport()
    mock.route(None, "/", text="content", headers={"Content-Length": "7"})
    mock.route(None, "/none", status_code=204, content=[b"content"])
    async with face.client(transport=mock) as client:
        assert await client.read(await client.head(URL)) == b""
        assert await client.read(await client.get(URL + "/none")) == b""


async def test_the_total_timeout_ends_a_handler_that_hangs() -> None:
    import asyncio

    async def handler(_: Request) -> Response:
        await asyncio.sleep(60)
        return Response(200)

    async with hyperhttp.Client(transport=MockTransport(handler)) as client:
        with pytest.raises(hyperhttp.TotalTimeout):
            await client.get(URL, timeout=hyperhttp.Timeout(total=0.02))


async def test_one_mock_serves_several_clients(face: Any) -> None:
    mock = MockTransport([("/", 200)])
    for _ in range(2):
        async with face.client(transport=mock) as client:
            assert (await client.get(URL)).status_code == 200
    assert len(mock.calls) == 2
    mock.clear()
    assert mock.calls == mock.routes[0].calls == []


def test_the_fixture_of_the_pytest_plugin_is_a_mock(hyperhttp_mock: MockTransport) -> None:
    hyperhttp_mock.get("/", text="mocked")
    with hyperhttp.SyncClient(transport=hyperhttp_mock) as client:
        assert client.get(URL).text == "mocked"


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (lambda: MockTransport([("only one",)]), TypeError),
        (lambda: MockTransport().get("/", 200, json={}), TypeError),
        (lambda: MockTransport().get("/", json={}, text=""), TypeError),
        (lambda: MockTransport().get("/", [], times=1), ValueError),
        (lambda: MockTransport().get("http://a b/"), ValueError),
    ],
)
def test_what_makes_no_sense_is_refused(made: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        made()


async def test_a_handler_that_returns_something_else_is_an_error(face: Any) -> None:
    async with face.client(transport=MockTransport(lambda _: None)) as client:
        with pytest.raises(TypeError, match="a handler returns a Response, not NoneType"):
            await client.get(URL)


async def test_callers_at_the_same_time_get_one_reply_each(face: Any) -> None:
    mock = MockTransport()
    for number in range(8):
        mock.get("/", text=str(number), times=1)
    async with face.client(transport=mock) as client:

        async def call() -> str:
            return await client.text(await client.get(URL))

        answers = await face.together(*[call() for _ in range(8)])
    assert sorted(answers) == [str(number) for number in range(8)]
    mock.assert_all_called()
