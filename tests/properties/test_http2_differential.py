"""Our HTTP/2 engine and the `h2` package hold random conversations, and have to agree on what was said.

`h2` plays the server. Whatever is done in whatever order, cut into whatever pieces, each side must hear what
the other side said, and nobody may find fault with the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperhttp.exceptions import HyperHTTPError, ReadError
from hyperhttp.protocol.http2 import H2Config, H2Connection, H2Stream

if TYPE_CHECKING:
    from hyperhttp.protocol.events import ResponseHead

Fields = list[tuple[bytes, bytes]]


@dataclass
class Exchange:
    """What one side said on a stream and what the other heard; also the engine's listener."""

    request: Fields
    stream: H2Stream | None = None
    to_send: int = 0
    sent: bytes = b""
    sent_end: bool = False
    blocked: bool = False
    server_heard: list[Any] = field(default_factory=list)
    server_said: list[Any] = field(default_factory=list)
    heard: list[Any] = field(default_factory=list)
    unread: int = 0
    response_begun: bool = False
    response_ended: bool = False
    reset: bool = False

    def receive_informational(self, head: ResponseHead) -> None:
        self.heard.append(("interim", head.status_code))

    def receive_head(self, head: ResponseHead, end_stream: bool) -> None:
        self.heard.append(("head", head.status_code, [tuple(line[:2]) for line in head.fields]))
        self._end(end_stream)

    def receive_data(self, data: bytes, end_stream: bool) -> None:
        self.heard += [("byte", byte) for byte in data]
        self.unread += len(data)
        self._end(end_stream)

    def receive_trailers(self, fields: list[tuple[Any, ...]]) -> None:
        self.heard.append(("trailers", [tuple(line[:2]) for line in fields]))
        self._end(True)

    def receive_reset(self, error: HyperHTTPError, unprocessed: bool) -> None:
        self.heard.append(("reset", getattr(error, "error_code", None)))

    def window_opened(self) -> None:
        self.blocked = False

    def _end(self, end_stream: bool) -> None:
        if end_stream:
            self.heard.append(("end",))


