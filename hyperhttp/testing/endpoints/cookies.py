"""Endpoints that set and show cookies (RFC 6265)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhttp.testing.endpoints.redirects import redirect_reply
from hyperhttp.testing.endpoints.responses import sendable_fields
from hyperhttp.testing.endpoints.routing import Routes
from hyperhttp.testing.messages import Field, Reply, json_reply

if TYPE_CHECKING:
    from hyperhttp.testing.exchange import Exchange

__all__ = ["routes"]

routes = Routes()
_EXPIRED = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"


def _to_cookies(cookies: list[Field]) -> Reply:
    reply = redirect_reply("/cookies")
    reply.fields += sendable_fields([("Set-Cookie", cookie) for _, cookie in cookies])
    return reply


def _pairs(exchange: Exchange) -> list[Field]:
    return [(name, value) for name, value in exchange.args if not name.startswith("fault")]


@routes.add("/cookies")
def show_cookies(exchange: Exchange) -> Reply:
    """Shows the cookies of the request."""
    pairs = (
        pair.strip().partition("=")
        for line in exchange.headers.get_list("cookie")
        for pair in line.split(";")
        if pair.strip()
    )
    return json_reply({"cookies": {name: value.strip('"') for name, _, value in pairs}})


@routes.add("/cookies/set")
def set_cookies(exchange: Exchange) -> Reply:
    """Sets the pairs of the query as cookies and redirects to /cookies."""
    return _to_cookies([(name, f"{name}={value}; Path=/") for name, value in _pairs(exchange)])


@routes.add("/cookies/set/{name}/{value}")
def set_cookie(exchange: Exchange) -> Reply:
    """Sets one cookie, with the attributes of the query (?Secure=&Domain=...), and redirects to /cookies."""
    name, value = exchange.parameters["name"], exchange.parameters["value"]
    attributes = {"Path": "/"} | dict(_pairs(exchange))
    text = "".join(f"; {key}={setting}" if setting else f"; {key}" for key, setting in attributes.items())
    return _to_cookies([(name, f"{name}={value}{text}")])


@routes.add("/cookies/delete")
def delete_cookies(exchange: Exchange) -> Reply:
    """Expires the cookies named in the query and redirects to /cookies."""
    return _to_cookies([(name, f"{name}=; {_EXPIRED}") for name, _ in _pairs(exchange)])
