"""The command line as tests run it: in this process, as a program of its own, and in a terminal."""

from __future__ import annotations

import io
import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass
class Result:
    """What came of a command.

    Attributes:
        code: the exit code.
        data: what it wrote to stdout.
        err: what it wrote to stderr, as text.
    """

    code: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        return self.data.decode()


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command line in this process."""

    def call(*arguments: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main([str(argument) for argument in arguments])
        captured = capsysbinary.readouterr()
        return Result(code, captured.out, captured.err.decode())

    return call


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def environment(more: dict[str, str]) -> dict[str, str]:
    """The environment of a program: colours depend on nothing but the test."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    return kept | {"TERM": "xterm"} | more


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[bytes]]:
    """Starts the command line as a program of its own."""

    def call(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-W", "error", "-m", "hyperhttp", *map(str, arguments)]
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        env = environment(options.pop("env", {}))
        return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, **(streams | options))

    return call


@pytest.fixture
def in_terminal(start: Callable[..., subprocess.Popen[bytes]]) -> Callable[..., tuple[int, str]]:
    """Runs the command line with a terminal as stdout and stderr; gives its exit code and what was shown."""

    def call(*arguments: object, **env: str) -> tuple[int, str]:
        master, slave = pty.openpty()
        with start(*arguments, stdout=slave, stderr=slave, env=env) as process:
            os.close(slave)
            shown = read_all(master)
            code = process.wait(10.0)
        os.close(master)
        return code, shown.decode().replace("\r\n", "\n")

    return call


def read_all(descriptor: int) -> bytes:
    """What a terminal shows until its last user has gone."""
    shown = b""
    deadline = time.monotonic() + 20.0
    while time.monotonic() < deadline:
        if not select.select([descriptor], [], [], 0.5)[0]:
            continue
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not data:
            break
        shown += data
    return shown
