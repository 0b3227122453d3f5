"""What all connections of one origin share, and how a request becomes a reply.

The two protocols hand each request to :meth:`Site.answer`; everything above the wire is decided here: is
there a fault to play, which endpoint answers, what becomes of an endpoint that fails.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

from hyperhttp.testing.endpoints import Route, default_router
from hyperhttp.testing.endpoints.documents import index_page
from hyperhttp.testing.exchange import BadRequestError, Exchange, respond
from hyperhttp.testing.faults import FaultPlan, describe_faults, inject
from hyperhttp.testing.messages import Fields, ReceivedRequest, Reply, RequestLog

__all__ = ["ConnectionCounters", "Peer", "Site"]


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection.

    Attributes:
        connection_id: number of the connection, from 1.
        scheme: ``"http"`` or ``"https"``.
        address: the peer's IP address.
    """

    connection_id: int
    scheme: str
    address: str


@dataclass(slots=True)
class ConnectionCounters:
    """What happened on an origin's listeners since it started.

    Attributes:
        opened: connections accepted.
        open: connections open now.
        peak: most connections open at a time.
        tls: connections that finished a TLS handshake.
        failed_handshakes: connections that did not.
        http1: connections that spoke HTTP/1.
        http2: connections that spoke HTTP/2.
        requests: requests received.
        refused: requests or connections that broke the protocol.
    """

    opened: int = 0
    open: int = 0
    peak: int = 0
    tls: int = 0
    failed_handshakes: int = 0
    http1: int = 0
    http2: int = 0
    requests: int = 0
    refused: int = 0


class Site:
    """The shared state of an origin.

    Attributes:
        http2: HTTP/2 is spoken too.
        max_streams: how many HTTP/2 streams a client may have open on a connection.
        keep: bytes of content kept per recorded request.
        log: the recorded requests.
        faults: what to do wrong.
        counters: what happened on the connections.
        notes: where endpoints keep what must outlive a request.
        errors: exceptions that endpoints raised.
        router: the endpoints.
    """

    def __init__(self, *, http2: bool, record_requests: int, record_body: int, max_streams: int = 100) -> None:
        self.http2 = http2
        self.max_streams = max_streams
        self.keep = record_body
        self.log = RequestLog(record_requests)
        self.faults = FaultPlan()
        self.counters = ConnectionCounters()
        self.notes: dict[str, Any] = {}
        self.errors: list[Exception] = []
        self.router = default_router()
        self.router.add(Route("/", ("GET", "HEAD"), self._index, is_streaming=False))

    def receive(
        self,
        method: str,
        target: str,
        version: str,
        headers: Fields,
        peer: Peer,
        *,
        stream_id: int | None = None,
    ) -> ReceivedRequest:
        """Record a request whose head has arrived."""
        request = ReceivedRequest(
            method,
            target,
            version,
            headers,
            scheme=peer.scheme,
            client=peer.address,
            connection_id=peer.connection_id,
            stream_id=stream_id,
            keep=self.keep,
        )
        self.counters.requests += 1
        self.log.append(request)
        return request

    async def answer(self, exchange: Exchange) -> None:
        """Answer a request, rightly or with the fault that was asked for.

        Raises:
            OSError: the client left.
            EOFError: the client left in the middle of a chunk.
        """
        try:
            await self._answer(exchange)
        except BadRequestError as error:
            self.counters.refused += 1
            await self._give_up(exchange, error.reply())
        except (OSError, EOFError):
            raise
        except Exception as error:  # noqa: BLE001 - answered with 500 and kept for the test
            self.errors.append(error)
            text = "".join(traceback.format_exception(error)).encode()
            await self._give_up(exchange, Reply(500, [("Content-Type", "text/plain; charset=utf-8")], text))

    async def _answer(self, exchange: Exchange) -> None:
        fault = self.faults.take(exchange)
        if fault is None:
            await respond(exchange, await self.router.answer(exchange))
        elif fault.is_early:
            await inject(exchange, Reply(), fault)
        else:
            await inject(exchange, await self.router.answer(exchange), fault)

    async def _give_up(self, exchange: Exchange, reply: Reply) -> None:
        if exchange.head_sent:
            exchange.close()  # too late to say anything: the client must see that the content is cut short
            return
        # What is left of too much content is not worth reading.
        reply.close = reply.status == 413
        await respond(exchange, reply)

    def _index(self, exchange: Exchange) -> Reply:
        """This list."""
        entries = [
            (", ".join(route.methods), route.template, (route.endpoint.__doc__ or "").partition("\n")[0])
            for route in self.router.routes
        ]
        return index_page(sorted(entries, key=lambda entry: entry[1]), describe_faults())
