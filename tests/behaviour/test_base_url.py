"""A base URL is extended by relative ones, and absolute ones leave it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin


@pytest.mark.parametrize(
    ("base", "url", "target"),
    [
        ("", "/get", "/get"),
        ("", "get", "/get"),
        ("/", "get", "/get"),
        ("/anything/v1", "/users", "/anything/v1/users"),
        ("/anything/v1/", "/users", "/anything/v1/users"),
        ("/anything/v1", "users", "/anything/v1/users"),
        ("/anything/v1/", "users", "/anything/v1/users"),
        ("/anything/v1", "", "/anything/v1/"),
        ("/anything/v1", "/", "/anything/v1/"),
        ("/anything/v1", "?a=b", "/anything/v1/?a=b"),
        ("/anything/v1", "/users?a=b&c=d", "/anything/v1/users?a=b&c=d"),
        ("/anything/v1", "/items:batchGet", "/anything/v1/items:batchGet"),
        ("/anything/v1", "items/a:b", "/anything/v1/items/a:b"),
        ("/anything/v1", "/a%2Fb", "/anything/v1/a%2Fb"),
        ("/anything/v1", "/a b", "/anything/v1/a%20b"),
        ("/anything/v1", "/users#part", "/anything/v1/users"),
        ("/anything/v1", "/http://x/y", "/anything/v1/http://x/y"),
    ],
)
async def test_a_relative_url_extends_the_base(face: Any, origin: Origin, base: str, url: str, target: str) -> None:
    async with face.client(base_url=origin.url + base) as client:
        response = await client.get(url)
        await client.read(response)
    (request,) = origin.requests
    assert request.target == target
    assert request.headers["host"] == f"127.0.0.1:{origin.port}"


@pytest.mark.parametrize("kind", ["str", "URL"])
async def test_an_absolute_url_leaves_the_base_alone(face: Any, origin: Origin, kind: str) -> None:
    url: Any = origin.url + "/get"
    async with face.client(base_url="http://127.0.0.1:1/elsewhere/") as client:
        response = await client.get(hyperhttp.URL(url) if kind == "URL" else url)
        assert response.status_code == 200


async def test_a_url_object_extends_the_base_too(face: Any, origin: Origin) -> None:
    async with face.client(base_url=hyperhttp.URL(origin.url + "/anything")) as client:
        response = await client.get(hyperhttp.URL("/x"))
        assert str(response.url) == origin.url + "/anything/x"


@pytest.mark.parametrize("url", ["//127.0.0.1:1/x", "\\\\127.0.0.1:1\\x", "/\\127.0.0.1:1/x", "///127.0.0.1:1/x"])
async def test_a_relative_url_never_leads_to_another_host(face: Any, origin: Origin, url: str) -> None:
    # An id that comes from a user and begins with slashes must not send the client's credentials elsewhere.
    async with face.client(base_url=origin.url + "/anything", headers={"Authorization": "secret"}) as client:
        try:
            response = await client.get(url)
        except hyperhttp.InvalidURL:
            return
        assert response.url.host == "127.0.0.1"
        assert response.url.port == origin.port


async def test_build_request_and_send_use_the_base(face: Any, origin: Origin) -> None:
    async with face.client(base_url=origin.url + "/anything", params={"k": "v"}) as client:
        request = client.raw.build_request("GET", "/x", params={"a": "b"})
        assert str(request.url) == origin.url + "/anything/x?k=v&a=b"
        assert (await client.send(request)).status_code == 200
        assert (await client.send(hyperhttp.Request("GET", "/y"))).status_code == 200
    assert [request.path for request in origin.requests] == ["/anything/x", "/anything/y"]


async def test_redirects_are_relative_to_what_was_requested_not_to_the_base(face: Any, origin: Origin) -> None:
    async with face.client(base_url=origin.url + "/relative-redirect", follow_redirects=True) as client:
        response = await client.get("/2")
        assert str(response.url) == origin.url + "/get"


async def test_the_base_may_hold_credentials_and_never_shows_them(face: Any, origin: Origin) -> None:
    base = origin.url.replace("//", "//user:hunter2@") + "/basic-auth"
    async with face.client(base_url=base) as client:
        assert (await client.get("/user/hunter2")).status_code == 200
        assert "hunter2" not in repr(client.raw)
