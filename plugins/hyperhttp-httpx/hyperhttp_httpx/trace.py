"""The ``trace`` extension of a request: a function of the caller's that is told how its request goes.

The names are those that the peers' own transports use, as far as they mean something here: a request that waits for a
connection others may share has no phases of its own before its head has been received.
"""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Trace"]


class Trace:
    """Tells one request's function; does nothing where there is none.

    Args:
        function: ``function(event, info)``, ``async`` on asyncio; or None.
    """

    __slots__ = ("_function", "_prefix")

    def __init__(self, function: Callable[[str, dict[str, Any]], Any] | None) -> None:
        self._function = function
        self._prefix = "connection"

    def name(self, http_version: str) -> None:
        """Say which protocol it was, once that is known."""
        self._prefix = "http2" if http_version == "HTTP/2" else "http11"

    def tell(self, event: str, **info: Any) -> None:
        """Tell an event to a plain function.

        Raises:
            TypeError: the function is asynchronous.
        """
        if self._function is not None:
            result = self._function(f"{self._prefix}.{event}", info)
            if isawaitable(result):
                getattr(result, "close", lambda: None)()  # or Python would complain of it a second time
                raise TypeError("the trace function of a blocking client must be a plain function")

    async def atell(self, event: str, **info: Any) -> None:
        """Tell an event to an asynchronous function.

        Raises:
            TypeError: the function is plain.
        """
        if self._function is not None:
            result = self._function(f"{self._prefix}.{event}", info)
            if not isawaitable(result):
                raise TypeError("the trace function of an asynchronous client must be an asynchronous function")
            await result
