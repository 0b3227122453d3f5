from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.testing.endpoints.routing import Route, Router, Routes
from hyperhttp.testing.exchange import BadRequestError
from hyperhttp.testing.messages import Reply


def reply(exchange: Any) -> Reply:
    return Reply(200, body=repr(exchange.parameters).encode())


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("/get", "/get", {}),
        ("/get", "/get/", None),
        ("/get", "/getter", None),
        ("/a/{x}/{y}", "/a/1/b%2Fc", {"x": "1", "y": "b/c"}),
        ("/a/{x}", "/a/", {"x": ""}),
        ("/a/{x}", "/a/1/2", None),
        ("/a/{rest*}", "/a/1/2", {"rest": "1/2"}),
        ("/a.b", "/axb", None),
        ("/", "/", {}),
    ],
)
async def test_a_template_matches_a_path(
    exchange: Any, template: str, path: str, parameters: dict[str, str] | None
) -> None:
    router = Router([Route(template, ("GET",), reply, is_streaming=False)])
    one = exchange(path + "?query=/x")
    if parameters is None:
        with pytest.raises(BadRequestError) as caught:
            await router.answer(one)
        assert caught.value.status == 404
    else:
        await router.answer(one)
        assert one.parameters == parameters


async def test_a_wrong_method_is_told_the_right_ones(exchange: Any) -> None:
    routes = Routes()
    routes.add("/x", methods=("GET", "POST"))(reply)
    routes.add("/x", methods=("PUT",))(reply)
    router = Router(routes)
    with pytest.raises(BadRequestError) as caught:
        await router.answer(exchange("/x", method="DELETE"))
    assert caught.value.status == 405
    assert caught.value.fields == [("Allow", "GET, HEAD, OPTIONS, POST, PUT")]
    with pytest.raises(BadRequestError) as caught:
        await router.answer(exchange("/x", method="OPTIONS"))
    assert caught.value.status == 200


async def test_head_is_answered_where_get_is(exchange: Any) -> None:
    routes = Routes()
    routes.add("/x")(reply)
    assert (await Router(routes).answer(exchange("/x", method="HEAD"))).status == 200


async def test_content_is_read_for_endpoints_that_do_not_stream(exchange: Any) -> None:
    routes = Routes()
    seen: list[bytes] = []

    @routes.add("/whole", methods=("POST",))
    def whole(one: Any) -> Reply:
        seen.append(one.body)
        return Reply()

    @routes.add("/stream", methods=("POST",), is_streaming=True)
    async def stream(one: Any) -> Reply:
        seen.append(one.body)
        seen.append(await one.read())
        return Reply()

    router = Router(routes)
    await router.answer(exchange("/whole", method="POST", content=[b"a", b"b"]))
    await router.answer(exchange("/stream", method="POST", content=[b"a", b"b"]))
    assert seen == [b"ab", b"", b"a"]


async def test_a_later_route_goes_first(exchange: Any) -> None:
    router = Router([Route("/x", ("GET",), reply, is_streaming=False)])
    router.add(Route("/x", ("GET",), lambda one: Reply(201), is_streaming=False))
    assert (await router.answer(exchange("/x"))).status == 201
