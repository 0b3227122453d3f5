import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

import hyperhttp
from hyperhttp_ws.framing import Framing

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


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


def test_parts_without_content_take_no_memory():
    framing = Framing()
    assert pulled(framing, frame(BINARY, fin=False) + frame(0, fin=False) * 1000) == []
    assert len(framing._parts) == 0
    assert pulled(framing, frame(0, b"x")) == [b"x"]


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


def test_frames_are_masked_each_with_a_mask_of_its_own():
    framing = Framing()
    first, second = framing.message("a" * 20, final=True), framing.message("a" * 20, final=True)
    assert first[1] & 0x80
    assert first[2:6] != second[2:6]


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


@settings(deadline=None, max_examples=50)
@given(messages=MESSAGES, cuts=st.lists(st.integers(1, 5000), min_size=1, max_size=20), parts=st.integers(1, 4))
def test_whatever_is_sent_comes_out_however_it_is_cut(messages, cuts, parts):
    server = Connection(ConnectionType.SERVER)
    data = b""
    messages = [message * times for message, times in messages]
    for message in messages:
        kind = TextMessage if isinstance(message, str) else BytesMessage
        size = len(message) // parts + 1
        pieces = [message[start : start + size] for start in range(0, len(message), size)] or [message]
        for number, piece in enumerate(pieces):
            data += server.send(kind(data=piece, message_finished=number == len(pieces) - 1))
            data += server.send(Ping(payload=b"between"))
    framing, received, start = Framing(), [], 0
    while start < len(data):
        size = cuts[len(received) % len(cuts)]
        received += pulled(framing, data[start : start + size])
        start += size
    assert received == messages
    assert framing.fault is None


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20))
def test_no_bytes_make_it_fail_otherwise_than_by_a_fault(pieces):
    framing = Framing(max_size=1000)
    for piece in pieces:
        pulled(framing, piece)
    if framing.fault is not None:
        assert framing.fault[0] in (1002, 1007, 1009)
        assert framing.close(*framing.fault)
