"""HPACK and the HTTP/2 engine: whatever frames come, each request has one end and nothing grows without bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hpack

from hyperhttp.exceptions import HyperHTTPError, LocalProtocolError, ReadError
from hyperhttp.protocol.http2 import H2Config, H2Connection, HTTP2Error, huffman
from hyperhttp.protocol.http2 import fields as entries
from hyperhttp.protocol.http2.errors import ConnectionFault, StreamFault
from hyperhttp.protocol.http2.hpack_decoder import _FIRST_DYNAMIC, _MAX_HEADS, _MAX_LITERALS, Decoder, HeadReader
from hyperhttp.protocol.http2.hpack_encoder import TABLE_SIZE, Encoder
from hyperhttp.protocol.http2.state import _REMEMBERED_RESETS
from tests.fuzz.supply import Supply, cut

if TYPE_CHECKING:
    from hyperhttp.protocol.events import ResponseHead
    from hyperhttp.protocol.http2.stream import H2Stream

__all__ = ["hpack_decoder", "hpack_encoder", "http2"]

_TABLES = [4096, 0, 64, 300, 65536]


# -- HPACK -------------------------------------------------------------------------------------------------------------


def _check_table(decoder: Decoder, announced: int) -> None:
    dynamic = decoder._table[_FIRST_DYNAMIC:]
    assert sum(entry[3] for entry in dynamic) == decoder._size <= max(4096, announced)
    assert decoder._size <= decoder._max_size
    assert len(decoder._literals) <= _MAX_LITERALS
    for name, value, _, size in dynamic:
        assert size >= len(name) + len(value) + 32


class _Judge:
    """The independent `hpack` package, as long as it understands what comes."""

    def __init__(self, announced: int) -> None:
        self._decoder: hpack.Decoder | None = hpack.Decoder(max_header_list_size=1 << 24)
        self._decoder.max_allowed_table_size = announced

    def check(self, block: bytes, found: list[tuple[bytes, bytes]] | None, fault: str = "") -> None:
        """Compare what was found in a block, or what is wrong with it."""
        if self._decoder is None:
            return
        try:
            fields = self._decoder.decode(block, raw=True)
        except hpack.HPACKError:
            self._decoder = None  # it wants some things in another order, and has lost its state now
            return
        if found is None:
            # We are stricter about sizes and their place, not about where a block ends.
            assert "ends too early" not in fault, "hpack reads something"
            return
        assert [(bytes(name), bytes(value).strip(b" \t")) for name, value in fields] == found, (
            "hpack reads something else"
        )


def hpack_decoder(data: bytes) -> None:
    """A table size and blocks, each behind its kind and length: memos change nothing, the table stays in its bounds."""
    supply = Supply(data)
    announced = supply.choice(_TABLES)
    decoder, plain = Decoder(announced), Decoder(announced)
    judge = _Judge(announced)
    reader = HeadReader(decoder, 4096, 64)
    while supply:
        as_head = not supply.byte() & 1
        block = supply.take(supply.byte())
        plain._literals.clear()
        try:
            expected = plain.decode(block)
        except ConnectionFault as fault:
            judge.check(block, None, str(fault))
            expected = None
        try:
            head = reader.read(block) if as_head else None
            found = None if as_head else decoder.decode(block)
        except ConnectionFault:
            assert expected is None, "a memo makes the difference between valid and not"
            return
        except StreamFault as fault:
            assert 0 < len(fault.message) < 500  # noqa: PT017
            head = found = None
        assert expected is not None, "a memo makes the difference between not valid and valid"
        judge.check(block, [entry[:2] for entry in expected])
        assert [entry[:2] for entry in decoder._table] == [entry[:2] for entry in plain._table]
        if found is not None:
            assert [entry[:2] for entry in found] == [entry[:2] for entry in expected]
        if head is not None:
            assert [entry[:2] for entry in head[1]] == [entry[:2] for entry in expected[1:]]
            assert 100 <= head[0] <= 999
            assert not any(set(value) & set(b"\r\n\0") for _, value, _, _ in head[1])
        _check_table(decoder, announced)
        assert len(reader._heads) <= _MAX_HEADS
    assert len(entries._name_bits) <= entries._MAX_NAMES
    _check_huffman(data)


def _check_huffman(data: bytes) -> None:
    assert huffman.decode(huffman.encode(data)) == data
    try:
        text = huffman.decode(data)
    except huffman.HuffmanError:
        return
    assert huffman.encode(text) == data


def hpack_encoder(data: bytes) -> None:
    """Requests of ``:``-separated fields between ``|``; a line of one byte ends one, or changes the table."""
    supply = Supply(data)
    encoder, decoder = Encoder(), Decoder(TABLE_SIZE)
    fields: list[tuple[bytes, bytes]] = []
    while supply:
        line = supply.line()
        if len(line) > 1:
            name, _, value = line.partition(b":")
            fields.append((name, value))
            continue
        if line:
            encoder.set_table_size([0, 40, 4096, 1 << 31][line[0] % 4])
        try:
            block = encoder.encode_request(b"GET", b"https", b"a.example", b"/" + line.strip(b"\0 "), fields)
        except LocalProtocolError:
            fields = []
            continue
        assert [entry[:2] for entry in decoder.decode(block)[4:]] == _sent(fields)
        assert sum(len(name) + len(value) + 32 for name, value in encoder._numbers) == encoder._size <= TABLE_SIZE
        assert len(encoder._fields) <= 256
        assert len(encoder._names) <= 256
        fields = []


def _sent(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    lower = [(name.lower(), value.strip(b" \t")) for name, value in fields]
    left_out = entries.CONNECTION_SPECIFIC | {b"host"}
    return [
        pair for pair in lower if pair[0] not in left_out and not (pair[0] == b"te" and pair[1].lower() != b"trailers")
    ]


# -- the engine --------------------------------------------------------------------------------------------------------


class _Listener:
    """Hears one stream, and holds the engine to the order of calls."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.stream: H2Stream | None = None
        self.content = 0
        self.unread = 0
        self.length: int | None = None
        self.ended = ""

    def receive_informational(self, head: ResponseHead) -> None:
        assert not self.ended
        assert head.status_code < 200
        self.heard.append((head.status_code, [field[:2] for field in head.fields]))

    def receive_head(self, head: ResponseHead, end_stream: bool) -> None:
        assert not self.ended
        assert self.length is None
        assert head.status_code >= 200
        self.length = -1 if head.content_length is None else head.content_length
        self.heard.append((head.status_code, [field[:2] for field in head.fields], end_stream))
        self._end(end_stream)

    def receive_data(self, data: bytes, end_stream: bool) -> None:
        assert not self.ended
        assert self.length is not None, "content before the head"
        self.content += len(data)
        self.unread += len(data)
        self.heard.append((data, end_stream))
        self._end(end_stream)

    def receive_trailers(self, fields: list[Any]) -> None:
        assert not self.ended
        self.heard.append([field[:2] for field in fields])
        self._end(True)

    def receive_reset(self, error: HyperHTTPError, unprocessed: bool) -> None:
        assert not self.ended
        assert isinstance(error, HTTP2Error | ReadError)
        assert 0 < len(str(error)) < 700
        self.heard.append(("reset", str(error), unprocessed))
        self.ended = "reset"

    def window_opened(self) -> None:
        self.heard.append("window")

    def _end(self, end_stream: bool) -> None:
        if end_stream:
            self.ended = "end"


