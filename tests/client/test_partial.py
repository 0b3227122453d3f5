from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from hyperhttp.client import partial
from hyperhttp.client.partial import Note, PartFile, commit_target

NOTE = Note('"v1"', 10)


def part(folder: Path, *, resume: bool = True) -> PartFile:
    file = PartFile(folder, "x", resume=resume)
    file.run(file.open)
    return file


def left(folder: Path, content: bytes = b"hello", note: Note | None = NOTE) -> None:
    """What an interrupted download leaves."""
    file = part(folder)
    file.begin(note)
    file.write(content)
    file.let_go()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_left_is_found_again(tmp_path: Path) -> None:
    left(tmp_path)
    assert names(tmp_path) == [".x.part", ".x.part.note"]
    file = part(tmp_path)
    assert (file.size, file.note) == (5, NOTE)
    file.write(b"world")
    file.commit(tmp_path / "whole", replace=True)
    file.let_go()
    assert names(tmp_path) == ["whole"]
    assert (tmp_path / "whole").read_bytes() == b"helloworld"


def test_without_a_note_nothing_is_left(tmp_path: Path) -> None:
    left(tmp_path, note=None)
    assert names(tmp_path) == []


def test_without_content_nothing_is_left(tmp_path: Path) -> None:
    left(tmp_path, content=b"")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "note",
    [
        b"", b"{", b"[]", b"{}", b'{"validator": 5, "length": null}', b'{"validator": "x", "length": "5"}', b"\xff",
        b'{"validator": "a\\r\\nX: y", "length": null}', b'{"validator": "x", "length": true}', b"[" * 60_000,
    ],
)  # fmt: skip
def test_a_note_that_makes_no_sense_is_none(tmp_path: Path, note: bytes) -> None:
    left(tmp_path)
    (tmp_path / ".x.part.note").write_bytes(note)
    file = part(tmp_path)
    assert (file.size, file.note) == (0, None)
    file.let_go()
    assert names(tmp_path) == []


def test_more_than_the_whole_is_nothing(tmp_path: Path) -> None:
    left(tmp_path, content=b"x" * 11)
    file = part(tmp_path)
    assert (file.size, file.note) == (0, None)
    file.let_go()


def test_a_part_that_another_has_locked_is_left_alone(tmp_path: Path) -> None:
    first = part(tmp_path)
    first.begin(NOTE)
    first.write(b"12345")
    second = part(tmp_path)
    assert second.size == 0
    second.begin(NOTE)
    second.write(b"x")
    assert second.note is None  # it will not be found again
    second.let_go()
    first.let_go()
    third = part(tmp_path)
    assert third.size == 5
    third.let_go()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"mine")
    (tmp_path / ".x.part").symlink_to("other")
    file = part(tmp_path)
    file.write(b"x")
    file.let_go()
    assert (tmp_path / "other").read_bytes() == b"mine"


def test_a_file_with_another_name_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"mine")
    (tmp_path / ".x.part").hardlink_to(tmp_path / "other")
    file = part(tmp_path)
    file.begin(None)
    file.let_go()
    assert (tmp_path / "other").read_bytes() == b"mine"


@pytest.mark.parametrize("name", [".x.part", ".x.part.note"])
def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path, name: str) -> None:
    left(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    file = part(tmp_path)
    assert (file.size, file.note) == (0, None)
    file.write(b"x")
    file.let_go()


def test_a_file_that_is_moved_away_meanwhile_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left(tmp_path)
    plain = partial._lock
    moved = []

    def lock(fd: int) -> bool:
        if not moved:
            moved.append((tmp_path / ".x.part").rename(tmp_path / "whole"))
        return plain(fd)

    monkeypatch.setattr(partial, "_lock", lock)
    file = part(tmp_path)
    file.begin(None)
    file.let_go()
    assert (tmp_path / "whole").read_bytes() == b"hello"


def test_a_file_system_without_links_or_locks_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("not here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    monkeypatch.setattr("fcntl.flock", refuse)
    left(tmp_path)
    file = part(tmp_path)
    assert file.size == 5
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        file.commit(tmp_path / "old", replace=False)
    file.commit(tmp_path / "new", replace=False)
    file.let_go()
    assert (tmp_path / "old").read_bytes() == b"old"
    assert (tmp_path / "new").read_bytes() == b"hello"
    assert names(tmp_path) == ["new", "old"]


def test_hashes_count_what_is_there(tmp_path: Path) -> None:
    left(tmp_path)
    file = part(tmp_path)
    file.hash_with({"sha256"}, {"md5"})
    file.write(b"world")
    assert file.hashes["sha256"].digest() == hashlib.sha256(b"helloworld").digest()
    assert file.piece_hashes["md5"].digest() == hashlib.md5(b"world").digest()
    file.let_go()


def test_what_is_there_may_be_hashed_from_any_place(tmp_path: Path) -> None:
    left(tmp_path)
    file = part(tmp_path)
    file.write(b"world")
    for offset, text in ((0, b"helloworld"), (5, b"world"), (10, b""), (11, b"")):
        assert file.hash_from(offset, {"md5"})["md5"].digest() == hashlib.md5(text).digest()
    file.write(b"!")  # at the end, wherever was read before
    assert file.hash_from(9, {"md5"})["md5"].digest() == hashlib.md5(b"d!").digest()
    assert file.hash_from(0, set()) == {}
    file.let_go()


def test_a_thread_that_is_still_writing_closes_what_was_given_up(tmp_path: Path) -> None:
    file = part(tmp_path)
    file.begin(NOTE)
    writing, let_go = threading.Event(), threading.Event()

    def write() -> None:
        writing.set()
        assert let_go.wait(10)
        file.write(b"late")

    thread = threading.Thread(target=file.run, args=(write,))
    thread.start()
    assert writing.wait(10)
    file.let_go()
    let_go.set()
    thread.join()
    again = part(tmp_path)
    assert again.size == 4
    again.let_go()


def test_nothing_is_done_once_it_was_given_up(tmp_path: Path) -> None:
    file = PartFile(tmp_path, "x", resume=True)
    file.let_go()
    assert file.run(file.open) is None
    assert names(tmp_path) == []


def test_permissions_of_a_new_file_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    file = part(tmp_path)
    file.write(b"x")
    file.commit(tmp_path / "whole", replace=False)
    file.let_go()
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_of_that_name_is_replaced_only_when_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        commit_target(tmp_path / "new", tmp_path / "old", replace=False)
    assert (tmp_path / "old").read_bytes() == b"old"
    commit_target(tmp_path / "new", tmp_path / "old", replace=True)
    assert (tmp_path / "old").read_bytes() == b"new"
    assert names(tmp_path) == ["old"]


def test_a_folder_that_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "none", "x", resume=True)
    with pytest.raises(FileNotFoundError):
        file.run(file.open)
    file.let_go()


def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    file = part(tmp_path)
    plain = file._file
    with full.open("r+b", buffering=0) as file._file, pytest.raises(OSError, match="space"):
        file.run(file.write, b"x")
    file._file = plain
    file.let_go()
    assert names(tmp_path) == []
