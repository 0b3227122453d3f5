from __future__ import annotations

import pickle

import pytest

from hyperhttp.exceptions import RemoteProtocolError
from hyperhttp.protocol.http2.errors import (
    ErrorCode,
    code_name,
    goaway_error,
    printable,
    remote_error,
    reset_error,
)


def test_an_error_carries_its_code_and_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(remote_error("the server did wrong", ErrorCode.PROTOCOL_ERROR)))
    assert isinstance(error, RemoteProtocolError)
    assert str(error) == "the server did wrong"
    assert error.error_code == 1


@pytest.mark.parametrize("code", [*ErrorCode, 0x99])
def test_every_code_has_a_sentence_of_its_own(code: int) -> None:
    assert code_name(code) in str(reset_error(code))
    assert reset_error(code).error_code == code
    assert str(goaway_error(code, b"")).startswith("the server is closing the connection")


@pytest.mark.parametrize(
    ("code", "passes"),
    [
        (ErrorCode.NO_ERROR, True),
        (ErrorCode.REFUSED_STREAM, True),
        (ErrorCode.ENHANCE_YOUR_CALM, True),
        (ErrorCode.PROTOCOL_ERROR, False),
        (ErrorCode.HTTP_1_1_REQUIRED, False),
        (0x99, False),
    ],
)
def test_reasons_that_may_pass_are_marked(code: int, passes: bool) -> None:
    assert reset_error(code).retryable is passes
    assert goaway_error(code, b"").retryable is passes
    assert not remote_error("the server did wrong", code).retryable


def test_a_code_without_a_name_is_shown_as_a_number() -> None:
    assert code_name(0x99) == "0x99"


def test_what_a_peer_says_is_shown_short_and_harmless() -> None:
    assert "'too many\\x1b pings'" in str(goaway_error(ErrorCode.ENHANCE_YOUR_CALM, b"too many\x1b pings"))
    assert printable(b"x" * 1000) == "'" + "x" * 80 + "'..."
