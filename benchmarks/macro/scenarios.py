"""Who is measured, at what, and what HyperHTTP is meant to reach: tables, no code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Face = Literal["async", "blocking"]
Better = Literal["more", "less"]


@dataclass(frozen=True, slots=True)
class Client:
    """A library, and where its driver is."""

    module: str
    #: Ways it is driven.
    faces: frozenset[Face]
    #: Ways in which it speaks HTTP/2 here.
    http2: frozenset[Face] = frozenset()
    #: Environment of `benchmarks/envs.py`.
    environment: str = "peers"
    #: What `import` means, for the startup scenario.
    imports: tuple[str, ...] = ()
    #: Driver class, where it is not `Async` or `Blocking`.
    driver_class: str | None = None
    #: Reads a body piece by piece.
    streams: bool = False
    #: Measured only where it is named, or asked for.
    extra: bool = False
    #: Not a client: a measure for the others.
    floor: bool = False


NEITHER: frozenset[Face] = frozenset()
ASYNC: frozenset[Face] = frozenset({"async"})
BLOCKING: frozenset[Face] = frozenset({"blocking"})
BOTH = ASYNC | BLOCKING

SUBJECT = "hyperhttp"

CLIENTS: dict[str, Client] = {
    "floor": Client("floor", BOTH, streams=True, floor=True),
    "floor-pooled": Client("floor", ASYNC, driver_class="AsyncPooled", floor=True, extra=True),
    "floor-body": Client("floor", ASYNC, driver_class="AsyncBody", floor=True, extra=True),
    "h2load": Client("h2load", BOTH, BOTH, floor=True),
    "stdlib": Client("nothing", NEITHER, imports=("asyncio", "ssl", "socket"), floor=True, extra=True),
    "hyperhttp": Client("hyperhttp_", BOTH, BOTH, imports=("hyperhttp",), streams=True),
    "hyperhttp-sized": Client("hyperhttp_", ASYNC, ASYNC, driver_class="AsyncSized", extra=True),
    "aiohttp": Client("aiohttp_", ASYNC, imports=("aiohttp",), streams=True),
    "aiosonic": Client("aiosonic_", ASYNC, ASYNC, imports=("aiosonic",)),
    "http.client": Client("http_client", BLOCKING, imports=("http.client", "ssl"), streams=True),
    "httpx": Client("httpx_", BOTH, BOTH, imports=("httpx",), streams=True),
    "httpx2": Client("httpx2_", BOTH, BOTH, imports=("httpx2",), streams=True),
    "niquests": Client("niquests_", BOTH, BOTH, "niquests", imports=("niquests",), streams=True),
    "primp": Client("primp_", BOTH, BOTH, imports=("primp",)),
    "pycurl": Client("pycurl_", BLOCKING, BLOCKING, imports=("pycurl",), streams=True),
    "pyreqwest": Client("pyreqwest_", BOTH, BOTH, imports=("pyreqwest.client",), streams=True),
    "requests": Client("requests_", BLOCKING, imports=("requests",), streams=True),
    "rnet": Client("rnet_", BOTH, BOTH, imports=("rnet", "rnet.blocking")),
    "urllib3": Client("urllib3_", BLOCKING, imports=("urllib3",), streams=True),
    "wreq": Client("wreq_", BOTH, BOTH, imports=("wreq", "wreq.blocking")),
}


@dataclass(frozen=True, slots=True)
class Goal:
    """What HyperHTTP is meant to reach in a scenario.

    With a peer, the value is a ratio to that peer's figure; without, it is the figure itself.
    """

    value: float
    peer: str | None = None
    metric: str = "throughput"
    better: Better = "more"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the tables: a way of running, a protocol, a body, a width."""

    name: str
    loop: Literal["asyncio", "uvloop", "blocking"]
    body: str = "200B"
    concurrency: int = 1
    connections: int = 0
    tls: bool = False
    http2: bool = False
    kind: Literal["load", "burst", "idle", "download", "startup"] = "load"
    floor: str = "floor"
    goals: tuple[Goal, ...] = ()
    #: Clients measured beside the usual ones.
    extras: tuple[str, ...] = ()
    #: Clients left out, with the reason.
    without: dict[str, str] = field(default_factory=dict)

    @property
    def face(self) -> Face:
        """Which driver class."""
        return "blocking" if self.loop == "blocking" else "async"

    @property
    def width(self) -> int:
        """The most connections a client may have: one for HTTP/2, one for each request under way else."""
        return self.connections or (1 if self.http2 else self.concurrency)

    def clients(self) -> list[str]:
        """Names of those who can take part, the floor first."""
        if self.kind == "startup":
            return ["stdlib", *(name for name, each in CLIENTS.items() if each.imports and not each.floor)]
        return [name for name, each in CLIENTS.items() if self._fits(name, each)]

    def _fits(self, name: str, client: Client) -> bool:
        if name in self.without or (client.extra and name not in {self.floor, *self.extras}):
            return False
        if client.floor and name not in {self.floor, *self.extras}:
            return False
        if self.kind == "download" and not client.streams:
            return False
        return self.face in (client.http2 if self.http2 else client.faces)


