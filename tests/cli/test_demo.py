from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.cli import demo as demo_module
from hyperhttp.cli.demo_steps import STEPS, Step, StepFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.cli.demo_steps import Stage


def test_the_demo_shows_every_step_and_all_hold(run: Callable[..., Any]) -> None:
    result = run("demo", "--fast")
    assert (result.code, result.err) == (0, ""), result.out
    for number, step in enumerate(STEPS, 1):
        assert f"\n{number:>2}  {step.title}\n    {step.code}\n    ✓ " in result.out
    assert result.out.startswith("HyperHTTP ")
    assert re.search(r"\nEvery check held \([0-9.:]+ m?s\)\. More: hyperhttp --help\n\Z", result.out)
    assert max(map(len, result.out.splitlines())) <= 80


def test_the_demo_has_colours_and_a_live_line_on_a_terminal(in_terminal: Callable[..., Any]) -> None:
    code, shown = in_terminal("demo", "--fast")
    assert code == 0, shown
    assert "\x1b[1;32m✓\x1b[0m" in shown
    assert re.search(r"\r    … [0-9.]+ [kM]?B of 4\.2 MB\x1b\[K", shown)
    assert "\r\x1b[K    \x1b[1;32m✓" in shown


def test_the_demo_is_readable_in_ascii(start: Callable[..., Any]) -> None:
    with start("demo", "--fast", env={"PYTHONIOENCODING": "ascii"}) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert b"\n    ok " in out
    assert out.isascii()


def test_another_origin_can_be_used(run: Callable[..., Any], origin: Any) -> None:
    result = run("demo", "--fast", "--url", origin.url.removeprefix("http://"))
    assert result.code == 0, result.out
    assert result.out.count("skipped: needs the library's own origin, without --url") == 4
    assert result.out.count("skipped: needs an https origin") == 2


def play(monkeypatch: pytest.MonkeyPatch, *steps: Step) -> None:
    monkeypatch.setattr(demo_module, "STEPS", steps)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (StepFailedError("it did not hold"), "✗ the check failed: it did not hold"),
        (demo_module.HyperHTTPError("no\x1b[2J"), "✗ HyperHTTPError: no\\x1b[2J"),
        (KeyError("args"), "✗ the answer is not httpbin's: KeyError: 'args'"),
        (TimeoutError(), "✗ nothing came of it in 60 s"),
    ],
)
def test_a_step_that_fails_is_told_and_decides_the_exit_code(
    run: Callable[..., Any], origin: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, shown: str
) -> None:
    async def fail(stage: Stage) -> str:
        raise error

    async def succeed(stage: Stage) -> str:
        return "fine"

    play(monkeypatch, Step("One", "one()", fail), Step("Two", "two()", succeed))
    result = run("demo", "--url", origin.url)
    assert result.code == 1
    assert shown in result.out
    assert "\n 2  Two\n    two()\n    ✓ " in result.out
    assert "\n1 failed: One (" in result.out


def test_a_step_that_hangs_has_failed(run: Callable[..., Any], origin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    async def hang(stage: Stage) -> str:
        await asyncio.sleep(30)
        return "never"

    play(monkeypatch, Step("One", "one()", hang))
    monkeypatch.setattr(demo_module, "_STEP_LIMIT", 0.05)
    assert run("demo", "--url", origin.url).code == 1


def test_without_certificates_it_says_what_to_install(
    run: Callable[..., Any], origin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    async def succeed(stage: Stage) -> str:
        return "fine"

    play(monkeypatch, Step("One", "one()", succeed, "tls"))
    monkeypatch.setattr(demo_module, "_local_origin", lambda: nullcontext({"url": origin.url}))
    result = run("demo")
    assert result.code == 0
    assert "– skipped: needs certificates: pip install 'hyperhttp[testing]'" in result.out


def test_an_origin_that_does_not_start_is_told(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    result = run("demo")
    assert (result.code, result.err) == (
        1,
        "hyperhttp: the local origin did not start; its own message is above\n",
    )
