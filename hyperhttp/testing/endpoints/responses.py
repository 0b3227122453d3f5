"""Endpoints whose status line, fields, timing or framing is what matters."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re

from hyperhttp.testing.endpoints.inspection import grouped, shown_headers, view
from hyperhttp.testing.endpoints.routing import ALL_METHODS, Routes
from hyperhttp.testing.exchange import BadRequestError, Exchange, has_no_content, reason_of
from hyperhttp.testing.messages import Field, Reply, json_reply

__all__ = ["MAX_DELAY", "routes", "sendable_fields"]

routes = Routes()
MAX_DELAY = 10.0
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


def sendable_fields(pairs: list[Field]) -> list[Field]:
    """Query pairs as fields; ``fault`` and its parameters are not meant.

    Raises:
        BadRequestError: one of them cannot be sent without breaking the head (RFC 9110 section 5.5).
    """
    fields = []
    for name, value in pairs:
        if name.startswith("fault"):
            continue
        if not _FIELD_NAME.match(name) or any(char in value for char in "\r\n\0"):
            raise BadRequestError(400, f"{name!r} with {value!r} cannot be a field")
        fields.append((name, value.encode("utf-8").decode("latin-1")))
    return fields


@routes.add("/status/{codes}", methods=ALL_METHODS)
def status(exchange: Exchange) -> Reply:
    """Answers with the status code in the path, or one of several ("200,500" or weighted "200:3,500:1")."""
    codes: list[int] = []
    weights: list[float] = []
    for choice in exchange.parameters["codes"].split(","):
        text, _, weight = choice.partition(":")
        try:
            codes.append(int(text))
            weights.append(float(weight or 1.0))
        except ValueError:
            raise BadRequestError(400, f"{choice!r} is not a status code") from None
        if not 200 <= codes[-1] <= 999:
            raise BadRequestError(400, f"{codes[-1]} is not a final status code")
    code = random.choices(codes, weights)[0]
    fields: list[Field] = []
    if code in (301, 302, 303, 307, 308):
        fields.append(("Location", "/redirect/1"))
    if code == 401:
        fields.append(("WWW-Authenticate", 'Basic realm="Fake Realm"'))
    if code == 407:
        fields.append(("Proxy-Authenticate", 'Basic realm="Fake Realm"'))
    if has_no_content("GET", code):
        return Reply(code, fields)
    return Reply(code, [*fields, ("Content-Type", "text/plain")], f"{code} {reason_of(code)}".encode())


@routes.add("/response-headers", methods=("GET", "POST"))
def response_headers(exchange: Exchange) -> Reply:
    """Sends the pairs of the query as response fields."""
    return json_reply(grouped(exchange.args), fields=sendable_fields(exchange.args))


@routes.add("/delay/{seconds}", methods=ALL_METHODS)
async def delay(exchange: Exchange) -> Reply:
    """Waits up to 10 seconds, then shows the request."""
    try:
        seconds = float(exchange.parameters["seconds"])
    except ValueError:
        raise BadRequestError(400, "the delay must be a number of seconds") from None
    await asyncio.sleep(min(max(seconds, 0.0), MAX_DELAY))
    return json_reply(view(exchange, "args", "data", "headers", "origin", "url"))


@routes.add("/early-hints")
def early_hints(exchange: Exchange) -> Reply:
    """Sends 103 (Early Hints, RFC 8297) ?count= times before 200."""
    count = int(exchange.number("count", 1, most=100))
    hints = [("Link", "</style.css>; rel=preload; as=style")]
    reply = json_reply({"early-hints": count})
    reply.interim = [(103, hints)] * count
    return reply


@routes.add("/trailers")
def trailers(exchange: Exchange) -> Reply:
    """Sends content with trailer fields: those of the query, and the content's SHA-256 as X-Checksum."""
    content = b"content with trailers\n"
    checksum = ("X-Checksum", hashlib.sha256(content).hexdigest())
    fields = [checksum, *sendable_fields(exchange.args)]
    names = ", ".join(name for name, _ in fields)
    return Reply(200, [("Content-Type", "text/plain"), ("Trailer", names)], content, trailers=fields)


@routes.add("/expect", methods=("POST", "PUT"), is_streaming=True)
async def expect(exchange: Exchange) -> Reply:
    """Tells whether the client waited for 100 (Continue); ?refuse=1 answers 417 without reading."""
    if exchange.arg("refuse"):
        return Reply(417, [("Content-Type", "text/plain")], b"the content is not wanted\n", close=True)
    expected = exchange.expects_continue
    await exchange.read_all()
    answer = {"expected": expected, "continued": exchange.was_continued, "length": len(exchange.body)}
    return json_reply(answer | {"headers": shown_headers(exchange)})


@routes.add("/early-413", methods=("POST", "PUT", "PATCH"), is_streaming=True)
def early_413(exchange: Exchange) -> Reply:
    """Answers 413 before it has read any content, then closes the connection."""
    return Reply(413, [("Content-Type", "text/plain")], b"too much content\n", close=True)
