"""Memory: bytes per idle connection, peaks of large downloads, and the 10,000 requests over 100 connections.

    python benchmarks/memory/run.py            # results/memory-*.json, a few minutes
    python benchmarks/memory/run.py --quick

The same options, environments and result files as `benchmarks/macro/run.py`, whose machinery it uses.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "macro"))

import run
from scenarios import MEMORY

if __name__ == "__main__":
    run.main(MEMORY, __doc__)