# PERFORMANCE: "ahead of every peer on every row" is said by the report; these are the numbers beyond that.
ASYNCIO = (Goal(0.6, "floor"), Goal(3.0, "aiohttp"), Goal(1.3, "pyreqwest"))
UVLOOP = (Goal(0.4, "floor"), Goal(1.5, "pyreqwest"))
# The floor only counts bytes; one that hands the body over, as every client must, is `floor-body`.
LARGE = (Goal(0.8, "floor"), Goal(0.8, "floor-body"), Goal(1.0, "aiohttp"))
H2_LARGE = (Goal(0.8, "pyreqwest"), Goal(8.0, "httpx2"))
SLOW_POOL = dict.fromkeys(("httpx", "httpx2"), "its pool takes minutes over waiters in the thousands")

SCENARIOS: dict[str, Scenario] = {
    each.name: each
    for each in (
        # HTTP/1.1, asyncio and uvloop
        Scenario("h1-asyncio-200B-c64", "asyncio", "200B", 64, goals=ASYNCIO, extras=("hyperhttp-sized",)),
        Scenario("h1-uvloop-200B-c64", "uvloop", "200B", 64, goals=UVLOOP, extras=("hyperhttp-sized",)),
        Scenario("h1-tls-asyncio-200B-c64", "asyncio", "200B", 64, tls=True, goals=(Goal(0.6, "floor"),)),
        Scenario("h1-tls-uvloop-200B-c64", "uvloop", "200B", 64, tls=True, goals=(Goal(0.4, "floor"),)),
        Scenario("h1-asyncio-10KiB-c64", "asyncio", "10KiB", 64),
        Scenario("h1-asyncio-1MiB-c16", "asyncio", "1MiB", 16, goals=LARGE, extras=("floor-body",)),
        Scenario("h1-uvloop-1MiB-c16", "uvloop", "1MiB", 16, goals=LARGE, extras=("floor-body",)),
        Scenario("h1-asyncio-200B-c1", "asyncio", "200B", 1),
        Scenario("h1-asyncio-200B-c1000", "asyncio", "200B", 1000),
        Scenario(
            "many-asyncio-10000-over-100",
            "asyncio",
            "200B",
            10_000,
            connections=100,
            kind="burst",
            floor="floor-pooled",
            goals=(Goal(60e6, metric="rss_peak", better="less"),),
            without=SLOW_POOL,
        ),
        # HTTP/2 over TLS, one connection
        Scenario(
            "h2-tls-asyncio-200B-c64",
            "asyncio",
            "200B",
            64,
            tls=True,
            http2=True,
            floor="h2load",
            goals=(Goal(1.0, "pyreqwest"), Goal(12.0, "httpx2")),
        ),
        Scenario(
            "h2-tls-uvloop-200B-c64",
            "uvloop",
            "200B",
            64,
            tls=True,
            http2=True,
            floor="h2load",
            goals=(Goal(1.0, "pyreqwest"),),
        ),
        Scenario(
            "h2-tls-asyncio-1MiB-c16",
            "asyncio",
            "1MiB",
            16,
            tls=True,
            http2=True,
            floor="h2load",
            goals=H2_LARGE,
        ),
        # Blocking
        Scenario(
            "blocking-200B-1thread",
            "blocking",
            goals=(
                Goal(0.75, "floor"),
                Goal(2.0, "urllib3"),
                Goal(4.0, "requests"),
                Goal(1.0, "pyreqwest"),
            ),
        ),
        Scenario("blocking-200B-16threads", "blocking", "200B", 16, goals=(Goal(3.0, "urllib3"),)),
        Scenario("blocking-tls-200B-1thread", "blocking", tls=True),
        Scenario("blocking-1MiB-1thread", "blocking", "1MiB"),
        Scenario(
            "blocking-h2-tls-200B-1thread",
            "blocking",
            tls=True,
            http2=True,
            floor="h2load",
            goals=(Goal(3.0, "httpx"),),
        ),
        Scenario("blocking-h2-tls-200B-16threads", "blocking", "200B", 16, tls=True, http2=True, floor="h2load"),
        # Starting up
        Scenario(
            "startup",
            "asyncio",
            kind="startup",
            floor="stdlib",
            goals=(
                Goal(60.0, metric="import_ms", better="less"),
                Goal(0.2, metric="next_client_ms", better="less"),
            ),
        ),
    )
}

# Run by benchmarks/memory/run.py.
MEMORY: dict[str, Scenario] = {
    each.name: each
    for each in (
        SCENARIOS["many-asyncio-10000-over-100"],
        Scenario("memory-idle-h1", "asyncio", "200B", 500, kind="idle", floor="floor-pooled", without=SLOW_POOL),
        Scenario(
            "memory-idle-h1-tls",
            "asyncio",
            "200B",
            500,
            tls=True,
            kind="idle",
            floor="floor-pooled",
            without=SLOW_POOL,
        ),
        Scenario("memory-download-h1", "asyncio", "512MiB", kind="download"),
        Scenario("memory-download-h1-tls", "asyncio", "512MiB", tls=True, kind="download"),
        Scenario("memory-download-h2-tls", "asyncio", "512MiB", tls=True, http2=True, kind="download", floor=""),
        Scenario("memory-download-blocking", "blocking", "512MiB", kind="download"),
        Scenario("memory-buffered-h1", "asyncio", "64MiB"),
    )
}
