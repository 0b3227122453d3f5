"""Virtual environments for the benchmarks: `.venvs/peers` and `.venvs/niquests`.

Run by any Python of version 3.11 or later, with `uv` on the path:

    python benchmarks/envs.py                  # make or complete both
    python benchmarks/envs.py --python 3.13    # with another interpreter
    python benchmarks/envs.py --lock           # renew the pins in requirements/*.txt
    python benchmarks/envs.py --check          # say what is installed, change nothing

HyperHTTP is not installed into them: `macro/run.py` puts a source tree on PYTHONPATH, so that any
checkout is measured (`--tree`), with no build in between.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "benchmarks" / "requirements"
HOME = ROOT / ".venvs"

# niquests installs urllib3.future over urllib3, so it never shares an environment.
NAMES = ("peers", "niquests")


def python_of(name: str) -> Path:
    """The interpreter of an environment, whether it exists or not."""
    return HOME / name / "bin" / "python"


def make(name: str, python: str) -> None:
    """Create an environment if it is missing, and bring it to its pins."""
    if not python_of(name).exists():
        uv("venv", "--python", python, HOME / name)
    uv("pip", "sync", "--python", python_of(name), REQUIREMENTS / f"{name}.txt")


def lock(name: str, python: str) -> None:
    """Resolve `<name>.in` again and write the pins to `<name>.txt`."""
    source, pins = REQUIREMENTS / f"{name}.in", REQUIREMENTS / f"{name}.txt"
    style = ("--quiet", "--no-header", "--no-annotate", "--upgrade")
    uv("pip", "compile", *style, "--python-version", python, source, "-o", pins)


def installed(name: str) -> dict[str, str]:
    """Distribution names and versions of an environment; empty when it is missing."""
    if not python_of(name).exists():
        return {}
    command = ["uv", "pip", "list", "--format", "json", "--python", str(python_of(name))]
    listing = subprocess.run(command, check=True, capture_output=True, text=True)
    return {row["name"]: row["version"] for row in json.loads(listing.stdout)}


def uv(*arguments: object) -> None:
    """Run uv, and stop with its message when it fails."""
    if shutil.which("uv") is None:
        sys.exit("uv is not on the path: see https://docs.astral.sh/uv/ or `pip install uv`")
    completed = subprocess.run(["uv", *map(str, arguments)], check=False)
    if completed.returncode:
        sys.exit(f"uv {arguments[0]} failed with exit status {completed.returncode}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the environments of the benchmarks.")
    parser.add_argument("--python", default=sys.executable, help="interpreter (path, or a version for uv)")
    parser.add_argument("--lock", action="store_true", help="renew the pins")
    parser.add_argument("--check", action="store_true", help="only say what is installed")
    options = parser.parse_args()
    for name in NAMES:
        if options.lock:
            lock(name, "3.11")
        elif not options.check:
            make(name, options.python)
        found = installed(name)
        print(f"{name}: {len(found)} packages in {python_of(name)}" if found else f"{name}: missing")


if __name__ == "__main__":
    main()
