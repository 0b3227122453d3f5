"""A client's events as spans and metrics.

A call's state travels with its requests, in their extensions: a redirect's request has the same one, so that the number
of what was sent before is known. A span ends when the head of the response is there: the caller may read the content much
later, or never. Nothing here is made current, so that spans cannot leak into the caller's context.
"""

from __future__ import annotations

from logging import getLogger
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.propagators.textmap import default_setter
from opentelemetry.trace import SpanKind, Status, StatusCode

from hyperhttp import URL, HyperHTTPError, InvalidURL
from hyperhttp.plugins import EventListener
from hyperhttp_otel import __version__
from hyperhttp_otel import conventions as names
from hyperhttp_otel.instruments import Instruments

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from hyperhttp import ConnectionInfo, Request, Response
    from hyperhttp_otel.process import Switch
    from hyperhttp_otel.settings import Settings

    _Peer = tuple[str, int | None]

__all__ = ["Attempt", "CallState", "Listener", "is_suppressed"]

#: Under which a request's extensions hold the state of its call.
CALL: Final = "hyperhttp_otel.call"
#: Under which those of a request and of its response hold the attempt. Copies that are under way at one time have their own.
ATTEMPT: Final = "hyperhttp_otel.attempt"
#: Extension of a request that names its URL's template, such as ``/users/{id}``.
TEMPLATE: Final = "url_template"

