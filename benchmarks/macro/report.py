"""From raw rounds to medians, goals, and a table one can read in a terminal."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from scenarios import CLIENTS, SUBJECT, Goal, Scenario

if TYPE_CHECKING:
    from collections.abc import Iterable

# A worker this busy limits what the client reaches: throughput is then no measure of the client.
SATURATED = 0.93

# metric, heading, scale, digits, and which direction is good
Column = tuple[str, str, float, int, str]

LOAD: tuple[Column, ...] = (
    ("throughput", "req/s", 1, 0, "more"),
    ("cpu_us", "CPU µs", 1, 1, "less"),
    ("latency_us.p50", "p50 ms", 1e-3, 2, "less"),
    ("latency_us.p95", "p95 ms", 1e-3, 2, "less"),
    ("latency_us.p99", "p99 ms", 1e-3, 2, "less"),
    ("rss_peak", "RSS MB", 1e-6, 1, "less"),
)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "load": LOAD,
    "burst": (LOAD[0], LOAD[1], LOAD[5]),
    "idle": (("idle_bytes", "bytes/conn", 1, 0, "less"), ("rss_peak", "peak MB", 1e-6, 1, "less")),
    "download": (
        ("megabytes_per_s", "MB/s", 1, 0, "more"),
        ("cpu_s", "CPU s", 1, 3, "less"),
        ("grown_bytes", "grown MB", 1e-6, 2, "less"),
        ("rss_peak", "peak MB", 1e-6, 1, "less"),
    ),
    "startup": (
        ("import_ms", "import ms", 1, 1, "less"),
        ("first_client_ms", "1st client ms", 1, 3, "less"),
        ("next_client_ms", "next ms", 1, 3, "less"),
        ("modules", "modules", 1, 0, "less"),
        ("rss", "RSS MB", 1e-6, 1, "less"),
    ),
}


def pick(record: dict[str, Any], metric: str) -> float | None:
    """A figure of a record; a dot goes one level down."""
    for name in metric.split("."):
        record = record.get(name) if isinstance(record, dict) else None
    return record if isinstance(record, int | float) else None


def medians(rounds: list[dict[str, Any]]) -> dict[str, float]:
    """The median of every figure over the rounds, levels joined with dots; and the spread of throughput."""
    result = {}
    for metric in sorted({name for record in rounds for name in flat(record)}):
        values = [value for record in rounds if (value := pick(record, metric)) is not None]
        result[metric] = median(values)
    if "throughput" in result:
        values = [record["throughput"] for record in rounds]
        result["throughput_spread"] = (max(values) - min(values)) / result["throughput"]
    return result


def flat(record: dict[str, Any], prefix: str = "") -> Iterable[str]:
    """Names of all figures of a record."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield prefix + name


