"""What ``hyperhttp demo`` shows: each step does one thing, checks it, and says in a line what came of it."""

from __future__ import annotations

import asyncio
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from hyperhttp.cli.style import duration, size
from hyperhttp.client.aio import Client
from hyperhttp.client.blocking import SyncClient
from hyperhttp.exceptions import ReadTimeout, RemoteProtocolError, TLSError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

__all__ = ["STEPS", "Stage", "Step", "StepFailedError"]

_CODINGS: Final = (("gzip", "/gzip"), ("deflate", "/deflate"), ("br", "/brotli"), ("zstd", "/zstd"))
_EXTRAS: Final = {"br": "brotli", "zstd": "zstd"}
_BLOCK: Final = 64 * 1024


class StepFailedError(Exception):
    """A step's own check did not hold."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the steps are played.

    Attributes:
        url: the origin, without a slash at the end.
        secure_url: the same origin on https; empty where there is none.
        verify: whom to trust there.
        is_local: the origin is this library's own, on this machine.
        is_fast: do less of everything.
        live: shows a line for a moment.
    """

    url: str
    secure_url: str
    verify: bool | str
    is_local: bool
    is_fast: bool
    live: Callable[[str], None]

    def settings(self, **more: Any) -> dict[str, Any]:
        """What the clients of all steps have in common."""
        return {"base_url": self.url, "trust_env": not self.is_local, "verify": self.verify} | more

    def client(self, **more: Any) -> Client:
        """A client for the origin."""
        return Client(**self.settings(**more))


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        title: what is shown.
        code: the line a user would write.
        run: does it, and gives what came of it.
        needs: what kind of origin it takes.
    """

    title: str
    code: str
    run: Callable[[Stage], Awaitable[str]]
    needs: Literal["any", "local", "tls"] = "any"


def check(holds: bool, what: str) -> None:
    """Fail the step unless it holds.

    Raises:
        StepFailedError: it does not.
    """
    if not holds:
        raise StepFailedError(what)


def pool_of(client: Client | SyncClient) -> dict[str, int]:
    """The connections of a client, over all hosts."""
    counts: dict[str, int] = {}
    for each in client.get_pool_stats().values():
        for name, count in each.items():
            counts[name] = counts.get(name, 0) + count
    return counts


def several(count: int, what: str) -> str:
    """``1 connection``, ``20 connections``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


# -- requests ---------------------------------------------------------------------------------------------


async def get_json(stage: Stage) -> str:
    """A GET with a query."""
    async with stage.client() as client:
        response = await client.get("/get", params={"tea": "green"})
        args = (await response.ajson())["args"]
    check(response.status_code == 200 and args == {"tea": "green"}, f"the origin saw {args}")
    return f"{response.status_code} {response.reason}, {response.http_version}, the origin saw {args}"


async def post_json(stage: Stage) -> str:
    """JSON there and back."""
    sent = {"name": "Ada", "languages": ["en", "fr"], "born": 1815}
    async with stage.client() as client:
        response = await client.post("/post", json=sent)
        seen = await response.ajson()
    check(seen["json"] == sent, f"the origin saw {seen['json']}")
    return f"{seen['headers']['Content-Type']}, {seen['headers']['Content-Length']} bytes, came back equal"


async def many_at_once(stage: Stage) -> str:
    """Many requests over few connections."""
    count = 60 if stage.is_fast else 200
    async with stage.client(max_connections=20) as client:
        started = time.perf_counter()
        responses = await asyncio.gather(*(client.get("/get") for _ in range(count)))
        sizes = [len(await response.aread()) for response in responses]
        took = time.perf_counter() - started
        pool = pool_of(client)
    check(all(response.status_code == 200 for response in responses) and all(sizes), "not all were 200")
    check(pool["total"] <= 20 and pool["in_use"] == 0, f"the pool says {pool}")
    rate = f"{count / took:,.0f} requests/s"
    return f"{count} answers in {duration(took)}, {rate} over {several(pool['total'], 'connection')}"


