from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.message.pieces import drive_ready
from hyperhttp.message.progress import WatchedSource, report
from hyperhttp.message.sources import source_of


async def call(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


def drain(source: WatchedSource) -> bytes:
    return b"".join(iter(lambda: drive_ready(source.next_chunk(call)), b""))


def test_bytes_are_told_piece_by_piece() -> None:
    told: list[Any] = []
    data = b"x" * 600_000
    source = WatchedSource(data, lambda *facts: told.append(facts))
    assert source.length == len(data)
    assert drain(source) == data
    assert told == [(0, 600_000), (262_144, 600_000), (524_288, 600_000), (600_000, 600_000)]


def test_content_of_unknown_length_is_told_without_one() -> None:
    told: list[Any] = []
    inner: Any = source_of(iter([b"one", b"three"]))
    source = WatchedSource(inner, lambda *facts: told.append(facts))
    assert drain(source) == b"onethree"
    assert told == [(0, None), (3, None), (8, None)]
    assert not source.replayable


def test_sent_again_it_begins_at_nothing() -> None:
    told: list[Any] = []
    source = WatchedSource(b"abc", lambda *facts: told.append(facts))
    drain(source)
    source.rewind()
    drain(source)
    assert told == [(0, 3), (3, 3)] * 2


def test_closing_reaches_what_it_watches(tmp_path: Any) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    inner: Any = source_of(tmp_path / "x")
    source = WatchedSource(inner, lambda *facts: None)
    drive_ready(source.next_chunk(call))
    source.close()
    assert inner._handle is None
    source.rewind()
    assert drain(source) == b"abc"


def test_progress_must_be_callable() -> None:
    with pytest.raises(TypeError, match="progress="):
        WatchedSource(b"", 5)


async def test_a_report_may_be_awaited() -> None:
    told = []

    async def progress(done: int, total: int | None) -> None:
        told.append((done, total))

    await report(progress, 1, None)
    await report(lambda done, total: told.append((done, total)), 2, 3)
    assert told == [(1, None), (2, 3)]
