"""What a warm GET costs, in Python calls: a figure that does not depend on the machine and never flickers.

Counted are calls of functions below ``hyperhttp`` in the thread of the caller, resumed coroutines included;
the server answers from a thread of its own, at once and always with the same bytes.

The budgets are what was measured. They go down with the code and never up: whoever needs more calls says in
the commit what they buy.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hyperhttp

if TYPE_CHECKING:
    from types import FrameType

SOURCE = f"{Path(hyperhttp.__file__).parent}/"
ANSWER = b"HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
ROUNDS = 9
#: Calls, and frames on top of each other, for a request whose content is read.
BUDGET = {"asyncio": (18, 4), "blocking": (27, 10)}


class Meter:
    """Counts calls into the library, and how deep they stand in it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.depth = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        # Comprehensions are calls on some versions of Python and not on others.
        if event == "call" and code.co_filename.startswith(SOURCE) and not code.co_name.endswith("comp>"):
            self.calls.append(f"{code.co_filename.removeprefix(SOURCE)} {code.co_qualname}")
            self.depth = max(self.depth, depth_of(frame))


def depth_of(frame: FrameType | None) -> int:
    depth = 0
    while frame is not None:
        depth += frame.f_code.co_filename.startswith(SOURCE)
        frame = frame.f_back
    return depth


async def measured(client: Any, url: str) -> Meter:
    meter, before = Meter(), sys.getprofile()
    sys.setprofile(meter)
    try:
        content = await client.read(await client.get(url))
    finally:
        sys.setprofile(before)
    assert content == b"hello"
    return meter


async def test_a_warm_get_stays_within_its_budget(face: Any, scripted: Any) -> None:
    server = scripted([ANSWER], repeat=True)
    async with face.client() as client:
        for _ in range(2):
            await client.read(await client.get(server.url))
        meters = [await measured(client, server.url) for _ in range(ROUNDS)]
    assert len(server.connections) == 1
    meter = min(meters, key=lambda each: len(each.calls))
    # A timer of the client's or an answer in two pieces may fall into a round or two; the rest are all the same.
    same = sum(each.calls == meter.calls for each in meters)
    assert same > ROUNDS // 2, "the count must not flicker"

    calls, depth = BUDGET[face.name]
    print(*meter.calls, sep="\n")  # shown when the budget is exceeded
    assert len(meter.calls) <= calls, f"{len(meter.calls)} calls; {calls} are allowed"
    assert meter.depth <= depth, f"{meter.depth} frames deep; {depth} are allowed"
