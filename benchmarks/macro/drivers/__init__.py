"""One small file per client library: how to make a client, and one GET with the whole body read.

A driver class is `Async` or `Blocking`. It opens what its library calls a client or session once, in `open`,
and gives `one(url)`: send a GET, insist on status 200, read the whole body, return its length. Options are
set only where the library's documentation tells a user with this load to set them: connection limits, the
certificate authority, HTTP/2. `stream(url)`, where present, reads a body piece by piece without keeping it.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

# What a caller of the streaming interfaces would ask for, where they let one ask.
CHUNK = 64 * 1024


class Unexpected(Exception):
    """The origin or the client did something a benchmark must not count."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for, and how wide."""

    base: str
    path: str
    size: int
    concurrency: int = 1
    connections: int = 1
    http2: bool = False
    cafile: str | None = None

    @property
    def url(self) -> str:
        """The whole URL."""
        return self.base + self.path

    @property
    def port(self) -> int:
        """The port of the origin, which is on 127.0.0.1."""
        return int(self.base.rpartition(":")[2])

    @property
    def tls(self) -> bool:
        """Whether the origin is https."""
        return self.base.startswith("https:")

    def ssl_context(self) -> ssl.SSLContext:
        """A verifying context that trusts the origin's authority and says nothing about ALPN."""
        return ssl.create_default_context(cafile=self.cafile)

    def authority(self) -> bytes:
        """The origin's certificate authority in PEM."""
        with open(self.cafile, "rb") as file:  # noqa: PTH123 -- pathlib would count into somebody's import time
            return file.read()


class Driver:
    """What all drivers have in common."""

    #: Distributions whose versions are recorded.
    distributions: tuple[str, ...] = ()
    #: One instance per worker (task or thread) instead of one that all share.
    per_worker = False
    #: Whether `one` can ask for another path, so that the protocol can be checked.
    probes = True

    def __init__(self, target: Target) -> None:
        self.target = target


def check(status: int) -> None:
    """Insist on 200."""
    if status != 200:
        msg = f"status {status}"
        raise Unexpected(msg)
