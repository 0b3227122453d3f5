"""The scoreboard redraws its pages and charts from the results, says where they come from, and where we lose."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "benchmarks" / "scoreboard.py"
PAGE = "# Title\n\nbefore\n\n<!-- benchmarks:begin -->\nstale\n<!-- benchmarks:end -->\n\nafter\n"
SVG = "{http://www.w3.org/2000/svg}"
MACHINE = {
    "cpu": "Example CPU @ 2.5 GHz",
    "cores": 2,
    "memory_bytes": 8 * 2**30,
    "kernel": "6.1",
    "system": "Debian GNU/Linux 12",
    "nginx": "nginx/1.22.1",
    "openssl": "OpenSSL 3.0.19 27 Jan 2026 (Library: OpenSSL 3.0.19)",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "modified": False,
    "date": "2026-11-21T03:36:52+00:00",
}


def figures(throughput: float, cpu_us: float, p50: float, **more: float) -> dict[str, float]:
    """The medians of one client under load."""
    return {
        "throughput": throughput,
        "cpu_us": cpu_us,
        "latency_us.p50": p50,
        "latency_us.p95": p50 * 1.5,
        "latency_us.p99": p50 * 3,
        "rss_peak": 30e6,
        "server_busy": 0.5,
        "connections": 64,
        "throughput_spread": 0.02,
        **more,
    }


LOAD = {
    "floor": figures(30000, 30, 2000, server_busy=0.97),
    "hyperhttp": figures(20000, 48, 3100),
    "hyperhttp-sized": figures(20500, 47, 3000),
    "pyreqwest": figures(14000, 70, 4200, throughput_spread=0.31),
    "wreq": figures(21000, 45, 2900, rss_peak=40e6),
    "aiohttp": figures(5000, 190, 12000),
}
SAMPLE = {
    "h1-asyncio-200B-c1": {name: LOAD[name] for name in ("floor", "hyperhttp", "wreq", "aiohttp")},
    "h1-asyncio-200B-c64": LOAD,
    "memory-idle-h1": {
        "hyperhttp": {"idle_bytes": 9000.0, "rss_peak": 40e6},
        "aiohttp": {"idle_bytes": 14000.0, "rss_peak": 50e6},
    },
    "startup": {
        "stdlib": {"import_ms": 45.0, "modules": 200, "rss": 20e6},
        "hyperhttp": {"import_ms": 50.0, "first_client_ms": 2.0, "next_client_ms": 0.05, "modules": 250, "rss": 21e6},
        "httpx": {"import_ms": 150.0, "first_client_ms": 30.0, "next_client_ms": 12.0, "modules": 400, "rss": 35e6},
    },
}


def result(name: str, medians: dict[str, Any], **machine: Any) -> dict[str, Any]:
    """What a run leaves for a scenario."""
    return {
        "format": 1,
        "scenario": {"name": name},
        "machine": MACHINE | machine,
        "settings": {"rounds": 5, "seconds": 2.0},
        "python": {"version": "3.11.7", "implementation": "CPython", "profile_guided": False},
        "versions": {client: {client: "1.2.3"} for client in medians if client in ("aiohttp", "wreq", "httpx")},
        "order": [[]] * 5,
        "medians": medians,
        "goals": [
            {"peer": "wreq", "metric": "throughput", "wanted": 1.0, "better": "more", "reached": 0.95, "met": False}
        ],
        "failures": {"niquests": "did not start"},
        "rounds": {},
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the pages, and the results of a run."""
    for name in ("README.md", "docs/performance.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(PAGE, encoding="utf-8")
    stale = tmp_path / "docs" / "charts" / "stale.svg"
    stale.parent.mkdir()
    stale.write_text("<svg/>", encoding="utf-8")
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    for name, medians in SAMPLE.items():
        (results / f"{name}.json").write_text(json.dumps(result(name, medians)), encoding="utf-8")
    return tmp_path


def draw(root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(COMMAND), "--draw", str(root / "benchmarks" / "results"), str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_the_pages_are_rewritten_between_their_markers(root: Path) -> None:
    done = draw(root)
    assert done.returncode == 0, done.stderr
    for name in ("README.md", "docs/performance.md"):
        text = read(root / name)
        assert text.startswith("# Title\n\nbefore\n\n<!-- benchmarks:begin -->\n")
        assert text.endswith("\n<!-- benchmarks:end -->\n\nafter\n")
        assert "stale" not in text
    assert not (root / "docs" / "charts" / "stale.svg").exists()
    first = {path: read(path) for path in root.rglob("*.*") if path.is_file()}
    draw(root)
    assert {path: read(path) for path in root.rglob("*.*") if path.is_file()} == first, "drawing twice changes nothing"


def test_the_pages_say_where_the_figures_come_from(root: Path) -> None:
    draw(root)
    for name in ("README.md", "docs/performance.md", "benchmarks/results/README.md"):
        text = read(root / name)
        assert all(
            fact in text for fact in ("Example CPU @ 2.5 GHz", "CPython 3.11.7", "commit `0123456789`", "2026-11-21")
        )
        assert "not committed" not in text
    text = read(root / "docs" / "performance.md")
    assert all(
        fact in text
        for fact in ("2 cores", "8 GiB", "nginx 1.22.1", "OpenSSL 3.0.19", "aiohttp 1.2.3", "5 rounds of 2 s")
    )
    assert (
        "**Restless**: the rounds of 1 figures lie more than 10% apart: pyreqwest in h1-asyncio-200B-c64 (31%)" in text
    )


def test_mixed_and_uncommitted_results_are_told(root: Path) -> None:
    name = "h1-asyncio-200B-c1"
    other = result(name, SAMPLE[name], cpu="Another CPU", commit="fedcba98765", modified=True)
    (root / "benchmarks" / "results" / f"{name}.json").write_text(json.dumps(other), encoding="utf-8")
    draw(root)
    text = read(root / "docs" / "performance.md")
    assert "commit `0123456789`, commit `fedcba9876` with changes that were not committed" in text
    assert "**Not one machine**" in text


def test_the_pages_say_where_we_lose(root: Path) -> None:
    draw(root)
    text = read(root / "docs" / "performance.md")
    assert "| HTTP/1.1, asyncio, 200 B, 64 at a time | req/s | 20,000 | wreq 21,000 |" in text
    assert "\n|  | CPU µs | 48.0 | wreq 45.0 |" in text, "the scenario stands once"
    front = read(root / "README.md")
    counted = re.search(r"\*\*Where it loses\*\*: in (\d+) of (\d+) figures", front)
    assert counted
    rows = text.partition("### Where HyperHTTP is behind")[2].partition("###")[0].count("\n| ") - 1
    assert int(counted[1]) == rows
    assert int(counted[2]) == 6 + 6 + 2 + 5  # the columns of two loads, of idle connections, of the start
    assert "- no result: niquests: did not start" in read(root / "benchmarks" / "results" / "README.md")
    assert "- goal MISSED: throughput of wreq × at least 1, reached 0.95" in read(
        root / "benchmarks" / "results" / "README.md"
    )


def test_leading_everywhere_is_told_as_plainly(root: Path) -> None:
    for path in (root / "benchmarks" / "results").glob("*.json"):
        told = json.loads(read(path))
        told["medians"].pop("wreq", None)
        path.write_text(json.dumps(told), encoding="utf-8")
    draw(root)
    assert "Nowhere in these figures." in read(root / "docs" / "performance.md")


def test_charts_are_svg_with_names_units_a_legend_and_both_schemes(root: Path) -> None:
    draw(root)
    charts = sorted((root / "docs" / "charts").glob("*.svg"))
    assert {path.stem for path in charts} == {
        "concurrency", "h1-asyncio-200B-c64-cpu-us", "h1-asyncio-200B-c64-latency-us",
        "h1-asyncio-200B-c64-throughput", "memory-idle-h1-idle-bytes", "startup-import-ms", "startup-next-client-ms",
    }  # fmt: skip
    for path in charts:
        svg = ET.fromstring(read(path))
        texts = [each.text for each in svg.iter(f"{SVG}text")]
        assert svg.find(f"{SVG}title") is not None
        assert "hyperhttp" in texts
        assert any(unit in str(texts) for unit in ("per second", "µs", "milliseconds", "bytes per")), path.stem
        assert "prefers-color-scheme: dark" in read(path)
        assert float(svg.attrib["width"]) <= 480, "wider than a phone"
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", read(path))
        boxes = list(svg.iter(f"{SVG}rect")) + list(svg.iter(f"{SVG}circle"))
        assert all(float(each.attrib.get("width", 1)) > 0 for each in boxes)


def test_a_longer_bar_is_more_and_the_best_stands_first(root: Path) -> None:
    draw(root)
    svg = ET.fromstring(read(root / "docs" / "charts" / "h1-asyncio-200B-c64-throughput.svg"))
    names = [each.text for each in svg.iter(f"{SVG}text") if each.attrib["text-anchor"] == "end"]
    assert names == ["floor", "wreq", "hyperhttp-sized", "hyperhttp", "pyreqwest", "aiohttp"]
    widths = [float(each.attrib["width"]) for each in svg.iter(f"{SVG}rect") if each.attrib["height"] == "15.0"]
    assert widths == sorted(widths, reverse=True)
    assert widths[3] / widths[5] == pytest.approx(4, abs=0.02)
    texts = [each.text for each in svg.iter(f"{SVG}text")]
    assert "30,000*" in texts  # the server was busy
    assert "* the server was the limit: see CPU time" in texts


def test_every_chart_that_is_drawn_is_shown_and_every_one_shown_is_drawn(root: Path) -> None:
    draw(root)
    shown = set(re.findall(r"\]\(charts/([\w-]+)\.svg\)", read(root / "docs" / "performance.md")))
    assert shown == {path.stem for path in (root / "docs" / "charts").glob("*.svg")}
    front = re.findall(r'<img src="docs/charts/([\w-]+)\.svg" alt="([^"]+)"', read(root / "README.md"))
    assert front == [
        (
            "h1-asyncio-200B-c64-throughput",
            "HTTP/1.1, asyncio, 200 B, 64 at a time, requests per second: HyperHTTP is second of 4 clients",
        )
    ]


def test_the_table_of_the_readme_has_its_peers(root: Path) -> None:
    draw(root)
    rows = re.findall(r"^\| (.+) \|$", read(root / "README.md"), re.MULTILINE)
    assert rows == [
        "client | HTTP/1.1", "--- | ---:", "*floor: a bare socket* | 30,000", "wreq | 21,000",
        "**hyperhttp** | **20,000**", "pyreqwest | 14,000", "aiohttp | 5,000",
    ]  # fmt: skip


def test_nothing_to_draw_and_nowhere_to_draw_it_are_errors(root: Path, tmp_path: Path) -> None:
    (root / "README.md").write_text("# Title\n", encoding="utf-8")
    done = draw(root)
    assert done.returncode == 1
    assert "does not have <!-- benchmarks:begin -->" in done.stderr
    for path in (root / "benchmarks" / "results").glob("*.json"):
        path.unlink()
    done = draw(root)
    assert done.returncode == 1
    assert "no results in" in done.stderr


def test_the_pages_of_the_repository_have_the_markers_and_the_charts_they_show() -> None:
    for name in ("README.md", "docs/performance.md"):
        text = read(ROOT / name)
        assert text.count("<!-- benchmarks:begin -->") == text.count("<!-- benchmarks:end -->") == 1
        for target in re.findall(r"(?:\]\(|src=\")((?:docs/)?charts/[^)\"]+)", text):
            assert ((ROOT / name).parent / target).exists(), target
