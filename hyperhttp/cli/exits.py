"""How the program ends: exit codes that stay what they are, and the one line that says why.

The numbers are curl's where curl has one, since people and scripts know them.
"""

from __future__ import annotations

from typing import Final

from hyperhttp.exceptions import (
    ConnectError,
    DecodingError,
    DNSError,
    HTTPStatusError,
    HyperHTTPError,
    InvalidURL,
    LocalProtocolError,
    ReadError,
    RemoteProtocolError,
    TimeoutException,
    TLSError,
    TooManyRedirects,
    WriteError,
)

__all__ = [
    "BROKEN_PIPE",
    "CODES",
    "FILE_NOT_READ",
    "HTTP_ERROR",
    "INTERRUPTED",
    "INVALID_URL",
    "NOT_WRITTEN",
    "OK",
    "UNEXPECTED",
    "USAGE",
    "CommandError",
    "exit_code_of",
]

OK: Final = 0
UNEXPECTED: Final = 1
USAGE: Final = 2
INVALID_URL: Final = 3
HTTP_ERROR: Final = 22
NOT_WRITTEN: Final = 23
FILE_NOT_READ: Final = 26
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141

CODES: Final[dict[int, str]] = {
    OK: "success",
    UNEXPECTED: "something unexpected",
    USAGE: "wrong arguments, or a request that must not be sent",
    INVALID_URL: "the URL is not valid",
    6: "the host name could not be resolved",
    7: "no connection, to the host or to its proxy",
    HTTP_ERROR: "the status is 4xx or 5xx, with --fail or -O",
    NOT_WRITTEN: "the output could not be written",
    FILE_NOT_READ: "a file to send could not be read",
    28: "a time limit passed",
    47: "too many redirects",
    55: "the connection broke while sending",
    56: "the connection broke while receiving, or the server broke the protocol",
    60: "TLS failed, or the certificate is not trusted",
    61: "the content could not be decoded",
    INTERRUPTED: "interrupted",
    BROKEN_PIPE: "whoever read the output stopped reading",
}
"""What each exit code means."""

# The first that fits counts: a subclass stands before its base.
_BY_TYPE: Final[tuple[tuple[type[Exception], int], ...]] = (
    (InvalidURL, INVALID_URL),
    (DNSError, 6),
    (ConnectError, 7),
    (HTTPStatusError, HTTP_ERROR),
    (TimeoutException, 28),
    (TooManyRedirects, 47),
    (WriteError, 55),
    (ReadError, 56),
    (RemoteProtocolError, 56),
    (TLSError, 60),
    (DecodingError, 61),
    (LocalProtocolError, USAGE),
    (HyperHTTPError, UNEXPECTED),
    (OSError, FILE_NOT_READ),  # sockets and output have errors of their own: what is left are files to send
)


class CommandError(Exception):
    """The command cannot be carried out; the message is for the person who typed it.

    Attributes:
        code: the exit code.
    """

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code


def exit_code_of(error: Exception) -> int:
    """The exit code an error leads to."""
    if isinstance(error, CommandError):
        return error.code
    return next((code for kind, code in _BY_TYPE if isinstance(error, kind)), UNEXPECTED)
