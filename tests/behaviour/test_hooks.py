"""Event hooks run once per network attempt and may change what is sent and what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Auth
from hyperhttp.testing.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def other() -> Iterator[Origin]:
    """A second origin."""
    with Origin() as origin:
        yield origin


def sound(client: Any) -> bool:
    """Nothing is in use."""
    return all(counts["in_use"] == 0 for counts in client.raw.get_pool_stats().values())


async def test_hooks_are_called_in_order_with_request_and_response(face: Any, origin: Origin) -> None:
    seen: list[Any] = []
    hooks = {
        "request": [face.hook(lambda request: seen.append(request.method)), face.hook(lambda _: seen.append("second"))],
        "response": [face.hook(lambda response: seen.append(response.status_code))],
    }
    async with face.client(event_hooks=hooks) as client:
        await client.get(origin.url + "/get")
        await client.get(origin.url + "/get", event_hooks={"request": [lambda _: seen.append("call")]})
    assert seen == ["GET", "second", 200, "GET", "second", "call", 200]


async def test_a_request_hook_changes_what_is_sent(face: Any, origin: Origin) -> None:
    def sign(request: Any) -> None:
        request.headers["X-Signed"] = f"{request.method} {request.url.target}"
        request._start = 1.0

    async with face.client(event_hooks={"request": [sign]}) as client:
        response = await client.get(origin.url + "/get?a=b")
        assert response.request._start == 1.0
    assert origin.requests[0].headers["x-signed"] == "GET /get?a=b"


async def test_hooks_run_for_each_hop(face: Any, origin: Origin) -> None:
    seen: list[Any] = []
    hooks = {
        "request": [lambda request: seen.append(request.url.path)],
        "response": [lambda response: seen.append(response.status_code)],
    }
    async with face.client(event_hooks=hooks, follow_redirects=True) as client:
        await client.get(origin.url + "/redirect/1")
    assert seen == ["/redirect/1", 302, "/get", 200]


async def test_a_response_hook_may_read_the_content(face: Any, origin: Origin) -> None:
    seen: list[bytes] = []

    async def read(response: Any) -> None:
        seen.append(response.read() if face.is_blocking else await response.aread())

    async with face.client(event_hooks={"response": [read]}) as client:
        response = await client.get(origin.url + "/bytes/100000")
        assert await client.read(response) == seen[0]


async def test_a_response_hook_may_give_another_response(face: Any, origin: Origin) -> None:
    async with face.client(event_hooks={"response": [lambda _: hyperhttp.Response(299, content=b"mine")]}) as client:
        for _ in range(3):
            response = await client.get(origin.url + "/bytes/1000000")
            assert response.status_code == 299
            assert await client.read(response) == b"mine"
            assert str(response.url) == origin.url + "/bytes/1000000"
        assert sound(client)


async def test_a_response_hook_may_raise_for_status(face: Any, origin: Origin) -> None:
    async with face.client(event_hooks={"response": [lambda response: response.raise_for_status() and None]}) as client:
        with pytest.raises(hyperhttp.HTTPStatusError):
            await client.get(origin.url + "/status/404")
        assert sound(client)


@pytest.mark.parametrize("event", ["request", "response"])
async def test_what_a_hook_raises_comes_out_and_frees_the_connection(face: Any, origin: Origin, event: str) -> None:
    def broken(_: Any) -> None:
        raise KeyError("from the hook")

    async with face.client(event_hooks={event: [broken]}, max_connections=1, timeout=10) as client:
        for _ in range(3):
            with pytest.raises(KeyError, match="from the hook"):
                await client.get(origin.url + "/bytes/1000000")
        assert sound(client)


async def test_hooks_may_be_added_and_removed_later(face: Any, origin: Origin) -> None:
    seen: list[str] = []
    async with face.client() as client:
        await client.get(origin.url + "/get")
        client.raw.event_hooks["request"].append(lambda request: seen.append(request.method))
        await client.get(origin.url + "/get")
        client.raw.event_hooks["request"].clear()
        await client.get(origin.url + "/get")
    assert seen == ["GET"]


async def test_one_function_may_stand_for_a_list(face: Any, origin: Origin) -> None:
    seen: list[int] = []
    async with face.client(event_hooks={"response": lambda response: seen.append(response.status_code)}) as client:
        await client.get(origin.url + "/get")
    assert seen == [200]


async def test_a_hook_sees_what_will_be_on_the_wire(face: Any, origin: Origin) -> None:
    seen: list[set[str]] = []
    async with face.client(auth=("a", "b"), cookies={"c": "d"}) as client:
        hooks = {"request": [lambda request: seen.append({name.lower() for name in request.headers})]}
        await client.post(origin.url + "/post", json={}, event_hooks=hooks)
    assert {"authorization", "cookie", "content-length", "content-type", "user-agent"} <= seen[0]


async def test_a_hook_may_send_a_hop_back_to_where_the_call_began(face: Any, origin: Origin, other: Origin) -> None:
    def home(request: Any) -> None:
        request.url = request.url.copy_with(port=origin.port)

    other.clear()
    target = f"{origin.url}/redirect-to?url=http%3A%2F%2F127.0.0.1%3A{other.port}%2Fget"
    async with face.client(event_hooks={"request": [home]}, follow_redirects=True, timeout=3) as client:
        assert (await client.get(target)).status_code == 200
    assert other.requests == []
    assert [request.path for request in origin.requests] == ["/redirect-to", "/get"]


async def test_a_hook_that_sends_a_request_elsewhere_takes_the_way_there(
    face: Any, origin: Origin, other: Origin
) -> None:
    def away(request: Any) -> None:
        request.url = request.url.copy_with(port=other.port)

    other.clear()
    async with face.client(event_hooks={"request": [away]}, auth=("user", "secret"), timeout=3) as client:
        response = await client.get(origin.url + "/get")
        assert response.url.port == other.port
    assert origin.requests == []
    assert len(other.requests) == 1


class KeyAuth(Auth):
    def auth_flow(self, request: Any) -> Any:
        request.headers["X-Api-Key"] = "secret"
        request.headers["Cookie"] = "flow=secret"
        request.headers["X-Client"] = "secret"
        yield request


@pytest.mark.parametrize("auth", [("user", "secret"), KeyAuth(), None])
async def test_what_was_made_for_one_origin_does_not_go_where_a_hook_sends_the_request(
    face: Any, origin: Origin, other: Origin, auth: Any
) -> None:
    def away(request: Any) -> None:
        request.url = f"http://localhost:{other.port}/get"
        request.headers["X-Of-The-Hook"] = "stays"

    other.clear()
    async with face.client(event_hooks={"request": [away]}, auth=auth, headers={"X-Client": "mine"}) as client:
        client.raw.cookies.set("jar", "secret", domain="127.0.0.1")
        client.raw.cookies.set("there", "yes", domain="localhost")
        await client.get(origin.url + "/get")
    (sent,) = other.requests
    assert "secret" not in str(sent.headers.raw)
    assert "authorization" not in sent.headers
    assert sent.headers["cookie"] == "there=yes"
    assert (sent.headers["x-client"], sent.headers["x-of-the-hook"]) == ("mine", "stays")


async def test_what_the_caller_or_the_hook_gave_goes_where_the_hook_sends_the_request(
    face: Any, origin: Origin, other: Origin
) -> None:
    def away(request: Any) -> None:
        request.url = request.url.copy_with(port=other.port)
        if "authorization" not in request.headers or "dXNlcj" in request.headers["authorization"]:
            request.headers["Authorization"] = "Bearer other"
            request.headers["Cookie"] = "hook=1"

    other.clear()
    async with face.client(event_hooks={"request": [away]}, cookies={"jar": "2"}) as client:
        await client.get(origin.url + "/get", auth=("user", "pw"))
        await client.get(origin.url + "/get", headers={"Authorization": "Bearer own", "Cookie": "own=3"})
    first, second = other.requests
    assert (first.headers["authorization"], first.headers["cookie"]) == ("Bearer other", "hook=1")
    assert (second.headers["authorization"], second.headers["cookie"]) == ("Bearer own", "own=3; jar=2")


async def test_a_redirect_from_where_a_hook_sent_the_request_has_nothing_of_the_first_origin(
    face: Any, origin: Origin, other: Origin
) -> None:
    def away(request: Any) -> None:
        if request.url.port == origin.port:
            request.url = request.url.copy_with(port=other.port)

    other.clear()
    async with face.client(event_hooks={"request": [away]}, auth=KeyAuth(), follow_redirects=True) as client:
        await client.get(origin.url + "/redirect/1")
    assert [each.path for each in other.requests] == ["/redirect/1", "/get"]
    assert all("secret" not in str(each.headers.raw) for each in other.requests)
