"""Two sets of results side by side: what a change did, or what another machine makes of it.

    python benchmarks/macro/compare.py BEFORE AFTER           # two files, or two directories of results
    python benchmarks/macro/compare.py BEFORE AFTER --clients hyperhttp,floor

Shows the factor by which each median changed, of requests per second, CPU time per request and peak memory,
or of the time of each case for `micro.json`. Where the floor or a peer changed as well, the machine did.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from report import aligned, number, ratio

METRICS = {
    "throughput": "req/s",
    "cpu_us": "CPU µs",
    "rss_peak": "peak RSS",
    "idle_bytes": "bytes/conn",
    "grown_bytes": "grown",
    "import_ms": "import",
    "next_client_ms": "next client",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--clients", type=lambda text: text.split(","), help="names, separated by commas")
    options = parser.parse_args()
    pairs = list(matching(options.before, options.after))
    if not pairs:
        sys.exit("no result is in both")
    for name, before, after in pairs:
        print(name)
        print("\n".join(warnings(before, after)), end="")
        rows = micro(before, after) if "micro" in before else macro(before, after)
        if options.clients:
            rows = [rows[0], *(row for row in rows[1:] if row[0].rsplit(": ", 1)[-1] in options.clients)]
        print("\n".join(aligned(rows)), end="\n\n")


def matching(before: Path, after: Path):
    """Pairs of results of the same name."""
    if before.is_file():
        yield before.stem, load(before), load(after)
        return
    for path in sorted(before.glob("*.json")):
        if (after / path.name).exists():
            yield path.stem, load(path), load(after / path.name)


def load(path: Path) -> dict[str, Any]:
    """One result."""
    return json.loads(path.read_text())


def warnings(before: dict[str, Any], after: dict[str, Any]):
    """What makes the two hard to compare."""
    for name in ("cpu", "cores", "kernel", "nginx"):
        one, other = before["machine"].get(name), after["machine"].get(name)
        if one != other:
            yield f"  {name} differs: {one} and {other}\n"
    if before.get("python") != after.get("python"):
        yield "  the Python interpreters differ\n"
    if before.get("settings") != after.get("settings"):
        yield "  the settings differ\n"


def macro(before: dict[str, Any], after: dict[str, Any]) -> list[list[str]]:
    """A row for each client."""
    one, other = before["medians"], after["medians"]
    metrics = [name for name in METRICS if any(name in each for each in one.values())]
    rows = [["client", *(METRICS[name] for name in metrics)]]
    for client in sorted(set(one) & set(other)):
        factors = (ratio(other[client].get(name), one[client].get(name)) for name in metrics)
        rows.append([client, *(f"× {number(factor, 2)}" for factor in factors)])
    return rows


def micro(before: dict[str, Any], after: dict[str, Any]) -> list[list[str]]:
    """A row for each case; the least of the samples."""
    rows = [["case", "before ns", "after ns", "factor"]]
    for group, cases in before["micro"].items():
        for name in cases:
            later = after["micro"].get(group, {}).get(name)
            if later is None:
                continue
            one, other = cases[name]["ns_min"], later["ns_min"]
            rows.append([f"{group}: {name}", number(one, 0), number(other, 0), f"× {number(other / one, 2)}"])
    return rows


if __name__ == "__main__":
    main()
