"""The way to the WebSocket plugin, with and without it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import hyperhttp
from hyperhttp.client.websockets import websockets

SAYS = r"pip install 'hyperhttp\[ws\]'"


@pytest.fixture
def without_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were not installed."""

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("hyperhttp.client.websockets.import_module", missing)


def test_the_package_is_found() -> None:
    pytest.importorskip("hyperhttp_ws")
    assert websockets().__name__ == "hyperhttp_ws"
    assert hyperhttp.WebSocket is websockets().WebSocket


@pytest.mark.usefixtures("without_plugin")
def test_without_it_an_error_says_what_to_install() -> None:
    with pytest.raises(ModuleNotFoundError, match=SAYS):
        hyperhttp.WebSocket  # noqa: B018
    with pytest.raises(ModuleNotFoundError, match=SAYS):
        hyperhttp.Client().websocket("ws://127.0.0.1/")
    with hyperhttp.SyncClient() as client, pytest.raises(ModuleNotFoundError, match=SAYS):
        client.websocket("ws://127.0.0.1/")


def test_a_package_that_it_lacks_is_named_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'wsproto'", name="wsproto")

    monkeypatch.setattr("hyperhttp.client.websockets.import_module", missing)
    with pytest.raises(ModuleNotFoundError, match="wsproto"):
        websockets()


def test_everything_else_can_be_imported_without_it() -> None:
    code = """
import sys
sys.modules["hyperhttp_ws"] = None
from hyperhttp import *
import hyperhttp
assert Client and "WebSocket" not in globals()
try:
    hyperhttp.Mystery
except AttributeError as error:
    assert "Mystery" in str(error)
try:
    from hyperhttp import WebSocket
except ImportError as error:
    assert "hyperhttp[ws]" in str(error), error
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)
