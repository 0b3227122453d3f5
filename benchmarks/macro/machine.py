"""Where and with what a result was taken: everything a reader needs to doubt it."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def describe(tree: Path) -> dict[str, Any]:
    """The machine, the server's version, and the source tree that is measured."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "system": distribution(),
        "load_average": os.getloadavg()[0],
        "nginx": command("nginx", "-v").removeprefix("nginx version: "),
        "openssl": command("openssl", "version"),
        "commit": command("git", "-C", str(tree), "rev-parse", "HEAD"),
        "modified": bool(command("git", "-C", str(tree), "status", "--porcelain", "--", "hyperhttp", "plugins")),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def command(*arguments: str) -> str:
    """The last line of what a command says; empty if it cannot be run or fails."""
    try:
        done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[-1] if lines else ""


def cpu_model() -> str:
    """The name the processor gives itself."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def distribution() -> str:
    """The name of the operating system."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()
