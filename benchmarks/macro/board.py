"""The scoreboard: what `results/` holds, as charts and as tables, in the README and in the documentation.

`write` takes the results as they are and writes anew: the charts in docs/charts, every table in
benchmarks/results/README.md, and the part between `<!-- benchmarks:begin -->` and `<!-- benchmarks:end -->` of
README.md and of docs/performance.md. It says where, when and on what the figures were taken, and where HyperHTTP
is behind whom.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import charts
import report
from report import SATURATED, number
from scenarios import CLIENTS, MEMORY, SCENARIOS, SUBJECT, Scenario

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Results = dict[str, dict[str, Any]]

BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
#: Figures that vary more than this over the rounds are named.
RESTLESS = 0.10


@dataclass(frozen=True)
class Bars:
    """A chart of one figure of one scenario."""

    scenario: str
    metric: str
    axis: str
    scale: float = 1
    digits: int = 0
    better: str = "more"


def rate(scenario: str) -> Bars:
    """Throughput."""
    return Bars(scenario, "throughput", "requests per second; more is better")


def cpu(scenario: str) -> Bars:
    """CPU time."""
    return Bars(scenario, "cpu_us", "CPU time per request in µs, all threads; less is better", 1, 0, "less")


def latency(scenario: str) -> Bars:
    """Percentiles."""
    return Bars(scenario, "latency_us", "milliseconds from call to body; less is better", 1e-3, 2, "less")


#: The chart of the README.
FRONT = rate("h1-asyncio-200B-c64")
#: The charts of docs/performance.md, by heading.
SHOWN: dict[str, tuple[Bars, ...]] = {
    "HTTP/1.1": (FRONT, cpu("h1-asyncio-200B-c64"), rate("h1-uvloop-200B-c64"), cpu("h1-uvloop-200B-c64")),
    "TLS": (rate("h1-tls-asyncio-200B-c64"), cpu("h1-tls-asyncio-200B-c64")),
    "HTTP/2": (rate("h2-tls-asyncio-200B-c64"), cpu("h2-tls-asyncio-200B-c64")),
    "Blocking": (
        rate("blocking-200B-1thread"),
        cpu("blocking-200B-1thread"),
        rate("blocking-200B-16threads"),
        cpu("blocking-200B-16threads"),
    ),
    "Large content": (
        rate("h1-asyncio-10KiB-c64"),
        cpu("h1-asyncio-10KiB-c64"),
        rate("h1-asyncio-1MiB-c16"),
        cpu("h1-asyncio-1MiB-c16"),
        rate("h2-tls-asyncio-1MiB-c16"),
        cpu("h2-tls-asyncio-1MiB-c16"),
        rate("blocking-1MiB-1thread"),
        cpu("blocking-1MiB-1thread"),
    ),
    "Latency": (
        latency("h1-asyncio-200B-c64"),
        latency("h1-tls-asyncio-200B-c64"),
        latency("h2-tls-asyncio-200B-c64"),
        latency("blocking-200B-16threads"),
    ),
    "Memory": (
        Bars("many-asyncio-10000-over-100", "rss_peak", "peak resident memory in MB; less is better", 1e-6, 1, "less"),
        Bars("memory-idle-h1", "idle_bytes", "bytes per idle connection; less is better", 1, 0, "less"),
        Bars("memory-idle-h1-tls", "idle_bytes", "bytes per idle connection; less is better", 1, 0, "less"),
        Bars(
            "memory-download-h1", "grown_bytes", "memory grown by the download, in MB; less is better", 1e-6, 2, "less"
        ),
    ),
    "Starting": (
        Bars("startup", "import_ms", "milliseconds to import; less is better", 1, 0, "less"),
        Bars("startup", "next_client_ms", "milliseconds to make a further client; less is better", 1, 2, "less"),
    ),
}
#: The scenarios of the chart over concurrency, and its clients: more lines could not be told apart.
ACROSS = {
    "1": "h1-asyncio-200B-c1",
    "64": "h1-asyncio-200B-c64",
    "1,000": "h1-asyncio-200B-c1000",
    "10,000*": "many-asyncio-10000-over-100",
}
LINES = ("floor", SUBJECT, "aiohttp", "httpx", "httpx2", "niquests", "pyreqwest", "wreq")
#: The columns of the README's table.
FRONT_COLUMNS = {
    "HTTP/1.1": "h1-asyncio-200B-c64",
    "uvloop": "h1-uvloop-200B-c64",
    "TLS": "h1-tls-asyncio-200B-c64",
    "HTTP/2": "h2-tls-asyncio-200B-c64",
    "1 MiB": "h1-asyncio-1MiB-c16",
    "blocking": "blocking-200B-1thread",
}


def write(results: Path, root: Path) -> list[Path]:
    """Write everything anew from the results, and return what was written.

    Args:
        results: the folder with the JSON files.
        root: the repository to write into.
    """
    found = load(results)
    if not found:
        raise SystemExit(f"no results in {results}")
    folder = root / "docs" / "charts"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.svg"):
        stale.unlink()
    drawn = draw(found)
    for name, (text, _) in drawn.items():
        (folder / f"{name}.svg").write_text(text, encoding="utf-8")
    alts = {name: alt for name, (_, alt) in drawn.items()}
    tables = root / "benchmarks" / "results" / "README.md"
    tables.parent.mkdir(parents=True, exist_ok=True)
    tables.write_text(all_tables(found), encoding="utf-8")
    front, page = root / "README.md", root / "docs" / "performance.md"
    replace(front, front_page(found, alts))
    replace(page, performance(found, alts))
    return [front, page, tables, *sorted(folder.glob("*.svg"))]


def load(folder: Path) -> Results:
    """The results there are, in the order of the scenarios."""
    known = SCENARIOS | MEMORY
    paths = [(name, folder / f"{name}.json") for name in known]
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths if path.exists()}


def replace(path: Path, text: str) -> None:
    """Put a text between the markers of a file."""
    old = path.read_text(encoding="utf-8")
    if old.count(BEGIN) != 1 or old.count(END) != 1:
        raise SystemExit(f"{path} does not have {BEGIN} and {END} once each")
    before, _, rest = old.partition(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{text.strip()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


# -- words ---------------------------------------------------------------------------------------------------


def scenario_of(result: dict[str, Any]) -> Scenario:
    """The scenario as it is now, or as it was when the result was taken."""
    name = result["scenario"]["name"]
    return (SCENARIOS | MEMORY)[name]


def words(scenario: Scenario) -> str:
    """A scenario in words, for headings and titles."""
    if scenario.kind == "startup":
        return "Import, and making clients"
    protocol = "HTTP/2 over TLS" if scenario.http2 else "HTTP/1.1 over TLS" if scenario.tls else "HTTP/1.1"
    size = re.sub(r"(\d)([A-Z])", r"\1 \2", scenario.body)
    if scenario.kind == "idle":
        return f"{protocol}, {scenario.loop}, {scenario.concurrency:,} connections at rest"
    if scenario.kind == "download":
        return f"{protocol}, {scenario.loop}, {size} read piece by piece"
    count, noun = scenario.concurrency, "thread" if scenario.loop == "blocking" else "at a time"
    width = f"{count:,} {noun}{'s' if noun == 'thread' and count > 1 else ''}"
    if scenario.kind == "burst":
        width = f"{count:,} at once over {scenario.connections}"
    return f"{protocol}, {scenario.loop}, {size}, {width}"


def provenance(found: Results) -> list[str]:
    """Where, when, on what and with what: a list in Markdown."""
    newest = max(found.values(), key=lambda each: each["machine"]["date"])
    machine, python = newest["machine"], newest["python"] or {}
    settings = newest["settings"]
    gigabytes = machine["memory_bytes"] / 2**30
    build = "" if python.get("profile_guided") else ", built without profile-guided optimisation"
    days = sorted({each["machine"]["date"][:10] for each in found.values()})
    lines = [
        (
            f"- **Machine**: {machine['cpu']}, {machine['cores']} cores, {gigabytes:.0f} GiB; {machine['system']}, "
            f"Linux {machine['kernel']}. {machine['nginx'].replace('/', ' ')} on one core, the client on another."
        ),
        (
            f"- **Python**: {python.get('implementation', '')} {python.get('version', '')}{build}; "
            f"{machine['openssl'].partition(' (')[0]}."
        ),
        f"- **HyperHTTP**: {', '.join(commits(found))}.",
        (
            f"- **Runs**: {' and '.join(dict.fromkeys((days[0], days[-1])))}; medians of {settings['rounds']} rounds of "
            f"{settings['seconds']:g} s, in shuffled order."
        ),
        f"- **Peers**: {', '.join(f'{name} {version}' for name, version in sorted(versions(found).items()))}.",
    ]
    return lines + doubts(found)


def commits(found: Results) -> list[str]:
    """The commits measured, and whether there was more than the commit."""
    states = {(each["machine"]["commit"][:10], bool(each["machine"]["modified"])) for each in found.values()}
    return [
        f"commit `{commit or 'unknown'}`" + (" with changes that were not committed" if modified else "")
        for commit, modified in sorted(states)
    ]


def versions(found: Results) -> dict[str, str]:
    """The versions of the libraries measured, by distribution."""
    result: dict[str, str] = {}
    for each in found.values():
        for client, distributions in each["versions"].items():
            if not client.startswith(SUBJECT):
                result |= distributions
    return result


def doubts(found: Results) -> list[str]:
    """What makes figures worth less: several machines, a busy one, restless figures."""
    lines = []
    if len({(each["machine"]["cpu"], each["machine"]["kernel"]) for each in found.values()}) > 1:
        lines.append("- **Not one machine**: results of several machines are mixed; only those of one table compare.")
    restless = [
        f"{client} in {name} ({each['throughput_spread']:.0%})"
        for name, result in found.items()
        for client, each in result["medians"].items()
        if each.get("throughput_spread", 0) > RESTLESS
    ]
    if restless:
        shown = ", ".join(restless[:6]) + (f", and {len(restless) - 6} more" if len(restless) > 6 else "")
        lines.append(
            f"- **Restless**: the rounds of {len(restless)} figures lie more than {RESTLESS:.0%} apart: {shown}."
        )
    return lines


def setbacks(found: Results) -> list[tuple[str, str]]:
    """Where HyperHTTP is behind: a scenario, and a sentence for each figure."""
    pairs = []
    for name, result in found.items():
        scenario = scenario_of(result)
        for sentence in report.losses(report.COLUMNS[scenario.kind], result["medians"]):
            pairs.append((name, sentence))
    return pairs


def compared(found: Results) -> int:
    """How many figures of HyperHTTP have a peer's beside them."""
    count = 0
    for result in found.values():
        mine = result["medians"].get(SUBJECT, {})
        if any(is_peer(name) for name in result["medians"]):
            count += sum(column[0] in mine for column in report.COLUMNS[scenario_of(result).kind])
    return count


