"""What the registries are compiled into: all that a client sees of plugins, read-only and plain.

A `Compiled` is shared by every client of the same selection of plugins. What must not be shared, such as
the listeners of one client's events, is made from factories, by `Compiled.create_listeners`.
"""

from __future__ import annotations

from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hyperhttp._records import Record
from hyperhttp.exceptions import PluginError
from hyperhttp.plugins.interfaces import EventListener

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hyperhttp.message.coding import ContentCoding
    from hyperhttp.message.content import JsonCodec
    from hyperhttp.message.pattern import URLPattern
    from hyperhttp.network.base import Network
    from hyperhttp.network.resolver import Resolver
    from hyperhttp.plugins.interfaces import (
        Auth,
        Challenge,
        ConnectionEvent,
        ProxyConnector,
        ProxySelector,
        Transport,
    )

__all__ = ["EVENTS", "AuthScheme", "Command", "Compiled", "ListenerSource", "Listeners", "Mount"]

EVENTS: Final = (
    "begin", "request", "unanswered", "response", "error", "finish", "retry", "redirect", "end", "connection", "idle",
    "close",
)  # fmt: skip
"""The methods of an event listener."""

_PLAIN_EVENTS: Final = frozenset({"begin", "unanswered", "finish", "end", "connection", "idle", "close"})
"""Events that happen where nothing may wait."""

_NOBODY: Final[tuple[tuple[Callable[..., Any], ...], ...]] = ((),) * len(EVENTS)

_OF_CONNECTIONS: Final = frozenset({"connection", "idle", "close"})
"""Events that are told whether anybody follows calls or not."""

_of_calls: Final = attrgetter(*(event for event in EVENTS if event not in _OF_CONNECTIONS))


class AuthScheme(Record):
    """An authentication scheme by name.

    Attributes:
        name: The auth-scheme in lower case (RFC 9110 11.1).
        factory: Makes an `Auth` from credentials as one types them: ``"user:password"``, a token, a key.
            Raises ValueError when they do not have the form the scheme needs.
        answer: Makes an `Auth` that answers a challenge with the given credentials, or None when it
            cannot (an unknown algorithm, for instance). None for a scheme that servers do not ask for.
        strength: Where a server offers several schemes, the strongest that can be answered is taken
            (RFC 9110 11.6.1). For comparison: Basic is 0, Bearer 5, Digest 10, Negotiate 20.
    """

    __slots__ = ("answer", "factory", "name", "strength")

    name: str
    factory: Callable[[str], Auth]
    answer: Callable[[Challenge, str], Auth | None] | None
    strength: int

    def __init__(
        self,
        name: str,
        factory: Callable[[str], Auth],
        answer: Callable[[Challenge, str], Auth | None] | None = None,
        strength: int = 0,
    ) -> None:
        self._fill(name, factory, answer, strength)


class Command(Record):
    """A command of the command line: ``hyperhttp NAME ...``.

    Attributes:
        name: What is typed: letters, digits and hyphens.
        run: Gets the arguments after the name, returns the exit code.
        help: One line for the list of commands.
    """

    __slots__ = ("help", "name", "run")

    name: str
    run: Callable[[Sequence[str]], int]
    help: str

    def __init__(self, name: str, run: Callable[[Sequence[str]], int], help: str) -> None:  # noqa: A002 - argparse's word
        self._fill(name, run, help)


class Mount(Record):
    """Where a transport is mounted.

    Attributes:
        scheme: URL scheme, or ``all``.
        host: Host name in lower case, ``*.example.com`` for every host below one, ``*example.com`` for that one
            too, or empty for any.
        port: Port, or None for any.
        factory: Makes the transport; called once per client that meets such a URL.
    """

    __slots__ = ("factory", "host", "port", "scheme")

    scheme: str
    host: str
    port: int | None
    factory: Callable[[], Transport]

    def __init__(self, scheme: str, host: str, port: int | None, factory: Callable[[], Transport]) -> None:
        self._fill(scheme, host, port, factory)

    def matches(self, scheme: str, host: str, port: int) -> bool:
        """Whether a URL with these components goes here. All are normalised as `URL` normalises them."""
        return self.pattern.matches(scheme, host, port)

    @property
    def pattern(self) -> URLPattern:
        """Scheme, host and port in one."""
        from hyperhttp.message.pattern import URLPattern  # for those who mount something

        return URLPattern(self.scheme, self.host, self.port)

    @property
    def precision(self) -> tuple[int, int, bool, bool]:
        """Sorts mounts: an exact host after a wildcard, a port and a scheme after none."""
        return self.pattern.precision


