from __future__ import annotations

import pytest

import hyperhttp
from hyperhttp.cli.exits import CODES, CommandError, exit_code_of


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (hyperhttp.InvalidURL(), 3),
        (hyperhttp.DNSError(), 6),
        (hyperhttp.ConnectError(), 7),
        (hyperhttp.ProxyError(), 7),
        (hyperhttp.AddressNotAllowed(), 7),
        (hyperhttp.HTTPStatusError(), 22),
        (hyperhttp.ConnectTimeout(), 28),
        (hyperhttp.TotalTimeout(), 28),
        (hyperhttp.TooManyRedirects(), 47),
        (hyperhttp.WriteError(), 55),
        (hyperhttp.ReadError(), 56),
        (hyperhttp.RemoteProtocolError(), 56),
        (hyperhttp.TLSError(), 60),
        (hyperhttp.DecodingError(), 61),
        (hyperhttp.LocalProtocolError(), 2),
        (hyperhttp.PluginError(), 1),
        (FileNotFoundError(2, "No such file", "x"), 26),
        (ZeroDivisionError(), 1),
        (CommandError("no"), 2),
        (CommandError("no", 23), 23),
    ],
)
def test_each_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert exit_code_of(error) == code
    assert code in CODES


def test_exit_codes_are_those_that_were_promised() -> None:
    assert list(CODES) == [0, 1, 2, 3, 6, 7, 22, 23, 26, 28, 47, 55, 56, 60, 61, 130, 141]
