import struct
import tracemalloc
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, Opcode, RsvBits

import hyperhttp
from hyperhttp_ws.deflate import PerMessageDeflate
from hyperhttp_ws.framing import Framing as RealFraming

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


class Framing(RealFraming):
    """What is sent in one piece."""

    def message(self, data, *, final):
        return b"".join(super().message(data, final=final))


def frame(opcode, payload=b"", *, fin=True, rsv=0, masked=False):
    first = bytes([fin << 7 | rsv << 4 | opcode])
    mask = 0x80 if masked else 0
    if len(payload) < 126:
        head = first + bytes([mask | len(payload)])
    elif len(payload) < 65536:
        head = first + bytes([mask | 126]) + struct.pack("!H", len(payload))
    else:
        head = first + bytes([mask | 127]) + struct.pack("!Q", len(payload))
    return head + (b"\0\0\0\0" if masked else b"") + payload


def pulled(framing, data):
    framing.receive_data(data)
    messages = []
    while (message := framing.pull()) is not None:
        messages.append(message)
    return messages


def heard(data):
    """What a server makes of bytes of ours."""
    server = Connection(ConnectionType.SERVER)
    server.receive_data(data)
    return list(server.events())


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 300_000])
@pytest.mark.parametrize("piece", [1, 7, 10**6])
def test_messages_come_out_however_the_network_cut_them(size, piece):
    if size > 1000 and piece < 100:
        piece = 997
    framing = Framing()
    data = frame(TEXT, b"a" * size) + frame(BINARY, bytes(size))
    messages = []
    for start in range(0, len(data), piece):
        messages += pulled(framing, data[start : start + piece])
    assert messages == ["a" * size, bytes(size)]


def test_a_message_in_parts_with_a_ping_between_them():
    framing = Framing()
    data = (
        frame(TEXT, "h\u00e9".encode()[:2], fin=False) + frame(PING, b"?") + frame(0, "h\u00e9".encode()[2:], fin=False)
    )
    assert pulled(framing, data + frame(0)) == ["h\u00e9"]
    assert framing.pong == b"?"


def test_messages_are_taken_out_one_at_a_time():
    framing = Framing()
    framing.receive_data(frame(TEXT, b"a") + frame(CLOSE, struct.pack("!H", 1001) + b"bye"))
    assert framing.pull() == "a"
    assert framing.peer_close is None
    assert framing.pull() is None
    assert framing.peer_close == (1001, "bye")


def test_what_comes_behind_a_message_stays_packed():
    framing = Framing()
    data = frame(TEXT, b"ab") * 30_000
    tracemalloc.start()
    try:
        framing.receive_data(data)
        assert framing.pull() == "ab"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300_000  # a message each would take 3 MB and more
    assert len(pulled(framing, b"")) == 29_999


@pytest.mark.parametrize("end", [frame(CLOSE), frame(0x3)])
def test_after_the_end_nothing_of_what_came_is_kept(end):
    framing = Framing()
    data = frame(BINARY, bytes(5_000_000), fin=False) + end + bytes(5_000_000)
    tracemalloc.start()
    try:
        framing.receive_data(data)
        del data
        assert framing.pull() is None
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert framing._data == b""
    assert left < 500_000


def test_nothing_counts_after_a_close_frame():
    framing = Framing()
    assert pulled(framing, frame(CLOSE, struct.pack("!H", 1000)) + frame(TEXT, b"late")) == []
    assert pulled(framing, frame(TEXT, b"later")) == []
    assert framing.peer_close == (1000, "")