def is_peer(client: str) -> bool:
    """Whether a client is somebody else's."""
    return not CLIENTS[client].floor and not client.startswith(SUBJECT)


# -- charts --------------------------------------------------------------------------------------------------


def draw(found: Results) -> dict[str, tuple[str, str]]:
    """Every chart there are figures for: by name, the SVG and what it says in a line."""
    drawn = {}
    for chart in (each for group in SHOWN.values() for each in group):
        if made := drawing(chart, found):
            drawn[name_of(chart)] = made
    if made := over_concurrency(found):
        drawn["concurrency"] = made
    return drawn


def name_of(chart: Bars) -> str:
    """The name of a chart's file."""
    return f"{chart.scenario}-{chart.metric.replace('_', '-')}"


def drawing(chart: Bars, found: Results) -> tuple[str, str] | None:
    """One chart of bars or ranges, the best first."""
    if chart.scenario not in found:
        return None
    medians = found[chart.scenario]["medians"]
    title = words(scenario_of(found[chart.scenario]))
    if chart.metric == "latency_us":
        three = {
            name: tuple(each[f"latency_us.{p}"] * chart.scale for p in charts.PERCENTILES)
            for name, each in medians.items()
            if all(each.get(f"latency_us.{p}") for p in charts.PERCENTILES)
        }
        order = dict(sorted(three.items(), key=lambda item: item[1][-1]))
        return (charts.ranges(title, chart.axis, order), alt(title, chart.axis, order)) if order else None
    figures = {name: each[chart.metric] * chart.scale for name, each in medians.items() if chart.metric in each}
    ordered = dict(sorted(figures.items(), key=lambda item: item[1], reverse=chart.better == "more"))
    if not ordered or max(ordered.values()) <= 0:
        return None
    limited = [name for name, each in medians.items() if each.get("server_busy", 0) > SATURATED]
    marked = limited if chart.metric == "throughput" else []
    return charts.bars(title, chart.axis, ordered, chart.digits, marked), alt(title, chart.axis, ordered)


