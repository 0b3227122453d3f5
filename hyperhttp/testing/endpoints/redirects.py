"""Endpoints that redirect (RFC 9110 section 15.4)."""

from __future__ import annotations

from hyperhttp.testing.endpoints.responses import sendable_fields
from hyperhttp.testing.endpoints.routing import ALL_METHODS, Routes
from hyperhttp.testing.exchange import BadRequestError, Exchange
from hyperhttp.testing.messages import Reply

__all__ = ["redirect_reply", "routes"]

routes = Routes()


def redirect_reply(location: str, status: int = 302) -> Reply:
    """A redirect to a place that has been checked for line breaks."""
    fields = sendable_fields([("Location", location)])
    return Reply(status, [*fields, ("Content-Type", "text/plain")], b"see Location\n")


def _steps(exchange: Exchange) -> int:
    try:
        steps = int(exchange.parameters["n"])
    except ValueError:
        steps = 0
    if not 1 <= steps <= 1000:
        raise BadRequestError(400, "the number of redirects must be from 1 to 1000")
    return steps


def _base(exchange: Exchange) -> str:
    return f"{exchange.request.scheme}://{exchange.headers.get('host', '')}"


@routes.add("/redirect/{n}", "/relative-redirect/{n}", methods=ALL_METHODS)
def relative_redirect(exchange: Exchange) -> Reply:
    """Redirects n times with a relative Location, then to /get."""
    steps = _steps(exchange)
    return redirect_reply(f"/relative-redirect/{steps - 1}" if steps > 1 else "/get")


@routes.add("/absolute-redirect/{n}", methods=ALL_METHODS)
def absolute_redirect(exchange: Exchange) -> Reply:
    """Redirects n times with an absolute Location, then to /get."""
    steps = _steps(exchange)
    return redirect_reply(_base(exchange) + (f"/absolute-redirect/{steps - 1}" if steps > 1 else "/get"))


@routes.add("/redirect-to", methods=ALL_METHODS)
def redirect_to(exchange: Exchange) -> Reply:
    """Redirects to ?url= with ?status_code= (302)."""
    location = exchange.arg("url")
    status = int(exchange.number("status_code", 302, most=399))
    if not location or not 300 <= status <= 399:
        raise BadRequestError(400, "?url= must be given, and ?status_code= must be a 3xx")
    return redirect_reply(location, status)
