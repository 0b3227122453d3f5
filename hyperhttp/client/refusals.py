"""What becomes of a response that is not the one that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from hyperhttp.exceptions import HTTPStatusError, HyperHTTPError
from hyperhttp.pipeline.exchange import load

if TYPE_CHECKING:
    from hyperhttp.message.response import Response

__all__ = ["refuse"]

#: Bytes of its content that are read, so that it can be looked at.
_SMALL: Final = 65_536


async def refuse(response: Response, wanted: str) -> NoReturn:
    """Raise what its status says; a small content is read, and its connection is free again.

    Args:
        response: whose status is not the one that was wanted.
        wanted: what should have come, for the message.

    Raises:
        HTTPStatusError: always.
    """
    length = response.headers.get("content-length", "")
    try:
        if response._stream is None or (length.isascii() and length.isdigit() and int(length) <= _SMALL):
            await load(response)
    except HyperHTTPError:
        pass  # its status says enough
    response.give_up()
    response.raise_for_status()
    hint = "; pass follow_redirects=True to follow it" if response.is_redirect else ""
    said = f"{response.status_code} {response.reason}".rstrip()
    msg = f"the server answered {said} instead of {wanted} at {response.url.redacted}{hint}"
    raise HTTPStatusError(msg, request=response.request, response=response)
