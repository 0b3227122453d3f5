"""The hostile-server table: every misbehaviour in `cases/` against every client in `adapters/`.

    uv run python benchmarks/envs.py                     # once: the environments of the others
    uv run python benchmarks/hostile/run.py              # everything: some twenty minutes
    uv run python benchmarks/hostile/run.py --clients hyperhttp,httpx --cases 'h2-*' --verbose
    uv run python benchmarks/hostile/run.py --list
    uv run python benchmarks/hostile/run.py --report     # renew the tables from results/hostile.json

Needs the environment of the tests, for certificates and HPACK, and Linux, for the memory of the processes.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import queue
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

if __name__ == "__main__" and any(find_spec(name) is None for name in ("trustme", "hpack")):
    venv = ROOT / ".venv" / "bin" / "python"
    if not venv.exists() or Path(sys.prefix) == ROOT / ".venv":
        sys.exit("needs trustme and hpack: uv run python benchmarks/hostile/run.py")
    os.execv(venv, [str(venv), *sys.argv])

sys.path[:0] = [str(HERE), str(ROOT)]

import report  # noqa: E402
from case import MEMORY_LIMIT, Case, Facts, last_step  # noqa: E402
from cases import CASES  # noqa: E402
from server import Site  # noqa: E402
from worker import CLIENTS, Client, Outcome, Worker  # noqa: E402

READ = 1.0  # seconds a client may wait for the next bytes
TOTAL = 2.5  # seconds a request may take, for clients that have such a limit
DEADLINE = 15.0  # seconds a case may take before it is a hang


class Lane:
    """A thread's worth of cases, with one process at a time."""

    def __init__(self, cafile: Path) -> None:
        self.cafile = cafile
        self.worker: Worker | None = None

    def run(self, client: Client, case: Case) -> dict[str, Any]:
        """One case with one client, judged."""
        worker = self._worker(client)
        if reason := self._not_for(worker, case):
            return {"verdict": "n/a", "why": reason}
        with Site(case) as site:
            outcome = worker.run(self._job(case, site), DEADLINE)
        verdict, why = judged(case, site, outcome)
        record: dict[str, Any] = {"verdict": verdict, "why": why, "growth_mib": round(outcome.growth / 1048576, 1)}
        record["seconds"] = round(sum(step["seconds"] for step in outcome.steps), 2)
        record["steps"] = [in_short(step) for step in outcome.steps]
        if outcome.ended == "hang" and outcome.growth <= MEMORY_LIMIT:
            record["seconds"] = DEADLINE
        return record

    def close(self) -> None:
        """End the process."""
        if self.worker is not None:
            self.worker.kill()

    def _worker(self, client: Client) -> Worker:
        if self.worker is None or self.worker.client is not client or not self.worker.is_alive:
            self.close()
            self.worker = Worker(client)
        return self.worker

    def _not_for(self, worker: Worker, case: Case) -> str:
        if case.http2 and not worker.facts["http2"]:
            return "speaks no HTTP/2"
        return "has no cookie jar" if case.cookies and not worker.facts["cookies"] else ""

    def _job(self, case: Case, site: Site) -> dict[str, Any]:
        settings = {
            "cafile": str(self.cafile),
            "read": READ,
            "total": TOTAL,
            "http2": case.http2,
            "redirects": case.redirects,
            "proxy": site.url("{a}") if case.proxy else "",
            "tls": bool(case.tls or case.http2),
        }
        steps = [asdict(step) | {"url": site.url(step.url)} for step in case.all_steps]
        return {"settings": settings, "steps": steps}


def judged(case: Case, site: Site, outcome: Outcome) -> tuple[str, str]:
    """The verdict, and why."""
    if site.spoke_http1 and not site.seen:
        return "n/a", "did not choose HTTP/2"
    if outcome.growth > MEMORY_LIMIT:
        return "memory", f"grew by {outcome.growth // 1048576} MiB"
    crashed = [step["error"] for step in outcome.steps if "crash" in step]
    if crashed or outcome.ended == "crash":
        return "crash", crashed[0] if crashed else f"the process died: {outcome.said}"
    if outcome.ended == "hang":
        return "hang", f"not over after {DEADLINE:.0f} s"
    facts = Facts(outcome.steps, site.seen)
    if why := case.judge(facts):
        return "wrong", why
    if case.last and (why := last_step(facts)):
        return ("stuck" if "error" in outcome.steps[-1] else "wrong"), why
    return "pass", ""


