"""The table of a run: JSON and markdown in `results/`, and the same in the documentation."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from case import Case

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "robustness.md"
BEGIN, END = "<!-- hostile:begin -->", "<!-- hostile:end -->"
VERDICTS = ("pass", "wrong", "stuck", "hang", "crash", "memory", "n/a")


def described(case: Case) -> dict[str, str]:
    """What the record says about a case."""
    return {"name": case.name, "section": case.section, "rule": case.rule, "does": case.does}


def write(record: dict[str, Any], folder: Path, *, docs: bool) -> None:
    """Write the files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hostile.json").write_text(in_lines(record) + "\n")
    text = table(record)
    (folder / "hostile.md").write_text(f"# The hostile-server table\n\n{text}\n")
    if docs:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


def in_lines(value: Any, depth: int = 0) -> str:
    """JSON with a line for each result."""
    if depth == 4 or not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner, outer = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, list):
        return f"[{inner}" + f",{inner}".join(in_lines(each, 4) for each in value) + f"{outer}]"
    pairs = (f"{json.dumps(key)}: {in_lines(each, depth + 1)}" for key, each in value.items())
    return f"{{{inner}" + f",{inner}".join(pairs) + f"{outer}}}"


def totals(record: dict[str, Any]) -> str:
    """How many verdicts of each kind each client has."""
    head = "| client | version | limit for a whole request | "
    rows = [head + " | ".join(VERDICTS) + " |", "|---|---|---|" + "---:|" * len(VERDICTS)]
    for name, entry in record["clients"].items():
        count = Counter(result["verdict"] for result in entry["results"].values())
        versions = ", ".join(f"{key} {value}" for key, value in entry["versions"].items())
        figures = " | ".join(str(count[verdict]) for verdict in VERDICTS)
        rows.append(f"| {name} | {versions} | {'yes' if entry['total'] else 'no'} | {figures} |")
    return "\n".join(rows)


def table(record: dict[str, Any]) -> str:
    """Everything, in markdown."""
    clients = record["clients"]
    pythons = sorted({entry["python"] for entry in clients.values()})
    parts = [
        f"Taken on {record['date']} with Python {', '.join(pythons)}: {len(record['cases'])} cases.",
        totals(record),
    ]
    sections = dict.fromkeys(case["section"] for case in record["cases"])
    for section in sections:
        cases = [case for case in record["cases"] if case["section"] == section]
        head = f"| case | the server ... | rule | {' | '.join(clients)} |"
        rows = [f"### {section}\n", head, "|---|---|---|" + "---|" * len(clients)]
        rows += [row(case, clients) for case in cases]
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def row(case: dict[str, str], clients: dict[str, Any]) -> str:
    """One case."""
    verdicts = [entry["results"][case["name"]]["verdict"] for entry in clients.values()]
    cells = [verdict if verdict in {"pass", "n/a"} else f"**{verdict}**" for verdict in verdicts]
    return f"| `{case['name']}` | {case['does']} | {case['rule']} | {' | '.join(cells)} |"
