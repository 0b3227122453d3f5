"""Misbehaviour on demand: what a test wants the origin to do wrong.

Any endpoint takes ``?fault=NAME`` in its query; a test may instead plan faults on ``origin.faults``, which
also reaches requests whose URL it does not choose. Three more parameters tune them:

- ``fault_times=N``: only the first N requests for this very target fail, later ones are answered properly;
- ``fault_seconds=S``: how long a stall lasts, or the pause between two dripped bytes;
- ``fault_retry_after=V``: value of Retry-After, for the faults that are a status code (``?fault=503``).

:data:`FAULTS` maps each name to its function; the docstring says what happens on HTTP/1.1 and on HTTP/2.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from hyperhttp.testing.exchange import BadRequestError, Exchange, respond
from hyperhttp.testing.messages import ReceivedRequest, Reply

__all__ = ["FAULTS", "Fault", "FaultPlan", "describe_faults", "inject"]

INTERIM_FLOOD: Final = 1000
_INTERNAL_ERROR, _REFUSED_STREAM, _ENHANCE_YOUR_CALM, _HTTP_1_1_REQUIRED = 0x2, 0x7, 0xB, 0xD


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned misbehaviour.

    Attributes:
        name: a key of :data:`FAULTS`, or a status code such as ``"503"``.
        seconds: length of a stall or pause between bytes; None takes the fault's own.
        retry_after: value of Retry-After when the fault is a status code.
    """

    name: str
    seconds: float | None = None
    retry_after: str = ""

    def __post_init__(self) -> None:
        if self.name not in FAULTS and not self.status:
            known = ", ".join(FAULTS)
            raise ValueError(f"unknown fault {self.name!r}; known are {known}, and status codes")

    @property
    def status(self) -> int:
        """The status code this fault is, 0 when it is another kind."""
        is_status = self.name.isascii() and self.name.isdigit() and 200 <= int(self.name) <= 599
        return int(self.name) if is_status else 0

    @property
    def is_early(self) -> bool:
        """Whether it strikes before the content has been read."""
        return self.name in _EARLY


@dataclass(slots=True)
class _Plan:
    fault: Fault
    path: str | None
    method: str | None
    left: float

    def matches(self, request: ReceivedRequest) -> bool:
        return self.left > 0 and self.path in (None, request.path) and self.method in (None, request.method.upper())


class FaultPlan:
    """The faults still to come; safe to fill from any thread while requests arrive."""

    def __init__(self) -> None:
        self._plans: list[_Plan] = []
        self._seen: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(
        self,
        name: str,
        *,
        path: str | None = None,
        method: str | None = None,
        times: int | None = 1,
        seconds: float | None = None,
        retry_after: str = "",
    ) -> Fault:
        """Plan a fault for the next matching requests; plans are used up in the order they were added.

        Args:
            name: a key of :data:`FAULTS`, or a status code as text.
            path: only requests for this decoded path; None takes any.
            method: only requests with this method; None takes any.
            times: how many requests it strikes; None for all until :meth:`clear`.
            seconds: see :class:`Fault`.
            retry_after: see :class:`Fault`.

        Raises:
            ValueError: no such fault.
        """
        fault = Fault(name, seconds, retry_after)
        left = float("inf") if times is None else float(times)
        with self._lock:
            self._plans.append(_Plan(fault, path, method and method.upper(), left))
        return fault

    def clear(self) -> None:
        """Behave again: forget all plans, and all counts of ``fault_times``."""
        with self._lock:
            self._plans.clear()
            self._seen.clear()

    def take(self, exchange: Exchange) -> Fault | None:
        """The fault this request meets, counted as used.

        Raises:
            BadRequestError: the query names a fault there is not.
        """
        if self._plans and (planned := self._from_plans(exchange.request)):
            return planned
        name = exchange.arg("fault") if "fault=" in exchange.request.target else ""
        return self._from_query(exchange, name) if name else None

    def _from_plans(self, request: ReceivedRequest) -> Fault | None:
        with self._lock:
            plan = next((plan for plan in self._plans if plan.matches(request)), None)
            if plan is None:
                return None
            plan.left -= 1
            return plan.fault

    def _from_query(self, exchange: Exchange, name: str) -> Fault | None:
        seconds = exchange.number("fault_seconds", -1.0, most=600.0)
        try:
            fault = Fault(name, None if seconds < 0 else seconds, exchange.arg("fault_retry_after"))
        except ValueError as error:
            raise BadRequestError(400, str(error)) from None
        times = exchange.number("fault_times", float("inf"), most=1e9)
        target = exchange.request.target
        with self._lock:
            seen = self._seen[target] = self._seen.get(target, 0) + 1
        return fault if seen <= times else None