def alt(title: str, axis: str, order: Iterable[str]) -> str:
    """What a chart says, in a line."""
    names = [name for name in order if name == SUBJECT or is_peer(name)]
    place = f": HyperHTTP is {ordinal(names.index(SUBJECT))} of {len(names)} clients" if SUBJECT in names else ""
    return f"{title}, {axis.partition(';')[0]}{place}"


def ordinal(index: int) -> str:
    """First, second, 3rd of those in a chart."""
    return ("first", "second", "third")[index] if index < 3 else f"number {index + 1}"


def over_concurrency(found: Results) -> tuple[str, str] | None:
    """Throughput over the number of requests under way."""
    across = {label: name for label, name in ACROSS.items() if name in found}
    if len(across) < 2:
        return None
    figures: dict[str, Sequence[float | None]] = {}
    for client in LINES:
        row = [found[name]["medians"].get(client, {}).get("throughput") for name in across.values()]
        if client == "floor" and "10,000*" in across:
            row[-1] = found[across["10,000*"]]["medians"].get("floor-pooled", {}).get("throughput")
        if sum(value is not None for value in row) > 1:
            figures[client] = row
    if not figures:
        return None
    title = "HTTP/1.1, asyncio, 200 B, by concurrency"
    axis = "requests per second, logarithmic; more is better"
    return charts.lines(title, axis, list(across), figures), f"{title}, requests per second"


