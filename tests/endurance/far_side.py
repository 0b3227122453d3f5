"""The servers of the long runs, in a process of their own, so that what is counted in this one is the client's.

``python -m tests.endurance.far_side`` prints where they are as a line of JSON, and ends when its input does:

- an origin (HTTP/1.1, HTTP/2, TLS) and a narrow one, which takes three HTTP/2 streams at a time;
- a slow way to the first one's TLS port, and a proxy for tunnels that is as slow: both hold pieces back for random
  moments, so that there is time between the steps of a handshake;
- a hole: a port that never accepts.

``/job/...`` does what the request's ``X-Plan`` says: ``pause`` before the head, ``gap`` between pieces of content,
``linger`` before the request's content is read, ``chunked``, ``coding``, ``fail`` (503 so many times), ``auth``
(demand Digest), ``hops`` (redirect so many times). ``/meet/{n}`` answers when n requests are there at once, ``/flood/{n}``
with so many pieces, ``/bomb/{codings}`` with as many pieces of zeros as ``?pieces=`` says.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import hashlib
import json
import logging
import random
import socket
import sys
import zlib
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

from hyperhttp.testing import Origin
from hyperhttp.testing.background import BackgroundLoop
from hyperhttp.testing.messages import Reply
from tests.endurance.jobs import PIECE, content_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

MEETING = 15.0  # seconds until a meeting that is not complete is over
SLOW_PIECES = 6


def equip(origin: Origin) -> None:
    """Add the endpoints of the long runs to an origin."""
    failures: Counter[str] = Counter()
    meetings: dict[str, asyncio.Barrier] = {}
    numbers = count(1)

    @origin.route("/job/{any}", methods=("GET", "POST", "PUT"), is_streaming=True)
    async def work(exchange: Any) -> Reply:
        name, plan = exchange.headers["x-name"], json.loads(exchange.headers["x-plan"])
        number = next(numbers)
        if plan.get("linger"):
            await asyncio.sleep(plan["linger"])
        hashed = hashlib.sha256()
        while data := await exchange.read():
            hashed.update(data)
        if plan.get("auth") and "digest" not in exchange.headers.get("authorization", "").lower():
            return Reply(401, [("WWW-Authenticate", f'Digest realm="r", nonce="{number}", qop="auth"')], b"who?" * 30)
        hops = int(exchange.arg("hops", str(plan.get("hops", 0))))
        if hops:
            return Reply(307, [("Location", f"{exchange.path}?hops={hops - 1}")], b"there" * 30)
        if failures[name] < plan.get("fail", 0):
            failures[name] += 1
            return Reply(503, [], b"later" * 30)
        failures.pop(name, None)
        if plan.get("pause"):
            await asyncio.sleep(plan["pause"])
        fields = [("X-Name", name), ("X-Got", hashed.hexdigest()), ("X-Number", str(number))]
        return answer(content_of(name, plan["down"]), plan, fields)

    @origin.route("/meet/{n}")
    async def meet(exchange: Any) -> Reply:
        key = exchange.headers["x-name"]
        barrier = meetings.setdefault(key, asyncio.Barrier(int(exchange.parameters["n"])))
        try:
            async with asyncio.timeout(MEETING):
                await barrier.wait()
        except (TimeoutError, asyncio.BrokenBarrierError):
            return Reply(503, [], b"some did not come")
        meetings.pop(key, None)
        return Reply(200, [], b"all are here")

    @origin.route("/flood/{n}")
    def flood(exchange: Any) -> Reply:
        pieces = int(exchange.parameters["n"])

        async def produce(write: Any) -> None:
            for number in range(pieces):
                await write(content_of(str(number), PIECE))

        return Reply(200, [], produce, pieces * PIECE)

    @origin.route("/bomb/{codings}")
    def bomb(exchange: Any) -> Reply:
        codings = exchange.parameters["codings"]
        return Reply(200, [("Content-Encoding", codings)], packed(codings, int(exchange.arg("pieces"))))


@functools.cache
def packed(codings: str, pieces: int) -> bytes:
    """Zeros through a chain of codings, the first of which takes them piece by piece."""
    first, *others = codings.split(",")
    pack = packers()[first]()
    content = b"".join([*(pack(bytes(PIECE)) for _ in range(pieces)), pack(None)])
    for name in others:
        pack = packers()[name]()
        content = pack(content) + pack(None)
    return content


def packers() -> dict[str, Callable[[], Callable[[bytes | None], bytes]]]:
    """What makes a function that packs a piece, or with None ends, by coding."""

    def made(packer: Any, compress: str = "compress", finish: str = "flush") -> Callable[[bytes | None], bytes]:
        return lambda data: getattr(packer, finish)() if data is None else getattr(packer, compress)(data)

    def br() -> Callable[[bytes | None], bytes]:
        import brotli

        return made(brotli.Compressor(quality=5), "process", "finish")

    def zstd() -> Callable[[bytes | None], bytes]:
        import zstandard

        return made(zstandard.ZstdCompressor().compressobj())

    return {
        "gzip": lambda: made(zlib.compressobj(wbits=31)),
        "deflate": lambda: made(zlib.compressobj()),
        "br": br,
        "zstd": zstd,
    }


def answer(content: bytes, plan: dict[str, Any], fields: list[tuple[str, str]]) -> Reply:
    """The reply to a job."""
    if plan.get("coding"):
        content = gzip.compress(content, 1)
        fields.append(("Content-Encoding", "gzip"))
    if not plan.get("gap") and not plan.get("chunked"):
        return Reply(200, fields, content)

    async def produce(write: Any) -> None:
        for at in range(0, len(content), PIECE):
            await write(content[at : at + PIECE])
            if plan.get("gap"):
                await asyncio.sleep(plan["gap"])

    return Reply(200, fields, produce, None if plan.get("chunked") else len(content))


class Relays:
    """Slow ways to somewhere, on a loop in a thread."""

    def __init__(self) -> None:
        self._background = BackgroundLoop("relays", self._close)
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._random = random.Random(1)
        self._background.start().result(5)

    def way(self, port: int) -> int:
        """A port that leads to another one."""

        async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._join(reader, writer, port)

        return self._open(lead)

    def proxy(self, hole: int) -> int:
        """A port that leads to where a CONNECT asks for; to the hole it is a long way."""

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            port = int(head.split()[1].rpartition(b":")[2])
            await self._dawdle()
            if port == hole:
                await reader.read()  # until the client has had enough
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await self._join(reader, writer, port)

        return self._open(tunnel)

    def _open(self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]) -> int:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task: Any = asyncio.current_task()
            self._tasks.add(task)
            try:
                with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                    await serve(reader, writer)
            finally:
                writer.close()
                self._tasks.discard(task)

        async def start() -> int:
            server = await asyncio.start_server(run, "127.0.0.1", 0, backlog=500)
            self._servers.append(server)
            port: int = server.sockets[0].getsockname()[1]
            return port

        return self._background.submit(start()).result(5)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        there, out = await asyncio.open_connection("127.0.0.1", port)
        both = [asyncio.ensure_future(self._pass(reader, out)), asyncio.ensure_future(self._pass(there, writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            out.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces = 0
        while data := await reader.read(PIECE):
            pieces += 1
            if pieces <= SLOW_PIECES:
                await self._dawdle()
            writer.write(data)
            await writer.drain()

    async def _dawdle(self) -> None:
        await asyncio.sleep(self._random.random() * 0.003)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        """Close everything."""
        self._background.stop().result(5)
        self._background.join()


def dig() -> tuple[int, list[socket.socket]]:
    """A port where connections begin and never come about: its queue is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port: int = listener.getsockname()[1]
    sockets = [listener]
    for _ in range(4):
        plug = socket.socket()
        plug.setblocking(False)
        plug.connect_ex(("127.0.0.1", port))
        sockets.append(plug)
    return port, sockets


def main() -> None:
    """Serve until the input ends."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # clients that leave are what this is for
    hole, sockets = dig()
    relays = Relays()
    with Origin(tls=True, http2=True) as origin, Origin(tls=True, http2=True, max_streams=3) as narrow:
        equip(origin)
        equip(narrow)
        places = {
            "url": origin.url,
            "https_url": origin.https_url,
            "slow_url": f"https://localhost:{relays.way(origin.https_port)}",
            "narrow_url": narrow.url,
            "narrow_https_url": narrow.https_url,
            "proxy": f"http://127.0.0.1:{relays.proxy(hole)}",
            "hole": hole,
            "ca": origin.ca_pem,
        }
        print(json.dumps(places), flush=True)
        sys.stdin.read()
        relays.stop()
        for each in (origin, narrow):
            for error in each.errors[:5]:
                print(f"far side: {error!r}", file=sys.stderr)
    for each in sockets:
        each.close()


if __name__ == "__main__":
    main()