async def inject(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Answer a request in the wrong way."""
    if fault.status:
        fields = [("Content-Type", "text/plain; charset=utf-8")]
        if fault.retry_after:
            fields.append(("Retry-After", fault.retry_after))
        await respond(exchange, Reply(fault.status, fields, f"fault {fault.name}\n".encode()))
    else:
        await FAULTS[fault.name](exchange, reply, fault)


def describe_faults() -> dict[str, str]:
    """Each fault's name and what it does."""
    return {name: (function.__doc__ or "").partition("\n")[0] for name, function in FAULTS.items()}


async def _close_during_upload(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Reads the first piece of the request's content, then closes the connection."""
    await exchange.read()
    exchange.close()


async def _close_before_response(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Closes the connection in place of a response."""
    exchange.close()


async def _reset(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Resets the TCP connection in place of a response."""
    exchange.reset()


async def _reset_body(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Sends the head and half of the content, then resets the TCP connection."""
    await _send_half(exchange, reply)
    await asyncio.sleep(0.05)  # a reset would overtake what was written
    exchange.reset()


async def _truncate(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Sends the head and half of the content, then closes the connection."""
    await _send_half(exchange, reply)
    exchange.close()


async def _short_content(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Ends the content after half of what Content-Length says: END_STREAM on HTTP/2, a close on HTTP/1.1."""
    await _send_half(exchange, reply)
    if exchange.request.stream_id is None:
        exchange.close()
    else:
        await exchange.finish()


async def _cut_content(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Sends half of the content, rightly framed: only a content coding or a checksum can tell."""
    content = await reply.collect()
    reply.body = content[: len(content) // 2]
    await respond(exchange, reply)


async def _corrupt(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Inverts some bytes in the middle of the content, rightly framed."""
    content = await reply.collect()
    middle = len(content) // 2
    broken = bytes(byte ^ 0xFF for byte in content[middle : middle + 8])
    reply.body = content[:middle] + broken + content[middle + 8 :]
    await respond(exchange, reply)


async def _stall_head(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Reads the request and never answers; resets the connection after 60 seconds."""
    await exchange.stall(_seconds(fault, 60.0))


async def _stall_body(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Sends the head and half of the content, then nothing; resets the connection after 60 seconds."""
    await _send_half(exchange, reply)
    await exchange.stall(_seconds(fault, 60.0))


async def _drip(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Sends the content one byte at a time, 0.01 seconds apart."""
    content = await reply.collect()

    async def slowly(write: Callable[[bytes], Awaitable[None]]) -> None:
        for index in range(len(content)):
            await write(content[index : index + 1])
            await asyncio.sleep(_seconds(fault, 0.01))

    if isinstance(reply.body, bytes):
        reply.length = len(content)
    reply.body = slowly
    await respond(exchange, reply)


async def _drip_head(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Sends head and content one byte at a time, 0.01 seconds apart (HTTP/2: the content only)."""
    if exchange.request.stream_id is None:
        exchange.pace = _seconds(fault, 0.01)
        await respond(exchange, reply)
    else:
        await _drip(exchange, reply, fault)


async def _garbage(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Sends bytes that are not HTTP in place of a response, then closes the connection."""
    await exchange.send_raw(exchange.garbage)
    exchange.close()


async def _garbage_body(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Sends half of the content, then bytes that are neither chunk nor frame, then closes the connection."""
    await _send_half(exchange, reply, is_chunked=True)
    await exchange.send_raw(exchange.garbage)
    exchange.close()


async def _close_idle(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Answers properly, then closes the connection without having said so."""
    await respond(exchange, reply)
    exchange.close()


async def _extra_bytes(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Answers properly, then sends a response (HTTP/2: content) that nobody asked for."""
    await respond(exchange, reply)
    await exchange.send_raw(exchange.leftover)


async def _late_408(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Answers properly, sends a 408 (HTTP/2: GOAWAY) 0.05 seconds later, and closes the connection."""
    await respond(exchange, reply)
    await asyncio.sleep(_seconds(fault, 0.05))
    await exchange.send_raw(exchange.idle_notice)
    exchange.close()


async def _interim_flood(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """Sends a thousand 103 (Early Hints) before the response."""
    for _ in range(INTERIM_FLOOD):
        await exchange.send_interim(103, [("Link", "</style.css>; rel=preload")])
    await respond(exchange, reply)


async def _reset_stream(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """HTTP/2: RST_STREAM with INTERNAL_ERROR in place of a response. HTTP/1.1: ``reset``."""
    exchange.reset_stream(_INTERNAL_ERROR)


async def _reset_stream_body(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """HTTP/2: RST_STREAM with INTERNAL_ERROR after half of the content. HTTP/1.1: ``reset-body``."""
    await _send_half(exchange, reply)
    await asyncio.sleep(0.05 if exchange.request.stream_id is None else 0.0)
    exchange.reset_stream(_INTERNAL_ERROR)


async def _refused_stream(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """HTTP/2: RST_STREAM with REFUSED_STREAM, so the request may be sent again. HTTP/1.1: ``reset``."""
    exchange.reset_stream(_REFUSED_STREAM)


async def _enhance_your_calm(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """HTTP/2: RST_STREAM with ENHANCE_YOUR_CALM. HTTP/1.1: ``reset``."""
    exchange.reset_stream(_ENHANCE_YOUR_CALM)


async def _http_1_1_required(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """HTTP/2: RST_STREAM with HTTP_1_1_REQUIRED. HTTP/1.1: a proper answer."""
    if exchange.request.stream_id is None:
        await respond(exchange, reply)
    else:
        exchange.reset_stream(_HTTP_1_1_REQUIRED)


async def _goaway(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """HTTP/2: GOAWAY that leaves this request out, then a close. HTTP/1.1: ``close-before-response``."""
    await exchange.send_goaway(served=False)
    exchange.close()


async def _goaway_after(exchange: Exchange, reply: Reply, fault: Fault) -> None:
    """HTTP/2: GOAWAY that includes this request, then its proper answer. HTTP/1.1: ``close-idle``."""
    await exchange.send_goaway(served=True)
    await respond(exchange, reply)
    if exchange.request.stream_id is None:
        exchange.close()


def _seconds(fault: Fault, default: float) -> float:
    return default if fault.seconds is None else fault.seconds


async def _send_half(exchange: Exchange, reply: Reply, *, is_chunked: bool = False) -> None:
    """Send a head that promises the whole content, and the first half of it."""
    content = await reply.collect() or b"content that will not come in full\n"
    known = isinstance(reply.body, bytes) or reply.length is not None
    await exchange.send_head(reply, len(content) if known and not is_chunked else None)
    await exchange.write(content[: len(content) // 2])
    await exchange.send_raw(b"")  # the head goes out even if the response has no content


FaultFunction: TypeAlias = Callable[[Exchange, Reply, Fault], Awaitable[None]]

FAULTS: Final[dict[str, FaultFunction]] = {
    "close-during-upload": _close_during_upload,
    "close-before-response": _close_before_response,
    "reset": _reset,
    "reset-body": _reset_body,
    "truncate": _truncate,
    "short-content": _short_content,
    "cut-content": _cut_content,
    "corrupt": _corrupt,
    "stall-head": _stall_head,
    "stall-body": _stall_body,
    "drip": _drip,
    "drip-head": _drip_head,
    "garbage": _garbage,
    "garbage-body": _garbage_body,
    "close-idle": _close_idle,
    "extra-bytes": _extra_bytes,
    "late-408": _late_408,
    "interim-flood": _interim_flood,
    "reset-stream": _reset_stream,
    "reset-stream-body": _reset_stream_body,
    "refused-stream": _refused_stream,
    "enhance-your-calm": _enhance_your_calm,
    "http-1-1-required": _http_1_1_required,
    "goaway": _goaway,
    "goaway-after": _goaway_after,
}
_EARLY: Final = frozenset({"close-during-upload"})
