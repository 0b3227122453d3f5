"""Run everything side by side, and redraw the tables and charts of the README and of the documentation.

    python benchmarks/scoreboard.py                  # macro and memory, then all pages; two hours
    python benchmarks/scoreboard.py --scenario 'h1-*' # some of it; the other figures stay as they were
    python benchmarks/scoreboard.py --draw           # only the pages, from what benchmarks/results/ holds
    python benchmarks/scoreboard.py --draw DIR ROOT  # from another folder, into another checkout

Takes the options of `benchmarks/macro/run.py`. With `--quick`, `--clients` or `--out`, which are for looking, nothing
is redrawn. Written are README.md, docs/performance.md, docs/charts/ and benchmarks/results/README.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "macro"))

import board
import run
from scenarios import MEMORY, SCENARIOS

#: Options after which there is nothing to redraw.
LOOKING = ("--quick", "--clients", "--out", "--tree", "--list", "--report", "-h", "--help")


def main() -> None:
    """The command line."""
    arguments = sys.argv[1:]
    if arguments[:1] != ["--draw"]:
        run.main(SCENARIOS | MEMORY, __doc__)
        if any(each.startswith(LOOKING) for each in arguments):
            return
        arguments = []
    results, root = map(Path, arguments[1:] or (run.RESULTS, run.ROOT))
    for path in board.write(results, root):
        print(path)


if __name__ == "__main__":
    main()