class ListenerSource(NamedTuple):
    """Where a client's listeners come from: name, who added it, and the function that makes one."""

    name: str
    owner: str
    factory: Callable[[], object]


class Listeners(Record):
    """The listeners' methods of one client, by event. An event nobody listens to is an empty tuple.

    What the methods for requests, responses, errors, retries and redirects return is awaited where it can be.

    Attributes:
        begin: Called with the request a call begins with; plain functions.
        request: Called with the request.
        unanswered: Called with the request, its connection, the exception and whether it is sent again; plain functions.
        response: Called with the response; what they return other than None takes its place.
        error: Called with the request and the exception.
        finish: Called with the request, the response or None, and the exception or None; plain functions.
        retry: Called with the request, the attempt, the delay in seconds and the cause.
        redirect: Called with the response and the next request.
        end: Called like `finish`, when the call has its response or has failed; plain functions.
        connection: Called with a `ConnectionEvent`; plain functions.
        idle: Called with a `ConnectionEvent`; plain functions.
        close: Called without arguments; plain functions.
        objects: The listeners themselves.
        forgotten: Attempts that the garbage collector has found the end of, until `finish` can be called.
    """

    __slots__ = (*EVENTS, "forgotten", "objects")

    begin: tuple[Callable[..., None], ...]
    request: tuple[Callable[..., Any], ...]
    unanswered: tuple[Callable[..., None], ...]
    response: tuple[Callable[..., Any], ...]
    error: tuple[Callable[..., Any], ...]
    finish: tuple[Callable[..., None], ...]
    retry: tuple[Callable[..., Any], ...]
    redirect: tuple[Callable[..., Any], ...]
    end: tuple[Callable[..., None], ...]
    connection: tuple[Callable[[ConnectionEvent], None], ...]
    idle: tuple[Callable[[ConnectionEvent], None], ...]
    close: tuple[Callable[[], None], ...]
    objects: tuple[object, ...]
    forgotten: deque[Any]

    def __init__(
        self,
        *,
        objects: tuple[object, ...] = (),
        forgotten: deque[Any] | None = None,
        **methods: tuple[Callable[..., Any], ...],
    ) -> None:
        by_event = _NOBODY
        if methods:
            by_event = tuple([methods.pop(event, ()) for event in EVENTS])
        if methods:
            msg = f"there is no event {', '.join(methods)}"
            raise TypeError(msg)
        self._fill(*by_event, objects, deque() if forgotten is None else forgotten)

    def _values(self) -> tuple[Any, ...]:
        return super()._values()[:-1]  # what was forgotten makes no difference

    @property
    def follow_calls(self) -> bool:
        """Somebody listens to more than connections and the end of the client."""
        return any(_of_calls(self))

    def joined_by(self, listener: object, label: str = "the listener") -> Listeners:
        """These, and one more, which is told last.

        Args:
            listener: has at least one of the methods.
            label: what messages call it.

        Raises:
            PluginError: it has none, or one that would have to be awaited where nothing waits.
        """
        from inspect import iscoroutinefunction  # somebody listens

        methods = {event: method for event in EVENTS if (method := _method_of(listener, event)) is not None}
        if not methods:
            raise PluginError(f"{label} has none of the methods {', '.join(EVENTS)}")
        for event, method in methods.items():
            if event in _PLAIN_EVENTS and iscoroutinefunction(method):
                raise PluginError(f"{label}: {event}() must be a plain function, nothing waits for it")
        changes: dict[str, Any] = {event: (*getattr(self, event), method) for event, method in methods.items()}
        # `forgotten` stays: those whom an earlier set of listeners was told of belong to the client, not to the set.
        return self.__replace__(**changes, objects=(*self.objects, listener))

    def without(self, listener: object) -> Listeners:
        """These, but for one."""
        left = Listeners()
        for each in self.objects:
            if each is not listener:
                left = left.joined_by(each)
        return left.__replace__(forgotten=self.forgotten)


