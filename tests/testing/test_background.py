from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from hyperhttp.testing.background import BackgroundLoop


async def nothing() -> None:
    pass


def test_coroutines_run_on_a_thread_of_their_own() -> None:
    loop = BackgroundLoop("background-test", nothing)
    running = loop.start().result(5)

    async def where() -> tuple[str, bool, bool]:
        thread = threading.current_thread()
        return thread.name, thread.daemon, asyncio.get_running_loop() is running

    assert loop.submit(where()).result(5) == ("background-test", False, True)
    loop.stop().result(5)
    loop.join()
    assert not loop.is_running
    assert running.is_closed()


def test_the_last_wish_is_fulfilled_before_the_loop_ends() -> None:
    done: list[str] = []

    async def finish() -> None:
        await asyncio.sleep(0)
        done.append("finished")

    loop = BackgroundLoop("background-test", finish)
    loop.start().result(5)
    loop.call(lambda: done.append("called"))
    loop.stop().result(5)
    loop.join()
    assert done == ["called", "finished"]


def test_a_stop_right_after_the_start_is_not_lost() -> None:
    for _ in range(20):
        loop = BackgroundLoop("background-test", nothing)
        loop.start()
        loop.stop().result(5)
        loop.join()


def test_stop_can_be_called_again() -> None:
    loop = BackgroundLoop("background-test", nothing)
    loop.start().result(5)
    loop.stop().result(5)
    loop.stop().result(5)
    loop.join()


def test_another_event_loop_policy_makes_no_difference() -> None:
    uvloop = pytest.importorskip("uvloop")
    code = (
        "import asyncio, warnings; warnings.simplefilter('ignore'); import uvloop\n"
        "asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())\n"
        "from hyperhttp.testing.background import BackgroundLoop\n"
        "async def nothing(): pass\n"
        "loop = BackgroundLoop('x', nothing)\n"
        "print(type(loop.start().result(5)).__module__)\n"
        "loop.stop().result(5); loop.join()\n"
    )
    assert uvloop
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("asyncio.")


def test_a_program_that_forgets_to_stop_still_ends() -> None:
    code = (
        "from hyperhttp.testing.background import BackgroundLoop\n"
        "async def nothing(): print('ended')\n"
        "BackgroundLoop('x', nothing).start().result(5)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "ended\n"
    assert done.stderr == ""
