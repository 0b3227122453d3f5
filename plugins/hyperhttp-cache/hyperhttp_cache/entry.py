"""A stored response, and which requests it may serve (RFC 9111 sections 3, 4.1 and 4.2.3)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from hyperhttp_cache.directives import date_of, directives_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hyperhttp import Headers, Request

__all__ = ["Entry", "key_of", "selecting_fields"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored response.

    Attributes:
        id: its name in the storage.
        method: of the request.
        selecting: the request's fields that select the response, by name in lower case, as digests: a storage holds no secret
            of a request.
        status_code: three digits.
        reason: the reason phrase.
        http_version: what it came by.
        headers: the header fields.
        content: as it was sent, its content codings included.
        requested_at: when the request was sent, in seconds since the epoch.
        received_at: when the response, or its last confirmation, was received.
    """

    id: str
    method: str
    selecting: dict[str, str]
    status_code: int
    reason: str
    http_version: str
    headers: tuple[tuple[bytes, bytes], ...]
    content: bytes = field(repr=False)
    requested_at: float
    received_at: float

    def values(self, name: str) -> list[str]:
        """The values of a header field."""
        wanted = name.lower().encode("ascii")
        return [value.decode("latin-1") for each, value in self.headers if each.lower() == wanted]

    def value(self, name: str) -> str | None:
        """The first value of a header field."""
        return next(iter(self.values(name)), None)

    @property
    def directives(self) -> dict[str, str]:
        """Its Cache-Control."""
        return directives_of(self.values("cache-control"))

    @property
    def size(self) -> int:
        """Bytes it takes, about."""
        return len(self.content) + sum(len(name) + len(value) + 32 for name, value in self.headers) + 512

    def serves(self, request: Request) -> bool:
        """Whether it was selected by fields like those of the request."""
        headers = request.headers
        return self.method == request.method and all(
            _digest(headers.get_list(name)) == digest for name, digest in self.selecting.items()
        )

    def age(self, now: float) -> float:
        """Seconds since it was made or confirmed by its origin (RFC 9111 section 4.2.3)."""
        made_at = date_of(self.value("date"))
        apparent = max(0.0, self.received_at - made_at) if made_at is not None else 0.0
        text = self.value("age") or ""
        told = float(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0.0
        corrected = told + (self.received_at - self.requested_at)
        return max(apparent, corrected) + max(0.0, now - self.received_at)

    def with_headers(self, headers: Sequence[tuple[bytes, bytes]], requested_at: float, received_at: float) -> Entry:
        """The same content, confirmed: its fields and its age are new."""
        return replace(self, headers=tuple(headers), requested_at=requested_at, received_at=received_at)

    def facts(self) -> dict[str, Any]:
        """Everything but id and content, as JSON takes it."""
        return {
            "method": self.method,
            "selecting": self.selecting,
            "status_code": self.status_code,
            "reason": self.reason,
            "http_version": self.http_version,
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers],
            "requested_at": self.requested_at,
            "received_at": self.received_at,
        }

    @classmethod
    def from_facts(cls, name: str, facts: dict[str, Any], content: bytes) -> Entry:
        """What `facts` gave, as an entry again."""
        headers = tuple((key.encode("latin-1"), value.encode("latin-1")) for key, value in facts["headers"])
        return cls(name, content=content, **{**facts, "headers": headers})


def key_of(request: Request) -> str:
    """What entries are found by: the URL without credentials and fragment, and the host that is asked for if another."""
    url = request.url
    asked = request.headers.get("host", url.host_header).lower()
    return f"{url.origin}{url.target}" if asked == url.host_header else f"{url.origin}{url.target} {asked}"


def selecting_fields(request: Request, headers: Headers) -> dict[str, str] | None:
    """The request's fields that select a response, as digests; None where nothing can tell which request it serves.

    Those are the fields that Vary names. Authorization always is one: what one user got is not for another. So is
    Accept-Encoding where the content is coded, whether the server says so or not.
    """
    names = {name.strip().lower() for value in headers.get_list("vary") for name in value.split(",")} - {""}
    if "*" in names:
        return None
    names.add("authorization")
    if "content-encoding" in headers:
        names.add("accept-encoding")
    return {name: _digest(request.headers.get_list(name)) for name in sorted(names)}


def _digest(values: Iterable[str]) -> str:
    """Stands for the values of a field; lines and blanks around commas make no difference."""
    members = [member.strip() for value in values for member in value.split(",")]
    return sha256(",".join(members).encode("utf-8", "surrogateescape")).hexdigest() if members else ""