def test_a_close_frame_without_a_code_is_1005():
    framing = Framing()
    assert pulled(framing, frame(CLOSE)) == []
    assert framing.peer_close == (1005, "")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(frame(TEXT, b"\xff"), 1007, id="invalid UTF-8"),
        pytest.param(frame(TEXT, b"\xc3"), 1007, id="cut UTF-8"),
        pytest.param(frame(TEXT, b"\xc3", fin=False) + frame(0, b"\x28"), 1007, id="invalid UTF-8 over two frames"),
        pytest.param(frame(TEXT, b"\xed\xa0\x80"), 1007, id="a surrogate"),
        pytest.param(frame(TEXT, b"a", masked=True), 1002, id="masked"),
        pytest.param(frame(TEXT, b"a", rsv=4), 1002, id="RSV1 without an extension"),
        pytest.param(frame(TEXT, b"a", rsv=2), 1002, id="RSV2"),
        pytest.param(frame(TEXT, b"a", rsv=1), 1002, id="RSV3"),
        pytest.param(frame(0x3), 1002, id="reserved opcode"),
        pytest.param(frame(0xB), 1002, id="reserved control opcode"),
        pytest.param(frame(PING, bytes(126)), 1002, id="oversized ping"),
        pytest.param(frame(CLOSE, bytes(126)), 1002, id="oversized close"),
        pytest.param(frame(PING, fin=False), 1002, id="fragmented ping"),
        pytest.param(frame(0, b"a"), 1002, id="continuation of nothing"),
        pytest.param(frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002, id="message within a message"),
        pytest.param(frame(CLOSE, b"\x03"), 1002, id="half a close code"),
        pytest.param(frame(CLOSE, struct.pack("!H", 999)), 1002, id="close code 999"),
        pytest.param(frame(CLOSE, struct.pack("!H", 1005)), 1002, id="close code 1005"),
        pytest.param(frame(CLOSE, struct.pack("!H", 1006)), 1002, id="close code 1006"),
        pytest.param(frame(CLOSE, struct.pack("!H", 5000)), 1002, id="close code 5000"),
        pytest.param(frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007, id="close reason that is no UTF-8"),
        pytest.param(b"\x82\x7e\x00\x05hello", 1002, id="length longer than needed"),
        pytest.param(b"\x82\x7f" + struct.pack("!Q", 5) + b"hello", 1002, id="length much longer than needed"),
        pytest.param(b"\x82\x7f\x80" + bytes(7), 1002, id="length with its first bit set"),
    ],
)
def test_what_breaks_the_protocol_is_a_fault_and_the_end(data, code):
    framing = Framing()
    assert pulled(framing, data) == []
    assert framing.fault is not None
    assert framing.fault[0] == code
    assert framing.fault[1]
    assert pulled(framing, frame(TEXT, b"late")) == []
    (event,) = heard(framing.close(code, "why"))
    assert (event.code, event.reason) == (code, "why")


def test_what_came_before_a_fault_is_a_message():
    framing = Framing()
    assert pulled(framing, frame(TEXT, b"fine") + frame(0x3)) == ["fine"]
    assert framing.fault is not None


def test_a_message_that_is_too_large_is_refused_by_its_header():
    framing = Framing(max_size=1000)
    assert pulled(framing, frame(BINARY, bytes(1000))) == [bytes(1000)]
    assert pulled(framing, frame(BINARY, bytes(1001))[:4]) == []
    assert framing.fault == (1009, "a message is larger than max_message_size (1000 bytes)")


@pytest.mark.parametrize(
    ("frames", "allowed"),
    [
        ([frame(BINARY, bytes(11))], False),
        ([frame(TEXT, b"aaaaa", fin=False), frame(0, b"aaaaa")], True),
        ([frame(TEXT, b"aaaaa", fin=False), frame(0, b"aaaaaa")[:2]], False),
        ([frame(TEXT, bytes(10)), frame(TEXT, bytes(10))], True),
        ([frame(TEXT, bytes(10), fin=False), frame(PING, bytes(125)), frame(0)], True),
        ([b"\x82\x7f" + struct.pack("!Q", 2**62)], False),
    ],
)
def test_sizes_are_judged_by_the_headers_of_frames(frames, allowed):
    framing = Framing(max_size=10)
    pulled(framing, b"".join(frames))
    assert framing.fault == (None if allowed else (1009, "a message is larger than max_message_size (10 bytes)"))


def test_parts_without_content_take_no_memory_and_are_few():
    framing = Framing()
    empty = frame(0, fin=False)
    assert pulled(framing, frame(BINARY, fin=False) + empty * 999) == []
    assert len(framing._parts) == len(framing._blocks) == 0
    assert pulled(framing, frame(PING) * 10 + frame(0, b"x")) == [b"x"]
    assert pulled(framing, frame(BINARY, b"a", fin=False) + empty * 1000 + frame(0)) == [b"a"]
    assert pulled(framing, frame(TEXT, b"a", fin=False) + empty * 1001) == []
    assert framing.fault == (1008, "a message has more than 1000 frames without content")