async def streamed_download(stage: Stage) -> str:
    """A large download in constant memory."""
    total = (4 if stage.is_fast else 32) * 1024 * 1024
    digest, count, largest = hashlib.sha256(), 0, 0
    async with stage.client() as client:
        expected = (await (await client.get(f"/bytes/{total}/sha256?seed=7")).ajson())["sha256"]
        started = time.perf_counter()
        async with client.stream("GET", f"/bytes/{total}?seed=7") as response:
            async for piece in response.aiter_bytes():
                digest.update(piece)
                count += len(piece)
                largest = max(largest, len(piece))
                stage.live(f"{size(count)} of {size(total)}")
        took = time.perf_counter() - started
    check(count == total and digest.hexdigest() == expected, "the content differs from what was sent")
    return f"{size(count)} at {size(count / took)}/s, at most {size(largest)} at once, SHA-256 matches"


async def decoded_content(stage: Stage) -> str:
    """Content codings, as far as plugins are installed."""
    said = []
    async with stage.client() as client:
        offered = [coding.strip() for coding in client.headers.get("accept-encoding", "").split(",")]
        for coding, path in _CODINGS:
            if coding not in offered:
                said.append(f"{coding}: pip install 'hyperhttp[{_EXTRAS.get(coding, coding)}]'")
                continue
            response = await client.get(path)
            if response.status_code in (404, 501):
                said.append(f"{coding}: not served here")
                continue
            check(response.headers.get("content-encoding") == coding, f"{path} was not coded with {coding}")
            check("headers" in await response.ajson(), f"{path} did not decode")
            said.append(f"{coding} {response.headers.get('content-length', '?')} → {len(response.content)} B")
    return ", ".join(said)


async def followed_redirects(stage: Stage) -> str:
    """Redirects and their history."""
    async with stage.client() as client:
        response = await client.get("/redirect/3", follow_redirects=True)
        await response.aread()
    check(response.status_code == 200 and len(response.history) == 3, f"history: {response.history}")
    hops = [str(each.status_code) for each in (*response.history, response)]
    return f"{' → '.join(hops)}, at {response.url.path}"


async def kept_cookies(stage: Stage) -> str:
    """Cookies that come back."""
    async with stage.client(follow_redirects=True) as client:
        await (await client.get("/cookies/set?tea=green")).aread()
        seen = (await (await client.get("/cookies")).ajson())["cookies"]
        kept = dict(client.cookies)
    check(seen.get("tea") == "green" and kept.get("tea") == "green", f"sent {seen}, kept {kept}")
    return f"the jar holds {kept}, the origin got {seen}"


async def streamed_upload(stage: Stage) -> str:
    """An upload of unknown length, produced while it is sent."""
    count = 32 if stage.is_fast else 256
    digest = hashlib.sha256()

    def blocks() -> Iterator[bytes]:
        for number in range(count):
            block = bytes([number % 251]) * _BLOCK
            digest.update(block)
            stage.live(f"{size((number + 1) * _BLOCK)} sent")
            yield block

    async with stage.client() as client:
        started = time.perf_counter()
        answer = await (await client.post("/sha256", content=blocks())).ajson()
        took = time.perf_counter() - started
    check(answer == {"length": count * _BLOCK, "sha256": digest.hexdigest()}, f"the origin got {answer}")
    return f"{size(count * _BLOCK)} chunked at {size(count * _BLOCK / took)}/s, SHA-256 matches the origin's"


# -- failures ---------------------------------------------------------------------------------------------


async def typed_timeout(stage: Stage) -> str:
    """A slow server."""
    async with stage.client() as client:
        try:
            await client.get("/delay/3", timeout=0.2)
        except ReadTimeout as error:
            return f"{type(error).__name__}: {error}"
    raise StepFailedError("the slow response was waited for")


async def typed_truncation(stage: Stage) -> str:
    """A response cut short is an error, never a short success."""
    async with stage.client() as client:
        response = await client.get("/bytes/100000?fault=truncate")
        try:
            await response.aread()
        except RemoteProtocolError as error:
            return f"{type(error).__name__}: {error}"
    raise StepFailedError("half a response passed for a whole one")


async def stale_connection(stage: Stage) -> str:
    """Connections that the server closes while they are idle, or in the very moment of the next request."""
    rounds = 5 if stage.is_fast else 10
    async with stage.client() as client:
        statuses = []
        for number in range(rounds):
            for path in (
                "/get?fault=close-idle",
                f"/get?fault=close-before-response&fault_times=1&n={number}",
            ):
                statuses.append((await client.get("/get")).status_code)
                statuses.append((await client.get(path)).status_code)
    check(statuses == [200] * (4 * rounds), f"statuses: {statuses}")
    return f"the server hung up {several(2 * rounds, 'time')}; {len(statuses)} requests, all answered with 200"


