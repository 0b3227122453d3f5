"""Redirects: off by default; followed as the RFC says, and never with what belongs to another origin."""

from __future__ import annotations

import copy
import io
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.testing.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def other() -> Iterator[Origin]:
    """A second origin: same host, another port."""
    with Origin() as origin:
        yield origin


def to(origin: Origin, url: str, status: int = 302) -> str:
    """A URL of the origin that redirects to `url`."""
    from urllib.parse import urlencode

    return f"{origin.url}/redirect-to?{urlencode({'url': url, 'status_code': status})}"


async def test_redirects_are_not_followed_unless_asked_for(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/redirect/1")
        assert response.status_code == 302
        assert response.is_redirect
        assert response.history == [] or response.history == ()
        followed = await client.get(origin.url + "/redirect/1", follow_redirects=True)
        assert followed.status_code == 200
    async with face.client(follow_redirects=True) as client:
        response = await client.get(origin.url + "/redirect/1", follow_redirects=False)
        assert response.status_code == 302


@pytest.mark.parametrize("kind", ["relative", "absolute"])
async def test_the_response_knows_its_final_url_and_its_history(face: Any, origin: Origin, kind: str) -> None:
    async with face.client(follow_redirects=True) as client:
        response = await client.get(f"{origin.url}/{kind}-redirect/3")
        assert str(response.url) == origin.url + "/get"
        assert [past.status_code for past in response.history] == [302, 302, 302]
        assert str(response.history[0].url) == f"{origin.url}/{kind}-redirect/3"
        assert await client.read(response.history[0]) == b"see Location\n"
    assert len({request.connection_id for request in origin.requests}) == 1


async def test_too_many_redirects_are_an_error(face: Any, origin: Origin) -> None:
    async with face.client(follow_redirects=True, max_redirects=3) as client:
        assert (await client.get(origin.url + "/redirect/3")).status_code == 200
        with pytest.raises(hyperhttp.TooManyRedirects, match="3") as caught:
            await client.get(origin.url + "/redirect/4")
        assert caught.value.request is not None
        assert len(origin.requests) == 4 + 4


async def test_a_loop_ends(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"], repeat=True)
    async with face.client(follow_redirects=True, timeout=5) as client:
        with pytest.raises(hyperhttp.TooManyRedirects):
            await client.get(server.url)
    assert len(server.requests) == 21


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "GET", "GET"), (302, "GET", "GET"), (303, "GET", "GET"), (307, "GET", "GET"), (308, "GET", "GET"),
        (301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (307, "POST", "POST"), (308, "POST", "POST"),
        (301, "PUT", "PUT"), (302, "PUT", "PUT"), (303, "PUT", "GET"), (307, "PUT", "PUT"),
        (302, "DELETE", "DELETE"), (303, "DELETE", "GET"), (302, "PATCH", "PATCH"),
        (301, "HEAD", "HEAD"), (302, "HEAD", "HEAD"), (303, "HEAD", "HEAD"),
    ],
)  # fmt: skip
async def test_the_method_changes_only_where_the_standard_says_so(
    face: Any, origin: Origin, status: int, method: str, then: str
) -> None:
    content = b"content" if method in ("POST", "PUT", "PATCH") else None
    async with face.client(follow_redirects=True) as client:
        response = await client.request(method, to(origin, "/anything", status), content=content)
        assert response.status_code == 200
    first, second = origin.requests
    assert (first.method, second.method) == (method, then)
    assert second.body == (content or b"" if then == method else b"")
    if content is not None and then != method:
        assert not {"content-length", "content-type", "transfer-encoding"} & set(second.headers)


@pytest.mark.parametrize("status", [300, 304, 305, 306])
async def test_other_statuses_are_answers_even_with_a_location(
    face: Any, scripted: ScriptedServerFactory, status: int
) -> None:
    server = scripted([b"HTTP/1.1 %d X\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n" % status])
    async with face.client(follow_redirects=True) as client:
        assert (await client.get(server.url)).status_code == status