#: The keys under which a context says that nothing is to be recorded; there is no public name for them yet.
_SUPPRESSING: Final = (
    "suppress_instrumentation",
    getattr(contexts, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation"),
    getattr(contexts, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation"),
)
_UNKNOWN: Final = object()


def is_suppressed(context: Context | None = None) -> bool:
    """Inside `suppress_instrumentation` or `suppress_http_instrumentation`, such as an exporter's.

    Args:
        context: instead of the current one.
    """
    current = contexts.get_current() if context is None else context
    return bool(current) and any(current.get(key) for key in _SUPPRESSING)


class CallState:
    """One call of a client.

    Attributes:
        sent: attempts begun so far.
        span: of the whole call, where that is wanted.
        context: what the attempts' spans are children of: the caller's context, or the call's span in it.
    """

    __slots__ = ("context", "sent", "span")

    def __init__(self, context: Context) -> None:
        self.sent = 0
        self.span: Span | None = None
        self.context: Context | None = context


class Attempt:
    """One request on its way.

    Attributes:
        attributes: of metrics.
        span: until it has ended.
        context: with that span, for exemplars.
        peer: address and port of the connection that gave no head, where there was one.
        written: names of the header fields that carry it.
        began, began_at: by a clock that only goes forward, and by the calendar, in nanoseconds.
    """

    __slots__ = ("attributes", "began", "began_at", "context", "peer", "span", "written")

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.attributes = attributes
        self.written: tuple[str, ...] = ()
        self.span: Span | None = None
        self.context: Context | None = None
        self.peer: _Peer | None = None
        self.began = perf_counter_ns()
        self.began_at = time_ns()


class Listener(EventListener):
    """Listens to one client.

    Args:
        settings: what to record.
        switch: whether to.
        tracers: makes the tracer.
        meters: makes the meter.
    """

    __slots__ = ("_inject", "_settings", "_tracer", "instruments", "switch")

    def __init__(self, settings: Settings, switch: Switch, tracers: TracerProvider, meters: MeterProvider) -> None:
        self._settings = settings
        self.switch = switch
        self._tracer = tracers.get_tracer(__package__, __version__, schema_url=names.SCHEMA_URL)
        meter = meters.get_meter(__package__, __version__, schema_url=names.SCHEMA_URL)
        self.instruments = Instruments(meter, settings.opt_in)
        self._inject = propagate.inject if settings.propagator is None else settings.propagator.inject

    def leave(self) -> None:
        """The client has been told not to tell this listener any more."""

    # -- the call ----------------------------------------------------------------------------------------------------

    def begin(self, request: Request) -> None:
        """A call: forget what an earlier one has left with the same request."""
        state = self._new_state(request)
        if state is not None and self._settings.call_spans and not self._is_excluded(request):
            method = self._method(request)
            state.span = self._tracer.start_span(
                f"call {self._name(method, request)}",
                kind=SpanKind.INTERNAL,
                attributes={
                    names.REQUEST_METHOD: method,
                    names.URL_FULL: names.full_url(request.url, self._settings.sensitive_query),
                },
            )
            state.context = trace.set_span_in_context(state.span, state.context)

    def end(self, request: Request, response: Response | None, error: BaseException | None) -> None:
        """The caller has the response, or the error."""
        state: CallState | None = request.extensions.get(CALL)
        if state is None:
            return
        span, state.span, state.context = state.span, None, None
        if span is not None:
            outcome = _outcome(response, error)
            outcome.pop(names.PROTOCOL_VERSION, None)  # each attempt has its own
            _say_how_it_ended(span, outcome, error)
            span.end()

    # -- its attempts ------------------------------------------------------------------------------------------------

    def request(self, request: Request) -> None:
        """A span begins, and its context goes into the header fields."""
        state: Any = request.extensions.get(CALL, _UNKNOWN)
        if state is _UNKNOWN:  # one that a scheme of authentication makes for itself, for a token
            state = self._new_state(request)
        if state is not None:
            self._begin_attempt(request, state)

    def unanswered(
        self, request: Request, connection: ConnectionInfo | None, error: BaseException, again: bool
    ) -> None:
        """A connection was dead; what is sent again is a request of its own, with a span of its own."""
        attempt: Attempt | None = request.extensions.get(ATTEMPT)
        if attempt is None or attempt.context is None:
            return
        attempt.peer = _peer_of(connection, request.url)
        if again:
            self.finish(request, None, error)
            self._forget_attempt(request)
            self._begin_attempt(request, request.extensions[CALL])

    def _begin_attempt(self, request: Request, state: CallState) -> None:
        sent, state.sent = state.sent, state.sent + 1
        if self._is_excluded(request):
            self._forget_attempt(request)
            return
        request.extensions[ATTEMPT] = attempt = self._start(request, state.context, sent)
        span = attempt.span
        if span is not None and span.is_recording() and self._settings.request_headers is not None:
            span.set_attributes(self._settings.request_headers.attributes(names.REQUEST_HEADER, request.headers))
        written: dict[str, str] = {}
        self._inject(written, context=attempt.context, setter=default_setter)
        for name, value in written.items():
            request.headers[name] = value
        attempt.written = tuple(written)
        if self.instruments.active is not None:
            self.instruments.active.add(1, attempt.attributes, context=attempt.context)
        if self._settings.request_hook is not None:
            _call_safely(self._settings.request_hook, span, request)

    def response(self, response: Response) -> None:
        """The head is there: the span ends."""
        request = response.request
        attempt: Attempt | None = request.extensions.get(ATTEMPT)
        if attempt is None:
            return
        response.extensions[ATTEMPT] = attempt
        if self._settings.response_hook is not None:
            _call_safely(self._settings.response_hook, attempt.span, request, response)
        self._finish(attempt, response, None)

    def finish(self, request: Request, response: Response | None, error: BaseException | None) -> None:
        """Nothing more will come: neither a head, where there was none, nor content."""
        attempt: Attempt | None = None if response is None else response.extensions.get(ATTEMPT)
        if attempt is None:
            attempt = request.extensions.get(ATTEMPT)
        if attempt is None or attempt.context is None:
            return
        self._finish(attempt, response, error)
        self._record_sizes(attempt, request, response, error)
        attempt.context = None  # what is left can be copied and pickled with its response

    # -- how -----------------------------------------------------------------------------------------------------------

    def _new_state(self, request: Request) -> CallState | None:
        """None where nothing is to be recorded."""
        current = contexts.get_current()
        state = CallState(current) if self.switch.on and not is_suppressed(current) else None
        request.extensions[CALL] = state
        self._forget_attempt(request)
        return state

    def _forget_attempt(self, request: Request) -> None:
        """Whatever follows is another one; where an earlier one was, so are the fields it was sent with."""
        earlier = request.extensions.get(ATTEMPT)
        request.extensions[ATTEMPT] = None
        for name in () if earlier is None else earlier.written:
            request.headers.pop(name, None)

    def _is_excluded(self, request: Request) -> bool:
        excluded = self._settings.excluded
        return excluded is not None and excluded.search(str(request.url)) is not None

    def _method(self, request: Request) -> str:
        return request.method if request.method in self._settings.known_methods else names.OTHER

    def _name(self, method: str, request: Request) -> str:
        """Never the path: there may be as many as there are users."""
        name = "HTTP" if method == names.OTHER else method
        template = request.extensions.get(TEMPLATE)
        return name if template is None else f"{name} {template}"

    def _start(self, request: Request, parent: Context | None, sent: int) -> Attempt:
        """Begin the span, with what samplers want to know."""
        opt_in = self._settings.opt_in
        method = self._method(request)
        address, port = names.server_of(request)
        common: dict[str, Any] = {names.REQUEST_METHOD: method, names.SERVER_ADDRESS: address}
        if port:  # schemes of mounted transports may have none
            common[names.SERVER_PORT] = port
        if names.URL_SCHEME in opt_in:
            common[names.URL_SCHEME] = request.url.scheme
        template = request.extensions.get(TEMPLATE)
        if template is not None:
            common[names.URL_TEMPLATE] = template
        attributes = {**common, names.URL_FULL: names.full_url(request.url, self._settings.sensitive_query)}
        if method != request.method:
            attributes[names.REQUEST_METHOD_ORIGINAL] = request.method
        if sent:
            attributes[names.REQUEST_RESEND_COUNT] = sent
        if names.USER_AGENT in opt_in and "user-agent" in request.headers:
            attributes[names.USER_AGENT] = request.headers["user-agent"]
        if names.REQUEST_BODY_SIZE in opt_in and request.content is not None and request.content.length is not None:
            attributes[names.REQUEST_BODY_SIZE] = request.content.length
        attempt = Attempt(common)
        attempt.span = self._tracer.start_span(
            self._name(method, request),
            context=parent,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=attempt.began_at,
        )
        attempt.context = trace.set_span_in_context(attempt.span, parent)
        return attempt

    def _finish(self, attempt: Attempt, response: Response | None, error: BaseException | None) -> None:
        """End the span and record the same duration, once."""
        span, attempt.span = attempt.span, None
        if span is None:
            return
        elapsed = perf_counter_ns() - attempt.began
        if self.instruments.active is not None:
            self.instruments.active.add(-1, attempt.attributes, context=attempt.context)
        outcome = _outcome(response, error)
        attempt.attributes = {**attempt.attributes, **outcome}
        if span.is_recording():
            said = outcome | self._peer(attempt, response, error)
            if response is not None and self._settings.response_headers is not None:
                said |= self._settings.response_headers.attributes(names.RESPONSE_HEADER, response.headers)
            _say_how_it_ended(span, said, error)
        span.end(attempt.began_at + elapsed)
        self.instruments.duration.record(elapsed / 1e9, attempt.attributes, context=attempt.context)

    def _peer(self, attempt: Attempt, response: Response | None, error: BaseException | None) -> dict[str, Any]:
        """Who was at the other end, as far as the attempt has come; the span alone says so."""
        peer = attempt.peer if response is None else _peer_of(response.connection, response.request.url)
        if peer is None and isinstance(error, HyperHTTPError) and error.address is not None:
            peer = error.address, error.port  # whoever took the connection, and let the handshake fail
        if peer is None:
            return {}
        address, port = peer
        said: dict[str, Any] = {names.PEER_ADDRESS: address}
        if port is not None:
            said[names.PEER_PORT] = port
        if names.TRANSPORT in self._settings.opt_in:
            said[names.TRANSPORT] = "unix" if _is_path(address) else "tcp"
        return said

    def _record_sizes(
        self, attempt: Attempt, request: Request, response: Response | None, error: BaseException | None
    ) -> None:
        attributes = attempt.attributes
        if isinstance(error, Exception):
            attributes = {**attributes, names.ERROR_TYPE: names.error_type(error)}
        content = request.content
        if self.instruments.request_sizes is not None and content is not None and content.length is not None:
            self.instruments.request_sizes.record(content.length, attributes, context=attempt.context)
        if self.instruments.response_sizes is not None and response is not None:
            size = response.num_bytes_downloaded
            self.instruments.response_sizes.record(size, attributes, context=attempt.context)


def _outcome(response: Response | None, error: BaseException | None) -> dict[str, Any]:
    """Attributes of metrics and of the span: status, version, and the kind of error."""
    found: dict[str, Any] = {}
    if response is not None:
        found[names.RESPONSE_STATUS_CODE] = response.status_code
        if response.connection is not None:
            found[names.PROTOCOL_VERSION] = names.version_of(response.http_version)
        if response.status_code >= 400:
            found[names.ERROR_TYPE] = str(response.status_code)
    if isinstance(error, Exception):  # what is no Exception is a caller who wants no more
        found[names.ERROR_TYPE] = names.error_type(error)
    return found


def _say_how_it_ended(span: Span, said: dict[str, Any], error: BaseException | None) -> None:
    span.set_attributes(said)
    if isinstance(error, Exception):
        span.set_status(Status(StatusCode.ERROR, str(error)))
    elif names.ERROR_TYPE in said:
        span.set_status(Status(StatusCode.ERROR))


def _peer_of(connection: ConnectionInfo | None, url: URL) -> _Peer | None:
    """Address and port: the proxy's where the peer is one, and no port for a Unix socket."""
    if connection is None:
        return None
    if _is_path(connection.peer):
        return connection.peer, None
    try:
        end = url if connection.proxy is None else URL.parse_cached(connection.proxy)
    except InvalidURL:
        return connection.peer, None
    return connection.peer, end.effective_port


def _is_path(peer: str) -> bool:
    return "/" in peer


def _call_safely(hook: Callable[..., None], *arguments: Any) -> None:
    """A hook that fails harms no request."""
    try:
        hook(*arguments)
    except Exception:
        getLogger(__package__).exception("a hook failed")