@pytest.mark.parametrize("text", [False, True])
def test_a_message_in_very_many_parts_takes_a_few_times_its_size(text):
    part = "\u4e16".encode() if text else b"abc"
    data = frame(0, part, fin=False) * 1000
    framing = Framing()
    pulled(framing, frame(TEXT if text else BINARY, part, fin=False))
    tracemalloc.start()
    try:
        for _ in range(10):
            assert pulled(framing, data) == []
        (message,) = pulled(framing, frame(0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert message == ((part * 10_001).decode() if text else part * 10_001)
    assert peak < 8 * len(part) * 10_001  # an object each would take 15 times as much and more


def test_a_character_may_be_cut_anywhere():
    framing = Framing()
    data = "\u00e9\u4e16\U0001f600".encode()
    frames = [frame(TEXT if n == 0 else 0, data[n : n + 1], fin=n == len(data) - 1) for n in range(len(data))]
    assert pulled(framing, b"".join(frames)) == ["\u00e9\u4e16\U0001f600"]
    assert pulled(framing, frame(TEXT, b"\xc3", fin=False) + frame(0, fin=True)) == []
    assert framing.fault[0] == 1007


class Marking(Extension):
    """An extension of somebody's own: it turns payloads around, and says so with RSV2."""

    name = "x-marking"

    def __init__(self):
        self.told = []

    def enabled(self):
        return True

    def offer(self):
        return True

    def frame_inbound_header(self, proto, opcode, rsv, payload_length):
        self.told.append((proto.client, opcode, rsv, payload_length))
        return RsvBits(False, True, False)

    def frame_inbound_payload_data(self, proto, data):
        return bytes(reversed(data))

    def frame_inbound_complete(self, proto, fin):
        return b"!" if fin else None

    def frame_outbound(self, proto, opcode, rsv, data, fin):
        return RsvBits(rsv.rsv1, True, rsv.rsv3), bytes(reversed(data))


def test_extensions_of_somebodys_own_are_asked():
    marking = Marking()
    framing = Framing([marking])
    assert pulled(framing, frame(BINARY, b"abc", rsv=2, fin=False) + frame(PING, b"1") + frame(0, b"def")) == [
        b"cbafed!"
    ]
    assert framing.pong == b"1!"
    assert marking.told == [
        (True, Opcode.BINARY, (False, True, False), 3),
        (True, Opcode.PING, (False, False, False), 1),
        (True, Opcode.CONTINUATION, (False, False, False), 3),
    ]
    assert framing.message(b"abc", final=True)[0] == 0x80 | 0x20 | BINARY
    theirs = Connection(ConnectionType.SERVER, [Marking()])
    theirs.receive_data(framing.message(b"abc", final=True))
    assert [bytes(event.data) for event in theirs.events()] == [b"abc!"]
    assert pulled(framing, frame(TEXT, b"a", rsv=4)) == []
    assert framing.fault == (1002, "Reserved bit set unexpectedly")


def test_an_extension_may_refuse_a_frame():
    class Refusing(Marking):
        def frame_inbound_complete(self, proto, fin):
            return CloseReason.POLICY_VIOLATION

    framing = Framing([Refusing()])
    assert pulled(framing, frame(BINARY, b"abc")) == []
    assert framing.fault == (1008, "error in extension")


def agreed_deflate():
    extension = PerMessageDeflate()
    extension.finalize("permessage-deflate")
    return extension


def read_in_pieces(data, sizes, *, deflate):
    """What comes of bytes that the network cut: messages, the last ping, pongs, how it ended."""
    framing, found, start = Framing([agreed_deflate()] if deflate else []), [], 0
    for size in cycle(sizes):
        if start >= len(data):
            break
        found += pulled(framing, data[start : start + size])
        start += size
    fault = framing.fault and framing.fault[0]  # its words tell places in a piece
    if deflate and fault:
        fault = (
            "some"  # of two that a frame has, out of turn and not to be inflated, the cut decides which is met first
        )
    return found, framing.pong, framing.pongs, framing.peer_close, fault


CUTS = st.lists(st.integers(1, 40), min_size=1)


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=400), cuts=CUTS, deflate=st.booleans())
def test_where_any_bytes_are_cut_does_not_matter(data, cuts, deflate):
    whole = read_in_pieces(data, [len(data) + 1], deflate=deflate)
    assert read_in_pieces(data, cuts, deflate=deflate) == whole
    assert read_in_pieces(data, [1], deflate=deflate) == whole


