"""Compare HTTP clients side by side: one nginx on one core, one client at a time on another.

    python benchmarks/envs.py                      # once: the environments
    python benchmarks/macro/run.py                 # everything, an hour and a half; results/
    python benchmarks/macro/run.py --quick         # does everything work? a few minutes, results/trial/
    python benchmarks/macro/run.py --scenario 'h1-asyncio-*' --clients hyperhttp,pyreqwest,floor
    python benchmarks/macro/run.py --list

Standard library only; any Python from 3.11 starts it, the clients run in `.venvs/`.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import report
from origin import SIZES, Origin, path_of, pinned, require
from scenarios import CLIENTS, SCENARIOS, SUBJECT, Client, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RESULTS = ROOT / "benchmarks" / "results"
ENVIRONMENTS = ROOT / ".venvs"

# Settings of the caller's environment that would change what a client does.
FOREIGN = (
    "proxy",
    "ssl_cert",
    "requests_ca",
    "curl_ca",
    "netrc",
    "python",
    "hyperhttp",
    "httpx",
    "uv_",
    "virtual",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line asks for."""

    rounds: int
    seconds: float
    warmup: float
    requests: int | None
    latency: float
    timeout: float
    seed: int
    server_core: int | None
    client_core: int | None
    tree: Path
    out: Path
    clients: tuple[str, ...] = ()

    def plan(self, scenario: Scenario) -> dict[str, Any]:
        """The part that a driver's process needs (`load.Plan`)."""
        return {
            "seconds": self.seconds,
            "warmup": self.warmup,
            "requests": self.requests,
            "latency": self.latency if scenario.kind == "load" else 0,
        }


class Failed(Exception):
    """A driver's process ended without a record."""


def main(scenarios: dict[str, Scenario] = SCENARIOS, about: str = __doc__) -> None:
    """The command line; `benchmarks/memory/run.py` comes here with its own scenarios."""
    options = arguments(about)
    chosen = select(scenarios, options.scenario)
    if options.list:
        for each in chosen:
            print(f"{each.name:34} {', '.join(each.clients())}")
        return
    if options.report:
        show(chosen, Path(options.report))
        return
    settings = settings_from(options, full=len(options.clients) == 0)
    check_machine(settings)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nginx is stopped
    settings.out.mkdir(parents=True, exist_ok=True)
    with Origin(settings.server_core) as origin:
        for each in chosen:
            result = measure(each, settings, origin)
            if not result["medians"]:
                print(f"{each.name}: no result: {result['failures']}", flush=True)
                continue
            path = settings.out / f"{each.name}.json"
            path.write_text(json.dumps(result, indent=1) + "\n")
            print(f"{report.table(result, each)}\n  {path}\n", flush=True)


def measure(scenario: Scenario, settings: Settings, origin: Origin) -> dict[str, Any]:
    """All rounds of one scenario; each round runs every client once, in an order of its own."""
    names = participants(scenario, settings)
    shuffle = random.Random(f"{settings.seed} {scenario.name}")
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    failures: dict[str, str] = {}
    order: list[list[str]] = []
    about = machine.describe(settings.tree)
    if scenario.kind == "startup":
        for name in names:  # once unrecorded: compiled files and the disk's cache
            attempt(name, scenario, settings, origin, failures)
    for turn in range(settings.rounds):
        order.append(shuffle.sample(names, len(names)))
        for position, name in enumerate(order[-1], 1):
            if name in failures:
                continue
            progress(f"{scenario.name}  round {turn + 1}/{settings.rounds}  {position}/{len(names)}  {name}")
            record = attempt(name, scenario, settings, origin, failures)
            if record is not None:
                rounds[name].append(record)
    progress("")
    figures = {name: report.medians(records) for name, records in rounds.items() if records}
    return {
        "format": 1,
        "scenario": asdict(scenario),
        "machine": about,
        "settings": {name: value for name, value in asdict(settings).items() if name not in {"tree", "out"}},
        "arguments": sys.argv[1:],
        "python": next((each[0]["python"] for each in rounds.values() if each), None),
        "versions": {name: records[0]["versions"] for name, records in rounds.items() if records},
        "order": order,
        "medians": figures,
        "goals": report.judge(scenario.goals, figures),
        "failures": failures,
        "rounds": rounds,
    }