class Conversation:
    def __init__(self) -> None:
        self.client = H2Connection(H2Config(stream_window=3000, connection_window=70_000))
        self.client.initiate()
        self.server = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None, validate_inbound_headers=True)
        )
        self.server.initiate_connection()
        self.exchanges: dict[int, Exchange] = {}

    def pick(self, number: int) -> tuple[int, Exchange] | None:
        """One of the exchanges, if there is any."""
        if not self.exchanges:
            return None
        newest = sorted(self.exchanges)[-8:]
        stream_id = newest[number % len(newest)]
        return stream_id, self.exchanges[stream_id]

    def transfer(self, size: int) -> None:
        """Carry all bytes over, both ways, in pieces of `size`, until nobody has anything to say."""
        while True:
            up, down = self.client.data_to_send(), self.server.data_to_send()
            if not up and not down:
                return
            for start in range(0, len(up), size):
                for event in self.server.receive_data(up[start : start + size]):
                    self._server_hears(event)
            for start in range(0, len(down), size):
                self.client.receive_data(down[start : start + size])

    def _server_hears(self, event: h2.events.Event) -> None:
        exchange = self.exchanges.get(getattr(event, "stream_id", None) or 0)
        if exchange is None:
            return
        if isinstance(event, h2.events.RequestReceived):
            exchange.server_heard.append([(bytes(name), bytes(value)) for name, value in event.headers])
        elif isinstance(event, h2.events.DataReceived):
            exchange.server_heard.append(event.data)
            self.server.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            exchange.reset = True

    def open(self, fields: Fields, size: int, has_content: bool) -> None:
        if not self.client.can_open:
            return
        exchange = Exchange(request=fields, to_send=size if has_content else 0, sent_end=not has_content)
        exchange.stream = self.client.open_stream(
            exchange,
            b"POST" if has_content else b"GET",
            b"example.com",
            b"/p",
            fields,
            end_stream=not has_content,
        )
        self.exchanges[exchange.stream.stream_id] = exchange

    def client_sends(self, number: int, size: int) -> None:
        picked = self.pick(number)
        if picked is not None and not picked[1].blocked and not picked[1].stream.send_closed:
            self._send(picked[1], size)

    def _send(self, exchange: Exchange, size: int) -> None:
        size = min(size, exchange.to_send)
        data = bytes((len(exchange.sent) + index) % 251 for index in range(size))
        ends = size == exchange.to_send
        taken = self.client.send_data(exchange.stream, data, end_stream=ends)
        exchange.sent += data[:taken]
        exchange.to_send -= taken
        exchange.sent_end = ends and taken == size
        exchange.blocked = taken < size

    def client_reads(self, number: int) -> None:
        picked = self.pick(number)
        if picked is not None:
            self.client.acknowledge(picked[1].stream, picked[1].unread)
            picked[1].unread = 0

    def client_resets(self, number: int) -> None:
        picked = self.pick(number)
        if picked is not None and not picked[1].stream.is_ended:
            self.client.reset_stream(picked[1].stream)
            picked[1].reset = True

    def server_responds(self, number: int, kind: str, fields: Fields, size: int, end: bool) -> None:
        picked = self.pick(number)
        if picked is None:
            return
        stream_id, exchange = picked
        if exchange.response_ended or exchange.reset or not exchange.server_heard:
            return
        try:
            if not exchange.response_begun:
                self._server_begins(stream_id, exchange, kind, fields, end)
            elif kind == "trailers":
                self.server.send_headers(stream_id, fields or [(b"t", b"u")], end_stream=True)
                exchange.server_said += [("trailers", fields or [(b"t", b"u")]), ("end",)]
                exchange.response_ended = True
            elif kind == "reset":
                self.server.reset_stream(stream_id, 2)
                exchange.server_said.append(("reset", 2))
                exchange.response_ended = exchange.reset = True
            else:
                self._server_sends(stream_id, exchange, size, end)
        except h2.exceptions.StreamClosedError:
            exchange.reset = True

    def _server_begins(self, stream_id: int, exchange: Exchange, kind: str, fields: Fields, end: bool) -> None:
        if kind == "trailers":
            self.server.send_headers(stream_id, [(b":status", b"103")])
            exchange.server_said.append(("interim", 103))
            return
        self.server.send_headers(stream_id, [(b":status", b"200"), *fields], end_stream=end)
        exchange.server_said.append(("head", 200, fields))
        exchange.response_begun, exchange.response_ended = True, end
        if end:
            exchange.server_said.append(("end",))

    def _server_sends(self, stream_id: int, exchange: Exchange, size: int, end: bool) -> None:
        window = self.server.local_flow_control_window(stream_id)
        padding = size % 7 if size % 3 == 0 else None
        allowed = min(window, self.server.max_outbound_frame_size) - ((padding or 0) + 1)
        size = min(size, allowed)
        if size < 0:
            return
        data = bytes(index % 256 for index in range(size))
        self.server.send_data(stream_id, data, end_stream=end, pad_length=padding)
        exchange.server_said += [("byte", byte) for byte in data]
        if end:
            exchange.server_said.append(("end",))
            exchange.response_ended = True

    def server_settings(self, code: int, value: int) -> None:
        self.server.update_settings({h2.settings.SettingCodes(code): value})

    def finish(self) -> None:
        """Let every upload go to its end, and every reader catch up; nobody may be left waiting."""
        self.server_settings(4, 65_535)
        self.transfer(100_000)
        for _ in range(20):
            for exchange in self.exchanges.values():
                if not exchange.stream.send_closed and not exchange.blocked:
                    self._send(exchange, 40_000)
            self.transfer(100_000)
        for stream_id, exchange in self.exchanges.items():
            assert exchange.stream.send_closed
            self.client.acknowledge(exchange.stream, exchange.unread)
            self.transfer(100_000)
            if exchange.response_begun and not exchange.response_ended and not exchange.reset:
                assert self.server.local_flow_control_window(stream_id) > 1500

    def check(self) -> None:
        """Everybody heard what was said."""
        assert self.client.error is None
        for exchange in self.exchanges.values():
            heard, said = exchange.heard, exchange.server_said
            assert heard == said[: len(heard)]
            if not exchange.reset:
                assert heard == said
            if exchange.server_heard:
                fields = [line for line in exchange.server_heard[0] if not line[0].startswith(b":")]
                assert fields == exchange.request
                content = b"".join(exchange.server_heard[1:])
                assert content == exchange.sent[: len(content)]
                assert exchange.reset or content == exchange.sent