def in_short(step: dict[str, Any]) -> str:
    """A step's outcome for the record."""
    if "slept" in step:
        return f"waited {step['slept']} s"
    if "error" in step:
        return str(step["error"])
    return f"{step['status']}, {step['length']} bytes"


def run_all(clients: list[Client], cases: list[Case], options: argparse.Namespace) -> dict[str, Any]:
    """Everything, by several threads; what each client said."""
    table: dict[str, Any] = {client.name: {"results": {}} for client in clients}
    waiting: queue.SimpleQueue[tuple[Client, Case]] = queue.SimpleQueue()
    for client in clients:
        for case in cases:
            waiting.put((client, case))
    failures: list[BaseException] = []

    def work() -> None:
        lane = Lane(options.cafile)
        try:
            while not failures:
                client, case = waiting.get_nowait()
                record = lane.run(client, case)
                if options.confirm and record["verdict"] not in {"pass", "n/a"}:
                    again = lane.run(client, case)
                    record = again | {"first": record["why"]} if again["verdict"] == "pass" else record
                table[client.name]["results"][case.name] = record
                if lane.worker is not None:
                    facts = lane.worker.facts
                    table[client.name] |= {key: facts[key] for key in ("versions", "python", "total")}
                if options.verbose or record["verdict"] not in {"pass", "n/a"}:
                    print(f"{client.name:20}{case.name:30}{record['verdict']:8}{record['why']}", flush=True)
        except queue.Empty:
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            lane.close()

    threads = [threading.Thread(target=work) for _ in range(options.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    for entry in table.values():
        entry["results"] = {case.name: entry["results"][case.name] for case in cases}
    return table


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the hostile-server table.")
    parser.add_argument("--clients", help=f"names, with commas: {', '.join(each.name for each in CLIENTS)}")
    parser.add_argument("--cases", help="patterns of names, with commas")
    parser.add_argument("--jobs", type=int, default=2, help="processes at the same time")
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument("--confirm", action="store_true", help="repeat what went wrong; the rule when all is run")
    parser.add_argument("--verbose", action="store_true", help="print what is passed, too")
    parser.add_argument("--list", action="store_true", help="print the cases and stop")
    parser.add_argument("--report", action="store_true", help="renew the tables from the results and stop")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.list:
        for case in CASES:
            print(f"{case.name:30}{case.rule:50}{case.does}")
        return
    if options.report:
        report.write(json.loads((report.RESULTS / "hostile.json").read_text()), report.RESULTS, docs=True)
        return
    wanted = options.clients.split(",") if options.clients else [each.name for each in CLIENTS]
    patterns = options.cases.split(",") if options.cases else ["*"]
    clients = [each for each in CLIENTS if each.name in wanted]
    cases = [each for each in CASES if any(fnmatch.fnmatch(each.name, pattern) for pattern in patterns)]
    if unknown := set(wanted) - {each.name for each in clients}:
        sys.exit(f"no such client: {', '.join(sorted(unknown))}")
    if missing := {each.environment for each in clients if not Path(each.python).exists()}:
        sys.exit(f"no environment {', '.join(sorted(missing))}: uv run python benchmarks/envs.py")
    is_whole = not options.clients and not options.cases
    options.confirm = options.confirm or is_whole
    out = options.out or (report.RESULTS if is_whole else report.RESULTS / "trial")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        from hyperhttp.testing.tls import shared_authority

        options.cafile = shared_authority().write_pem(Path(folder) / "ca.pem")
        table = run_all(clients, cases, options)
    record = {"date": datetime.now(UTC).date().isoformat(), "limits": limits(), "clients": table}
    record["cases"] = [report.described(case) for case in cases]
    report.write(record, out, docs=is_whole and options.out is None)
    print(f"\n{report.totals(record)}\n{len(cases)} cases, {time.monotonic() - begun:.0f} s: {out / 'hostile.json'}")


def limits() -> dict[str, float]:
    """What all clients were given."""
    return {"read": READ, "total": TOTAL, "deadline": DEADLINE, "memory_mib": MEMORY_LIMIT / 1048576}


if __name__ == "__main__":
    main()
