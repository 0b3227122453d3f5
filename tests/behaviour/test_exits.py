"""The end of a program that closes nothing: at once, exit code 0, and no word but of what was left unclosed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin

PATIENCE = 10.0  # seconds in which a program that waits for something in vain would not have ended

#: What a program does; ``url`` is its origin's, ``options`` what clients need to trust it.
PROGRAMS = {
    "asyncio, idle": """
        async def main():
            global client
            client = hyperhttp.Client(**options)
            await (await client.get(url + "/get")).aread()
        asyncio.run(main())
    """,
    "asyncio, half of a response": """
        async def main():
            global client, response
            client = hyperhttp.Client(**options)
            response = await client.get(url + "/bytes/3000000")
        asyncio.run(main())
    """,
    "asyncio, a task waits": """
        async def main():
            global client, task
            client = hyperhttp.Client(**options)
            task = asyncio.ensure_future(client.get(url + "/delay/5"))
            await (await client.get(url + "/get")).aread()
        asyncio.run(main())
    """,
    "asyncio, a task uploads": """
        async def endless():
            while True:
                yield b"more" * 1000
                await asyncio.sleep(0.001)
        async def main():
            global client, task
            client = hyperhttp.Client(**options)
            task = asyncio.ensure_future(client.post(url + "/sha256", content=endless()))
            await asyncio.sleep(0.1)
        asyncio.run(main())
    """,
    "asyncio, an iteration stopped in the middle": """
        async def main():
            global client, pieces
            client = hyperhttp.Client(**options)
            pieces = (await client.get(url + "/stream-bytes/3000000")).aiter_bytes()
            async for _ in pieces:
                break
        asyncio.run(main())
    """,
    "asyncio, inside of a block": """
        async def main():
            async with hyperhttp.Client(**options) as client:
                async with client.stream("GET", url + "/bytes/3000000"):
                    sys.exit(0)
        asyncio.run(main())
    """,
    "asyncio, a loop that is never closed": """
        async def main():
            global client, response
            client = hyperhttp.Client(**options)
            response = await client.get(url + "/bytes/3000000")
            await (await client.get(url + "/get")).aread()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
    """,
    "asyncio, a loop that is closed with tasks": """
        async def main():
            global client, task
            client = hyperhttp.Client(**options)
            await (await client.get(url + "/get")).aread()
            waiting.append(await client.get(url + "/bytes/3000000"))
        waiting = []
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    """,
    "asyncio, a thread's loop": """
        import threading
        async def main():
            global client, response
            client = hyperhttp.Client(**options)
            response = await client.get(url + "/bytes/3000000")
        thread = threading.Thread(target=lambda: asyncio.run(main()))
        thread.start()
        thread.join()
    """,
    "asyncio, content read in a worker": """
        import io
        async def main():
            global client
            client = hyperhttp.Client(**options)
            await (await client.post(url + "/sha256", content=io.BytesIO(b"x" * 300_000))).aread()
        asyncio.run(main())
    """,
    "asyncio, client in a cycle": """
        class Owner: pass
        async def main():
            owner = Owner()
            owner.owner, owner.client = owner, hyperhttp.Client(**options)
            await (await owner.client.get(url + "/get")).aread()
            owner.response = await owner.client.get(url + "/bytes/3000000")
        asyncio.run(main())
    """,
    "blocking, idle": """
        client = hyperhttp.SyncClient(**options)
        client.get(url + "/get")
    """,
    "blocking, half of a response": """
        client = hyperhttp.SyncClient(**options)
        response = client.get(url + "/bytes/3000000", stream=True)
    """,
    "blocking, an iteration stopped in the middle": """
        client = hyperhttp.SyncClient(**options)
        pieces = client.get(url + "/stream-bytes/3000000", stream=True).iter_bytes()
        next(pieces)
    """,
    "blocking, a thread waits": """
        import threading, time
        client = hyperhttp.SyncClient(**options)
        client.get(url + "/get")
        threading.Thread(target=client.get, args=(url + "/delay/5",), daemon=True).start()
        time.sleep(0.1)
    """,
    "blocking, threads have ended": """
        import threading
        client = hyperhttp.SyncClient(**options)
        threads = [threading.Thread(target=client.get, args=(url + "/get",)) for _ in range(5)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    """,
    "blocking, client in a cycle": """
        class Owner: pass
        owner = Owner()
        owner.owner, owner.client = owner, hyperhttp.SyncClient(**options)
        owner.response = owner.client.get(url + "/bytes/3000000", stream=True)
        del owner
    """,
    "blocking, closed while the program ends": """
        import atexit
        client = hyperhttp.SyncClient(**options)
        client.get(url + "/get")
        atexit.register(lambda: (client.get(url + "/get"), client.close()))
    """,
}
START = "import asyncio, ssl, sys, hyperhttp; url, ca = sys.argv[1:]; options = {'verify': ca}\n"


def run_program(origin: Origin, program: str, url: str) -> subprocess.CompletedProcess[str]:
    """Run it in an interpreter that shows every warning."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "always", "-c", START + textwrap.dedent(program), url, origin.ca_pem],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


#: In clear as well: where a socket is held by less.
IN_CLEAR = ("asyncio, half of a response", "asyncio, client in a cycle", "blocking, half of a response")


@pytest.mark.parametrize(
    ("name", "secure"), [*((name, True) for name in PROGRAMS), *((name, False) for name in IN_CLEAR)]
)
def test_a_program_that_closes_nothing_ends_at_once_and_in_peace(
    hyperhttp_http2_origin: Origin, name: str, secure: bool
) -> None:
    url = hyperhttp_http2_origin.https_url if secure else hyperhttp_http2_origin.url  # HTTP/2 with TLS
    started = time.monotonic()
    done = run_program(hyperhttp_http2_origin, PROGRAMS[name], url)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < PATIENCE - 5
    words = [line for line in done.stderr.splitlines() if "Warning" in line]
    assert [line for line in words if "ResourceWarning" not in line] == []
    for word in ("Traceback", "Exception", "never retrieved", "Task was destroyed", "Error"):
        assert word not in done.stderr
    hyperhttp_http2_origin.drop_connections()


@pytest.mark.parametrize("face", ["asyncio", "blocking"])
def test_the_end_of_a_program_by_an_error_shows_that_error_alone(hyperhttp_http2_origin: Origin, face: str) -> None:
    program = {
        "blocking": """
            client = hyperhttp.SyncClient(**options)
            response = client.get(url + "/bytes/3000000", stream=True)
            raise KeyError("the program's own")
        """,
        "asyncio": """
            async def main():
                global client, response
                client = hyperhttp.Client(**options)
                response = await client.get(url + "/bytes/3000000")
                task = asyncio.ensure_future(client.get(url + "/delay/5"))
                await asyncio.sleep(0.05)
                raise KeyError("the program's own")
            asyncio.run(main())
        """,
    }[face]
    done = run_program(hyperhttp_http2_origin, program, hyperhttp_http2_origin.https_url)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert "the program's own" in done.stderr
    assert "Exception" not in done.stderr
    hyperhttp_http2_origin.drop_connections()