async def test_a_redirect_without_location_is_an_answer(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"])
    async with face.client(follow_redirects=True) as client:
        assert (await client.get(server.url)).status_code == 302


@pytest.mark.parametrize("kind", ["bytes", "file", "form", "multipart"])
async def test_content_that_can_be_sent_again_is(face: Any, origin: Origin, kind: str) -> None:
    options: dict[str, Any] = {
        "bytes": {"content": b"again" * 50_000},
        "file": {"content": io.BytesIO(b"again" * 50_000)},
        "form": {"data": {"field": "again"}},
        "multipart": {"files": {"file": ("name", b"again")}},
    }[kind]
    async with face.client(follow_redirects=True) as client:
        response = await client.post(to(origin, "/anything", 307), **options)
        assert response.status_code == 200
    first, second = origin.requests
    assert b"again" in second.body
    assert first.body_length in (0, second.body_length)


async def test_content_that_cannot_be_sent_again_is_an_error(face: Any, origin: Origin) -> None:
    async with face.client(follow_redirects=True) as client:
        with pytest.raises(hyperhttp.StreamConsumed, match="twice"):
            await client.post(to(origin, "/anything", 307), content=face.pieces(b"once"))


@pytest.mark.parametrize("spelling", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("name", ["Authorization", "Cookie", "Proxy-Authorization"])
async def test_secret_fields_do_not_follow_to_another_origin(
    face: Any, origin: Origin, other: Origin, name: str, spelling: str
) -> None:
    other.clear()
    field = {"Authorization": str.title, "authorization": str.lower, "AUTHORIZATION": str.upper}[spelling](name)
    async with face.client(follow_redirects=True) as client:
        await client.get(to(origin, other.url + "/get"), headers={field: "secret"})
    assert origin.requests[0].headers[name] == "secret"
    assert "secret" not in str(other.requests[0].headers.raw)


async def test_secret_fields_of_the_client_do_not_follow_to_another_origin(
    face: Any, origin: Origin, other: Origin
) -> None:
    other.clear()
    secrets = {"Authorization": "secret", "Cookie": "a=secret"}
    async with face.client(follow_redirects=True, headers=secrets) as client:
        await client.get(to(origin, other.url + "/get"))
    assert "secret" not in str(other.requests[0].headers.raw)


async def test_auth_does_not_follow_to_another_origin(face: Any, origin: Origin, other: Origin) -> None:
    other.clear()
    async with face.client(follow_redirects=True, auth=("user", "secret")) as client:
        await client.get(to(origin, other.url + "/get"))
        await client.get(to(origin, other.url + "/get"), auth=hyperhttp.BearerAuth("secret"))
        with_user = to(origin, other.url + "/get").replace("http://", "http://user:secret@")
        await client.get(with_user)
    assert [request.headers.get("authorization") for request in other.requests] == [None, None, None]
    assert all("authorization" in request.headers for request in origin.requests)


async def test_auth_stays_on_the_same_origin(face: Any, origin: Origin) -> None:
    async with face.client(follow_redirects=True) as client:
        await client.get(to(origin, "/get"), auth=("user", "secret"))
        await client.get(to(origin, "/get"), headers={"Authorization": "own"})
    sent = [request.headers["authorization"] for request in origin.requests]
    assert sent[0] == sent[1]
    assert sent[2:] == ["own", "own"]


@pytest.mark.parametrize("by", ["field", "auth", "client field"])
async def test_what_was_left_behind_at_another_origin_does_not_come_back(
    face: Any, origin: Origin, other: Origin, by: str
) -> None:
    other.clear()
    settings: dict[str, Any] = {"headers": {"Authorization": "secret"}} if by == "client field" else {}
    options: dict[str, Any] = {
        "field": {"headers": {"Authorization": "secret"}},
        "auth": {"auth": hyperhttp.BearerAuth("secret")},
        "client field": {},
    }[by]
    async with face.client(follow_redirects=True, **settings) as client:
        await client.get(to(origin, to(other, origin.url + "/headers")), **options)
    assert "authorization" in origin.requests[0].headers
    assert "authorization" not in other.requests[0].headers
    assert "authorization" not in origin.requests[1].headers


class KeyAuth(hyperhttp.Auth):
    """Signs with fields of names that nobody knows to be secret; `rounds` says how often it was asked."""

    def __init__(self) -> None:
        self.rounds = 0

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        self.rounds += 1
        request.headers["X-Api-Key"] = f"secret-{self.rounds}"
        request.headers["X-Client"] = "secret"
        yield request


async def test_what_a_flow_sets_or_changes_does_not_follow_to_another_origin(
    face: Any, origin: Origin, other: Origin
) -> None:
    other.clear()
    async with face.client(follow_redirects=True, auth=KeyAuth(), headers={"X-Client": "mine"}) as client:
        response = await client.get(to(origin, other.url + "/get"), headers={"X-Mine": "kept"})
    assert (origin.requests[0].headers["x-api-key"], origin.requests[0].headers["x-client"]) == ("secret-1", "secret")
    assert "secret" not in str(other.requests[0].headers.raw)
    assert (other.requests[0].headers["x-client"], other.requests[0].headers["x-mine"]) == ("mine", "kept")
    assert "secret" not in str(response.request.headers.raw)


async def test_what_a_flow_sets_on_several_hops_neither_follows_nor_comes_back(
    face: Any, origin: Origin, other: Origin
) -> None:
    other.clear()
    auth = KeyAuth()
    async with face.client(follow_redirects=True, auth=auth) as client:
        await client.get(to(origin, to(origin, to(other, to(other, origin.url + "/get")))))
    first, second, back = origin.requests
    assert [each.headers.get("x-api-key") for each in (first, second, back)] == ["secret-1", "secret-2", None]
    assert auth.rounds == 2
    assert len(other.requests) == 2
    assert all("secret" not in str(each.headers.raw) for each in [*other.requests, back])


@pytest.mark.parametrize("way", ["in a copy", "on the second round", "with the content in hand"])
async def test_however_a_flow_signs_it_does_not_follow(face: Any, origin: Origin, other: Origin, way: str) -> None:
    class Flow(hyperhttp.Auth):
        requires_request_body = way == "with the content in hand"

        def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
            if way == "in a copy":
                request = copy.copy(request)
            if way == "on the second round":
                yield request
            request.headers["X-Api-Key"] = "secret"
            yield request

    other.clear()
    async with face.client(follow_redirects=True, auth=Flow()) as client:
        content = face.pieces(b"con", b"tent") if Flow.requires_request_body else b"content"
        response = await client.post(to(origin, other.url + "/anything", 307), content=content)
        assert response.status_code == 200
    assert origin.requests[-1].headers["x-api-key"] == "secret"
    assert other.requests[0].body == b"content"
    assert "secret" not in str(other.requests[0].headers.raw)


class WrappedContent(hyperhttp.Auth):
    """Puts the content into an envelope that holds a secret."""

    def __init__(self, way: str = "in place") -> None:
        self.way = way

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        if self.way == "in a copy":
            request = copy.copy(request)
        if self.way == "on the second round":
            yield request
        request.content = b"secret envelope"
        request.headers["Content-Type"] = "application/secret"
        yield request


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("way", ["in place", "in a copy", "on the second round"])
async def test_content_that_a_flow_has_replaced_does_not_follow(
    face: Any, origin: Origin, other: Origin, way: str, status: int
) -> None:
    other.clear()
    async with face.client(follow_redirects=True, auth=WrappedContent(way)) as client:
        target = to(origin, to(origin, other.url + "/anything", status), status)
        response = await client.put(target, content=b"my own", headers={"Content-Type": "text/mine"})
        assert response.status_code == 200
    assert [each.body for each in origin.requests[-2:]][-1] == b"secret envelope"
    (sent,) = other.requests
    assert sent.body == b"my own"
    assert (sent.headers["content-type"], sent.headers["content-length"]) == ("text/mine", "6")
    assert "secret" not in str(sent.headers.raw)


async def test_content_that_a_flow_has_made_up_stays_where_it_was_made_for(
    face: Any, origin: Origin, other: Origin
) -> None:
    other.clear()
    async with face.client(follow_redirects=True, auth=WrappedContent()) as client:
        await client.post(to(origin, other.url + "/anything", 307))
    assert origin.requests[0].body == b"secret envelope"
    (sent,) = other.requests
    assert (sent.method, sent.body, sent.headers["content-length"]) == ("POST", b"", "0")
    assert "content-type" not in sent.headers


async def test_content_that_was_left_behind_does_not_come_back_for_another_origin(
    face: Any, origin: Origin, other: Origin
) -> None:
    other.clear()
    async with face.client(follow_redirects=True, auth=WrappedContent()) as client:
        see_other = to(origin, to(origin, other.url + "/anything", 307), 303)
        await client.put(see_other, content=b"my own")
    assert [each.method for each in origin.requests] == ["PUT", "GET"]
    (sent,) = other.requests
    assert (sent.method, sent.body) == ("GET", b"")


async def test_the_callers_stream_follows_where_nobody_has_read_it(face: Any, origin: Origin, other: Origin) -> None:
    other.clear()
    async with face.client(follow_redirects=True, auth=WrappedContent()) as client:
        await client.post(to(origin, other.url + "/anything", 307), content=face.pieces(b"my ", b"own"))
    assert origin.requests[0].body == b"secret envelope"
    assert other.requests[0].body == b"my own"
    assert other.requests[0].headers["transfer-encoding"] == "chunked"


async def test_content_that_a_hook_has_replaced_does_not_follow(face: Any, origin: Origin, other: Origin) -> None:
    def wrap(request: Any) -> None:
        if request.url.port == origin.port:
            request.content = b"secret envelope"

    other.clear()
    async with face.client(follow_redirects=True, event_hooks={"request": [wrap]}) as client:
        await client.post(to(origin, other.url + "/anything", 307), content=b"my own")
    assert origin.requests[0].body == b"secret envelope"
    assert other.requests[0].body == b"my own"


@pytest.mark.parametrize("own", [None, b"of the hook"])
async def test_a_hook_that_sends_a_request_elsewhere_takes_no_content_of_a_flow_along(
    face: Any, origin: Origin, other: Origin, own: bytes | None
) -> None:
    def away(request: Any) -> None:
        request.url = other.url + "/anything"
        if own is not None:
            request.content = own

    other.clear()
    async with face.client(auth=WrappedContent(), event_hooks={"request": [away]}) as client:
        await client.post(origin.url + "/anything", json={"my": "own"})
    assert other.requests[0].body == (own or b'{"my":"own"}')
    if own is None:
        assert other.requests[0].headers["content-type"] == "application/json"
    assert origin.requests == []


async def test_what_a_flow_sets_on_later_attempts_does_not_follow(
    face: Any, other: Origin, scripted: ScriptedServerFactory
) -> None:
    other.clear()
    moved = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % f"{other.url}/get".encode()
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
    server = scripted([busy, moved])
    async with face.client(follow_redirects=True, auth=KeyAuth(), retry=1) as client:
        assert (await client.get(server.url)).status_code == 200
    assert b"secret-2" in server.requests[1]
    assert "secret" not in str(other.requests[0].headers.raw)


@pytest.mark.parametrize("kind", ["client", "call"])
async def test_what_a_request_hook_sets_for_one_origin_does_not_follow_to_another(
    face: Any, origin: Origin, other: Origin, kind: str
) -> None:
    def sign(request: Any) -> None:
        if request.url.port == origin.port:
            request.headers["X-Api-Key"] = "secret"
        request.headers["X-Seen"] = "yes"

    other.clear()
    hooks: Any = {"event_hooks": {"request": [sign]}}
    async with face.client(follow_redirects=True, **(hooks if kind == "client" else {})) as client:
        target = to(origin, to(origin, other.url + "/get"))
        await client.get(target, **(hooks if kind == "call" else {}))
    assert [each.headers["x-api-key"] for each in origin.requests] == ["secret", "secret"]
    assert "x-api-key" not in other.requests[0].headers
    assert other.requests[0].headers["x-seen"] == "yes", "hooks are asked again"


async def test_what_a_redirect_hook_sets_for_the_next_hop_is_sent_there(
    face: Any, origin: Origin, other: Origin
) -> None:
    def give(response: Any, request: Any) -> None:
        request.headers["X-Api-Key"] = "for the other"

    other.clear()
    async with face.client(follow_redirects=True, auth=KeyAuth(), event_hooks={"redirect": [give]}) as client:
        await client.get(to(origin, other.url + "/get"))
    assert other.requests[0].headers["x-api-key"] == "for the other"


async def test_another_name_of_the_same_host_is_another_origin(face: Any, origin: Origin) -> None:
    async with face.client(follow_redirects=True) as client:
        await client.get(
            to(origin, f"http://localhost:{origin.port}/get"), headers={"Authorization": "secret", "X-Mine": "kept"}
        )
    assert "authorization" not in origin.requests[1].headers
    assert origin.requests[1].headers["x-mine"] == "kept"
    assert origin.requests[1].headers["host"] == f"localhost:{origin.port}"


async def test_cookies_of_the_call_do_not_follow_to_another_host(face: Any, origin: Origin) -> None:
    async with face.client(follow_redirects=True) as client:
        await client.get(to(origin, f"http://localhost:{origin.port}/get"), cookies={"session": "secret"})
    assert "secret" in origin.requests[0].headers["cookie"]
    assert "cookie" not in origin.requests[1].headers


async def test_cookies_a_redirect_sets_are_sent_to_its_target(face: Any, origin: Origin) -> None:
    async with face.client(follow_redirects=True) as client:
        response = await client.get(origin.url + "/cookies/set/flavour/vanilla")
        assert (await client.json(response))["cookies"] == {"flavour": "vanilla"}


async def test_https_is_left_only_when_asked_for(face: Any, origin: Origin) -> None:
    options = {"ssl_context": origin.ssl_context(), "follow_redirects": True}
    url = to(origin, origin.url + "/get").replace(origin.url + "/redirect", origin.https_url + "/redirect")
    async with face.client(**options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="https"):
            await client.get(url)
        assert (await client.get(url, follow_redirects="downgrade")).status_code == 200
        assert len(origin.requests) == 3


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "unix:///run/x.sock", "javascript:alert(1)", "data:,x", "http://", "//"],
)
async def test_other_schemes_and_no_host_are_not_followed(
    face: Any, scripted: ScriptedServerFactory, location: str
) -> None:
    server = scripted([b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location.encode()])
    async with face.client(follow_redirects=True) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(server.url)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "location", [b"http://[::1", b"http://a b/", b"http://exa\xffmple/", b"http://1.2.3.4.5/x:y@z:99999/"]
)
async def test_a_location_that_is_no_url_is_a_protocol_error(
    face: Any, scripted: ScriptedServerFactory, location: bytes
) -> None:
    server = scripted([b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location])
    async with face.client(follow_redirects=True, timeout=2) as client:
        with pytest.raises((hyperhttp.RemoteProtocolError, hyperhttp.ConnectError)):
            await client.get(server.url)


