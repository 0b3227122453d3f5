"""Endpoints for conditional requests and caches (RFC 9110 section 13, RFC 9111)."""

from __future__ import annotations

from hyperhttp.testing.endpoints.inspection import view
from hyperhttp.testing.endpoints.responses import sendable_fields
from hyperhttp.testing.endpoints.routing import Routes
from hyperhttp.testing.exchange import BadRequestError, Exchange
from hyperhttp.testing.messages import Reply, json_reply

__all__ = ["routes"]

routes = Routes()
_LAST_MODIFIED = "Wed, 01 Jan 2025 00:00:00 GMT"
_ETAG = '"hyperhttp-cache"'


@routes.add("/cache")
def cache(exchange: Exchange) -> Reply:
    """304 when the request is conditional, else the view of /get with validators."""
    fields = [("ETag", _ETAG), ("Last-Modified", _LAST_MODIFIED)]
    if "if-none-match" in exchange.headers or "if-modified-since" in exchange.headers:
        return Reply(304, fields)
    return json_reply(view(exchange, "args", "headers", "origin", "url"), fields=fields)


@routes.add("/cache/{seconds}")
def cache_for(exchange: Exchange) -> Reply:
    """The view of /get with Cache-Control: public, max-age=seconds."""
    seconds = exchange.parameters["seconds"]
    if not (seconds.isascii() and seconds.isdigit()):
        raise BadRequestError(400, "max-age must be a number of seconds")
    fields = [("Cache-Control", f"public, max-age={seconds}")]
    return json_reply(view(exchange, "args", "headers", "origin", "url"), fields=fields)


@routes.add("/etag/{etag}")
def etag(exchange: Exchange) -> Reply:
    """Honours If-None-Match (304) and If-Match (412) for that entity tag."""
    fields = sendable_fields([("ETag", f'"{exchange.parameters["etag"]}"')])
    tag = fields[0][1]
    if "if-none-match" in exchange.headers:
        if _lists(exchange.headers["if-none-match"], tag):
            return Reply(304, fields)
    elif "if-match" in exchange.headers and not _lists(exchange.headers["if-match"], tag):
        return Reply(412, fields)
    return json_reply(view(exchange, "args", "headers", "origin", "url"), fields=fields)


def _lists(value: str, tag: str) -> bool:
    """Whether a list of entity tags has one (weak comparison)."""
    tags = [item.strip().removeprefix("W/") for item in value.split(",")]
    return "*" in tags or tag in tags
