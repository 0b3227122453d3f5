"""Keep the content of a response while somebody else reads it, up to a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhttp.exceptions import DecodingError
from hyperhttp.message.coding import CodingChain
from hyperhttp.message.decoding import decode_all
from hyperhttp.message.reading import PassedStream

if TYPE_CHECKING:
    from hyperhttp.message.reading import Stream
    from hyperhttp.message.response import Response

__all__ = ["Recording", "record_content"]


class Recording:
    """What was read so far, as it was sent.

    Args:
        response: whose content it is.
        limit: bytes that are kept; of larger content nothing is.
    """

    def __init__(self, response: Response, limit: int) -> None:
        # Not the response itself: one that is forgotten must go, so that its connection is free again.
        self._codings = response.headers.get_list("content-encoding") if response._coded else []
        self._options = response._options
        self._limit = limit
        self._pieces: list[bytes] | None = []
        self._size = 0
        self._is_whole = False

    def take(self, data: bytes) -> None:
        """Keep some more."""
        self._size += len(data)
        if self._size > self._limit:
            self._pieces = None
        elif self._pieces is not None:
            self._pieces.append(data)

    def end(self) -> None:
        """That was all."""
        self._is_whole = True

    def decoded(self) -> bytes | None:
        """The whole content, decoded; None where it is not whole, or there is too much of it."""
        if self._pieces is None or not self._is_whole:
            return None
        data = b"".join(self._pieces)
        try:
            if not self._codings:
                return data
            chain = CodingChain.for_response(self._codings, self._options.codings, max_ratio=self._options.max_ratio)
            return decode_all(chain, data, self._limit)
        except DecodingError:
            return None


def record_content(response: Response, limit: int) -> Recording:
    """Keep the content of a response of which nothing was read yet."""
    recording = Recording(response, limit)
    stream = response._stream
    if stream is None:
        recording.take(response._encoded if response._encoded is not None else response._content or b"")
        recording.end()
        return recording
    response._stream = recorded = _RecordedStream(stream, recording)
    if response._guard is not None:
        response._guard._stream = recorded
    return recording


class _RecordedStream(PassedStream):
    """Content on its way past a recording."""

    __slots__ = ("_recording",)

    def __init__(self, stream: Stream, recording: Recording) -> None:
        super().__init__(stream)
        self._recording = recording

    async def receive(self) -> bytes:
        """The next bytes; empty at the end."""
        data = await self._stream.receive()
        if data:
            self._recording.take(data)
        else:
            self._recording.end()
        return data

    async def receive_all(self, limit: int | None = None) -> bytes:
        """All that is left."""
        data = await self._stream.receive_all(limit)
        self._recording.take(data)
        self._recording.end()
        return data
