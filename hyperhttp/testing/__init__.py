"""Real servers for tests, demonstrations and documentation.

- :class:`Origin`: an HTTP origin with httpbin's endpoints, over HTTP/1.1, TLS and HTTP/2, and with faults;
- :class:`ScriptedServer`: a raw socket server that sends exactly the bytes a test gives it;
- :func:`running`: an origin with everything that is installed;
- :class:`MockTransport`: answers without a server, behind the client's whole pipeline;
- :func:`check_plugin`: whether a plugin is well-formed.

The pytest fixtures built on them are in :mod:`hyperhttp.testing.pytest_plugin`. Nothing is imported before it
is used: pytest loads the plugin in every run of everybody who has hyperhttp installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperhttp.testing.checks import check_plugin
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
    from hyperhttp.transports.mock import MockTransport, UnexpectedRequest
    from hyperhttp.transports.routes import MockCall, MockRoute

__all__ = [
    "Close",
    "Drop",
    "Exchange",
    "Expect",
    "MockCall",
    "MockRoute",
    "MockTransport",
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
    "UnexpectedRequest",
    "check_plugin",
    "running",
]

_HOMES = {
    "Exchange": "exchange",
    "Origin": "origin",
    "MockCall": "hyperhttp.transports.routes",
    "MockRoute": "hyperhttp.transports.routes",
    "MockTransport": "hyperhttp.transports.mock",
    "ReceivedRequest": "messages",
    "Reply": "messages",
    "UnexpectedRequest": "hyperhttp.transports.mock",
    "check_plugin": "checks",
    "running": "origin",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = _HOMES.get(name, "scripted")
    return getattr(import_module(home if "." in home else f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
