"""What the three digits of a response mean (RFC 9110 section 15)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from hyperhttp.exceptions import HTTPStatusError

if TYPE_CHECKING:
    from typing import Self

    from hyperhttp.message.headers import Headers
    from hyperhttp.message.response import Response

__all__ = ["Status"]


class Status:
    """The part of a response that follows from its status."""

    status_code: int
    reason: str
    _request: Any
    _content: bytes | None

    if TYPE_CHECKING:

        @property
        def headers(self) -> Headers:
            """The header fields."""

    @property
    def is_informational(self) -> bool:
        """1xx: another response follows."""
        return self.status_code < 200

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self.status_code < 300

    @property
    def is_client_error(self) -> bool:
        """4xx."""
        return 400 <= self.status_code < 500

    @property
    def is_server_error(self) -> bool:
        """5xx."""
        return 500 <= self.status_code < 600

    @property
    def is_error(self) -> bool:
        """4xx or 5xx."""
        return 400 <= self.status_code < 600

    @property
    def is_redirect(self) -> bool:
        """A 3xx that says where to go."""
        return self.status_code in (301, 302, 303, 307, 308) and "location" in self.headers

    def raise_for_status(self) -> Self:
        """The response itself, unless its status is 4xx or 5xx.

        Raises:
            HTTPStatusError: it is.
        """
        if not self.is_error:
            return self
        where = f" for {self._request.method} {self._request.url.redacted}" if self._request is not None else ""
        said = f"{self.status_code} {self.reason}".rstrip()
        shown = f": {self._content[:200]!r}" if self._content else ""
        msg = f"the server answered {said}{where}{shown}"
        raise HTTPStatusError(msg, request=self._request, response=cast("Response", self))
