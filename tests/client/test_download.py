"""What needs no server; the rest is in tests/behaviour/test_downloads.py."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp import Response
from hyperhttp.client.download import _note_of, _place
from hyperhttp.client.partial import Note

if TYPE_CHECKING:
    from pathlib import Path

OLD = "Wed, 01 Jan 2025 00:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "note"),
    [
        ({"ETag": '"a"', "Content-Length": "5"}, Note('"a"', 5)),
        ({"ETag": '"a"'}, Note('"a"', None)),
        ({"ETag": '""'}, Note('""', None)),
        ({"ETag": 'W/"a"'}, None),
        ({"ETag": 'w/"a"'}, None),
        ({"ETag": "a"}, None),
        ({"ETag": '"a", "b"'}, None),
        ({"ETag": '"a"', "Accept-Ranges": "None"}, None),
        ({"ETag": '"a"', "Accept-Ranges": "bytes"}, Note('"a"', None)),
        ({"Last-Modified": OLD, "Date": "Wed, 01 Jan 2025 00:01:00 GMT"}, Note(OLD, None)),
        ({"Last-Modified": OLD, "Date": "Wed, 01 Jan 2025 00:00:59 GMT"}, None),
        ({"Last-Modified": "yesterday", "Date": OLD}, None),
        ({"Last-Modified": OLD}, None),
        ({}, None),
    ],
)
def test_only_a_strong_validator_is_noted(headers: dict[str, str], note: Note | None) -> None:
    assert _note_of(Response(200, headers)) == note


def test_a_place_is_a_folder_or_a_file_in_one(tmp_path: Path) -> None:
    assert _place(tmp_path) == (tmp_path, None)
    assert _place(f"{tmp_path}/") == (tmp_path, None)
    assert _place(os.fsencode(tmp_path / "x")) == (tmp_path, "x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("inside", "error"),
    [("none/x", FileNotFoundError), ("none/", NotADirectoryError), ("file/", NotADirectoryError), ("pipe", ValueError)],
)
def test_a_place_that_cannot_be_is_refused(tmp_path: Path, inside: str, error: Any) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(error):
        _place(f"{tmp_path}/{inside}")