NAMES = [b"accept", b"x-a", b"x-b", b"x-token", b"user-agent", b"authorization", b"x-long-custom-name"]
VALUES = [b"", b"1", b"text/html", b"a somewhat longer value", b"caf\xc3\xa9"]


def some_fields(chance: Random) -> Fields:
    """Header fields that often repeat, so that the tables of HPACK are used."""
    values = [*VALUES, b"%x" % chance.getrandbits(80)]
    return [(chance.choice(NAMES), chance.choice(values)) for _ in range(chance.randrange(6))]


def one_step(conversation: Conversation, chance: Random) -> None:
    """Do one thing, on one of the sides."""
    number = chance.randrange(8)
    match chance.choices(range(10), [5, 5, 3, 0.5, 12, 0.5, 0.3, 0.5, 0.3, 8])[0]:
        case 0:
            conversation.open(some_fields(chance), chance.choice([0, 10, 30_000]), chance.random() < 0.6)
        case 1:
            conversation.client_sends(number, chance.choice([0, 1, 100, 40_000]))
        case 2:
            conversation.client_reads(number)
        case 3:
            conversation.client_resets(number)
        case 4:
            kind = chance.choices(["data", "trailers", "reset"], [10, 1, 0.3])[0]
            size = chance.choice([0, 1, 30, 999, 5000])
            conversation.server_responds(number, kind, some_fields(chance), size, chance.random() < 0.2)
        case 5:
            conversation.server_settings(1, chance.choice([0, 60, 4096]))
        case 6:
            conversation.server_settings(3, chance.randrange(1, 12))
        case 7:
            conversation.server_settings(4, chance.choice([0, 100, 65_535, 100_000]))
        case 8:
            conversation.server_settings(5, chance.choice([16_384, 30_000]))
        case _:
            conversation.transfer(chance.choice([1, 7, 100, 100_000]))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(0, 200))
def test_both_sides_hear_what_was_said(seed: int, length: int) -> None:
    chance = Random(seed)
    conversation = Conversation()
    conversation.transfer(100_000)
    for _ in range(length):
        one_step(conversation, chance)
    conversation.finish()
    conversation.check()
    conversation.client.connection_lost(ReadError)
    assert conversation.client.open_streams == 0


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_bytes_make_the_engine_raise_or_forget_a_listener(data: st.DataObject) -> None:
    """Frames with random headers and payloads: every stream ends in a response or an error."""
    client = H2Connection(H2Config(control_budget=50))
    client.initiate()
    exchanges = [Exchange(request=[]) for _ in range(3)]
    for exchange in exchanges:
        exchange.stream = client.open_stream(exchange, b"GET", b"example.com", b"/", [], end_stream=True)
    client.data_to_send()
    client.receive_data(b"\0\0\0\x04\0\0\0\0\0")
    frames = st.tuples(st.integers(0, 10), st.integers(0, 255), st.integers(0, 8), st.binary(max_size=40))
    for kind, flags, stream_id, payload in data.draw(st.lists(frames, max_size=30)):
        frame = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload
        cut = data.draw(st.integers(0, len(frame)))
        client.receive_data(frame[:cut])
        client.receive_data(frame[cut:])
    client.connection_lost(lambda: ReadError("gone"))
    for exchange in exchanges:
        assert exchange.heard
        assert exchange.heard[-1][0] in {"end", "reset"}
        assert sum(event[0] in {"end", "reset"} for event in exchange.heard) == 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_at_all_end_in_an_error_not_an_exception(data: bytes) -> None:
    client = H2Connection()
    client.initiate()
    client.receive_data(data)
    client.receive_data(data)
    assert client.closed or client.error is None
