"""WebSocket for HyperHTTP (RFC 6455, RFC 7692, RFC 8441), as a plugin: `hyperhttp.WebSocket` and `client.websocket`.

The package ``wsproto`` is imported when the first WebSocket is opened, not before.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.plugins import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperhttp.plugins import CommandRegistry
    from hyperhttp_ws.connect import Connector, open_websocket
    from hyperhttp_ws.deflate import PerMessageDeflate
    from hyperhttp_ws.options import ConnectOptions, WebSocketOptions
    from hyperhttp_ws.sockets import SyncWebSocket, WebSocket

__all__ = [
    "HYPERHTTP_PLUGIN_API",
    "ConnectOptions",
    "Connector",
    "PerMessageDeflate",
    "SyncWebSocket",
    "WebSocket",
    "WebSocketOptions",
    "__version__",
    "hyperhttp_register_commands",
    "open_websocket",
]

__version__ = "0.1.0"

HYPERHTTP_PLUGIN_API = 1

_MODULE_OF: Final = {
    "ConnectOptions": "options",
    "Connector": "connect",
    "PerMessageDeflate": "deflate",
    "SyncWebSocket": "sockets",
    "WebSocket": "sockets",
    "WebSocketOptions": "options",
    "open_websocket": "connect",
}


def __getattr__(name: str) -> Any:
    """The public names, each from its module on first use."""
    if name not in _MODULE_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _ws(arguments: Sequence[str]) -> int:
    from hyperhttp_ws.command import main

    return main(arguments)


@hookimpl
def hyperhttp_register_commands(commands: CommandRegistry) -> None:
    """Add ``hyperhttp ws``. A broken installation shows here, not with the first WebSocket."""
    if find_spec("wsproto") is None:
        raise ModuleNotFoundError("No module named 'wsproto'", name="wsproto")
    commands.add("ws", _ws, help="send messages over a WebSocket, and show what comes")
