"""Which requests a mocked answer is for, and what it is."""

from __future__ import annotations

import re
from copy import copy
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from hyperhttp.message.content import Content, default_json_codec
from hyperhttp.message.headers import Headers
from hyperhttp.message.pattern import URLPattern
from hyperhttp.message.response import Response
from hyperhttp.message.url import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence

    from hyperhttp.message.headers import HeaderTypes
    from hyperhttp.message.request import Request

__all__ = ["MockCall", "MockRoute", "PatternTypes", "ReplyTypes", "StreamedReply", "as_reply", "recorded"]

PatternTypes: TypeAlias = "str | URL | re.Pattern[str] | Callable[[Request], bool] | None"
#: A response, a status, text, bytes, a mapping for JSON, an error, a handler, or several of these for one request after the other.
ReplyTypes: TypeAlias = (
    "Response | int | str | bytes | Mapping[str, Any] | BaseException | type[BaseException] "
    "| Callable[[Request], Any] | Sequence[Any]"
)

_URL: Final = re.compile(
    r"(?:(?P<scheme>\*|[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>[^/?#]*))?(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?"
)


class MockCall:
    """A request that was answered.

    Attributes:
        request: a copy, as it was sent; its content is in memory.
        response: the answer; None where it was an error, and until it is there.
    """

    __slots__ = ("request", "response")

    def __init__(self, request: Request, response: Response | None = None) -> None:
        self.request = request
        self.response = response

    @property
    def content(self) -> bytes:
        """What the request carried."""
        content = self.request.content
        return b"" if content is None or content.data is None else content.data

    def json(self) -> Any:
        """The same, as JSON."""
        import json  # here and not above: only tests ask

        return json.loads(self.content)

    def __repr__(self) -> str:
        return f"<MockCall {self.request!r} {self.response!r}>"


class StreamedReply(NamedTuple):
    """A response whose content comes piece by piece.

    Attributes:
        response: all but its content.
        source: a plain or an asynchronous iterable of bytes.
    """

    response: Response
    source: Any


class MockRoute:
    """Requests of one kind, and what they are answered with.

    Args:
        method: a method, several, or None for any.
        pattern: a URL, a path, a regular expression for the whole URL, a function that takes the request and says
            whether it is meant, or None for every URL. In URLs and paths ``*`` stands for anything; a query names
            parameters the request must have, among others.
        reply: what to answer with; several replies serve one request each, the last one all that follow.
        params: parameters the request must have.
        headers: fields the request must have.
        times: how many requests are answered; further ones go to other routes.

    Attributes:
        calls: what was answered so far.
    """

    def __init__(
        self,
        method: str | Sequence[str] | None = None,
        pattern: PatternTypes = None,
        reply: ReplyTypes = 200,
        *,
        params: Mapping[str, str] | None = None,
        headers: HeaderTypes | None = None,
        times: int | None = None,
    ) -> None:
        self._methods = None if method is None else {method} if isinstance(method, str) else set(method)
        self._pattern = pattern
        self._tests = _tests_of(pattern)
        self._params = [(name, str(value)) for name, value in (params or {}).items()]
        self._headers = Headers(headers)
        self._times = times
        self._replies: list[Any] = list(reply) if isinstance(reply, (list, tuple)) else [reply]
        if not self._replies:
            msg = "a route needs at least one reply"
            raise ValueError(msg)
        self.calls: list[MockCall] = []

    @property
    def called(self) -> bool:
        """Whether a request came."""
        return bool(self.calls)

    @property
    def call_count(self) -> int:
        """How many requests came."""
        return len(self.calls)

    def matches(self, request: Request) -> bool:
        """Whether a request is meant."""
        if self._times is not None and len(self.calls) >= self._times:
            return False
        if self._methods is not None and request.method not in self._methods:
            return False
        own = request.headers
        if any(own.get(name) != value for name, value in self._headers.items()):
            return False
        given = request.url.params
        return all(pair in given for pair in self._params) and all(test(request) for test in self._tests)

    def next_reply(self) -> Any:
        """What the next request is answered with."""
        return self._replies[min(len(self.calls), len(self._replies) - 1)]

    def __repr__(self) -> str:
        methods = "ANY" if self._methods is None else "|".join(sorted(self._methods))
        pattern = self._pattern.pattern if isinstance(self._pattern, re.Pattern) else self._pattern
        return f"<MockRoute {methods} {'*' if pattern is None else pattern} called {len(self.calls)}x>"


def _tests_of(pattern: PatternTypes) -> list[Callable[[Request], bool]]:
    """What a request must pass to be meant by the pattern."""
    if pattern is None:
        return []
    if isinstance(pattern, re.Pattern):
        return [lambda request: pattern.search(str(request.url)) is not None]
    if not isinstance(pattern, (str, URL)):
        return [pattern]
    parts = _URL.fullmatch(str(pattern))
    if parts is None:
        msg = f"{pattern!r} is neither a URL nor a path"
        raise ValueError(msg)
    tests: list[Callable[[Request], bool]] = []
    if parts["scheme"] is not None:
        scheme = "all" if parts["scheme"] == "*" else parts["scheme"]
        tests.append(_origin_test(URLPattern.parse(f"{scheme}://{parts['host']}")))
    path = parts["path"]
    if path or parts["scheme"] is not None:
        expected = _wildcard(path if path.startswith(("/", "*")) else f"/{path}")
        tests.append(lambda request: expected.fullmatch(request.url.path or "/") is not None)
    if parts["query"]:
        wanted = URL(f"http://x/?{parts['query']}").params
        tests.append(lambda request: all(pair in request.url.params for pair in wanted))
    return tests


def _origin_test(pattern: URLPattern) -> Callable[[Request], bool]:
    return lambda request: pattern.matches(request.url.scheme, request.url.host, request.url.effective_port)


def _wildcard(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)


def as_reply(
    *,
    status_code: int = 200,
    json: Any = None,
    text: str | None = None,
    html: str | None = None,
    content: bytes | Iterable[bytes] | AsyncIterable[bytes] | None = None,
    headers: HeaderTypes | None = None,
) -> Callable[[Request], Any]:
    """A handler that makes the same response anew for each request; content that is an iterator comes piece by piece.

    Raises:
        TypeError: more than one kind of content is given.
    """
    given = [value for value in (json, text, html, content) if value is not None]
    if len(given) > 1:
        msg = "give one of json=, text=, html= and content="
        raise TypeError(msg)
    fields = Headers(headers)
    data: Any = content
    if json is not None:
        data = default_json_codec().dumps(json)
        fields.setdefault("Content-Type", "application/json")
    for kind, value in (("text/plain", text), ("text/html", html)):
        if value is not None:
            data = value.encode()
            fields.setdefault("Content-Type", f"{kind}; charset=utf-8")

    def reply(_request: Request) -> Response | StreamedReply:
        if data is None or isinstance(data, (bytes, str)):
            return Response(status_code, headers=fields, content=data)
        return StreamedReply(Response(status_code, headers=fields), data)

    return reply


def recorded(request: Request, fields: Iterable[tuple[bytes, bytes]], data: bytes) -> Request:
    """The request as it was sent, with its content in memory."""
    twin = copy(request)
    twin._headers = Headers.from_fields(list(fields))
    if request._content is not None:
        twin._content = Content(data)
    return twin
