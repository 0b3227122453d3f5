"""What is asked and what must be answered: each response proves whose it is and that it came whole.

A job names itself in a field and in its URL; the far side sends the name back, with the hash of the content that
arrived there. The content of the answer follows from the name alone, so an answer to somebody else is never right.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

PIECE = 64 * 1024


def content_of(name: str, size: int) -> bytes:
    """The content that belongs to a name."""
    block = hashlib.sha256(name.encode()).digest()
    return (block * (size // len(block) + 1))[:size]


def digest_of(content: bytes) -> str:
    """The hash of some content."""
    return hashlib.sha256(content).hexdigest()


class WrongAnswerError(Exception):
    """A response that is not the one to its request: the worst that can happen."""


@dataclass(slots=True)
class Job:
    """One request and what its answer must be.

    Attributes:
        name: unlike any other.
        method: of the request.
        up: bytes to send.
        down: bytes to get.
        plan: what the far side does before and while it answers; see `tests.endurance.far_side`.
        query: added to the URL.
        options: of the call.
        pieces: send the content piece by piece.
        reads: ``"whole"``, ``"pieces"`` or ``"part"`` of the answer.
        may_fail: a typed error is an answer, too.
        may_give_up: so is a 503, where there is no time for another attempt.
    """

    name: str
    method: str = "GET"
    up: int = 0
    down: int = 100
    plan: dict[str, Any] = field(default_factory=dict)
    query: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    pieces: bool = False
    reads: str = "whole"
    may_fail: bool = False
    may_give_up: bool = False

    @property
    def path(self) -> str:
        """Of some hundred, so that what is remembered of URLs is used and does not grow."""
        return f"/job/{int(digest_of(self.name.encode())[:4], 16) % 100}{self.query}"

    @property
    def headers(self) -> dict[str, str]:
        """What tells the far side what to do."""
        return {"X-Name": self.name, "X-Plan": json.dumps(self.plan | {"down": self.down})}

    def content(self) -> bytes:
        """What is sent."""
        return content_of(f"up {self.name}", self.up)

    def plain_pieces(self) -> Iterator[bytes]:
        """What is sent, piece by piece."""
        content = self.content()
        for at in range(0, len(content), PIECE):
            yield content[at : at + PIECE]

    async def async_pieces(self) -> AsyncIterator[bytes]:
        """The same for asyncio."""
        for piece in self.plain_pieces():
            yield piece

    def check(self, response: Any, content: bytes, *, whole: bool = True) -> None:
        """Compare the answer with what it must be.

        Raises:
            WrongAnswerError: it is another one's, or broken.
        """
        if response.status_code == 503 and self.may_give_up:
            return
        got = response.headers.get("x-name")
        if response.status_code != 200 or got != self.name:
            msg = f"{self.name} was answered with {response.status_code} for {got}: {content[:60]!r}"
            raise WrongAnswerError(msg)
        if response.headers.get("x-got") != digest_of(self.content() if self.method != "GET" else b""):
            raise WrongAnswerError(f"the content of {self.name} did not arrive as it was sent")
        right = content_of(self.name, self.down)
        if content != (right if whole else right[: len(content)]):
            raise WrongAnswerError(f"{self.name} got {len(content)} bytes which are not the {self.down} it should get")


async def ask(client: Any, base: str, job: Job) -> None:
    """Run a job on asyncio."""
    content = {} if job.method == "GET" else {"content": job.async_pieces() if job.pieces else job.content()}
    response = await client.request(job.method, base + job.path, headers=job.headers, **content, **job.options)
    if job.reads == "whole":
        job.check(response, await response.aread())
        return
    got = bytearray()
    async with response:
        async for piece in response.aiter_bytes():
            got += piece
            if job.reads == "part":
                break
    job.check(response, bytes(got), whole=job.reads != "part")


def ask_blocking(client: Any, base: str, job: Job) -> None:
    """Run a job in this thread."""
    content = {} if job.method == "GET" else {"content": job.plain_pieces() if job.pieces else job.content()}
    options = job.options | {"stream": job.reads != "whole"}
    response = client.request(job.method, base + job.path, headers=job.headers, **content, **options)
    if job.reads == "whole":
        job.check(response, response.read())
        return
    got = bytearray()
    with response:
        for piece in response.iter_bytes():
            got += piece
            if job.reads == "part":
                break
    job.check(response, bytes(got), whole=job.reads != "part")
