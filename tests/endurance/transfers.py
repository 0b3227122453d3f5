"""Much content through little memory: up, down, and a bomb; the peak is that of a process of its own.

``python -m tests.endurance.transfers FACE WHAT URL CA PIECES OPTIONS`` does one transfer and prints its peak.
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
    from collections.abc import Iterator

    from tests.endurance.near_side import FarSide, Record, Wire

#: Bytes of memory that a transfer of any size may need beyond what the first request needed.
MOST = 16 * 1024 * 1024


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
    blocking = face == "blocking"
    client: Any = hyperhttp.SyncClient(**options) if blocking else hyperhttp.Client(**options)
    first = client.get(f"{url}/bytes/100")
    first.read() if blocking else await (await first).aread()
    before = peak()
    result: dict[str, Any] = {"right": False}
    if what == "up":
        source: Any = flood(pieces)
        response = client.post(f"{url}/sha256", content=source)
        content = response.read() if blocking else await (await response).aread()
        result["right"] = json.loads(content)["sha256"] == digest(pieces)
    else:
        hashed, size = hashlib.sha256(), 0
        target = f"{url}/flood/{pieces}" if what == "down" else f"{url}/coded/gzip?numbytes={pieces * PIECE}"
        if blocking:
            with client.stream("GET", target) as response:
                for piece in response.iter_bytes():
                    hashed.update(piece)
                    size += len(piece)
        else:
            async with client.stream("GET", target) as response:
                async for piece in response.aiter_bytes():
                    hashed.update(piece)
                    size += len(piece)
        result["right"] = size == pieces * PIECE and (what == "bomb" or hashed.hexdigest() == digest(pieces))
    result |= {"before": before, "peak": peak(), "version": "blocking" if blocking else "asyncio"}
    client.close() if blocking else await client.close()
    return result


def measure(record: Record, far: FarSide, wire: Wire, face: str, what: str, mebibytes: int) -> None:
    """Run one transfer in a process of its own, and see that its memory is bounded."""
    pieces = mebibytes * 1024 * 1024 // PIECE
    options = {name: value for name, value in wire.options.items() if name != "ssl_context"}
    if what == "bomb":
        options["max_decompression_ratio"] = None
    command = [sys.executable, "-m", "tests.endurance.transfers", face, what, wire.base, far.places["ca"]]
    done = subprocess.run(
        [*command, str(pieces), json.dumps(options)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    name = f"{mebibytes} MiB {what}, {wire.name}, {face}"
    if done.returncode:
        record.find(f"{name}: {done.stderr[-1500:]}")
        return
    result = json.loads(done.stdout)
    grown = result["peak"] - result["before"]
    record.expect(result["right"], f"{name}: not what was sent")
    record.expect(grown <= MOST, f"{name}: needed {grown // 1024} KiB")
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
