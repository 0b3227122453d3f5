"""Small pieces of code, timed alone: heads, URLs, headers, HPACK, multipart.

    python benchmarks/micro/run.py                    # results/micro.json
    python benchmarks/micro/run.py --only head,url
    python benchmarks/micro/run.py --tree ../other    # another checkout of HyperHTTP
    python benchmarks/macro/compare.py BEFORE AFTER   # two files side by side

Runs itself again with `.venvs/peers`, where the libraries it compares with are. What a library or a commit
does not have is left out and said.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PYTHON = ROOT / ".venvs" / "peers" / "bin" / "python"
MODULES = ("head", "url", "headers", "hpack", "multipart")


def main() -> None:
    options = arguments()
    enter_environment(Path(options.tree).resolve())
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1] if options.core is None else options.core})
    sys.path.append(str(ROOT / "benchmarks" / "macro"))
    import machine
    import timing
    from drive import python

    for name in options.only or MODULES:
        importlib.import_module(f"cases.{name}")
    samples, sample_ns = (3, 5_000_000) if options.quick else (9, 50_000_000)
    groups: dict[str, dict[str, dict[str, float]]] = {}
    missing: dict[str, str] = {}
    for each in timing.CASES:
        try:
            groups.setdefault(each.group, {})[each.name] = timing.time(each, samples, sample_ns)
        except Exception as error:  # another commit may lack a module; the others are still worth having
            missing[f"{each.group}: {each.name}"] = f"{type(error).__name__}: {error}"
    about = machine.describe(Path(options.tree).resolve())
    result = {"format": 1, "machine": about, "python": python(), "micro": groups, "missing": missing}
    show(groups, missing)
    out = (
        Path(options.out)
        if options.out
        else RESULTS / ("trial/micro.json" if options.quick or options.only else "micro.json")
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(out)


def enter_environment(tree: Path) -> None:
    """Start again in the environment of the peers, with the tree to measure on the path."""
    if os.environ.get("HYPERHTTP_MICRO") == str(tree):
        return
    if not PYTHON.exists():
        sys.exit("no environment: run benchmarks/envs.py first")
    environment = os.environ | {"HYPERHTTP_MICRO": str(tree), "PYTHONPATH": str(tree)}
    os.execve(PYTHON, [str(PYTHON), *sys.argv], environment)


def show(groups: dict[str, dict[str, dict[str, float]]], missing: dict[str, str]) -> None:
    """A table: nanoseconds, the least of the samples, and the ratio to HyperHTTP."""
    for group, cases in groups.items():
        print(group)
        mine = cases.get("hyperhttp", {}).get("ns_min")
        for name, each in sorted(cases.items(), key=lambda item: item[1]["ns_min"]):
            times = f"{each['ns_min'] / mine:6.2f} ×" if mine else ""
            print(f"  {name:16} {each['ns_min']:12,.0f} ns  {times}")
    for name, why in missing.items():
        print(f"no result: {name}: {why}")


def arguments() -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--only", type=lambda text: text.split(","), help=f"some of {', '.join(MODULES)}")
    add("--quick", action="store_true", help="short: a check, not a measurement")
    add("--tree", default=ROOT, help="the checkout that is measured (default: this one)")
    add("--core", type=int, help="core to run on (default: the last)")
    add("--out", help="the file to write (default: benchmarks/results/micro.json)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