# -- pages ---------------------------------------------------------------------------------------------------


def front_page(found: Results, alts: dict[str, str]) -> str:
    """The README's part: one chart, one table, where it comes from, and where we lose."""
    lines = [intro(found), ""]
    name = name_of(FRONT)
    if name in alts:
        lines += [f'<img src="docs/charts/{name}.svg" alt="{alts[name]}" width="400">', ""]
    lines += ["Requests per second, content of 200 bytes unless the column says otherwise; more is better.", ""]
    lines += front_table(found)
    behind = setbacks(found)
    first = {name for name, sentence in behind if sentence.startswith(("req/s", "CPU"))}
    lines += ["", f"**Where it loses**: in {len(behind)} of {compared(found)} figures a peer is ahead of HyperHTTP."]
    if first:
        places = "; ".join(words(scenario_of(found[name])) for name in found if name in first)
        lines.append(f"In throughput or CPU time: {places}.")
    lines.append(
        "[All charts, who is ahead where, and how to read them](docs/performance.md); "
        "[all tables](benchmarks/results/README.md); [how it is measured](benchmarks/README.md)."
    )
    return "\n".join(lines)


def intro(found: Results) -> str:
    """One sentence on where the figures come from."""
    newest = max(found.values(), key=lambda each: each["machine"]["date"])
    machine, python = newest["machine"], newest["python"] or {}
    return (
        f"Measured on {machine['date'][:10]} on one core of an {machine['cpu']}, "
        f"{python.get('implementation', 'Python')} {python.get('version', '')}, {', '.join(commits(found))}, "
        "against nginx on the loopback interface, all clients in the same run."
    )


def front_table(found: Results) -> list[str]:
    """A row for each client, the fastest over HTTP/1.1 first."""
    columns = {heading: name for heading, name in FRONT_COLUMNS.items() if name in found}
    clients = {client for name in columns.values() for client in found[name]["medians"]}
    shown = [c for c in clients if c in ("floor", SUBJECT) or is_peer(c)]

    def figure(client: str, name: str) -> float:
        return found[name]["medians"].get(client, {}).get("throughput", 0.0)

    shown.sort(key=lambda client: tuple(-figure(client, name) for name in columns.values()))
    rows = [["client", *columns], ["---", *("---:" for _ in columns)]]
    for client in shown:
        cells = [number(figure(client, name) or None, 0) for name in columns.values()]
        label = f"**{client}**" if client == SUBJECT else "*floor: a bare socket*" if client == "floor" else client
        rows.append([label, *(f"**{cell}**" if client == SUBJECT else cell for cell in cells)])
    return [f"| {' | '.join(row)} |" for row in rows]


