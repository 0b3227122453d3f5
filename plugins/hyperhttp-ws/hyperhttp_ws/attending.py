"""Keep-alive on asyncio while nobody receives: one timer per WebSocket, which the end of the WebSocket cancels."""

from __future__ import annotations

import asyncio
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperhttp_ws.session import Session

__all__ = ["Attendant"]


class Attendant:
    """Looks after a session now and then, and does not keep it alive.

    Args:
        session: of a WebSocket of the running loop.
    """

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session, self._forgotten)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._look()

    def _look(self) -> None:
        self._timer = None
        session = self._session()
        seconds = None if session is None else session.look_after()
        if seconds is not None:
            self._timer = self._loop.call_later(seconds, self._look)

    def _forgotten(self, _: object) -> None:
        """Nobody holds the session any more; a garbage collector may say so from another thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.stop)

    def stop(self) -> None:
        """There is nothing to look after any more."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
