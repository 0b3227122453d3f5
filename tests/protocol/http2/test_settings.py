from __future__ import annotations

import struct

import pytest

from hyperhttp.protocol.http2.errors import ConnectionFault, ErrorCode
from hyperhttp.protocol.http2.settings import H2Config, PeerSettings


def payload(*settings: tuple[int, int]) -> bytes:
    return b"".join(struct.pack(">HI", *setting) for setting in settings)


def test_known_parameters_are_taken_over_and_unknown_ones_ignored() -> None:
    peer = PeerSettings(100)
    identifiers = peer.update(payload((1, 0), (2, 0), (3, 7), (4, 9), (5, 20_000), (6, 5000), (8, 1), (0xFFFF, 3)))
    assert identifiers == [1, 2, 3, 4, 5, 6, 8, 0xFFFF]
    assert (peer.header_table_size, peer.max_concurrent_streams, peer.initial_window_size) == (0, 7, 9)
    assert (peer.max_frame_size, peer.max_header_list_size, peer.enable_connect_protocol) == (
        20_000,
        5000,
        True,
    )


def test_the_last_of_several_values_counts() -> None:
    peer = PeerSettings(100)
    peer.update(payload((3, 7), (3, 8)))
    assert peer.max_concurrent_streams == 8


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ((2, 1), ErrorCode.PROTOCOL_ERROR),
        ((4, 2**31), ErrorCode.FLOW_CONTROL_ERROR),
        ((5, 0), ErrorCode.PROTOCOL_ERROR),
        ((5, 16_383), ErrorCode.PROTOCOL_ERROR),
        ((5, 2**24), ErrorCode.PROTOCOL_ERROR),
        ((8, 2), ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_forbidden_values_end_the_connection(setting: tuple[int, int], code: ErrorCode) -> None:
    with pytest.raises(ConnectionFault) as caught:
        PeerSettings(100).update(payload(setting))
    assert caught.value.code == code


def test_extended_connect_cannot_be_taken_back() -> None:
    peer = PeerSettings(100)
    peer.update(payload((8, 1)))
    with pytest.raises(ConnectionFault):
        peer.update(payload((8, 0)))


def test_half_a_parameter_is_a_frame_size_error() -> None:
    with pytest.raises(ConnectionFault) as caught:
        PeerSettings(100).update(b"\0\x03\0\0\0")
    assert caught.value.code == ErrorCode.FRAME_SIZE_ERROR


def test_we_switch_push_off_and_announce_our_limits() -> None:
    announced = dict(H2Config(stream_window=9, max_header_list_size=7, header_table_size=5).announced())
    assert announced == {2: 0, 4: 9, 6: 7, 1: 5}
    assert dict(H2Config(max_frame_size=20_000).announced())[5] == 20_000


@pytest.mark.parametrize(
    "options",
    [
        {"stream_window": 0},
        {"stream_window": 2**31},
        {"connection_window": 65_534},
        {"connection_window": 2**31},
        {"max_frame_size": 16_383},
        {"max_frame_size": 2**24},
    ],
)
def test_a_configuration_the_rfc_forbids_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be between"):
        H2Config(**options)
