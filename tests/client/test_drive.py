"""A coroutine that never suspends is run by one step."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hyperhttp.client.drive import drive


async def ready(value: Any) -> Any:
    return value


async def several() -> list[Any]:
    return [await ready(number) for number in range(3)]


def test_the_result_comes_out() -> None:
    assert drive(ready(7)) == 7
    assert drive(several()) == [0, 1, 2]
    assert drive(ready(None)) is None


def test_what_is_raised_comes_out() -> None:
    async def fails() -> None:
        raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        drive(fails())


def test_what_suspends_is_a_clear_error_and_is_closed() -> None:
    closed: list[bool] = []

    async def suspends() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="asynchronous was given to SyncClient"):
        drive(suspends())
    assert closed == [True]


def test_whoever_looks_for_a_running_loop_is_told_what_to_change() -> None:
    async def looks() -> None:
        asyncio.get_running_loop()

    with pytest.raises(RuntimeError, match="use a plain function or iterator"):
        drive(looks())


def test_another_runtime_error_comes_out_as_it_is() -> None:
    async def fails() -> None:
        msg = "something else"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="something else"):
        drive(fails())


async def test_it_works_inside_a_running_loop() -> None:
    assert drive(ready("inside")) == "inside"
