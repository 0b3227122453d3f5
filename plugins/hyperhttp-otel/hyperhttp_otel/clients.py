"""Recording for one client that is there already, and the end of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp import Client, SyncClient
from hyperhttp_otel.listener import Listener
from hyperhttp_otel.plugin import listener_for
from hyperhttp_otel.process import Switch, is_disabled
from hyperhttp_otel.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["instrument_client", "uninstrument_client"]


def instrument_client(client: Client | SyncClient, **options: Any) -> None:
    """Record the calls of a client that begin from now on, whatever is set up so far.

    A client that is recorded already, as every one is that was made under an SDK, is recorded with these options instead.

    Args:
        client: it may be in use, and connections may be open.
        **options: those of `OpenTelemetry`.

    Raises:
        TypeError: it is no client of hyperhttp, or an option is unknown.
        ValueError: a value is none that is known.
    """
    _check(client)
    listener = listener_for(Settings.of(options), Switch(), wanted=True)
    uninstrument_client(client)
    if listener is not None and not is_disabled():
        client.add_listener(listener)


def uninstrument_client(client: Client | SyncClient) -> None:
    """Record no further calls of a client, whoever asked for that; the spans of those that have begun end as they would.

    Raises:
        TypeError: it is no client of hyperhttp.
    """
    _check(client)
    for listener in _listeners_of(client):
        client.remove_listener(listener)
        listener.leave()


def _listeners_of(client: Client | SyncClient) -> Iterator[Listener]:
    return (listener for listener in client.listeners if isinstance(listener, Listener))


def _check(client: object) -> None:
    if not isinstance(client, (Client, SyncClient)):
        msg = f"a hyperhttp.Client or SyncClient is instrumented, not {type(client).__name__}"
        raise TypeError(msg)
