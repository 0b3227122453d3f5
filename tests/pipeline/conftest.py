"""Calls without a client, and a last stage that answers from a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.config import Limits, Timeout
from hyperhttp.connection.route import Route
from hyperhttp.message.cookies import Cookies
from hyperhttp.message.request import Request
from hyperhttp.message.response import ReadOptions, Response
from hyperhttp.network.base import NEVER
from hyperhttp.pipeline.call import Call
from hyperhttp.pool.pool import ConnectionPool
from tests.memory import HandDialer, MemoryNetwork

if TYPE_CHECKING:
    from hyperhttp.message.url import URL


class Stage:
    """Stands for the stages below: keeps what it is given, answers from a list.

    Attributes:
        seen: method, URL and header fields of each request, as they were at that moment.
        requests: the requests themselves.
        routes: the way each was about to take.
    """

    def __init__(self, *answers: Response | BaseException) -> None:
        self.answers = list(answers)
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.requests: list[Request] = []
        self.routes: list[Route] = []

    async def __call__(self, call: Call) -> Response:
        request = call.request
        self.seen.append((request.method, str(request.url), dict(request.headers.items())))
        self.requests.append(request)
        self.routes.append(call.route)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        answer._request = request
        return answer

    def fields(self, name: str) -> list[str | None]:
        """One field of each request."""
        return [{key.lower(): value for key, value in seen[2].items()}.get(name.lower()) for seen in self.seen]


class Routes:
    """One route per origin, as a client keeps them."""

    def __init__(self) -> None:
        self.known: dict[str, Route] = {}

    def __call__(self, url: URL) -> Route:
        return self.known.setdefault(url.origin, Route(url.scheme, url.host, url.effective_port))


def make_call(method: str = "GET", url: str = "http://a.example/", **options: Any) -> Any:
    """A call as a client begins it; `auth`, `hooks`, `jar` and the like are set on it, the rest makes the request."""
    settings = {
        name: options.pop(name)
        for name in ("auth", "hooks", "jar", "max_redirects", "downgrade", "stream", "listeners", "retry", "reads")
        if name in options
    }
    request = Request(method, url, **options)
    routes = Routes()
    pool = ConnectionPool(MemoryNetwork(), HandDialer(), Limits())
    read = ReadOptions({}, None, None)
    call: Any = Call(pool, request, routes(request.url), None, Timeout(None), NEVER, 0.0, read, None, True)
    call.origin = request.url.origin
    call.find_route = routes
    call.auth = call.hooks = call.listeners = call.find_transport = call.breaker = call.limiter = None
    call.retry, call.reads, call.proxied = None, False, False
    call.max_redirects, call.downgrade, call.is_async = 20, False, True
    call.jar = None
    for name, value in settings.items():
        setattr(call, name, value)
    return call


@pytest.fixture
def new_call() -> Any:
    return make_call


@pytest.fixture
def stage() -> type[Stage]:
    return Stage


@pytest.fixture
def jar() -> Cookies:
    return Cookies()
