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
    DigestAuth,
    Headers,
    MultipartEncoder,
    NetrcAuth,
    Proxy,
    Request,
    Response,
    SyncClient,
    Timeout,
)
from hyperhttp.errors.budget import RetryBudget
from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager
from hyperhttp.errors.circuit_sqlite import SQLiteCircuitStore
from hyperhttp.errors.rate_limit import RateLimit, RateLimiter
from hyperhttp.errors.retry import HedgePolicy, RetryPolicy, RetryState
from hyperhttp.errors.telemetry import ErrorTelemetry, Outcome
from hyperhttp.utils.backoff import DecorrelatedJitterBackoff

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterator

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


class Told(ErrorTelemetry):
    """Telemetry of one's own."""

    def record_attempt(self, retry_state: RetryState, outcome: Outcome) -> None:
        """Look at what there is."""
        print(retry_state.attempt, retry_state.elapsed, outcome)


class Steady:
    """A strategy of one's own."""

    def delay(self, retry: int, previous: float, random: Callable[[], float]) -> float:
        """Always the same."""
        return 1.0


def clients(context: ssl.SSLContext) -> None:
    Client()
    Client(base_url=URL(ADDRESS), headers={"A": "b"}, cookies={"a": "b"}, params={"a": 1}, auth=("a", "b"))
    Client(headers=[("A", "b"), ("A", "c")], cookies=Cookies(), auth=BasicAuth("a", "b"), timeout=None)
    Client(headers=Headers(), timeout=Timeout(5.0, total=60.0), connect_timeout=1.0)
    Client(max_connections=None, max_connections_per_host=2, max_keepalive_connections=1)
    Client(keepalive_expiry=None, max_connection_age=3600.0, http2="prior-knowledge")
    Client(http2=False, follow_redirects="downgrade", max_redirects=3, verify=Path("ca.pem"))
    Client(verify=False, trust_env=False, proxies="http://127.0.0.1:3128")
    Client(auth="digest a:b", proxies=Proxy("http://127.0.0.1:3128", auth=DigestAuth("a", "b")))
    Client(auth=NetrcAuth("netrc"), proxies={"all": Proxy(URL(ADDRESS), auth=("a", "b"))})
    Client(ssl_context=context, proxies={"all://": "http://127.0.0.1:3128", "http://127.0.0.1": None})
    Client(event_hooks={"request": [note_request], "response": note_response}, user_agent="a/1")
    Client(happy_eyeballs_delay=0, dns_ttl=1.0, resolver="system", address_policy=AddressPolicy.public_only())
    Client(max_response_size=None, max_decompression_ratio=None, uds="/run/a", local_address="127.0.0.1")
    SyncClient(plugins=[], cert=("a.pem", "a.key"))
    Client(circuit_breaker_manager=DomainCircuitBreakerManager(categories=["SERVER"]), rate_limit=RateLimit(5))
    SyncClient(circuit_breaker_manager=None, rate_limit=RateLimiter(5, hosts={"a.example": None}))
    Client(rate_limit=0.5, circuit_breaker_manager=DomainCircuitBreakerManager(store=SQLiteCircuitStore("a.db")))
    Client(circuit_breaker_manager=5)  # type: ignore[arg-type]
    Client(retry=3, telemetry=Told())
    SyncClient(retry_policy=RetryPolicy(5, retry_categories=["SERVER"], status_force_list=(503,), methods={"POST"}))
    Client(retry=RetryPolicy(backoff_strategy=Steady(), budget=RetryBudget(), hedge=HedgePolicy(0.1)))
    Client(retry=RetryPolicy(backoff_strategy=DecorrelatedJitterBackoff(), budget=None, hedge=0.5))
    Client(retry=RetryPolicy(retry_on_response=lambda response: response.is_error or None))
    Client(retry="often")  # type: ignore[arg-type]
    RetryPolicy(backoff_strategy=0.5)  # type: ignore[arg-type]


async def requests(client: Client, twin: SyncClient) -> None:
    await client.get(ADDRESS, params=[("a", "1")], headers={"A": "b"}, cookies={"a": "b"}, auth=None)
    await client.get(ADDRESS, timeout=Timeout(read=1.0), follow_redirects=True, http2=False, stream=False)
    await client.get(ADDRESS, event_hooks={"response": [note_response]}, proxy=None, extensions={"a": 1})
    await client.get(ADDRESS, retry=False)
    for attempt in (await client.get(ADDRESS, retry=RetryPolicy(1))).attempts:
        print(attempt.cause, attempt.status_code)
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
