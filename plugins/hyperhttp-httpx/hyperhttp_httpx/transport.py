"""The two transports: a request of the peer's in, a response of the peer's out, hyperhttp between them.

Redirects, cookies, authentication, decoding and event hooks stay the peer's. Connections, protocols, TLS, proxies,
timeouts and limits are hyperhttp's.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import hyperhttp
from hyperhttp_httpx.network import AsyncStream, SyncStream, protocol_asked_for
from hyperhttp_httpx.options import client_options, sending_extensions, timeout_of
from hyperhttp_httpx.peer import Peer, join_bases, peer_of
from hyperhttp_httpx.streams import AsyncUpload, SyncUpload
from hyperhttp_httpx.trace import Trace

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import httpx
    import httpx2

    class _AsyncBase(httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport):  # type: ignore[misc]
        """For type checkers; at run time `join_bases` does the same with what is loaded."""

    class _SyncBase(httpx.BaseTransport, httpx2.BaseTransport):  # type: ignore[misc]
        """The same for the blocking face."""

else:
    _AsyncBase = _SyncBase = object

__all__ = ["HyperTransport", "SyncHyperTransport"]

#: Schemes that mean a WebSocket, and where its handshake goes.
_PLAIN: Final = {"ws": "http", "wss": "https"}

#: Seconds before the second further attempt to connect; each later one waits twice as long.
_PAUSE: Final = 0.5


class _Settings:
    """What both transports are made with.

    Args:
        verify: True for the usual roots, the path of others, False to trust anybody, or an `ssl.SSLContext`.
        cert: a client certificate: a path, or (certificate, key), or (certificate, key, password).
        trust_env: whether the environment's proxies and certificates count.
        http1: whether HTTP/1.1 may be spoken; without it HTTP/2 is spoken at once, unasked.
        http2: whether HTTP/2 is offered.
        limits: a `Limits` of the peer.
        proxy: a URL, or a `Proxy` of the peer.
        uds: path of a Unix socket to connect to instead of the host.
        local_address: address to connect from.
        retries: further attempts to connect, before anything was sent.
        **options: further options of `hyperhttp.Client` that are about connections.

    Raises:
        TypeError: an option is unknown, or belongs to the peer's client.
        ValueError: a value is out of range.
    """

    _client_class: type[Any]

    def __init__(
        self,
        verify: Any = True,
        cert: Any = None,
        trust_env: bool = True,
        http1: bool = True,
        http2: bool = True,
        limits: Any = None,
        proxy: Any = None,
        uds: str | None = None,
        local_address: str | None = None,
        retries: int = 0,
        **options: Any,
    ) -> None:
        self._retries = retries
        given = client_options(
            verify=verify,
            cert=cert,
            trust_env=trust_env,
            http1=http1,
            http2=http2,
            limits=limits,
            proxy=proxy,
            uds=uds,
            local_address=local_address,
            options=options,
        )
        self._client: Any = self._client_class(**given)


class HyperTransport(_Settings, _AsyncBase):
    """A transport for ``httpx.AsyncClient`` and ``httpx2.AsyncClient``.

    One transport may be used from several event loops, and by clients of both packages. The options are those of
    ``httpx.AsyncHTTPTransport``; HTTP/2 is offered unless ``http2=False``.
    """

    if not TYPE_CHECKING:

        def __new__(cls, *_: Any, **__: Any) -> Self:  # noqa: D102 - as if it had been declared with these bases
            return object.__new__(join_bases(cls, "AsyncBaseTransport"))

    _client_class = hyperhttp.Client

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request of httpx's or httpx2's and give a response of the same package, its content still on its way.

        Raises:
            TransportError: the package's own subclass for what failed; ours is its cause.
        """
        peer = peer_of(request)
        trace = Trace(request.extensions.get("trace"))
        try:
            ours, how = _request(peer, request, AsyncUpload)
            response = await self._send(ours, {**how, "timeout": timeout_of(request.extensions)})
        except hyperhttp.HyperHTTPError as error:
            await trace.atell("send_request.failed", exception=error)
            raise _translated(peer, error, request) from error
        trace.name(response.http_version)
        try:
            await trace.atell("receive_response_headers.complete", return_value=_facts(response))
        except BaseException:
            response.give_up()
            raise
        body = peer.async_body(response, peer, request, trace)
        return _response(peer, response, body, AsyncStream(response, peer.name))

    async def _send(self, request: hyperhttp.Request, options: dict[str, Any]) -> hyperhttp.Response:
        for attempt in range(self._retries):
            try:
                return await self._send_once(request, options)
            except (hyperhttp.ConnectError, hyperhttp.ConnectTimeout) as error:
                if not error.retryable:
                    raise
            await asyncio.sleep(_pause(attempt))
        return await self._send_once(request, options)

    async def _send_once(self, request: hyperhttp.Request, options: dict[str, Any]) -> hyperhttp.Response:
        response: hyperhttp.Response = await self._client.send(request, auth=None, stream=True, **options)
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self.aclose()