def performance(found: Results, alts: dict[str, str]) -> str:
    """The part of docs/performance.md: where it comes from, the charts, a summary, and where we lose."""
    lines = ["## The figures", "", *provenance(found), ""]
    lines += ["[All tables](../benchmarks/results/README.md), and [what they do not say](../benchmarks/README.md).", ""]
    lines += ["### In short", "", *summary(found), ""]
    lines += ["### Where HyperHTTP is behind", "", *behind_table(found), ""]
    for heading, group in SHOWN.items():
        images = [image(name_of(each), alts) for each in group if name_of(each) in alts]
        if images:
            lines += [f"### {heading}", "", *images, ""]
    if "concurrency" in alts:
        note = "10,000*: all at once, over 100 connections; httpx and httpx2 are left out there."
        lines += ["### Concurrency", "", image("concurrency", alts), "", note, ""]
    return "\n".join(lines)


def image(name: str, alts: dict[str, str]) -> str:
    """A chart in a page of the documentation."""
    return f"![{alts[name]}](charts/{name}.svg)"


def summary(found: Results) -> list[str]:
    """A row for each scenario with load: our figures, and those of the fastest peer."""
    lines = [
        "| scenario | req/s | fastest peer | × | of the floor | CPU µs | least of a peer | p99 ms | peak MB |",
        "|---|---:|---|---:|---:|---:|---|---:|---:|",
    ]
    for result in found.values():
        scenario, medians = scenario_of(result), result["medians"]
        mine = medians.get(SUBJECT)
        if scenario.kind not in {"load", "burst"} or mine is None:
            continue
        peers = {name: each for name, each in medians.items() if is_peer(name)}
        fastest = max(peers, key=lambda name: peers[name]["throughput"], default=None)
        least = min(peers, key=lambda name: peers[name]["cpu_us"], default=None)
        floor = medians.get(scenario.floor, {}).get("throughput")
        p99 = mine.get("latency_us.p99")
        cells = [
            words(scenario),
            number(mine["throughput"], 0),
            f"{fastest} {number(peers[fastest]['throughput'], 0)}" if fastest else "–",
            number(report.ratio(mine["throughput"], peers[fastest]["throughput"]) if fastest else None, 2),
            number(report.ratio(mine["throughput"], floor), 2),
            number(mine["cpu_us"], 1),
            f"{least} {number(peers[least]['cpu_us'], 1)}" if least else "–",
            number(p99 * 1e-3 if p99 else None, 2),
            number(mine["rss_peak"] * 1e-6, 1),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def behind_table(found: Results) -> list[str]:
    """Every figure in which a peer is ahead; or the sentence that there is none."""
    pairs = setbacks(found)
    if not pairs:
        return ["Nowhere in these figures."]
    lines = [
        f"In {len(pairs)} of {compared(found)} figures; the three that are furthest ahead:",
        "",
        "| scenario | figure | HyperHTTP | ahead |",
        "|---|---|---:|---|",
    ]
    last = ""
    for name, sentence in pairs:
        heading, _, rest = sentence.partition(": ")
        mine, _, ahead = rest.partition(", behind ")
        best = re.split(r", (?=[a-z])", ahead)
        more = f", and {len(best) - 3} more" if len(best) > 3 else ""
        scenario = words(scenario_of(found[name])) if name != last else ""
        lines.append(f"| {scenario} | {heading} | {mine} | {', '.join(best[:3])}{more} |")
        last = name
    return lines


def all_tables(found: Results) -> str:
    """benchmarks/results/README.md: every table, with what there is to say about it."""
    lines = ["# Results", "", "Written by `benchmarks/scoreboard.py`; the JSON files beside it have every round.", ""]
    lines += ["[How it is measured, and what the columns mean](../README.md).", "", *provenance(found), ""]
    for result in found.values():
        scenario = scenario_of(result)
        rows = report.rows(result, scenario)
        lines += [f"## {words(scenario)}", "", f"`{scenario.name}.json`", ""]
        lines.append(f"| {' | '.join(rows[0])} |")
        lines.append(f"|---|{'---:|' * (len(rows[0]) - 1)}")
        for row in rows[1:]:
            cells = [f"**{cell}**" for cell in row] if row[0] == SUBJECT else row
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", *(f"- {remark.strip()}" for remark in report.remarks(result, scenario)), ""]
    return "\n".join(lines)
