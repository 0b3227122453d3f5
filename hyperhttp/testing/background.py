"""An event loop in a thread of its own, which ends when it is told to, or when the program does.

The thread is not a daemon, so it is never torn down in the middle of something; and it watches the main
thread, so forgetting to stop it delays the end of the program by a moment but never prevents it.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["BackgroundLoop"]

_T = TypeVar("_T")
_WATCH_SECONDS = 0.5


class BackgroundLoop:
    """Runs coroutines on a loop of its own.

    Args:
        name: the thread's name.
        finish: awaited on the loop before it ends.
    """

    def __init__(self, name: str, finish: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._name = name
        self._finish = finish
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._ended: Future[None] = Future()
        self._stopping: asyncio.Event | None = None
        self._is_stop_wanted = False
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether the thread is there."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> Future[asyncio.AbstractEventLoop]:
        """Start the thread; the future is done when the loop runs."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=False)
        self._thread.start()
        return self._started

    def stop(self) -> Future[None]:
        """Ask the loop to finish; the future is done when it is closed."""
        self._is_stop_wanted = True
        if self.is_running and self._stopping is not None:
            try:
                self._started.result().call_soon_threadsafe(self._stopping.set)
            except RuntimeError:
                pass  # it ended by itself in this moment
        return self._ended

    def join(self) -> None:
        """Wait for the thread itself, which ends right after the loop."""
        if self._thread is not None:
            self._thread.join()

    def submit(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Run a coroutine on the loop, from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self._started.result())

    def call(self, function: Callable[[], object]) -> None:
        """Run a function on the loop soon, from another thread."""
        self._started.result().call_soon_threadsafe(function)

    def _run(self) -> None:
        # The stock loop, whatever policy the program has set: the origin relies on its transports.
        try:
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._main())
        finally:
            if not self._started.done():
                self._started.set_exception(RuntimeError("the origin's event loop did not start"))
            self._ended.set_result(None)

    async def _main(self) -> None:
        self._stopping = stopping = asyncio.Event()
        self._started.set_result(asyncio.get_running_loop())
        try:
            while threading.main_thread().is_alive() and not (stopping.is_set() or self._is_stop_wanted):
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), _WATCH_SECONDS)
        finally:
            await self._finish()