class Compiled(Record):
    """Everything the plugins of a selection registered, read-only. Shared by the clients of that selection.

    Attributes:
        plugins: Names of the plugins, without the built-in one.
        content_codings: Codings by every name and alias, in lower case.
        accept_encoding: Value of Accept-Encoding: the codings on offer, in the order of adding.
        auth_schemes: Schemes by name, in lower case.
        proxy_connectors: Connectors by URL scheme.
        proxy_selectors: Factories of selectors by name, in the order to ask them.
        resolvers: Factories of resolvers by name.
        default_resolver: Name of the resolver that clients use unasked, or None.
        listener_sources: Where `create_listeners` gets its listeners.
        transports: Mounts, the most precise first.
        json_codecs: Codecs by name.
        json_codec: The codec that clients use unasked, or None for the core's own choice.
        commands: Commands by name, sorted.
    """

    __slots__ = (
        "accept_encoding",
        "auth_schemes",
        "commands",
        "content_codings",
        "default_resolver",
        "json_codec",
        "json_codecs",
        "listener_sources",
        "plugins",
        "proxy_connectors",
        "proxy_selectors",
        "resolvers",
        "transports",
    )

    plugins: tuple[str, ...]
    content_codings: Mapping[str, ContentCoding]
    accept_encoding: str
    auth_schemes: Mapping[str, AuthScheme]
    proxy_connectors: Mapping[str, ProxyConnector]
    proxy_selectors: Mapping[str, Callable[[], ProxySelector]]
    resolvers: Mapping[str, Callable[[Network], Resolver]]
    default_resolver: str | None
    listener_sources: tuple[ListenerSource, ...]
    transports: tuple[Mount, ...]
    json_codecs: Mapping[str, JsonCodec]
    json_codec: JsonCodec | None
    commands: Mapping[str, Command]

    def __init__(
        self,
        *,
        plugins: tuple[str, ...],
        content_codings: Mapping[str, ContentCoding],
        accept_encoding: str,
        auth_schemes: Mapping[str, AuthScheme],
        proxy_connectors: Mapping[str, ProxyConnector],
        proxy_selectors: Mapping[str, Callable[[], ProxySelector]],
        resolvers: Mapping[str, Callable[[Network], Resolver]],
        default_resolver: str | None,
        listener_sources: tuple[ListenerSource, ...],
        transports: tuple[Mount, ...],
        json_codecs: Mapping[str, JsonCodec],
        json_codec: JsonCodec | None,
        commands: Mapping[str, Command],
    ) -> None:
        by_name = locals()
        self._fill(*(by_name[name] for name in self.__match_args__))

    def create_listeners(self) -> Listeners:
        """Make one client's listeners and sort their methods by event.

        Raises:
            PluginError: a factory failed, or made something that listens to nothing.
        """
        listeners = Listeners()
        for source in self.listener_sources:
            label = f"event listener {source.name!r} by {source.owner}"
            try:
                listener = source.factory()
            except Exception as error:
                raise PluginError(f"{label} could not be made: {type(error).__name__}: {error}") from error
            if listener is not None:  # one that sits this client out
                listeners = listeners.joined_by(listener, label)
        return listeners


def _method_of(listener: object, event: str) -> Callable[..., Any] | None:
    """The listener's own method for an event; what it inherits from `EventListener` does nothing."""
    method: Callable[..., Any] | None = getattr(listener, event, None)
    inherited = getattr(method, "__func__", None) is getattr(EventListener, event)
    return method if callable(method) and not inherited else None
