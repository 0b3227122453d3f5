"""``hyperhttp demo``: what the library does, shown in a few seconds on a server of its own.

The origin of ``hyperhttp.testing`` runs in a process of its own, so that it does not share an interpreter
with the client it serves; nothing leaves this machine. Every step checks what it shows.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from hyperhttp._version import __version__
from hyperhttp.cli.arguments import CommandParser
from hyperhttp.cli.demo_steps import STEPS, Stage, StepFailedError
from hyperhttp.cli.exits import OK, UNEXPECTED, CommandError
from hyperhttp.cli.outgoing import target_of
from hyperhttp.cli.style import Style, duration, printable
from hyperhttp.exceptions import HyperHTTPError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hyperhttp.cli.demo_steps import Step

__all__ = ["demo"]

_COLUMNS: Final = 80
_STEP_LIMIT: Final = 60.0  # seconds; a step that hangs has failed
_WITHOUT_TLS: Final = "needs certificates: pip install 'hyperhttp[testing]'"


def demo(arguments: Sequence[str]) -> int:
    """Show every step.

    Returns:
        0 when each step's own check held, else 1.

    Raises:
        CommandError: the arguments make no sense, or the origin did not start.
    """
    parser = CommandParser(prog="hyperhttp demo", description="Show what the library does, in a few seconds.")
    parser.add_argument("--url", metavar="BASE", help="use this httpbin-like origin instead of one of its own")
    parser.add_argument("--fast", action="store_true", help="less of everything")
    options = parser.parse_args(list(arguments))
    screen = DemoScreen()
    started = time.perf_counter()
    if options.url is not None:
        stage = _distant_stage(options.url, screen, is_fast=options.fast)
        failed = asyncio.run(_play(stage, screen))
    else:
        with _local_origin() as where:
            stage = _local_stage(where, screen, is_fast=options.fast)
            failed = asyncio.run(_play(stage, screen))
    screen.summary(failed, time.perf_counter() - started)
    return UNEXPECTED if failed else OK


class DemoScreen:
    """Prints the steps, in 80 columns."""

    def __init__(self) -> None:
        self._style = Style(sys.stdout)
        self._shown_at = 0.0
        self._is_live = False

    def title(self, url: str) -> None:
        """The first line."""
        name = self._style.paint(f"HyperHTTP {__version__}", "bold")
        self._print(f"{name} {self._style.sign('·')} against {printable(url)}")

    def begin(self, number: int, step: Step) -> None:
        """What comes now."""
        self._print(f"\n{number:>2}  {self._style.paint(step.title, 'bold')}")
        self._print(f"    {self._style.paint(step.code, 'cyan')}")

    def live(self, text: str) -> None:
        """A line that the next one replaces; only on a terminal, and not too often."""
        now = time.monotonic()
        if self._style.is_smart and now - self._shown_at > 0.05:
            self._shown_at = now
            self._is_live = True
            sys.stdout.write(f"\r    {self._style.sign('…')} {text}\x1b[K")
            sys.stdout.flush()

    def end(self, sign: str, text: str, took: float | None = None) -> None:
        """What came of it: ``✓``, ``✗`` or ``–``, the seconds it took, and a sentence or two."""
        if self._is_live:
            sys.stdout.write("\r\x1b[K")
            self._is_live = False
        colour = {"✓": "green", "✗": "red"}.get(sign, "yellow")
        mark = self._style.sign(sign)
        clock = "" if took is None else f"{duration(took):>7}  "
        margin = 5 + len(mark) + len(clock)
        lines = textwrap.wrap(self._style.plain(printable(text)), _COLUMNS - margin) or [""]
        shown = f"{self._style.paint(mark, 'bold', colour)} {self._style.paint(clock, 'dim')}"
        self._print(f"    {shown}{lines[0]}")
        for line in lines[1:]:
            self._print(" " * margin + line)

    def summary(self, failed: Sequence[str], took: float) -> None:
        """The last line."""
        if not failed:
            said = self._style.paint("Every check held", "bold", "green")
        else:
            said = self._style.paint(f"{len(failed)} failed: {'; '.join(failed)}", "bold", "red")
        self._print(f"\n{said} ({duration(took)}). More: hyperhttp --help")

    def _print(self, text: str) -> None:
        print(self._style.plain(text), flush=True)


async def _play(stage: Stage, screen: DemoScreen) -> list[str]:
    """Show the steps; gives the titles of those that failed."""
    screen.title(stage.url)
    failed = []
    for number, step in enumerate(STEPS, 1):
        screen.begin(number, step)
        if step.needs == "tls" and not stage.secure_url:
            screen.end("–", f"skipped: {_WITHOUT_TLS if stage.is_local else 'needs an https origin'}")
        elif step.needs == "local" and not stage.is_local:
            screen.end("–", "skipped: needs the library's own origin, without --url")
        elif not await _play_step(step, stage, screen):
            failed.append(step.title)
    return failed


async def _play_step(step: Step, stage: Stage, screen: DemoScreen) -> bool:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(_STEP_LIMIT):
            said = await step.run(stage)
    except StepFailedError as error:
        screen.end("✗", f"the check failed: {error}")
    except HyperHTTPError as error:
        screen.end("✗", f"{type(error).__name__}: {error}")
    except TimeoutError:
        screen.end("✗", f"nothing came of it in {_STEP_LIMIT:.0f} s")
    except (KeyError, TypeError, ValueError) as error:  # an origin that answers something else
        screen.end("✗", f"the answer is not httpbin's: {type(error).__name__}: {error}")
    else:
        screen.end("✓", said, time.perf_counter() - started)
        return True
    return False


# -- where ------------------------------------------------------------------------------------------------


def _local_stage(where: dict[str, Any], screen: DemoScreen, *, is_fast: bool) -> Stage:
    return Stage(
        url=where["url"],
        secure_url=where.get("https_url", ""),
        verify=where.get("ca_pem", True),
        is_local=True,
        is_fast=is_fast,
        live=screen.live,
    )


def _distant_stage(text: str, screen: DemoScreen, *, is_fast: bool) -> Stage:
    url, _ = target_of(text)
    base = str(url).rstrip("/")
    return Stage(
        url=base,
        secure_url=base if url.scheme == "https" else "",
        verify=True,
        is_local=False,
        is_fast=is_fast,
        live=screen.live,
    )


@contextmanager
def _local_origin() -> Iterator[dict[str, Any]]:
    """Start the origin; gives its addresses. It ends with its input, however this process ends.

    Raises:
        CommandError: it did not start.
    """
    command = [sys.executable, "-m", "hyperhttp.testing"]
    with subprocess.Popen(  # noqa: S603 - this interpreter, with a module of this package
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout is not None else ""
            if not line:
                msg = "the local origin did not start; its own message is above"
                raise CommandError(msg, UNEXPECTED)
            yield json.loads(line)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.kill()
