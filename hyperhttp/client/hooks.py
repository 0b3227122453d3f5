"""Event hooks: which there are, whose they are, and when an async function can be one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hyperhttp.client.options import check_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["EVENTS", "PLAIN_EVENTS", "HooksByEvent", "hooks_of", "hooks_of_call", "merge_hooks"]

#: Events that happen where nothing may wait, and why.
PLAIN_EVENTS: Final = {
    "done": "a response may be over where nothing can wait for a hook",
    "connect": "connections open and close where nothing can wait for a hook",
    "close": "connections open and close where nothing can wait for a hook",
}
#: Events that `event_hooks` may name.
EVENTS: Final = frozenset({"request", "response", "error", "retry", "redirect", *PLAIN_EVENTS})

HooksByEvent: TypeAlias = "dict[str, list[Callable[..., Any]]]"


def hooks_of(value: Mapping[str, Any] | None) -> HooksByEvent | None:
    """Hooks by event, as lists of their own; None for none.

    Raises:
        TypeError: an event is unknown, a hook cannot be called, or one of an event that waits for nobody is async.
    """
    if value is None:
        return None
    hooks: dict[str, list[Any]] = {event: [] for event in sorted(EVENTS)}
    check_names(value, EVENTS, "event_hooks")
    for event, functions in value.items():
        hooks[event] = [functions] if callable(functions) else list(functions)
        for function in hooks[event]:
            if not callable(function):
                msg = f"event_hooks[{event!r}] holds {function!r}, which cannot be called"
                raise TypeError(msg)
            if event in PLAIN_EVENTS:
                _check_plain(event, function)
    return hooks


def hooks_of_call(value: Mapping[str, Any] | None) -> HooksByEvent | None:
    """The same for ``event_hooks=`` of a request.

    Raises:
        TypeError: the same; or there are hooks for the end of a connection.
    """
    hooks = hooks_of(value)
    if hooks is not None and hooks["close"]:
        msg = "event_hooks of a request cannot have 'close', since its connection outlives it: set it on the client"
        raise TypeError(msg)
    return hooks


def merge_hooks(first: HooksByEvent | None, then: HooksByEvent | None) -> HooksByEvent | None:
    """The client's hooks and those of a call, in this order; the client's own dict where the call has none."""
    if first is None or then is None:
        return then if first is None else first
    return {event: [*first.get(event, ()), *then[event]] for event in then}


def _check_plain(event: str, function: Callable[..., Any]) -> None:
    # Here and not above: such hooks are rare, and inspect takes a while to load.
    import inspect

    if inspect.iscoroutinefunction(function):
        msg = f"event_hooks[{event!r}] takes plain functions: {PLAIN_EVENTS[event]}"
        raise TypeError(msg)
