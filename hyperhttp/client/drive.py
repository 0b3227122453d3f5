"""Run a coroutine that never suspends.

On the blocking network every awaitable finishes at once, so a whole request is one ``send(None)``: one thread, one stack,
no event loop, not even a hidden one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["drive"]

T = TypeVar("T")

_REFUSAL: Final = (
    "something asynchronous was given to SyncClient (an async hook, listener, transport, auth flow, or request content): "
    "use a plain function or iterator, or call the asynchronous Client"
)


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits only for what finishes at once.

    Raises:
        RuntimeError: it suspended: something of the caller's is asynchronous.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    except RuntimeError as error:
        if "no running event loop" in str(error):  # what asyncio says to whoever waits without one
            raise RuntimeError(_REFUSAL) from error
        raise
    coroutine.close()
    raise RuntimeError(_REFUSAL)