def attempt(
    name: str, scenario: Scenario, settings: Settings, origin: Origin, failures: dict[str, str]
) -> dict[str, Any] | None:
    """One client, once. A client that fails is not asked again: it would fail the same way, slowly."""
    try:
        return run_client(name, scenario, settings, origin)
    except Failed as error:
        failures[name] = str(error)
        return None


def run_client(name: str, scenario: Scenario, settings: Settings, origin: Origin) -> dict[str, Any]:
    """Start the driver's process and take its record."""
    client = CLIENTS[name]
    if scenario.kind == "startup":
        command = [HERE / "startup.py", client.module, ",".join(client.imports)]
        return start(client, command, settings)
    target = {
        "base": origin.base(tls=scenario.tls, http2=scenario.http2),
        "path": "/slow/200B" if scenario.kind == "idle" else path_of(scenario.body),
        "size": SIZES[scenario.body],
        "concurrency": scenario.concurrency,
        "connections": scenario.width,
        "http2": scenario.http2,
        "cafile": origin.cafile if scenario.tls else None,
    }
    spec = {
        "module": client.module,
        "class": client.driver_class or ("Async" if scenario.face == "async" else "Blocking"),
        "loop": scenario.loop,
        "kind": scenario.kind,
        "target": target,
        "plan": settings.plan(scenario),
        "server": origin.worker,
    }
    before = origin.counters()
    record = start(client, [HERE / "drive.py", json.dumps(spec)], settings)
    after = origin.counters()
    record.setdefault("connections", after.accepted - before.accepted - 1)  # less the one that asked
    record["origin_requests"] = after.requests - before.requests - 1
    return record


def start(client: Client, command: list[object], settings: Settings) -> dict[str, Any]:
    """Run a script in a client's environment, on the client's core, and read the last line it prints."""
    python = ENVIRONMENTS / client.environment / "bin" / "python"
    if not python.exists():
        raise Failed(f"no environment {client.environment}: run benchmarks/envs.py")
    process = subprocess.Popen(
        [str(python), *map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(settings.tree),
        cwd="/",
        preexec_fn=limited(settings.client_core),
    )
    try:
        output, errors = process.communicate(timeout=settings.timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failed(f"not done after {settings.timeout:.0f} s") from None
    except BaseException:
        process.kill()
        process.communicate()
        raise
    if process.returncode:
        lines = [line for line in errors.strip().splitlines() if line.strip()] or [f"exit {process.returncode}"]
        raise Failed(lines[-1].strip()[:300])
    return json.loads(output.strip().splitlines()[-1])


def environment(tree: Path) -> dict[str, str]:
    """The caller's environment without what would change a client, and with the source tree to measure."""
    kept = {name: value for name, value in os.environ.items() if not any(word in name.lower() for word in FOREIGN)}
    return kept | {"PYTHONPATH": str(tree)}


def limited(core: int | None) -> Callable[[], None]:
    """Runs in the new process: pin it, and let it have thousands of sockets."""
    import resource

    pin = pinned(core)

    def prepare() -> None:
        if pin is not None:
            pin()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))

    return prepare


def participants(scenario: Scenario, settings: Settings) -> list[str]:
    """The clients of a scenario that were asked for."""
    if not settings.clients:
        return scenario.clients()
    able = replace(scenario, extras=tuple(CLIENTS), without={}).clients()
    wanted = {scenario.floor if name == "floor" else name for name in settings.clients}
    if "floor" in settings.clients:
        wanted |= {name for name in scenario.extras if CLIENTS[name].floor}
    return [name for name in able if name in wanted]


