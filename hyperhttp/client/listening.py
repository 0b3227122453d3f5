"""Listeners that join or leave a client that is there already: tracing set up late, or for one client alone.

The calls that have begun keep the listeners they began with, so that none hears of an end whose beginning it missed, or
the reverse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperhttp.client.core import ClientCore
    from hyperhttp.plugins.compiled import Listeners

__all__ = ["join_listener", "leave_listener"]


def join_listener(core: ClientCore, listener: object) -> None:
    """Have one more listener told of the calls that begin from now on.

    Args:
        core: the client's.
        listener: an `EventListener`, or an object with some of its methods.

    Raises:
        PluginError: it has none of the methods, or one of them would have to be awaited where nothing waits.
    """
    with core.lock:
        if not any(each is listener for each in core._listeners.objects):
            _use(core, core._listeners.joined_by(listener))


def leave_listener(core: ClientCore, listener: object) -> None:
    """Tell a listener of no further calls; one that is not there is no matter.

    Args:
        core: the client's.
        listener: one that has joined, or one of a plugin.
    """
    with core.lock:
        if any(each is listener for each in core._listeners.objects):
            _use(core, core._listeners.without(listener))


def _use(core: ClientCore, listeners: Listeners) -> None:
    core._listeners = listeners
    core._attempts = listeners.follow_calls
    for pool in core.pools:
        pool.listeners = listeners.connection
        pool.idlers = listeners.idle
    core._plain = core._is_plain()
