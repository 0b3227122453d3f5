"""A conversation with a server played by hand, so that each test reads as who says what.

Response fields are encoded by the independent `hpack` package; frames are packed here, not by the engine.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import hpack
import pytest

from hyperhttp.protocol.http2 import H2Config, H2Connection, H2Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hyperhttp.exceptions import HyperHTTPError
    from hyperhttp.protocol.events import ResponseHead

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED = 0x1, 0x4, 0x8


class Listener:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.errors: list[HyperHTTPError] = []

    def receive_informational(self, head: ResponseHead) -> None:
        self.events.append(("interim", head.status_code))

    def receive_head(self, head: ResponseHead, end_stream: bool) -> None:
        self.head = head
        self.events.append(("head", head.status_code, end_stream))

    def receive_data(self, data: bytes, end_stream: bool) -> None:
        assert type(data) is bytes
        self.events.append(("data", data, end_stream))

    def receive_trailers(self, fields: list[tuple[Any, ...]]) -> None:
        self.events.append(("trailers", [field[:2] for field in fields]))

    def receive_reset(self, error: HyperHTTPError, unprocessed: bool) -> None:
        self.errors.append(error)
        self.events.append(("reset", getattr(error, "error_code", None), unprocessed))

    def window_opened(self) -> None:
        self.events.append(("window",))

    @property
    def body(self) -> bytes:
        return b"".join(event[1] for event in self.events if event[0] == "data")


class Notices:
    """Writes down what concerns the connection."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def settings_changed(self) -> None:
        self.events.append("settings")

    def goaway_received(self) -> None:
        self.events.append("goaway")

    def ping_acknowledged(self, data: bytes) -> None:
        self.events.append(("pong", data))


class Conversation:
    """The engine on one side, a server played by the test on the other."""

    def __init__(
        self, settings: Iterable[tuple[int, int]] = (), config: H2Config | None = None, *, greet: bool = True
    ) -> None:
        self.notices = Notices()
        self.connection = H2Connection(config, self.notices)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.connection.initiate()
        if greet:
            self.sent()
            self.feed(self.settings(settings), self.frame(SETTINGS, 1, 0))
            self.sent()
            self.notices.events.clear()

    @staticmethod
    def frame(frame_type: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", frame_type, flags, stream_id) + payload

    def settings(self, settings: Iterable[tuple[int, int]]) -> bytes:
        return self.frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *setting) for setting in settings))

    def headers(
        self,
        stream_id: int,
        fields: Iterable[tuple[str, str]] = (),
        *,
        status: int | None = 200,
        end: bool = False,
    ) -> bytes:
        lines = ([] if status is None else [(":status", str(status))]) + list(fields)
        flags = END_HEADERS | (END_STREAM if end else 0)
        return self.frame(HEADERS, flags, stream_id, self.encoder.encode(lines))

    def data(self, stream_id: int, data: bytes, *, end: bool = False) -> bytes:
        return self.frame(DATA, END_STREAM if end else 0, stream_id, data)

    def window_update(self, stream_id: int, increment: int) -> bytes:
        return self.frame(WINDOW_UPDATE, 0, stream_id, struct.pack(">I", increment))

    def rst_stream(self, stream_id: int, code: int) -> bytes:
        return self.frame(RST_STREAM, 0, stream_id, struct.pack(">I", code))

    def goaway(self, last_id: int, code: int = 0, debug: bytes = b"") -> bytes:
        return self.frame(GOAWAY, 0, 0, struct.pack(">II", last_id, code) + debug)

    def feed(self, *frames: bytes) -> None:
        self.connection.receive_data(b"".join(frames))

    def sent(self) -> list[tuple[int, int, int, bytes]]:
        """What the engine has written since: (type, flags, stream, payload)."""
        data = self.connection.data_to_send().removeprefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        frames = []
        while data:
            size = int.from_bytes(data[:3], "big")
            frames.append((data[3], data[4], int.from_bytes(data[5:9], "big"), data[9 : 9 + size]))
            data = data[9 + size :]
        return frames

    def request(
        self, method: bytes = b"GET", *, upload: bool = False, flush: bool = True, **options: Any
    ) -> tuple[H2Stream, Listener]:
        """Open a stream; with `upload` its content is still to come."""
        listener = Listener()
        stream = self.connection.open_stream(
            listener,
            method,
            options.pop("authority", b"example.com"),
            options.pop("path", b"/"),
            options.pop("fields", []),
            end_stream=not upload,
            **options,
        )
        if flush:
            self.sent()
        return stream, listener

    def goaway_code(self) -> int | None:
        """The code of the GOAWAY the engine has sent, None if it has not."""
        codes = [frame[3][4:8] for frame in self.sent() if frame[0] == GOAWAY]
        return int.from_bytes(codes[0], "big") if codes else None

    def reset_codes(self) -> list[tuple[int, int]]:
        """Stream and code of each RST_STREAM the engine has sent."""
        return [(frame[2], int.from_bytes(frame[3], "big")) for frame in self.sent() if frame[0] == RST_STREAM]


@pytest.fixture
def converse() -> Callable[..., Conversation]:
    """Begins a conversation with the given settings of the server and configuration of the client."""
    return Conversation


@pytest.fixture
def conversation() -> Conversation:
    """A conversation whose settings have been exchanged."""
    return Conversation()
