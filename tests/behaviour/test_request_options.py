"""Defaults of the client, options of the call, and who wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.testing.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def other() -> Iterator[Origin]:
    """A second origin."""
    with Origin() as origin:
        yield origin


async def test_defaults_are_few_and_honest(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        await client.get(origin.url + "/get")
    (request,) = origin.requests
    assert {name.lower() for name, _ in request.headers.raw} == {"host", "user-agent", "accept", "accept-encoding"}
    assert request.headers.raw[0][0].lower() == "host"
    assert request.headers["user-agent"] == f"hyperhttp/{hyperhttp.__version__}"
    assert {"gzip", "deflate"} <= set(request.headers.tokens("accept-encoding"))


async def test_fields_of_the_call_win_over_those_of_the_client(face: Any, origin: Origin) -> None:
    async with face.client(headers={"X-A": "client", "X-B": "client"}, user_agent="mine/1.0") as client:
        await client.get(origin.url + "/get", headers={"x-a": "call", "X-C": "call"})
        await client.get(origin.url + "/get")
    first, second = origin.requests
    assert (first.headers["x-a"], first.headers["x-b"], first.headers["x-c"]) == ("call", "client", "call")
    assert first.headers["user-agent"] == "mine/1.0"
    assert (second.headers["x-a"], "x-c" in second.headers) == ("client", False)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "b"}, [("X-A", "b")], [(b"X-A", b"b")], hyperhttp.Headers({"X-A": "b"}), {"X-A": "b"}.items(),
    ],
)  # fmt: skip
async def test_fields_come_in_every_shape(face: Any, origin: Origin, headers: Any) -> None:
    async with face.client() as client:
        await client.get(origin.url + "/get", headers=headers)
    assert origin.requests[0].headers["x-a"] == "b"


async def test_repeated_fields_are_all_sent_in_order(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        await client.get(origin.url + "/get", headers=[("X-A", "1"), ("X-B", "2"), ("x-a", "3")])
    assert origin.requests[0].headers.get_list("x-a") == ["1", "3"]


async def test_a_value_beyond_ascii_is_sent_and_read_back(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        await client.get(origin.url + "/get", headers={"X-A": "naïve", "X-B": "日本"})
        response = await client.get(origin.url + "/response-headers?X-C=%E6%97%A5")
        assert response.headers["x-c"] == "日"
    headers = origin.requests[0].headers
    assert headers["x-a"] == "naïve"
    assert headers["x-b"].encode("latin-1").decode() == "日本"


@pytest.mark.parametrize(
    ("params", "args"),
    [
        ({"a": "b"}, {"a": "b"}),
        ({"a": ["1", "2"]}, {"a": ["1", "2"]}),
        ([("a", "1"), ("a", "2")], {"a": ["1", "2"]}),
        ({"a": 1, "b": 1.5, "c": True}, {"a": "1", "b": "1.5", "c": "true"}),
        ({"a": None, "b": "x"}, {"b": "x"}),
        ({"a b": "c&d=e+f"}, {"a b": "c&d=e+f"}),
        ({"ü": "日本"}, {"ü": "日本"}),
        ({}, {}),
    ],
)
async def test_params_become_the_query(face: Any, origin: Origin, params: Any, args: Any) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/get", params=params)
        assert (await client.json(response))["args"] == args


async def test_params_of_url_client_and_call_add_up(face: Any, origin: Origin) -> None:
    async with face.client(params={"client": "1"}) as client:
        response = await client.get(origin.url + "/get?url=1", params={"call": "1"})
        assert set((await client.json(response))["args"]) == {"url", "client", "call"}


async def test_a_query_that_is_encoded_already_is_left_alone(face: Any, origin: Origin) -> None:
    target = "/get?sig=a%2Fb%2bc%3D&x=%7e&y=~!$'()*,;:@/?&z="
    async with face.client() as client:
        await client.get(origin.url + target)
    assert origin.requests[0].target == target


async def test_a_fragment_is_not_sent(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/get?a=b#part")
        assert response.url.fragment == "part"
    assert origin.requests[0].target == "/get?a=b"


async def test_a_host_field_of_the_call_is_sent_once(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        await client.get(origin.url + "/get", headers={"Host": "virtual.example"})
    assert origin.requests[0].headers.get_list("host") == ["virtual.example"]


async def test_a_request_may_be_built_changed_and_sent(face: Any, origin: Origin) -> None:
    async with face.client(headers={"X-Client": "yes"}) as client:
        request = client.raw.build_request("POST", origin.url + "/post", json={"a": 1})
        request.headers["X-Mine"] = "yes"
        request._start = 1.0
        response = await client.send(request)
        assert response.request is request
        assert (await client.json(response))["json"] == {"a": 1}
    headers = origin.requests[0].headers
    assert (headers["x-client"], headers["x-mine"]) == ("yes", "yes")


async def test_a_request_sent_twice_to_two_places_names_each_host(face: Any, origin: Origin, other: Origin) -> None:
    other.clear()
    async with face.client() as client:
        request = client.raw.build_request("GET", origin.url + "/get")
        await client.send(request)
        request.url = other.url + "/get"
        await client.send(request)
    assert other.requests[0].headers["host"] == f"127.0.0.1:{other.port}"


async def test_a_hook_that_sends_a_request_elsewhere_names_that_host(face: Any, origin: Origin, other: Origin) -> None:
    other.clear()

    def hook(request: Any) -> None:
        request.url = request.url.copy_with(port=other.port)

    async with face.client(event_hooks={"request": [hook]}) as client:
        await client.get(origin.url + "/get")
        await client.get(origin.url + "/get")
    assert [request.headers["host"] for request in other.requests] == [f"127.0.0.1:{other.port}"] * 2
    assert origin.requests == []


async def test_send_takes_options_about_sending_only(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        request = client.raw.build_request("GET", origin.url + "/redirect/1")
        assert (await client.send(request, follow_redirects=True)).status_code == 200
        with pytest.raises(TypeError, match="headers"):
            await client.send(request, headers={})


async def test_an_option_that_is_none_is_an_option_not_given(face: Any, origin: Origin) -> None:
    nothing = dict.fromkeys(
        ["params", "headers", "cookies", "content", "data", "json", "files", "extensions", "event_hooks"]
    )
    async with face.client() as client:
        response = await client.get(origin.url + "/get", **nothing)
        assert response.status_code == 200
    assert "content-length" not in origin.requests[0].headers


async def test_what_a_call_is_given_is_not_changed(face: Any, origin: Origin) -> None:
    headers, cookies, params, data = {"X-A": "b"}, {"c": "d"}, {"e": ["f"]}, {"g": "h"}
    async with face.client(auth=("i", "j")) as client:
        await client.post(origin.url + "/post", headers=headers, cookies=cookies, params=params, data=data)
    assert (headers, cookies, params, data) == ({"X-A": "b"}, {"c": "d"}, {"e": ["f"]}, {"g": "h"})


async def test_settings_may_be_changed_later(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        await client.get(origin.url + "/get")
        client.raw.headers["X-A"] = "late"
        client.raw.auth = ("user", "pass")
        client.raw.timeout = 3
        await client.get(origin.url + "/get")
        del client.raw.headers["X-A"]
        client.raw.auth = None
        await client.get(origin.url + "/get")
    fields = [("x-a" in request.headers, "authorization" in request.headers) for request in origin.requests]
    assert fields == [(False, False), (True, True), (False, False)]
