"""The programs below docs/examples: each runs in a process of its own, as a reader would run it, and says what it should.

Nothing but loopback is met: without a URL each program starts its own origin, and the others are given one of this test's.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hyperhttp.testing import Origin

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
PAGE = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")


def run(name: str, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """One program with warnings as errors; it must end with that code, and with a traceback never."""
    command = [sys.executable, "-X", "utf8", "-W", "error", str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=45, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done


def test_the_page_introduces_every_example_and_no_other() -> None:
    assert set(re.findall(r"\(examples/(\w+\.py)\)", PAGE)) == {path.name for path in EXAMPLES.glob("*.py")}


# -- crawler -------------------------------------------------------------------------------------------------


def test_the_crawler_visits_each_page_once_and_says_what_it_left_out() -> None:
    *pages, visited, left_out = run("crawler.py", "--delay", "0.01").stdout.splitlines()
    assert sorted(pages) == [
        "/image/png: 200 image/png",
        "/site/a: 200 3 links",
        "/site/b: 200 2 links",
        "/site/b?page=2: 200 2 links",
        "/site/c: 200 2 links",
        "/site/home: 200 8 links",
        "/site/missing: 404 text/html",
        "/site/old: 301 to /site/c",
    ]
    assert visited == "pages visited: 8"
    assert left_out == "links not followed: robots.txt 1, elsewhere 1, limit 0"


def test_the_crawler_stops_at_its_limit() -> None:
    out = run("crawler.py", "--delay", "0.01", "--pages", "2").stdout
    assert "pages visited: 2\n" in out
    assert "/deny:" not in out


def test_the_crawler_does_not_enter_the_network_it_runs_in() -> None:
    with Origin() as origin:
        assert "(loopback)" in run("crawler.py", f"{origin.url}/links/3", code=1).stderr
        assert origin.requests == []


# -- downloader ----------------------------------------------------------------------------------------------


def test_the_downloader_goes_on_where_a_transfer_broke_off(tmp_path: Path) -> None:
    out = run("downloader.py", "--into", str(tmp_path)).stdout
    assert "1000000: complete, 1,000,000 bytes\n" in out
    assert "3000000: attempt 1 broke off (remote_protocol_error)\n" in out
    assert "3000000: complete, 3,000,000 bytes, resumed at 1,500,000\n" in out
    assert "5000000: 100% of 5,000,000 bytes\n" in out
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == {
        "1000000": 1_000_000,
        "3000000": 3_000_000,
        "5000000": 5_000_000,
    }


def test_the_downloader_goes_on_in_its_next_run(tmp_path: Path) -> None:
    with Origin() as origin:
        urls = [f"{origin.url}/range/200000", f"{origin.url}/range/300000", f"{origin.url}/status/404"]
        origin.faults.add("truncate", path="/range/300000")
        origin.faults.add("404", path="/range/300000")
        failed = run("downloader.py", "--into", str(tmp_path), *urls, code=1)
        assert "300000: failed: " in failed.stderr
        assert "404: failed: " in failed.stderr
        assert not (tmp_path / "300000").exists()
        out = run("downloader.py", "--into", str(tmp_path), *urls[:2]).stdout
    assert "200000: already there\n" in out
    assert "300000: complete, 300,000 bytes, resumed at 150,000\n" in out
    letters = b"abcdefghijklmnopqrstuvwxyz" * 12_000
    assert (tmp_path / "300000").read_bytes() == letters[:300_000]


def test_the_downloader_refuses_two_files_of_one_name() -> None:
    refused = run("downloader.py", "http://127.0.0.1:9/a/x", "http://127.0.0.1:9/b/x", code=2)
    assert "two files with the name 'x'" in refused.stderr


# -- gateway -------------------------------------------------------------------------------------------------


def test_the_gateway_makes_pages_out_of_what_works() -> None:
    out = run("gateway.py", "--products", "3").stdout
    pages = [line for line in out.splitlines() if line.startswith("product ")]
    assert len(pages) == 3
    assert all("price: 12.50" in page and "no page" not in page for page in pages)
    assert re.search(r"price: 12\.50 after \w+", pages[0])
    assert re.search(r"stock: 3 left after .*hedge", pages[1])
    assert "adverts: (total_timeout)" in pages[0]
    assert out.count("circuit of reviews: closed -> open\n") == 1
    assert "reviews: (circuit_breaker_open)" in pages[-1]
    assert re.search(r"\n3 pages, 1?\d of 20 retries left\n", out)


# -- chat ----------------------------------------------------------------------------------------------------


def test_the_chat_loses_no_word_where_connections_break() -> None:
    assert run("chat.py", "What?").stdout.splitlines() == [
        "> What?",
        "It is how programs ask each other for things, and say what came of it: a request, a response, no memory. ",
        "[21 words over 3 connections]",
    ]


def test_the_chat_says_so_where_there_is_no_answer() -> None:
    with Origin() as origin:
        assert "no answer: " in run("chat.py", "--url", f"{origin.url}/status/404", "Hello?", code=1).stderr


# -- load ----------------------------------------------------------------------------------------------------


def test_the_load_is_bounded_and_every_request_is_in_the_histogram() -> None:
    head, outcomes, quantiles, *histogram = run("load.py", "--requests", "60", "--workers", "4").stdout.splitlines()
    assert head.startswith("60 requests in ")
    assert outcomes == "outcomes: 200 x 60"
    assert re.fullmatch(r"p50 [\d.]+ ms, p90 [\d.]+ ms, p99 [\d.]+ ms, p99.9 [\d.]+ ms", quantiles)
    assert sum(int(line.split()[3]) for line in histogram) == 60


def test_the_load_counts_failures_by_kind() -> None:
    with Origin() as origin:
        origin.faults.add("503", times=2)
        origin.faults.add("reset", times=None)
        out = run("load.py", f"{origin.url}/get", "--requests", "5", "--workers", "1", code=1).stdout
    assert "5 requests in " in out
    assert "503 x 2" in out
    assert "read_error x 3" in out


# -- tracing -------------------------------------------------------------------------------------------------


def test_the_trace_is_a_tree_of_calls_and_what_they_sent() -> None:
    done = run("tracing.py")
    assert re.sub(r" [\d.]+ ms", "", done.stdout).splitlines() == [
        "order INTERNAL",
        "  call GET INTERNAL status=200",
        "    GET CLIENT status=302",
        "    GET CLIENT status=200 resent=1",
        "  pay INTERNAL",
        "    call GET INTERNAL status=200",
        "      GET CLIENT status=503 error=503",
        "      GET CLIENT status=200 resent=1",
    ]
    assert done.stderr == "the server got 4 requests, 4 of them of this trace\n"


def test_the_trace_as_json() -> None:
    decoder, text, names = json.JSONDecoder(), run("tracing.py", "--json").stdout.strip(), []
    while text:
        span, end = decoder.raw_decode(text)
        names.append(span["name"])
        text = text[end:].strip()
    assert sorted(names) == sorted(["order", "pay", "call GET", "call GET", "GET", "GET", "GET", "GET"])


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_says_how_to_run_it(name: str) -> None:
    source = (EXAMPLES / name).read_text(encoding="utf-8")
    assert f"python docs/examples/{name}" in source.partition('"""\n\nfrom')[0]