class SyncHyperTransport(_Settings, _SyncBase):
    """A transport for ``httpx.Client`` and ``httpx2.Client``; threads may share it.

    The options are those of ``httpx.HTTPTransport``; HTTP/2 is offered unless ``http2=False``.
    """

    if not TYPE_CHECKING:

        def __new__(cls, *_: Any, **__: Any) -> Self:  # noqa: D102 - as if it had been declared with these bases
            return object.__new__(join_bases(cls, "BaseTransport"))

    _client_class = hyperhttp.SyncClient

    def handle_request(self, request: Any) -> Any:
        """Send a request of httpx's or httpx2's and give a response of the same package, its content still on its way.

        Raises:
            TransportError: the package's own subclass for what failed; ours is its cause.
        """
        peer = peer_of(request)
        trace = Trace(request.extensions.get("trace"))
        try:
            ours, how = _request(peer, request, SyncUpload)
            response = self._send(ours, {**how, "timeout": timeout_of(request.extensions)})
        except hyperhttp.HyperHTTPError as error:
            trace.tell("send_request.failed", exception=error)
            raise _translated(peer, error, request) from error
        trace.name(response.http_version)
        try:
            trace.tell("receive_response_headers.complete", return_value=_facts(response))
        except BaseException:
            response.give_up()
            raise
        body = peer.sync_body(response, peer, request, trace)
        return _response(peer, response, body, SyncStream(response, peer.name))

    def _send(self, request: hyperhttp.Request, options: dict[str, Any]) -> hyperhttp.Response:
        for attempt in range(self._retries):
            try:
                return self._send_once(request, options)
            except (hyperhttp.ConnectError, hyperhttp.ConnectTimeout) as error:
                if not error.retryable:
                    raise
            time.sleep(_pause(attempt))
        return self._send_once(request, options)

    def _send_once(self, request: hyperhttp.Request, options: dict[str, Any]) -> hyperhttp.Response:
        response: hyperhttp.Response = self._client.send(request, auth=None, stream=True, **options)
        return response

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.close()


def _pause(attempt: int) -> float:
    return _PAUSE * 2 ** (attempt - 1) if attempt else 0.0


def _request(peer: Peer, request: Any, upload: Any) -> tuple[hyperhttp.Request, dict[str, Any]]:
    """Our request, with the same method, target, and fields in the same order and spelling; and options to send it with."""
    stream = request.stream
    content: Any
    if type(stream) is peer.byte_stream:
        content = b"".join(stream)
        if not content and "transfer-encoding" not in request.headers:
            content = None
    else:
        content = upload(stream)
    url = str(request.url)
    if request.url.scheme in _PLAIN:
        url = _PLAIN[request.url.scheme] + url[len(request.url.scheme) :]
    extensions = sending_extensions(request.extensions)
    ours = hyperhttp.Request(request.method, url, headers=request.headers.raw, content=content, extensions=extensions)
    protocol = protocol_asked_for(request) if content is None else None
    if protocol is None:
        return ours, {}
    ours.extensions["upgrade"] = protocol
    return ours, {"http2": False}  # the peers know no other way


def _response(peer: Peer, response: hyperhttp.Response, stream: Any, network: Any) -> Any:
    """The peer's response; the extensions are those of its own transports, and ours."""
    extensions: dict[str, Any] = {
        "http_version": response.http_version.encode("ascii"),
        "network_stream": network,
        "hyperhttp": response,
    }
    if response.reason or response.http_version != "HTTP/2":
        extensions["reason_phrase"] = response.reason.encode("latin-1", "replace")
    return peer.response(
        status_code=response.status_code, headers=response.headers.raw, stream=stream, extensions=extensions
    )


def _facts(response: hyperhttp.Response) -> tuple[bytes, int, bytes, list[tuple[bytes, bytes]]]:
    """What the peers' own transports tell of a head."""
    version = response.http_version.encode("ascii")
    return version, response.status_code, response.reason.encode("latin-1", "replace"), response.headers.raw


def _translated(peer: Peer, error: hyperhttp.HyperHTTPError, request: Any) -> Exception:
    if isinstance(error, hyperhttp.InvalidURL) and request.url.scheme not in ("http", "https"):
        return peer.unsupported(request.url.scheme, request)
    return peer.translate(error, request)