def judge(goals: Iterable[Goal], figures: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """Each goal with what was reached; `met` is None when a figure is missing.

    A ratio of throughputs is judged by CPU time when the peer kept the server saturated, for then the peer
    could do more than the server let it.
    """
    verdicts = []
    for goal in goals:
        mine = figures.get(SUBJECT, {})
        metric, reached = goal.metric, mine.get(goal.metric)
        if goal.peer is not None:
            theirs = figures.get(goal.peer, {})
            if metric == "throughput" and theirs.get("server_busy", 0) > SATURATED:
                metric, reached = "cpu_us", ratio(theirs.get("cpu_us"), mine.get("cpu_us"))
            else:
                reached = ratio(reached, theirs.get(metric))
        verdict = {"peer": goal.peer, "metric": metric, "wanted": goal.value, "better": goal.better}
        verdicts.append(verdict | {"reached": reached, "met": is_met(goal, reached)})
    return verdicts


def is_met(goal: Goal, reached: float | None) -> bool | None:
    """Whether a goal was reached; None where there is no figure."""
    if reached is None:
        return None
    return reached >= goal.value if goal.better == "more" else reached <= goal.value


def ratio(one: float | None, other: float | None) -> float | None:
    """One divided by the other, if both are known."""
    return one / other if one is not None and other else None


def losses(columns: Iterable[Column], figures: dict[str, dict[str, float]]) -> list[str]:
    """Where a peer is ahead of HyperHTTP, one sentence for each figure."""
    mine = figures.get(SUBJECT)
    if mine is None:
        return []
    peers = {name: each for name, each in figures.items() if not CLIENTS[name].floor and name != SUBJECT}
    peers.pop("hyperhttp-sized", None)
    sentences = []
    for metric, heading, scale, digits, better in columns:
        if metric not in mine:
            continue
        sign = 1 if better == "more" else -1
        ahead = {
            name: each[metric]
            for name, each in peers.items()
            if metric in each and sign * each[metric] > sign * mine[metric]
        }
        if ahead:
            order = sorted(ahead, key=lambda name: -sign * ahead[name])
            shown = ", ".join(f"{name} {number(ahead[name] * scale, digits)}" for name in order)
            sentences.append(f"{heading}: {number(mine[metric] * scale, digits)}, behind {shown}")
    return sentences


def table(result: dict[str, Any], scenario: Scenario) -> str:
    """The result of one scenario, the best first, with ratios to the floor, goals and losses."""
    title = f"{scenario.name}   ({len(result['order'])} rounds)"
    said = [f"  {remark}" for remark in remarks(result, scenario)]
    return "\n".join([title, *aligned(rows(result, scenario)), *said])


def rows(result: dict[str, Any], scenario: Scenario) -> list[list[str]]:
    """The cells of a table, headings first."""
    figures, columns = result["medians"], COLUMNS[scenario.kind]
    first, _, _, _, better = columns[0]
    floor = figures.get(scenario.floor, {})
    order = sorted(figures, key=lambda name: figures[name].get(first, 0), reverse=better == "more")
    headings = ["client", *(each[1] for each in columns)]
    with_floor = scenario.kind in {"load", "burst"} and bool(floor)
    if with_floor:
        headings += ["× floor", "CPU × floor"]
    if "throughput" in next(iter(figures.values()), {}):
        headings += ["server", "conns", "spread"]
    lines = [headings]
    for name in order:
        each = figures[name]
        row = [name, *(number(scaled(each, column), column[3]) for column in columns)]
        if with_floor:
            row.append(number(ratio(each.get("throughput"), floor.get("throughput")), 2))
            row.append(number(ratio(each.get("cpu_us"), floor.get("cpu_us")), 2))
        if "throughput" in each:
            row += [percent(each.get("server_busy")), number(each.get("connections"), 0)]
            row.append(percent(each.get("throughput_spread")))
        lines.append(row)
    return lines


def remarks(result: dict[str, Any], scenario: Scenario) -> list[str]:
    """What there is to say below a table."""
    lines = [f"no result: {name}: {why}" for name, why in result["failures"].items()]
    lines += [f"left out: {name}: {why}" for name, why in scenario.without.items()]
    busy = [name for name, each in result["medians"].items() if each.get("server_busy", 0) > SATURATED]
    if busy:
        lines.append(f"the server was the limit for {', '.join(busy)}: read their CPU column, not req/s")
    for goal in result["goals"]:
        word = {True: "met", False: "MISSED", None: "no figure"}[goal["met"]]
        sense = "at least" if goal["better"] == "more" else "at most"
        what = f"{goal['metric']} of {goal['peer']} ×" if goal["peer"] else goal["metric"]
        lines.append(f"goal {word}: {what} {sense} {number(goal['wanted'])}, reached {number(goal['reached'])}")
    if SUBJECT in result["medians"]:
        behind = losses(COLUMNS[scenario.kind], result["medians"])
        lines += [f"{SUBJECT} loses on {sentence}" for sentence in behind]
        if not behind:
            lines.append(f"{SUBJECT} leads every peer in every column")
    return lines


def aligned(rows: list[list[str]]) -> list[str]:
    """Rows as lines, names to the left, numbers to the right."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  " + "  ".join(cells).rstrip())
    lines.insert(1, "  " + "─" * (sum(widths) + 2 * len(widths) - 2))
    return lines


def scaled(record: dict[str, float], column: Column) -> float | None:
    """A figure in the unit its column shows."""
    value = record.get(column[0])
    return None if value is None else value * column[2]


def number(value: float | None, digits: int | None = None) -> str:
    """A figure with thousands separated; a dash for none."""
    if value is None:
        return "–"
    if digits is None:
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,.{digits}f}"


def percent(value: float | None) -> str:
    """A share in percent."""
    return "–" if value is None else f"{value:.0%}"
