"""Real servers for tests, demonstrations and documentation.

- :class:`Origin`: an HTTP origin with httpbin's endpoints, over HTTP/1.1, TLS and HTTP/2, and with faults;
- :class:`ScriptedServer`: a raw socket server that sends exactly the bytes a test gives it;
- :func:`running`: an origin with everything that is installed.

The pytest fixtures built on them are in :mod:`hyperhttp.testing.pytest_plugin`. Nothing is imported before it
is used: pytest loads the plugin in every run of everybody who has hyperhttp installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperhttp.testing.exchange import Exchange
    from hyperhttp.testing.messages import ReceivedRequest, Reply
    from hyperhttp.testing.origin import Origin, running
    from hyperhttp.testing.scripted import (
        Close,
        Drop,
        Expect,
        ReadRequest,
        Reset,
        ScriptedConnection,
        ScriptedServer,
        Send,
        Sleep,
        Stall,
    )

__all__ = [
    "Close",
    "Drop",
    "Exchange",
    "Expect",
    "Origin",
    "ReadRequest",
    "ReceivedRequest",
    "Reply",
    "Reset",
    "ScriptedConnection",
    "ScriptedServer",
    "Send",
    "Sleep",
    "Stall",
    "running",
]

_HOMES = {
    "Exchange": "exchange",
    "Origin": "origin",
    "ReceivedRequest": "messages",
    "Reply": "messages",
    "running": "origin",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'scripted')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
