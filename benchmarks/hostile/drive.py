"""One client in a process of its own: `run.py` starts this in the client's environment.

Takes a job per line on stdin, in JSON, and writes lines of JSON: what it weighs before, each step's outcome, and
how much it grew. A job gets a new client; the process is used for the next job as long as it has not grown.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import sys
import time
import warnings
from inspect import isawaitable
from typing import Any

from adapters import Settings

SHOWN = 400  # bytes of content that are reported
LINES = sys.stdin


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is not for the runner
    warnings.simplefilter("ignore")
    adapter = importlib.import_module(f"adapters.{sys.argv[1]}").Adapter

    def say(**record: Any) -> None:
        out.write(json.dumps(record) + "\n")
        out.flush()

    say(versions={name: importlib.metadata.version(name) for name in adapter.distributions if has(name)},
        python=platform.python_version(), http2=adapter.http2, cookies=adapter.cookies, total=adapter.total)  # fmt: skip
    for line in LINES:
        job = json.loads(line)
        gc.collect()
        reset_peak()
        before = memory("VmHWM")
        say(begun=before)
        work = run(adapter, Settings(**job["settings"]), job["steps"], say, is_async=adapter.is_async)
        asyncio.run(work) if adapter.is_async else run_plainly(work)
        say(growth=max(memory("VmHWM") - before, 0))


def has(name: str) -> bool:
    """Whether a distribution is installed; one that is used from its source tree may not be."""
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


async def run(adapter: Any, settings: Settings, steps: list[dict[str, Any]], say: Any, *, is_async: bool) -> None:
    """The steps of a job, with one client."""
    client = adapter(settings)
    try:
        for step in steps:
            begun = time.monotonic()
            outcome = await attempt(client, step, is_async=is_async)
            if "error" in outcome and step["patient"]:
                outcome = await attempt(client, step, is_async=is_async) | {"first": outcome["error"]}
            say(step=outcome, seconds=round(time.monotonic() - begun, 3))
    finally:
        await settle(client.close())


async def attempt(client: Any, step: dict[str, Any], *, is_async: bool) -> dict[str, Any]:
    """One step's outcome."""
    if step["sleep"]:
        await pause(step["sleep"], is_async=is_async)
        return {"slept": step["sleep"]}
    try:
        if step["slow"]:
            leave = await settle(client.first_piece(step["url"]))
            await pause(1.0, is_async=is_async)
            await settle(leave())
            return {"status": 200, "length": 0, "body": "", "headers": []}
        body = step["body"].encode() or bytes(step["size"]) or None
        answer = client.request(step["method"], step["url"], step["headers"], body)
        status, headers, content = await settle(answer)
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        return {"error": type(error).__name__, "kinds": kinds, "text": str(error)[:300]}
    except BaseException as error:
        return {"error": type(error).__name__, "crash": True, "text": str(error)[:300]}
    shown = content[:SHOWN].decode("latin-1")
    fields = [[str(name), str(value)[:200]] for name, value in headers[:50]]
    return {"status": int(status), "length": len(content), "body": shown, "headers": fields}


async def settle(result: Any) -> Any:
    """What a coroutine comes to; anything else as it is."""
    return await result if isawaitable(result) else result


async def pause(seconds: float, *, is_async: bool) -> None:
    """Wait."""
    if is_async:
        await asyncio.sleep(seconds)
    else:
        time.sleep(seconds)


def run_plainly(work: Any) -> None:
    """Run a coroutine that never waits without an event loop: blocking clients look for one."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise RuntimeError("an adapter that is not asynchronous waited")


def memory(name: str) -> int:
    """A figure of this process in bytes."""
    with open("/proc/self/status") as status:  # noqa: PTH123
        line = next(line for line in status if line.startswith(name))
    return int(line.split()[1]) * 1024


def reset_peak() -> None:
    """Let the peak begin at what is resident now; where that may not be done, growth is told from the old peak on."""
    try:
        with open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123
            file.write("5")
    except OSError:
        pass


if __name__ == "__main__":
    main()