FRAMES = st.builds(
    frame,
    st.sampled_from([0, 0, TEXT, TEXT, BINARY, CLOSE, PING, PONG]),
    st.one_of(st.binary(max_size=6), st.text(max_size=3).map(str.encode), st.just(b"\x03\xe8bye")),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 4]),
)


@settings(deadline=None, max_examples=300)
@given(frames=st.lists(FRAMES, max_size=8), cuts=CUTS, deflate=st.booleans())
def test_where_frames_are_cut_does_not_matter(frames, cuts, deflate):
    test_where_any_bytes_are_cut_does_not_matter.hypothesis.inner_test(b"".join(frames), cuts, deflate)


def test_only_the_last_ping_is_answered():
    framing = Framing()
    pulled(framing, frame(PING, b"1") + frame(PING, b"2"))
    (event,) = heard(framing.answer_ping())
    assert isinstance(event, Pong)
    assert event.payload == b"2"
    assert framing.answer_ping() == b""


def test_pongs_are_told_and_their_number_is_bounded():
    framing = Framing()
    pulled(framing, b"".join(frame(PONG, b"%d" % number) for number in range(100)))
    assert framing.pongs[-1] == b"99"
    assert len(framing.pongs) == 16


def test_what_is_sent_is_understood():
    framing = Framing()
    data = framing.message("h\u00e9", final=True) + framing.message(b"\0\1", final=True) + framing.ping(b"?")
    text, binary, ping = heard(data + framing.close(4000, "bye"))[:3]
    assert (type(text), text.data) == (TextMessage, "h\u00e9")
    assert (type(binary), binary.data) == (BytesMessage, b"\0\1")
    assert (type(ping), ping.payload) == (Ping, b"?")


def test_a_message_in_parts_is_sent_in_parts():
    framing = Framing()
    data = framing.message("a", final=False) + framing.message("b", final=False) + framing.message("", final=True)
    events = heard(data)
    assert [event.data for event in events] == ["a", "b", ""]
    assert [event.message_finished for event in events] == [False, False, True]


def test_parts_of_two_types_are_refused_and_nothing_is_broken():
    framing = Framing()
    data = framing.message("a", final=False)
    with pytest.raises(hyperhttp.WebSocketMessageTypeError, match="begun as text goes on as binary"):
        framing.message(b"b", final=True)
    data += framing.message("c", final=True) + framing.message(b"d", final=True)
    assert [event.data for event in heard(data)] == ["a", "c", b"d"]


def test_a_ping_has_at_most_125_bytes():
    assert len(Framing().ping(bytes(125))) == 131
    with pytest.raises(ValueError, match="125"):
        Framing().ping(bytes(126))


def unmasked(data):
    """First byte and payload of each frame that a client sends."""
    frames, at = [], 0
    while at < len(data):
        first, second = data[at : at + 2]
        assert second & 0x80
        wide = {126: 2, 127: 8}.get(second & 0x7F, 0)
        size = int.from_bytes(data[at + 2 : at + 2 + wide], "big") if wide else second & 0x7F
        start = at + 2 + wide + 4
        key = data[start - 4 : start]
        at = start + size
        payload = bytearray(data[start:at])
        for place in range(4):
            payload[place::4] = payload[place::4].translate(bytes(value ^ key[place] for value in range(256)))
        frames.append((first, bytes(payload)))
    assert at == len(data)
    return frames


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 262_144])
def test_a_message_is_one_frame(size):
    payload = bytes(place % 251 for place in range(size))
    data = Framing().message(payload, final=True)
    assert unmasked(data) == [(0x80 | BINARY, payload)]
    assert len(data) == size + 6 + (0 if size < 126 else 2 if size < 65_536 else 8)


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("letter", ["a", "\u4e16", b"\xf0"])
@pytest.mark.parametrize("size", [262_145, 524_288, 600_001])
def test_a_large_message_is_sent_in_frames(letter, size, final):
    framing = RealFraming()
    pieces = list(framing.message(letter * size, final=final))
    last = bytes(next(framing.message(letter[:0], final=True))) if not final else b""
    assert len(pieces) == (3 if size == 600_001 else 2)
    frames = unmasked(b"".join(pieces) + last)
    opcode = BINARY if isinstance(letter, bytes) else TEXT
    assert [first for first, _ in frames] == [opcode, *[0] * (len(frames) - 2), 0x80]
    payload = b"".join(payload for _, payload in frames)
    assert payload == (letter * size if opcode == BINARY else (letter * size).encode())
    assert unmasked(framing.message(b"next", final=True).__next__()) == [(0x80 | BINARY, b"next")]


