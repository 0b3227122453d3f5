import zlib

import pytest
from wsproto.connection import ConnectionType
from wsproto.events import TextMessage
from wsproto.extensions import PerMessageDeflate as Unbounded
from wsproto.frame_protocol import CloseReason, Opcode, RsvBits

from hyperhttp_ws.deflate import PerMessageDeflate

PLAIN, DEFLATED = RsvBits(False, False, False), RsvBits(True, False, False)


def deflated(data, window=15):
    compressor = zlib.compressobj(wbits=-window)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def receive(extension, data, *, opcode=Opcode.BINARY, rsv=DEFLATED, fin=True):
    """What a frame comes to, or the reason for which it is refused."""
    header = extension.frame_inbound_header(None, opcode, rsv, len(data))
    if isinstance(header, CloseReason):
        return header
    payload = extension.frame_inbound_payload_data(None, data)
    rest = extension.frame_inbound_complete(None, fin)
    if isinstance(payload, CloseReason) or isinstance(rest, CloseReason):
        return payload if isinstance(payload, CloseReason) else rest
    return payload + (rest or b"")


@pytest.mark.parametrize(
    ("arguments", "offer"),
    [
        ({}, "client_max_window_bits"),
        ({"client_max_window_bits": 10}, "client_max_window_bits=10"),
        ({"server_max_window_bits": 10}, "client_max_window_bits; server_max_window_bits=10"),
        (
            {"client_no_context_takeover": True, "server_no_context_takeover": True},
            "client_max_window_bits; client_no_context_takeover; server_no_context_takeover",
        ),
    ],
)
def test_what_is_offered(arguments, offer):
    assert PerMessageDeflate(**arguments).offer() == offer


@pytest.mark.parametrize(
    "chosen",
    [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_max_window_bits=12",
        'permessage-deflate; server_max_window_bits="8"',
    ],
)
def test_what_a_server_may_choose(chosen):
    extension = PerMessageDeflate()
    extension.finalize(chosen)
    assert extension.enabled()


@pytest.mark.parametrize(
    "chosen",
    [
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8",  # zlib has no such window
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; mystery",
    ],
)
def test_what_a_server_may_not_choose(chosen):
    with pytest.raises(ValueError):
        PerMessageDeflate().finalize(chosen)


def test_a_window_larger_than_asked_for_is_refused():
    with pytest.raises(ValueError):
        PerMessageDeflate(server_max_window_bits=10).finalize("permessage-deflate; server_max_window_bits=11")


def test_messages_share_their_context():
    extension = PerMessageDeflate()
    compressor = zlib.compressobj(wbits=-15)
    for _ in range(3):
        data = (compressor.compress(b"hello hello") + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
        assert receive(extension, data) == b"hello hello"


def test_without_takeover_each_message_is_on_its_own():
    extension = PerMessageDeflate()
    extension.finalize("permessage-deflate; server_no_context_takeover")
    for _ in range(3):
        assert receive(extension, deflated(b"hello")) == b"hello"


def test_messages_that_are_not_deflated_pass():
    extension = PerMessageDeflate()
    assert receive(extension, b"plain", rsv=PLAIN) == b"plain"
    assert receive(extension, deflated(b"hello")) == b"hello"
    assert receive(extension, b"plain", rsv=PLAIN) == b"plain"


def test_a_control_frame_between_the_parts_of_a_message_changes_nothing():
    extension = PerMessageDeflate()
    data = deflated(b"hello world" * 10)
    assert isinstance(receive(extension, data[:5], fin=False), bytes)
    assert receive(extension, b"ping", opcode=Opcode.PING, rsv=PLAIN) == b"ping"
    first = zlib.decompressobj(-15).decompress(data[:5])
    assert first + receive(extension, data[5:], opcode=Opcode.CONTINUATION, rsv=PLAIN) == b"hello world" * 10


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.CLOSE, Opcode.CONTINUATION])
def test_only_the_first_frame_of_a_message_says_that_it_is_deflated(opcode):
    assert receive(PerMessageDeflate(), b"", opcode=opcode) is CloseReason.PROTOCOL_ERROR


def test_a_bomb_is_stopped_at_the_limit():
    extension = PerMessageDeflate()
    extension.limit = 1000
    assert receive(extension, deflated(bytes(10_000_000))) is CloseReason.MESSAGE_TOO_BIG
    assert extension._inflated == 1001  # not a byte more was inflated than needed to know


@pytest.mark.parametrize("size", [999, 1000])
def test_what_keeps_within_the_limit_passes(size):
    extension = PerMessageDeflate()
    extension.limit = 1000
    for _ in range(2):
        assert receive(extension, deflated(bytes(size))) == bytes(size)
        extension._inflater = None


def test_a_bomb_in_parts_is_stopped_too():
    extension = PerMessageDeflate()
    extension.limit = 1000
    data = deflated(b"".join(bytes([number % 256]) * 20 for number in range(100)))
    half = len(data) // 2
    results = [
        receive(extension, data[:half], fin=False),
        receive(extension, data[half:], opcode=Opcode.CONTINUATION, rsv=PLAIN),
    ]
    assert CloseReason.MESSAGE_TOO_BIG in results


def test_what_cannot_be_inflated_is_refused():
    assert receive(PerMessageDeflate(), b"\xff\xff\xff\xff") is CloseReason.INVALID_FRAME_PAYLOAD_DATA


def test_a_message_that_ends_its_stream_leaves_the_next_one_alone():
    extension = PerMessageDeflate()
    compressor = zlib.compressobj(wbits=-15)
    final = compressor.compress(b"hello") + compressor.flush(zlib.Z_FINISH)
    assert receive(extension, final + b"\x00") == b"hello"
    assert receive(extension, deflated(b"again")) == b"again"


def test_the_unbounded_extension_becomes_a_bounded_one():
    extension = PerMessageDeflate.bounded(Unbounded(client_max_window_bits=11, server_no_context_takeover=True))
    assert isinstance(extension, PerMessageDeflate)
    assert extension.offer() == "client_max_window_bits=11; server_max_window_bits=15; server_no_context_takeover"
    assert PerMessageDeflate.bounded(extension) is extension


def test_what_is_sent_can_be_inflated_by_wsproto():
    from wsproto.connection import Connection

    ours, theirs = PerMessageDeflate(), Unbounded()
    ours.finalize("permessage-deflate")
    theirs.accept("permessage-deflate")
    client, server = Connection(ConnectionType.CLIENT, [ours]), Connection(ConnectionType.SERVER, [theirs])
    for text in ("hello", "", "hello" * 1000):
        server.receive_data(client.send(TextMessage(data=text)))
        assert "".join(event.data for event in server.events()) == text
