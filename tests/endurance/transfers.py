"""Much content through little memory: up, down, and a bomb; the peak is that of a process of its own.

``python -m tests.endurance.transfers FACE WHAT URL CA PIECES OPTIONS`` does one transfer and prints its peak. What is
``up``, ``down``, ``hoard`` (down, and keep it), or ``bomb CODINGS``: so many zeros through these codings, which are taken off
to the end where that is wanted, and are an error where it is not.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hyperhttp
from tests.endurance.jobs import PIECE, content_of
from tests.endurance.near_side import ROOT

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from tests.endurance.near_side import FarSide, Record, Wire

#: Bytes of memory that a transfer of any size may need beyond what the first request needed.
MOST = 16 * 1024 * 1024
#: The same for content that is read into memory and refused: 8 MiB of it are inflated before anybody asks how it goes on.
WHOLE = MOST + 2 * 8 * 1024 * 1024
#: Codings that zeros are put through, one after the other.
BOMBS = ("gzip", "deflate", "br", "zstd", "gzip,gzip", "deflate,gzip,deflate", "br,zstd", "zstd,br,gzip,deflate,zstd")


def peak() -> int:
    """The most memory this process ever had, in bytes; ``ru_maxrss`` would begin with that of its parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def flood(pieces: int) -> Iterator[bytes]:
    """As much content as is wanted."""
    for number in range(pieces):
        yield content_of(str(number), PIECE)


def digest(pieces: int) -> str:
    """The hash of that content."""
    hashed = hashlib.sha256()
    for piece in flood(pieces):
        hashed.update(piece)
    return hashed.hexdigest()


async def transfer(face: str, what: str, url: str, pieces: int, options: dict[str, Any]) -> dict[str, Any]:
    """Do it, and compare the hash of what arrived with that of what should."""
    kind, _, codings = what.partition(" ")
    unlimited = {"max_decompression_ratio": None} if kind == "bomb" else {}
    client = Transferring(face, options | unlimited)
    await client.read(f"{url}/bytes/100")
    before = peak()
    if kind == "up":
        content = await client.send(f"{url}/sha256", flood(pieces))
        is_right = json.loads(content)["sha256"] == digest(pieces)
    elif kind == "down":
        is_right = await client.drain(f"{url}/flood/{pieces}") == (pieces * PIECE, digest(pieces))
    elif kind == "hoard":
        is_right = len(await client.read(f"{url}/flood/{pieces}")) == pieces * PIECE
    else:
        bomb = f"{url}/bomb/{codings}?pieces={pieces}"
        size, _ = await client.drain(bomb)
        careful = Transferring(face, options)
        is_right = size == pieces * PIECE and await is_refused(careful.drain(bomb))
    streamed = peak()
    if kind == "bomb":
        is_right = is_right and await is_refused(careful.read(bomb))
        await careful.close()
    await client.close()
    return {"right": is_right, "before": before, "peak": streamed, "whole": peak()}


async def is_refused(taking: Coroutine[Any, Any, object]) -> bool:
    """Whether it comes to an error that it inflates too far."""
    try:
        await taking
    except hyperhttp.DecodingError as error:
        return error.limit is not None
    return False


class Transferring:
    """A client of either face, as far as transfers need one."""

    def __init__(self, face: str, options: dict[str, Any]) -> None:
        self.is_blocking = face == "blocking"
        self.client: Any = (hyperhttp.SyncClient if self.is_blocking else hyperhttp.Client)(**options)

    async def read(self, url: str) -> bytes:
        """What a URL gives, in one piece."""
        response = self.client.get(url)
        content: bytes = response.read() if self.is_blocking else await (await response).aread()
        return content

    async def send(self, url: str, pieces: Iterator[bytes]) -> bytes:
        """The answer to content that is made while it is sent."""
        response = self.client.post(url, content=pieces)
        content: bytes = response.read() if self.is_blocking else await (await response).aread()
        return content

    async def drain(self, url: str) -> tuple[int, str]:
        """Size and hash of what a URL gives."""
        hashed, size = hashlib.sha256(), 0
        if self.is_blocking:
            with self.client.stream("GET", url) as response:
                for piece in response.iter_bytes():
                    hashed.update(piece)
                    size += len(piece)
        else:
            async with self.client.stream("GET", url) as response:
                async for piece in response.aiter_bytes():
                    hashed.update(piece)
                    size += len(piece)
        return size, hashed.hexdigest()

    async def close(self) -> None:
        """Close the client."""
        closing = self.client.close()
        if not self.is_blocking:
            await closing


def measure(record: Record, far: FarSide, wire: Wire, face: str, what: str, mebibytes: int) -> None:
    """Run one transfer in a process of its own, and see that its memory is bounded."""
    pieces = mebibytes * 1024 * 1024 // PIECE
    options = {name: value for name, value in wire.options.items() if name != "ssl_context"}
    command = [sys.executable, "-m", "tests.endurance.transfers", face, what, wire.base, far.places["ca"]]
    done = subprocess.run(
        [*command, str(pieces), json.dumps(options)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    name = f"{mebibytes} MiB {what}, {wire.name}, {face}"
    if done.returncode:
        record.find(f"{name}: {done.stderr[-1500:]}")
        return
    result = json.loads(done.stdout)
    grown, whole = result["peak"] - result["before"], result["whole"] - result["before"]
    record.expect(result["right"], f"{name}: not what was sent")
    record.expect(grown <= MOST, f"{name}: needed {grown // 1024} KiB")
    record.expect(whole <= WHOLE, f"{name}: needed {whole // 1024} KiB to be refused as a whole")
    record.counts["transfers"] += 1
    record.figures.append(f"{name}: {grown // 1024} KiB more than one small request")


def main(face: str, what: str, url: str, ca: str, pieces: str, options: str) -> None:
    """One transfer."""
    made = json.loads(options) | {"timeout": 60.0}
    if url.startswith("https"):
        made["ssl_context"] = ssl.create_default_context(cafile=ca)
    print(json.dumps(asyncio.run(transfer(face, what, url, int(pieces), made))))


if __name__ == "__main__":
    main(*sys.argv[1:])