async def verified_tls(stage: Stage) -> str:
    """TLS with an authority of one's own, and without it."""
    async with stage.client(base_url=stage.secure_url) as client:
        response = await client.get("/get")
        await response.aread()
    check(response.status_code == 200 and response.url.scheme == "https", f"got {response}")
    if not stage.is_local:
        return f"{response.status_code} over https, {response.http_version}"
    async with stage.client(base_url=stage.secure_url, verify=True) as client:
        try:
            await client.get("/get")
        except TLSError as error:
            refusal = type(error).__name__
            return f"{response.status_code} over {response.http_version}; without that authority, {refusal}"
    raise StepFailedError("a certificate of an unknown authority was trusted")


# -- many at once, in other ways --------------------------------------------------------------------------


async def blocking_threads(stage: Stage) -> str:
    """One blocking client, several threads."""
    count = 40 if stage.is_fast else 200

    def play() -> tuple[list[int], float, int]:
        with SyncClient(**stage.settings()) as client, ThreadPoolExecutor(8) as threads:
            started = time.perf_counter()
            statuses = [each.status_code for each in threads.map(client.get, ["/get"] * count)]
            return statuses, time.perf_counter() - started, pool_of(client)["total"]

    statuses, took, connections = await asyncio.to_thread(play)
    check(statuses == [200] * count, "not all were 200")
    check(connections <= 8, f"8 threads used {connections} connections")
    rate = f"{count / took:,.0f} requests/s"
    return f"{count} answers in {duration(took)}, {rate} over {several(connections, 'connection')}"


async def multiplexed(stage: Stage) -> str:
    """Many requests over https at once, on whatever protocol was negotiated."""
    count = 30 if stage.is_fast else 100
    async with stage.client(base_url=stage.secure_url, http2=True) as client:
        first = await client.get("/get")
        await first.aread()
        started = time.perf_counter()
        responses = await asyncio.gather(*(client.get("/get") for _ in range(count)))
        for response in responses:
            await response.aread()
        took = time.perf_counter() - started
        connections = pool_of(client)["total"]
    check(all(response.status_code == 200 for response in responses), "not all were 200")
    versions = {response.http_version for response in responses}
    check(versions != {"HTTP/2"} or connections == 1, f"HTTP/2 used {connections} connections")
    spoken = " and ".join(sorted(versions))
    note = "" if "HTTP/2" in versions else " (HTTP/2 was not negotiated)"
    return f"{spoken}{note}: {count} answers in {duration(took)} over {several(connections, 'connection')}"


STEPS: Final = (
    Step("GET, with a query", 'await client.get("/get", params={"tea": "green"})', get_json),
    Step("POST JSON", 'await client.post("/post", json={"name": "Ada", ...})', post_json),
    Step(
        "Many requests at once, few connections",
        'await asyncio.gather(*(client.get("/get") for _ in range(n)))',
        many_at_once,
    ),
    Step(
        "A download as it comes, in constant memory",
        "async for piece in response.aiter_bytes(): ...",
        streamed_download,
        "local",
    ),
    Step("Content codings", 'await client.get("/gzip")', decoded_content),
    Step(
        "Redirects, with their history",
        'await client.get("/redirect/3", follow_redirects=True)',
        followed_redirects,
    ),
    Step("Cookies are kept", 'await client.get("/cookies/set?tea=green"); client.cookies', kept_cookies),
    Step(
        "An upload from a generator",
        'await client.post("/sha256", content=blocks())',
        streamed_upload,
        "local",
    ),
    Step("A timeout is a typed error", 'await client.get("/delay/3", timeout=0.2)', typed_timeout),
    Step("So is half a response", "await response.aread()", typed_truncation, "local"),
    Step(
        "A connection that went stale is replaced in silence",
        'await client.get("/get")  # on a connection the server has closed',
        stale_connection,
        "local",
    ),
    Step("TLS, with an authority of one's own", 'hyperhttp.Client(verify="ca.pem")', verified_tls, "tls"),
    Step(
        "The blocking client, from eight threads",
        "with hyperhttp.SyncClient() as client: threads.map(client.get, urls)",
        blocking_threads,
    ),
    Step(
        "HTTP/2: requests share a connection",
        "hyperhttp.Client(http2=True)  # the default",
        multiplexed,
        "tls",
    ),
)
"""All steps, in the order they are shown."""
