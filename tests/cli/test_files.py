from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from hyperhttp.cli.exits import CommandError
from hyperhttp.cli.files import NewFile


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    with NewFile(tmp_path / "x", replace=False) as file:
        file.write(b"one ")
        file.write(b"two")
        assert "x" not in names(tmp_path)
        assert len(names(tmp_path)) == 1
        file.commit()
    assert names(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes() == b"one two"


def test_a_file_that_was_not_completed_leaves_nothing(tmp_path: Path) -> None:
    with NewFile(tmp_path / "x", replace=True) as file:
        file.write(b"one")
    assert names(tmp_path) == []


def test_an_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with NewFile(path, replace=True) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
        file.commit()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["x"]


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with NewFile(tmp_path / "x", replace=False) as file:
            file.commit()
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(old)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_a_file_is_not_replaced_unless_asked_for(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(CommandError, match="--force overwrites it") as caught:
        NewFile(tmp_path / "x", replace=False)
    assert caught.value.code == 23
    assert names(tmp_path) == ["x"]


def test_a_file_that_appears_meanwhile_is_not_replaced_either(tmp_path: Path) -> None:
    with NewFile(tmp_path / "x", replace=False) as file:
        (tmp_path / "x").write_bytes(b"somebody else's")
        with pytest.raises(CommandError, match="--force overwrites it"):
            file.commit()
    assert names(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes() == b"somebody else's"


@pytest.mark.parametrize("appears", [False, True])
def test_a_file_system_without_links_serves_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appears: bool) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    file = NewFile(tmp_path / "x", replace=False)
    with file:
        file.write(b"new")
        if appears:
            (tmp_path / "x").touch()
            with pytest.raises(CommandError, match="--force"):
                file.commit()
        else:
            file.commit()
    assert names(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes() == (b"" if appears else b"new")


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    with NewFile(tmp_path / "link", replace=True) as file:
        file.write(b"new")
        file.commit()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_device_is_written_to_as_it_is() -> None:
    with NewFile(Path(os.devnull), replace=True) as file:
        file.write(b"x")
        file.commit()
    assert Path(os.devnull).is_char_device()


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    with NewFile(path, replace=True) as file:
        file.write(b"through")
        file.commit()
    reader.join(5.0)
    assert received == [b"through"]


@pytest.mark.parametrize(("name", "reason"), [(".", "it is a folder"), ("missing/x", "No such file or directory")])
def test_a_file_that_cannot_be_made_is_told(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason) as caught:
        NewFile(tmp_path / name, replace=True)
    assert caught.value.code == 23


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told() -> None:
    full = "No space left"
    with NewFile(Path("/dev/full"), replace=True) as file, pytest.raises(CommandError, match=full) as caught:
        file.write(b"x" * 100_000)
    assert caught.value.code == 23
    with NewFile(Path("/dev/full"), replace=True) as file:
        file.write(b"less than a buffer")
        with pytest.raises(CommandError, match=full) as caught:
            file.commit()
    assert caught.value.code == 23
