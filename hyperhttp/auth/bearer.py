"""The Bearer scheme (RFC 6750)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hyperhttp.auth.base import Auth

if TYPE_CHECKING:
    from collections.abc import Generator

    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response

__all__ = ["BearerAuth", "is_token"]

# RFC 6750 section 2.1: b64token; anything else visible is tolerated because issuers do not keep to it.
_TOKEN = re.compile(r"[\x21-\x7e]+")
_STRICT_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


def is_token(text: str) -> bool:
    """Whether a text has the form of a bearer token by the RFC's own grammar, which a pair with a colon has not."""
    return _STRICT_TOKEN.fullmatch(text) is not None


class BearerAuth(Auth):
    """A fixed token with every request.

    Args:
        token: visible ASCII without blanks.

    Raises:
        ValueError: it is not.
    """

    def __init__(self, token: str) -> None:
        if _TOKEN.fullmatch(token) is None:
            msg = "a bearer token is visible ASCII without blanks"
            raise ValueError(msg)
        self._value = f"Bearer {token}"

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Add the Authorization field."""
        request.headers["Authorization"] = self._value
        yield request

    def __repr__(self) -> str:
        return "BearerAuth([secret])"
