"""The way to the WebSocket plugin, which may not be installed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["websockets"]


def websockets() -> ModuleType:
    """The package ``hyperhttp_ws``.

    Raises:
        ModuleNotFoundError: it is not installed; the message says how to.
    """
    try:
        return import_module("hyperhttp_ws")
    except ModuleNotFoundError as error:
        if error.name != "hyperhttp_ws":
            raise
        msg = "WebSockets need the package hyperhttp-ws: pip install 'hyperhttp[ws]'"
        raise ModuleNotFoundError(msg, name="hyperhttp_ws") from error
