"""What a client does, on the logger ``hyperhttp`` at the level DEBUG; without secrets.

Whether it is told is decided when a client is made: then one that tells nothing does nothing either.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from hyperhttp.plugins.interfaces import EventListener

if TYPE_CHECKING:
    from logging import Logger

    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.plugins.compiled import Listeners
    from hyperhttp.plugins.interfaces import ConnectionEvent

__all__ = ["LogListener", "with_log"]


def with_log(listeners: Listeners) -> Listeners:
    """The listeners of a client that is being made, and one that writes the log where somebody wants it."""
    logging: Any = sys.modules.get("logging")  # where nobody has imported it, nobody has set it up
    if logging is None:
        return listeners
    logger = logging.getLogger("hyperhttp")
    if not logger.isEnabledFor(logging.DEBUG):
        return listeners
    return listeners.joined_by(LogListener(logger))


class LogListener(EventListener):
    """Writes one line for each attempt, redirect and retry, and for each connection that is opened or closed.

    Records carry their facts as attributes as well: ``http_event``, and as far as they are known ``http_method``, ``http_url``,
    ``http_status``, ``http_version`` and ``http_elapsed`` (seconds).
    """

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def response(self, response: Response) -> None:
        """An attempt has its head."""
        request = response.request
        facts = _facts("response", request, status=response.status_code)
        facts |= {"http_version": response.http_version, "http_elapsed": response.elapsed}
        self._logger.debug(
            "%s %s: %d over %s in %.1f ms",
            request.method,
            request.url.redacted,
            response.status_code,
            response.http_version,
            response.elapsed * 1000,
            extra=facts,
        )

    def error(self, request: Request, error: Exception) -> None:
        """An attempt has failed."""
        kind = type(error).__name__
        facts = _facts("error", request)
        self._logger.debug("%s %s: %s: %s", request.method, request.url.redacted, kind, error, extra=facts)

    def retry(self, request: Request, attempt: int, delay: float, cause: Exception | Response) -> None:
        """A request will be sent again."""
        why = type(cause).__name__ if isinstance(cause, Exception) else str(cause.status_code)
        facts = _facts("retry", request)
        words = (request.method, request.url.redacted, attempt, delay, why)
        self._logger.debug("%s %s: retry %d in %.3g s after %s", *words, extra=facts)

    def redirect(self, response: Response, request: Request) -> None:
        """A redirect is followed."""
        old = response.request
        facts = _facts("redirect", request, status=response.status_code)
        words = (old.method, old.url.redacted, response.status_code, request.method, request.url.redacted)
        self._logger.debug("%s %s: %d leads to %s %s", *words, extra=facts)

    def connection(self, event: ConnectionEvent) -> None:
        """A connection was opened or closed."""
        if event.kind == "reused":
            return
        facts = {"http_event": event.kind, "http_version": event.http_version}
        words = (event.id, event.host, event.port, event.kind, event.http_version, event.peer)
        self._logger.debug("connection %d to %s:%d %s (%s, %s)", *words, extra=facts)


def _facts(event: str, request: Request, *, status: int | None = None) -> dict[str, Any]:
    facts = {"http_event": event, "http_method": request.method, "http_url": request.url.redacted}
    return facts if status is None else facts | {"http_status": status}
