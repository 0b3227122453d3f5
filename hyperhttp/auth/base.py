"""The contract of an authentication scheme: a generator that yields requests and is sent responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator

    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response

__all__ = ["ANY", "Auth", "ContentHash"]

#: As the name of a scheme: whatever the server asks for. No scheme may have it.
ANY: Final = "any"


class Auth:
    """Signs requests; subclass it and override `auth_flow`.

    Attributes:
        requires_request_body: the content is loaded into memory before the flow starts.
        requires_response_body: each response is read before it is sent to the flow.
        requires_response: the flow looks at responses, so what it yields first may be unsigned.
    """

    requires_request_body: bool = False
    requires_response_body: bool = False
    requires_response: bool = False

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Yield the request, signed; for challenges, yield again after looking at the response.

        Args:
            request: what is about to be sent; change its header fields.
        """
        yield request


class ContentHash(NamedTuple):
    """What a flow yields in the place of a request where it needs the hash of content that is not in memory.

    It is sent the hash in hexadecimal digits.

    Attributes:
        algorithm: as `hashlib` calls it.
    """

    algorithm: str