async def test_credentials_in_a_location_are_not_used(face: Any, origin: Origin) -> None:
    async with face.client(follow_redirects=True) as client:
        response = await client.get(to(origin, origin.url.replace("//", "//evil:pass@") + "/get"))
        assert "evil" not in str(response.url)
    assert "authorization" not in origin.requests[1].headers


async def test_a_location_with_blanks_and_umlauts_is_encoded(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([b"HTTP/1.1 302 Found\r\nLocation: /a b/\xc3\xbc?q=%C3%BC\r\nContent-Length: 0\r\n\r\n", OK])
    async with face.client(follow_redirects=True) as client:
        await client.get(server.url)
    assert server.requests[1].startswith(b"GET /a%20b/%C3%BC?q=%C3%BC HTTP/1.1\r\n")


async def test_the_fragment_is_kept_and_never_sent(face: Any, origin: Origin) -> None:
    async with face.client(follow_redirects=True) as client:
        response = await client.get(origin.url + "/redirect/1#part")
        assert response.url.fragment == "part"
    assert all("#" not in request.target for request in origin.requests)


async def test_no_referer_is_invented(face: Any, origin: Origin) -> None:
    async with face.client(follow_redirects=True) as client:
        await client.get(origin.url + "/redirect/1?token=secret")
    assert "referer" not in origin.requests[1].headers


async def test_a_redirect_frees_its_connection(face: Any, origin: Origin) -> None:
    async with face.client(follow_redirects=True, max_connections=1, timeout=2) as client:
        for _ in range(3):
            response = await client.get(origin.url + "/redirect/2", stream=True)
            await client.aclose(response)
        (counts,) = client.raw.get_pool_stats().values()
        assert counts["in_use"] == 0


async def test_a_bomb_in_a_redirect_is_not_inflated(face: Any, scripted: ScriptedServerFactory) -> None:
    import zlib

    bomb = zlib.compress(b"\0" * 30_000_000)
    head = b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(
        bomb
    )
    server = scripted([head + bomb, OK])
    async with face.client(follow_redirects=True, max_response_size=1_000_000) as client:
        assert await client.read(await client.get(server.url)) == b"ok"


async def test_a_response_with_unread_redirects_behind_it_pickles(face: Any, origin: Any) -> None:
    async with face.client(follow_redirects=True) as client:
        response = await client.get(f"{origin.url}/redirect/3")
        await client.read(response)
        twin = pickle.loads(pickle.dumps(response))
    assert (twin.status_code, twin.content) == (200, response.content)
    assert [each.status_code for each in twin.history] == [302, 302, 302]
    assert [str(each.url) for each in twin.history] == [str(each.url) for each in response.history]
