"""One small file per client: used as its documentation says, with its defaults.

Set for all of them: the same timeouts, as far as a client has them; the authority of the servers' certificates;
HTTP/2, redirects or a proxy where the case is about these. Each file has a class `Adapter`:

    def __init__(settings)                          as a client of that library is made
    request(method, url, headers, body)             gives status, fields, content
    first_piece(url)                                streams, and gives the first piece and a function that leaves
    close()

The methods of an adapter with `is_async` are coroutines.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

PIECE = 64 * 1024

Answer = tuple[int, list[tuple[str, str]], bytes]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a case wants of a client."""

    cafile: str
    read: float
    total: float
    http2: bool = False
    redirects: bool = False
    proxy: str = ""
    tls: bool = False

    def context(self) -> ssl.SSLContext:
        """A context that trusts the servers' authority."""
        return ssl.create_default_context(cafile=self.cafile)


class Base:
    """What adapters are."""

    #: Distributions whose versions are recorded.
    distributions: tuple[str, ...] = ()
    is_async = False
    #: Whether the client speaks HTTP/2, and whether it has a cookie jar.
    http2 = True
    cookies = True
    #: Whether it has an option for the time of a whole request, content included.
    total = True
