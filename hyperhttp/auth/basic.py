"""The Basic scheme (RFC 7617)."""

from __future__ import annotations

from binascii import b2a_base64
from typing import TYPE_CHECKING

from hyperhttp.auth.base import Auth

if TYPE_CHECKING:
    from collections.abc import Generator

    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response

__all__ = ["BasicAuth"]


class BasicAuth(Auth):
    """User and password with every request, in UTF-8.

    Args:
        username: must not contain a colon, which would end it.
        password: any text.

    Raises:
        ValueError: the user name contains a colon, or one of them a control character (RFC 7617 section 2).
    """

    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        user = username.encode() if isinstance(username, str) else username
        secret = password.encode() if isinstance(password, str) else password
        if b":" in user:
            msg = "a user name for Basic authentication cannot contain a colon"
            raise ValueError(msg)
        if any(byte < 32 or byte == 127 for byte in user + secret):
            msg = "user name and password for Basic authentication cannot contain control characters"
            raise ValueError(msg)
        self._value = "Basic " + b2a_base64(user + b":" + secret, newline=False).decode("ascii")

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Add the Authorization field."""
        request.headers["Authorization"] = self._value
        yield request

    def __repr__(self) -> str:
        return "BasicAuth([secret])"