def select(scenarios: dict[str, Scenario], patterns: list[str]) -> list[Scenario]:
    """The scenarios whose names match; all without a pattern."""
    if not patterns:
        return list(scenarios.values())
    wanted = [pattern for each in patterns for pattern in each.split(",")]
    for pattern in wanted:
        if not fnmatch.filter(scenarios, pattern):
            sys.exit(f"no scenario {pattern!r}: there are {', '.join(scenarios)}")
    return [each for name, each in scenarios.items() if any(fnmatch.fnmatch(name, one) for one in wanted)]


def show(chosen: list[Scenario], directory: Path) -> None:
    """Print the tables of results that exist."""
    for each in chosen:
        path = directory / f"{each.name}.json"
        if path.exists():
            print(report.table(json.loads(path.read_text()), each), end="\n\n")


def check_machine(settings: Settings) -> None:
    """Stop if something is missing; say it when the figures will not be worth keeping."""
    if missing := require("nginx", "openssl"):
        sys.exit(f"not on the path: {', '.join(missing)}")
    if require("h2load"):
        print("note: h2load is not on the path (package nghttp2-client): no floor for HTTP/2")
    for name in settings.clients:
        if name not in CLIENTS:
            sys.exit(f"no client {name!r}: there are {', '.join(CLIENTS)}")
    if settings.client_core is None:
        print("note: one core only: client and server take turns, read the CPU column alone")
    if os.getloadavg()[0] > 0.5:
        print(f"note: the machine is busy (load {os.getloadavg()[0]:.1f}): these figures are not worth keeping")


def settings_from(options: argparse.Namespace, *, full: bool) -> Settings:
    """Settings, with cores and the place for results worked out.

    Only a complete run writes into `results/`; `--quick` and `--clients` go to `results/trial/`, which is
    not kept.
    """
    cores = sorted(os.sched_getaffinity(0))
    pair = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    quick = options.quick
    default_out = RESULTS if full and not quick else RESULTS / "trial"
    return Settings(
        rounds=options.rounds or (1 if quick else 5),
        seconds=options.seconds or (0.3 if quick else 2.0),
        warmup=0.15 if quick else 0.5,
        requests=options.requests,
        latency=0.0 if options.no_latency else 0.3,
        timeout=options.timeout,
        seed=options.seed,
        server_core=pair[0] if options.server_core is None else options.server_core,
        client_core=pair[1] if options.client_core is None else options.client_core,
        tree=Path(options.tree).resolve(),
        out=Path(options.out) if options.out else default_out,
        clients=tuple(options.clients),
    )


def arguments(about: str) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    add = parser.add_argument
    add("--scenario", action="append", default=[], help="name or pattern, may be repeated (default: all)")
    add("--clients", type=lambda text: text.split(","), default=[], help="names, separated by commas")
    add("--rounds", type=int, help="times each client is run (default 5)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, help="length of the measured part (default 2)")
    length.add_argument("--requests", type=int, help="requests in the measured part, instead")
    add("--quick", action="store_true", help="one short round: a check, not a measurement")
    add("--no-latency", action="store_true", help="leave out the part with a clock around each request")
    add("--timeout", type=float, default=90.0, help="seconds one client may take for one round (default 90)")
    add("--seed", type=int, default=20250101, help="of the order in which clients are run")
    add("--server-core", type=int, help="core of nginx (default: the first)")
    add("--client-core", type=int, help="core of the client (default: the second)")
    add("--tree", default=ROOT, help=f"the checkout whose {SUBJECT} is measured (default: this one)")
    add("--out", help="directory for the results (default: benchmarks/results, or its trial/)")
    add("--list", action="store_true", help="say what would be run")
    add("--report", metavar="DIR", nargs="?", const=str(RESULTS), help="print the tables of results in DIR")
    return parser.parse_args()


def progress(text: str) -> None:
    """A line that is overwritten, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    begun = time.monotonic()
    main()
    print(f"{time.monotonic() - begun:.0f} s")