class _Session:
    """One engine, and the same steps for it as for another."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.config = H2Config(
            stream_window=2000, connection_window=65_535, control_budget=300, max_replies=40, max_header_list_size=4096,
            max_header_fields=40, max_interim_responses=4,
        )  # fmt: skip
        self.client = H2Connection(self.config)
        self.client.initiate()
        self.listeners: list[_Listener] = []
        self.sent = bytearray()

    def receive(self, data: bytes) -> None:
        for piece in cut(data, self.seed):
            self.client.receive_data(piece)

    def open(self, method: bytes, end_stream: bool) -> None:
        listener = _Listener()
        fields = [(b"x-a", b"b"), (b"authorization", b"c")]
        try:
            stream = self.client.open_stream(listener, method, b"a.example", b"/", fields, end_stream=end_stream)
        except LocalProtocolError:
            return
        listener.stream = stream
        self.listeners.append(listener)

    def act(self, code: int, number: int) -> None:
        """What a client does, by a code."""
        if code == 0:
            self.open([b"GET", b"HEAD", b"POST", b"GET"][number % 4], bool(number & 4))
            return
        if not self.listeners:
            return
        listener = self.listeners[number % len(self.listeners)]
        assert listener.stream is not None
        if code == 1:
            self.client.send_data(listener.stream, b"d" * (number * 97), end_stream=bool(number & 1))
        elif code == 2:
            self.client.acknowledge(listener.stream, listener.unread)
            listener.unread = 0
        elif code == 3:
            ended = listener.ended
            self.client.reset_stream(listener.stream)
            listener.ended = ended or "given up"
        elif code == 4:
            self.client.send_trailers(listener.stream, [(b"t", b"u")])
        else:
            self.sent += self.client.data_to_send()

    def check(self) -> None:
        client, config = self.client, self.config
        # What was not acknowledged was never more than the window; the rest of it may be on its way.
        assert all(listener.unread <= config.stream_window for listener in self.listeners)
        assert len(client._tail) <= config.max_frame_size + 9
        assert client._replies <= config.max_replies + 1
        assert len(client._resets) <= _REMEMBERED_RESETS
        assert client._budget >= -10
        assert len(client._streams) <= len(self.listeners)
        assert client._receive_left >= 0 or client.closed
        assert (client.error is None) or client.closed
        for stream_id, stream in client._streams.items():
            assert stream.stream_id == stream_id
            assert not (stream.is_ended and stream.send_closed)

    def finish(self) -> None:
        self.client.connection_lost(lambda: ReadError("gone"))
        self.sent += self.client.data_to_send()
        assert self.client.open_streams == 0
        assert not self.client._blocked
        for listener in self.listeners:
            assert listener.ended, "a request without an end"
            whole = listener.ended == "end" and listener.length is not None and listener.length >= 0
            if whole and listener.content:
                assert listener.content == listener.length

    def told(self) -> list[Any]:
        return [bytes(self.sent), str(self.client.error), *(listener.heard for listener in self.listeners)]


def http2(data: bytes) -> None:
    """A way to cut, then steps: a frame by its parts, raw bytes, or something the client does."""
    seed = Supply(data).byte()
    whole, pieces = _Session(0), _Session(seed or 1)
    for session in (whole, pieces):
        supply = Supply(data)
        supply.byte()
        session.open(b"GET", True)
        session.open(b"POST", False)
        session.receive(b"\0\0\0\x04\0\0\0\0\0")
        while supply:
            _step(session, supply)
            session.check()
        session.finish()
    assert whole.told() == pieces.told(), "cut into pieces, it is another conversation"


def _step(session: _Session, supply: Supply) -> None:
    code = supply.byte()
    if code < 0xC0:
        payload = supply.take(supply.byte())
        stream_id = supply.byte()
        header = len(payload).to_bytes(3, "big") + bytes((code % 11, code >> 4 if code & 0x80 else supply.byte()))
        session.receive(header + stream_id.to_bytes(4, "big") + payload)
    elif code < 0xC8:
        session.receive(supply.take(supply.byte()))
    else:
        session.act((code - 0xC8) % 6, supply.byte())
