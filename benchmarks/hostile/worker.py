"""The runner's end of a client's process: start it, give it jobs, watch its time and memory, end it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ENVIRONMENTS = ROOT / ".venvs"

LOOK = 0.05  # seconds between looks at the memory
KILL_AT = 512 * 1024 * 1024  # bytes of growth at which there is nothing left to learn
RETIRE_AT = 8 * 1024 * 1024  # what is not given back would hide the growth of the next case
START = 60.0

#: Settings of the caller's environment that would change what a client does.
FOREIGN = ("proxy", "ssl_cert", "requests_ca", "curl_ca", "netrc", "python", "hyperhttp", "httpx", "virtual")


@dataclass(frozen=True, slots=True)
class Client:
    """A client in the table."""

    name: str
    module: str
    environment: str = "peers"  # empty: that of the runner

    @property
    def python(self) -> str:
        """The interpreter."""
        return str(ENVIRONMENTS / self.environment / "bin" / "python") if self.environment else sys.executable


CLIENTS = (
    Client("hyperhttp", "hyperhttp_", ""),
    Client("hyperhttp-blocking", "hyperhttp_blocking", ""),
    Client("httpx", "httpx_"),
    Client("httpx2", "httpx2_"),
    Client("aiohttp", "aiohttp_"),
    Client("requests", "requests_"),
    Client("urllib3", "urllib3_"),
    Client("niquests", "niquests_", "niquests"),
    Client("pyreqwest", "pyreqwest_"),
)


@dataclass(slots=True)
class Outcome:
    """What a process said about a job, and how it ended."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    growth: int = 0
    ended: str = "hang"  # done, hang or crash
    said: str = ""


class Worker:
    """A process with a client in it."""

    def __init__(self, client: Client) -> None:
        kept = {key: value for key, value in os.environ.items() if not any(each in key.lower() for each in FOREIGN)}
        environment = kept | {"PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT)]), "NETRC": os.devnull}
        command = [client.python, str(HERE / "drive.py"), client.module]
        self.client = client
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 -- closed when the process is gone
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, env=environment
        )
        self.buffer = b""
        self.facts = self._line(time.monotonic() + START)
        if not self.facts:
            self.process.wait()
            msg = f"{client.name} cannot be started: {self.last_words()}"
            raise RuntimeError(msg)

    def run(self, job: dict[str, Any], deadline: float) -> Outcome:
        """Do a job; the process is gone afterwards unless it is as good as new."""
        outcome = Outcome()
        until = time.monotonic() + deadline
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()
        before = (self._line(until) or {}).get("begun", 0)
        while line := self._line(until, before):
            if "growth" in line:
                outcome.growth, outcome.ended = line["growth"], "done"
                break
            outcome.steps.append(line["step"] | {"seconds": line["seconds"]})
        if outcome.ended != "done":
            outcome.growth = max(self._memory("VmHWM") - before, 0) if before else 0
            if self.process.poll() is not None:
                outcome.ended, outcome.said = "crash", self.last_words()
        if outcome.ended != "done" or outcome.growth > RETIRE_AT:
            self.kill()
        return outcome

    @property
    def is_alive(self) -> bool:
        """Whether it takes another job."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()
        self.errors.close()

    def last_words(self) -> str:
        """The last line it wrote to its standard error."""
        self.errors.seek(0)
        lines = self.errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].replace(str(ROOT), "")[:200] if lines else f"status {self.process.returncode}"

    def _line(self, until: float, before: int = 0) -> dict[str, Any] | None:
        """The next line; None when time or memory are over, or the process is."""
        while b"\n" not in self.buffer:
            if time.monotonic() > until or (before and self._memory("VmRSS") - before > KILL_AT):
                return None
            if select.select([self.process.stdout], [], [], LOOK)[0]:
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    self.process.wait(5)
                    return None
                self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def _memory(self, name: str) -> int:
        try:
            text = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0
        return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(name)), 0)
