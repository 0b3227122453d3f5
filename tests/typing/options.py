"""Options of clients and requests, as a type checker sees them. Read by mypy and pyright, never run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hyperhttp import (
    URL,
    AddressPolicy,
    BasicAuth,
    Client,
    Cookies,
    Headers,
    MultipartEncoder,
    Request,
    Response,
    SyncClient,
    Timeout,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator

ADDRESS = "http://127.0.0.1/"


def note_request(request: Request) -> None:
    """A request hook."""


async def note_response(response: Response) -> None:
    """A response hook of the asynchronous client."""


async def pieces() -> AsyncIterator[bytes]:
    """Asynchronous content."""
    yield b"a"


def plain_pieces() -> Iterator[bytes]:
    """Plain content."""
    yield b"a"


def clients(context: ssl.SSLContext) -> None:
    Client()
    Client(base_url=URL(ADDRESS), headers={"A": "b"}, cookies={"a": "b"}, params={"a": 1}, auth=("a", "b"))
    Client(headers=[("A", "b"), ("A", "c")], cookies=Cookies(), auth=BasicAuth("a", "b"), timeout=None)
    Client(headers=Headers(), timeout=Timeout(5.0, total=60.0), connect_timeout=1.0)
    Client(max_connections=None, max_connections_per_host=2, max_keepalive_connections=1)
    Client(keepalive_expiry=None, max_connection_age=3600.0, http2="prior-knowledge")
    Client(http2=False, follow_redirects="downgrade", max_redirects=3, verify=Path("ca.pem"))
    Client(verify=False, trust_env=False, proxies="http://127.0.0.1:3128")
    Client(ssl_context=context, proxies={"all://": "http://127.0.0.1:3128", "http://127.0.0.1": None})
    Client(event_hooks={"request": [note_request], "response": note_response}, user_agent="a/1")
    Client(happy_eyeballs_delay=0, dns_ttl=1.0, resolver="system", address_policy=AddressPolicy.public_only())
    Client(max_response_size=None, max_decompression_ratio=None, uds="/run/a", local_address="127.0.0.1")
    SyncClient(plugins=[], cert=("a.pem", "a.key"))


async def requests(client: Client, twin: SyncClient) -> None:
    await client.get(ADDRESS, params=[("a", "1")], headers={"A": "b"}, cookies={"a": "b"}, auth=None)
    await client.get(ADDRESS, timeout=Timeout(read=1.0), follow_redirects=True, http2=False, stream=False)
    await client.get(ADDRESS, event_hooks={"response": [note_response]}, proxy=None, extensions={"a": 1})
    await client.post(ADDRESS, content=pieces())
    await client.post(ADDRESS, content=bytearray(b"a"))
    await client.post(ADDRESS, content=MultipartEncoder(fields={"a": "b"}))
    twin.post(ADDRESS, content=plain_pieces())
    with Path("a").open("rb") as file:
        twin.post(ADDRESS, content=file, timeout=5)


async def mistakes(client: Client, twin: SyncClient) -> None:
    Client(time_out=5)  # type: ignore[call-arg]
    Client(timeout="5")  # type: ignore[arg-type]
    Client(http2="always")  # type: ignore[arg-type]
    SyncClient(max_connections="many")  # type: ignore[arg-type]
    await client.get(ADDRESS, jsn={})  # type: ignore[call-arg]
    await client.get(ADDRESS, follow_redirects="sometimes")  # type: ignore[arg-type]
    await client.get(b"http://127.0.0.1/")  # type: ignore[arg-type]
    twin.post(ADDRESS, content=5)  # type: ignore[arg-type]
    twin.get(ADDRESS, base_url=ADDRESS)  # type: ignore[call-arg]
