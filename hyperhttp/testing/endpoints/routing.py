"""Finding the endpoint for a request.

A template is a path whose segments may be names in braces: ``/redirect/{n}``; ``{rest*}`` takes the rest of
the path. A route that answers GET answers HEAD as well (RFC 9110 section 9.3.2); OPTIONS and 405 come by
themselves.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

from hyperhttp.testing.exchange import BadRequestError, Exchange

if TYPE_CHECKING:
    from hyperhttp.testing.messages import Reply

__all__ = ["ALL_METHODS", "Endpoint", "Route", "Router", "Routes"]

Endpoint: TypeAlias = Callable[[Exchange], "Reply | Awaitable[Reply]"]

ALL_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Route:
    """A template and what answers it.

    Attributes:
        template: the path, with names in braces.
        methods: the methods it answers.
        endpoint: the function.
        is_streaming: the endpoint reads the request's content itself; else it is read for it.
    """

    template: str
    methods: tuple[str, ...]
    endpoint: Endpoint
    is_streaming: bool

    def pattern(self) -> re.Pattern[str]:
        """A regular expression for the raw path."""
        text = re.sub(r"\\{(\w+)\\\*\\}", r"(?P<\1>.*)", re.escape(self.template))
        text = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]*)", text)
        return re.compile(text + r"\Z")


class Routes:
    """The endpoints of a module, collected by a decorator."""

    def __init__(self) -> None:
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def add(
        self, *templates: str, methods: Iterable[str] = ("GET",), is_streaming: bool = False
    ) -> Callable[[Endpoint], Endpoint]:
        """Register the decorated function for some templates."""

        def register(endpoint: Endpoint) -> Endpoint:
            allowed = tuple(methods)
            if "GET" in allowed:
                allowed += ("HEAD",)
            self._routes += [Route(template, allowed, endpoint, is_streaming) for template in templates]
            return endpoint

        return register


class Router:
    """The table of all endpoints of an origin."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes: list[Route] = []
        # The first segment of every template is fixed text, so only a few patterns are tried per request.
        self._by_segment: dict[str, list[tuple[re.Pattern[str], Route]]] = {}
        for route in routes:
            self.add(route)

    def add(self, route: Route) -> None:
        """Add a route; a later one goes before an earlier one with the same path."""
        self.routes.append(route)
        self._by_segment.setdefault(_first_segment(route.template), []).insert(0, (route.pattern(), route))

    def find(self, exchange: Exchange) -> Route:
        """The route of a request, whose parameters are then in ``exchange.parameters``.

        Raises:
            BadRequestError: with 404 or 405.
        """
        path = exchange.request.raw_path
        method = exchange.request.method
        allowed: list[str] = []
        for pattern, route in self._by_segment.get(_first_segment(path), ()):
            if match := pattern.match(path):
                if method in route.methods:
                    exchange.parameters = {name: unquote(value) for name, value in match.groupdict().items()}
                    return route
                allowed += route.methods
        if allowed:
            names = ", ".join(sorted({*allowed, "OPTIONS"}))
            raise BadRequestError(200 if method == "OPTIONS" else 405, f"allowed: {names}", [("Allow", names)])
        raise BadRequestError(404, f"there is no {path!r} here; / lists what there is")

    async def answer(self, exchange: Exchange) -> Reply:
        """Let the endpoint of a request answer it."""
        route = self.find(exchange)
        if not route.is_streaming and not exchange.request.is_complete:
            await exchange.read_all()
        reply = route.endpoint(exchange)
        return await reply if isawaitable(reply) else reply


def _first_segment(path: str) -> str:
    return path[1:].partition("/")[0]
