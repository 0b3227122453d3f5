"""No is said only where `importlib.metadata` finds nothing, and then without importing it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pluggy
import pytest

from hyperhttp.plugins.discovery import may_have_entry_points

GROUP = "hyperhttp.test-group"
NAMING = f"[other]\nx = y\n[{GROUP}]\na = a_module\n"


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is the only place to look in, for a process that has not imported importlib.metadata."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "meta_path", [each for each in sys.meta_path if isinstance(each, type)])
    modules = {name: module for name, module in sys.modules.items() if name != "importlib.metadata"}
    monkeypatch.setattr(sys, "modules", modules)
    return tmp_path


def install(folder: Path, info: str, text: str = NAMING) -> None:
    (folder / info).mkdir(parents=True)
    (folder / info / "METADATA").write_text("Metadata-Version: 2.1\nName: some\nVersion: 1\n")
    (folder / info / "entry_points.txt").write_text(text)


def found() -> bool:
    return bool(entry_points(group=GROUP))


@pytest.mark.parametrize("info", ["some-1.dist-info", "some-1.egg-info", "Some-1.DIST-INFO"])
def test_a_distribution_that_names_the_group_is_worth_a_look(alone: Path, info: str) -> None:
    assert not may_have_entry_points(GROUP)
    install(alone, info)
    assert found()
    assert may_have_entry_points(GROUP)


def test_an_egg_is_worth_a_look(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    egg = alone / "some.egg"
    install(egg, "EGG-INFO")
    assert not found()
    assert not may_have_entry_points(GROUP)
    monkeypatch.setattr(sys, "path", [str(egg)])
    assert found()
    assert may_have_entry_points(GROUP)


def test_other_groups_and_what_is_no_metadata_are_not(alone: Path) -> None:
    install(alone, "some-1.dist-info", "[console_scripts]\nx = y\n")
    install(alone, "package", NAMING)
    (alone / "without-1.dist-info").mkdir()
    (alone / "old-1.egg-info").write_text("Name: old\n")
    assert not found()
    assert not may_have_entry_points(GROUP)


def test_the_working_directory_is_looked_into(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(alone, "some-1.dist-info")
    monkeypatch.setattr(sys, "path", ["", "/nowhere"])
    monkeypatch.chdir(alone)
    assert found()
    assert may_have_entry_points(GROUP)


def test_archives_are_left_to_others(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = alone / "some.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("some-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: some\nVersion: 1\n")
        file.writestr("some-1.dist-info/entry_points.txt", NAMING)
    monkeypatch.setattr(sys, "path", [str(archive)])
    assert found()
    assert may_have_entry_points(GROUP)


@pytest.mark.parametrize("entry", [b"bytes", Path("path")])
def test_what_is_no_text_is_left_to_others(alone: Path, monkeypatch: pytest.MonkeyPatch, entry: Any) -> None:
    monkeypatch.setattr(sys, "path", [entry])
    assert may_have_entry_points(GROUP)


def test_a_finder_of_somebody_else_is_left_to_others(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_distributions(self, context: Any = None) -> list[Any]:
            return []

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert may_have_entry_points(GROUP)


@pytest.mark.skipif(os.name == "nt" or not os.getuid(), reason="needs a file that may not be read")
def test_what_may_not_be_read_is_left_to_others(alone: Path) -> None:
    install(alone, "some-1.dist-info")
    (alone / "some-1.dist-info" / "entry_points.txt").chmod(0)
    assert may_have_entry_points(GROUP)


def test_where_importlib_metadata_is_loaded_there_is_nothing_to_save(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "importlib.metadata", sys)
    assert may_have_entry_points(GROUP)


def test_a_client_in_an_environment_without_plugins_loads_no_machinery(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent.parent
    code = """
import sys
sys.path = [each for each in sys.path if "site-packages" not in each]
sys.path.append(sys.argv[1])  # pluggy, and nothing that was installed beside it
import hyperhttp
hyperhttp.Client()
hyperhttp.SyncClient()
print({"importlib.metadata", "email", "dataclasses", "pathlib"} & set(sys.modules))
"""
    beside = tmp_path / "beside"
    shutil.copytree(Path(pluggy.__file__).parent, beside / "pluggy")
    environ = {"PYTHONPATH": str(root), "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-S", "-c", code, str(beside)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert result.stdout.strip() == "set()"
