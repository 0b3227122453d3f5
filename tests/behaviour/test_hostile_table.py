"""The hostile-server table: HyperHTTP passes every case, and what is committed is about these cases."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hyperhttp
from hyperhttp.protocol.http2 import errors

ROOT = Path(__file__).resolve().parent.parent.parent
RUN = ROOT / "benchmarks" / "hostile" / "run.py"
RESULTS = ROOT / "benchmarks" / "results"
FACES = ("hyperhttp", "hyperhttp-blocking")
PEERS = ("httpx", "httpx2", "aiohttp", "requests", "urllib3", "niquests", "pyreqwest")

pytestmark = pytest.mark.skipif(not RUN.exists(), reason="not a clone")


def run(*arguments: str, timeout: float = 150) -> str:
    """What the runner prints."""
    command = [sys.executable, str(RUN), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def is_excused(result: Any) -> bool:
    """What went wrong once and not again: only lateness is forgiven, on a machine that is busy."""
    first = result.get("first", "")
    return not first or "Timeout" in first or first.startswith("not over")


@pytest.fixture(scope="module")
def committed() -> Any:
    """The results in the repository."""
    return json.loads((RESULTS / "hostile.json").read_text())


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by Linux' means")
def test_every_case_is_passed_on_both_faces(tmp_path: Path) -> None:
    run("--clients", ",".join(FACES), "--jobs", "6", "--confirm", "--out", str(tmp_path))
    record = json.loads((tmp_path / "hostile.json").read_text())
    failed = [
        f"{face} {name}: {result}"
        for face in FACES
        for name, result in record["clients"][face]["results"].items()
        if result["verdict"] != "pass" or not is_excused(result)
    ]
    assert not failed, "\n".join(failed)
    assert len(record["cases"]) >= 60
    for face in FACES:
        for name, result in record["clients"][face]["results"].items():
            failures = [step for step in result["steps"] if step[0].isupper()]
            assert all(is_of_the_library(failure) for failure in failures), f"{face} {name}: {failures}"


def is_of_the_library(name: str) -> bool:
    """Whether an error's class is one of HyperHTTP's: no other may come out, whatever a server does."""
    return issubclass(getattr(hyperhttp, name, None) or getattr(errors, name, Exception), hyperhttp.HyperHTTPError)


def test_the_committed_results_are_about_these_cases_and_clients(committed: Any) -> None:
    listed = [line.split()[0] for line in run("--list").splitlines()]
    assert [case["name"] for case in committed["cases"]] == listed
    assert list(committed["clients"]) == [*FACES, *PEERS]
    for entry in committed["clients"].values():
        assert list(entry["results"]) == listed
        assert entry["versions"]


def test_the_committed_results_say_that_every_case_is_passed(committed: Any) -> None:
    for face in FACES:
        results = committed["clients"][face]["results"]
        assert [name for name, result in results.items() if result["verdict"] != "pass"] == []


def test_the_tables_are_those_of_the_results(committed: Any) -> None:
    table = (RESULTS / "hostile.md").read_text().partition("\n\n")[2].strip()
    page = (ROOT / "docs" / "robustness.md").read_text()
    assert page.partition("<!-- hostile:begin -->")[2].partition("<!-- hostile:end -->")[0].strip() == table
    assert f"Taken on {committed['date']} with Python" in table
    for case in committed["cases"]:
        verdicts = [entry["results"][case["name"]]["verdict"] for entry in committed["clients"].values()]
        row = next(line for line in table.splitlines() if line.startswith(f"| `{case['name']}` |"))
        assert [cell.strip(" *") for cell in row.split("|")[4:-1]] == verdicts
