"""Ctrl-C at every moment at which it can come: whatever a request had in its hands is given back.

Python looks for signals when a function begins, when a loop turns and when a call of something written in C returns. Here an
interrupt comes at the first of these moments of a request, in the next request at a later one, and so on to the end: no
chance decides what is tried.
"""

from __future__ import annotations

import dis
import gc
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import SyncClient

if TYPE_CHECKING:
    from types import FrameType

    from hyperhttp.testing.origin import Origin

_LOOKS = {
    dis.opmap[name] for name in ("RESUME", "CALL", "CALL_KW", "CALL_FUNCTION_EX", "JUMP_BACKWARD") if name in dis.opmap
}
_PACKAGE = hyperhttp.__file__.removesuffix("__init__.py")


class Interrupt:
    """A trace function that raises KeyboardInterrupt at one of the moments."""

    def __init__(self, moment: int) -> None:
        self.left = moment
        self.where = ""
        self._last: tuple[FrameType, int] | None = None

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(_PACKAGE) or "testing" in name or frame.f_code.co_name == "__del__":
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self._last = (frame, -1)
        return self._step

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event != "opcode":
            self._last = None
            return self._step
        last, self._last = self._last, (frame, frame.f_lasti)
        if last is None or last[0] is not frame:
            return self._step
        if last[1] < 0 or frame.f_code.co_code[last[1]] in _LOOKS:
            self.left -= 1
            if not self.left:
                sys.settrace(None)
                self.where = f"{name_of(frame)}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self._step


def name_of(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename.removeprefix(_PACKAGE)}:{frame.f_code.co_name}"


def interrupted(client: SyncClient, url: str, moment: int) -> str | None:
    """Where a request was interrupted; None if it had ended by then."""
    interrupt = Interrupt(moment)
    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        client.get(url)
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
        interrupt._last = None
    return interrupt.where or None


def in_use(client: SyncClient) -> int:
    return sum(each["in_use"] for each in client.get_pool_stats().values())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # a coroutine that was never awaited
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("http2", "size", "step"),
    [
        (False, 200, 1),
        (False, 70_000, 2),
        (True, 200, 3),
        (True, 70_000, 11),
    ],  # of the longer ones, some: each costs time
    ids=["HTTP/1.1", "HTTP/1.1, streamed", "HTTP/2", "HTTP/2, streamed"],
)
async def test_an_interrupt_at_any_moment_of_a_request_leaves_the_pool_sound(
    hyperhttp_http2_origin: Origin, http2: bool, size: int, step: int
) -> None:
    origin = hyperhttp_http2_origin
    url = f"{origin.https_url if http2 else origin.url}/bytes/{size}"
    with SyncClient(ssl_context=origin.ssl_context(), timeout=10) as client:
        moment = 1
        while True:
            assert len(client.get(url).content) == size  # an idle connection is there
            where = interrupted(client, url, moment)
            if where is None:
                break
            gc.collect(0)
            assert in_use(client) == 0, f"a place was lost at moment {moment}: {where}"
            others = threading.Thread(target=lambda: client.get(url), daemon=True)
            others.start()  # which finds no lock that nobody gives back
            others.join(10)
            assert not others.is_alive(), f"a lock was lost at moment {moment}: {where}"
            moment += step
    assert moment > 40