def test_a_large_message_that_is_deflated_is_one_frame():
    framing = Framing([agreed_deflate()])
    ((first, payload),) = unmasked(framing.message("a" * 600_000, final=True))
    assert first == 0x80 | 0x40 | TEXT
    assert len(payload) < 6000
    theirs = agreed_deflate()
    theirs.frame_inbound_header(None, Opcode.TEXT, RsvBits(True, False, False), len(payload))
    assert (
        theirs.frame_inbound_payload_data(None, payload) + theirs.frame_inbound_complete(None, True) == b"a" * 600_000
    )


@pytest.mark.parametrize("size", [1, 300_000])
@pytest.mark.parametrize("final", [True, False])
def test_a_text_that_cannot_be_encoded_is_not_sent_in_part(size, final):
    framing = Framing()
    with pytest.raises(UnicodeEncodeError):
        framing.message("a" * size + "\ud800", final=final)
    assert unmasked(framing.message(b"fine", final=True)) == [(0x80 | BINARY, b"fine")]


def test_frames_are_masked_each_with_a_mask_of_its_own():
    framing = Framing()
    first, second = framing.message("a" * 20, final=True), framing.message("a" * 20, final=True)
    assert first[1] & 0x80
    assert first[2:6] != second[2:6]


def test_a_close_frame_without_a_code_is_answered_by_one():
    framing = Framing()
    pulled(framing, frame(CLOSE))
    assert unmasked(framing.close(*framing.peer_close)) == [(0x80 | CLOSE, b"")]


def test_a_reason_that_is_too_long_is_cut_between_characters():
    ((_, payload),) = unmasked(Framing().close(1002, "\u4e16" * 50))
    assert payload == struct.pack("!H", 1002) + "\u4e16".encode() * 41


def test_one_close_frame_is_sent():
    framing = Framing()
    (event,) = heard(framing.close(1000))
    assert isinstance(event, CloseConnection)
    assert framing.close(1000) == b""
    pulled(framing, frame(PING, b"?"))
    assert framing.answer_ping() == b""


def test_the_peers_close_frame_is_answered_with_its_code():
    framing = Framing()
    pulled(framing, frame(CLOSE, struct.pack("!H", 4001)))
    (event,) = heard(framing.close(4001))
    assert event.code == 4001


MESSAGES = st.lists(
    st.tuples(st.one_of(st.text(max_size=50), st.binary(max_size=50)), st.sampled_from([1, 1, 1, 2000])), max_size=8
)


def in_frames(message, parts):
    """The frames of a message, a ping before each of them."""
    payload = message.encode() if isinstance(message, str) else message
    size = len(payload) // parts + 1
    starts = range(0, len(payload) or 1, size)
    opcodes = [TEXT if isinstance(message, str) else BINARY, *[0] * (len(starts) - 1)]
    for opcode, start in zip(opcodes, starts, strict=True):
        yield frame(PING, b"%d" % start)
        yield frame(opcode, payload[start : start + size], fin=start == starts[-1])


@settings(deadline=None, max_examples=50)
@given(messages=MESSAGES, cuts=st.lists(st.integers(1, 5000), min_size=1, max_size=20), parts=st.integers(1, 4))
def test_messages_in_frames_come_out_however_they_are_cut(messages, cuts, parts):
    messages = [message * times for message, times in messages]
    data = b"".join(piece for message in messages for piece in in_frames(message, parts))
    assert read_in_pieces(data, cuts, deflate=False)[0] == messages
    assert read_in_pieces(data, cuts, deflate=True)[0] == messages


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20))
def test_no_bytes_make_it_fail_otherwise_than_by_a_fault(pieces):
    framing = Framing(max_size=1000)
    for piece in pieces:
        pulled(framing, piece)
    if framing.fault is not None:
        assert framing.fault[0] in (1002, 1007, 1009)
        assert framing.close(*framing.fault)
