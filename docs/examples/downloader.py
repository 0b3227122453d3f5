"""A bulk downloader: several files at once, with progress, and each goes on where it broke off.

What it shows:

- ``client.download``: files that are there whole or not at all;
- resuming, within a run (the transfer is tried again) and between runs (end it with Ctrl-C and start it anew);
- ``classify``, which tells what may get better by itself from what will not;
- a bound on how many files are under way.

Run it::

    python docs/examples/downloader.py                       # files on this machine; one of them breaks off once
    python docs/examples/downloader.py --into inbox --jobs 2 https://example.com/a.iso https://example.com/b.iso
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import hyperhttp
from hyperhttp import URL, Client, Download, Timeout
from hyperhttp.errors.categories import classify
from hyperhttp.testing import Origin

ATTEMPTS = 4
STEP = 25  # percent from one line of progress to the next
PASSING = {"CONNECTION", "TIMEOUT", "TRANSIENT", "SERVER"}
Progress: TypeAlias = Callable[[int, int | None], None]


def shown(name: str) -> Progress:
    """A progress function that prints a line for each quarter of a file."""
    last = 0

    def progress(done: int, total: int | None) -> None:
        nonlocal last
        if total and done * 100 // total >= last + STEP:
            last = done * 100 // total // STEP * STEP
            print(f"{name}: {last}% of {total:,} bytes", flush=True)

    return progress


async def fetch(client: Client, url: URL, target: Path) -> Download:
    """One file, in as many attempts as it is worth. Each asks for what is still missing."""
    progress = shown(target.name)
    for attempt in range(1, ATTEMPTS):
        try:
            return await client.download(url, target, progress=progress)
        except hyperhttp.HyperHTTPError as error:
            if classify(error) not in PASSING:
                raise
            print(f"{target.name}: attempt {attempt} broke off ({error.kind})", flush=True)
            await asyncio.sleep(0.1 * 2**attempt)
    return await client.download(url, target, progress=progress)


async def save(client: Client, url: URL, target: Path) -> bool:
    """One file, unless it is there already; whether it is now. A file that fails does not end the others."""
    if await asyncio.to_thread(target.exists):  # the loop waits for no disk
        print(f"{target.name}: already there", flush=True)
        return True
    try:
        result = await fetch(client, url, target)
    except (hyperhttp.HyperHTTPError, OSError) as error:
        print(f"{target.name}: failed: {error}", file=sys.stderr)
        return False
    resumed = f", resumed at {result.resumed:,}" if result.resumed else ""
    print(f"{target.name}: complete, {result.size:,} bytes{resumed}", flush=True)
    return True


async def save_all(files: dict[str, URL], folder: Path, jobs: int) -> bool:
    """All files by their names, `jobs` at a time; whether all are there."""
    waiting = iter(files.items())
    saved: list[bool] = []

    async def work() -> None:
        for name, url in waiting:  # one iterator for all workers: each file is taken once
            saved.append(await save(client, url, folder / name))

    # The whole may take long; what must not is silence.
    async with Client(timeout=Timeout(10.0), follow_redirects=True) as client, asyncio.TaskGroup() as group:
        for _ in range(jobs):
            group.create_task(work())
    return all(saved)


def by_name(urls: list[str]) -> dict[str, URL]:
    """What to download, by the name of its file: the last part of its path.

    Raises:
        ValueError: two have the same, or one is not a URL.
    """
    files: dict[str, URL] = {}
    for url in map(URL, urls):
        name = url.path.rpartition("/")[2] or "index"
        if name in files:
            raise ValueError(f"two files with the name {name!r}")
        files[name] = url
    return files


def demonstrate(folder: Path, jobs: int) -> bool:
    """Three files of a local origin, the second of which breaks off in the middle."""
    with Origin() as origin:
        origin.faults.add("truncate", path="/range/3000000")
        files = by_name([f"{origin.url}/range/{size}000000" for size in (1, 3, 5)])
        return asyncio.run(save_all(files, folder, jobs))


def main() -> int:
    """Download what the command line names."""
    parser = argparse.ArgumentParser(description="A bulk downloader.")
    parser.add_argument("urls", nargs="*", help="what to download (files on this machine)")
    parser.add_argument("--into", type=Path, help="the folder to save to (a temporary one for the demonstration)")
    parser.add_argument("--jobs", type=int, default=3, help="files under way at the same time")
    arguments = parser.parse_args()
    jobs = max(arguments.jobs, 1)
    try:
        files = by_name(arguments.urls)
    except ValueError as error:
        parser.error(str(error))
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder: Path = arguments.into or Path("." if files else temporary)
            folder.mkdir(parents=True, exist_ok=True)
            is_complete = asyncio.run(save_all(files, folder, jobs)) if files else demonstrate(folder, jobs)
    except KeyboardInterrupt:
        print("interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    return 0 if is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
