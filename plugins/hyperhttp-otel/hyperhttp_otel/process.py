"""What holds for every client of the process: whether to listen at all, and with which options.

Nothing of OpenTelemetry is imported here. A client of an application that has not imported it either, and so cannot have
set up an SDK, gets no listener, and its requests take the way they take without this package.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Switch", "instrument", "is_disabled", "new_listener", "uninstrument"]

_APIS: Final = ("opentelemetry.trace", "opentelemetry.metrics")
_PROVIDERS: Final = ("OTEL_PYTHON_TRACER_PROVIDER", "OTEL_PYTHON_METER_PROVIDER")


class Switch:
    """Whether listeners record; they look at each call."""

    __slots__ = ("on",)

    def __init__(self) -> None:
        self.on = True


class _State:
    """The instrumentor's word.

    Attributes:
        switch: of every listener that was not made by an `OpenTelemetry` of its own.
        options: what `instrument` was given; None where nobody called it.
    """

    def __init__(self) -> None:
        self.switch = Switch()
        self.options: Mapping[str, Any] | None = None


_state: Final = _State()


def instrument(options: Mapping[str, Any]) -> None:
    """Listen to clients that are made from now on, with these options, whatever is set up so far.

    Raises:
        TypeError, ValueError: an option is unknown or wrong.
    """
    from hyperhttp_otel.settings import Settings

    Settings.of(options)
    _state.options = dict(options)
    _state.switch = Switch()


def uninstrument() -> None:
    """Record nothing any more, for clients of the past and of the future."""
    _state.options = None
    _state.switch.on = False


def new_listener() -> object | None:
    """A listener for a client that is being made; None where there is nothing to record."""
    options, switch = _state.options, _state.switch
    if not switch.on or is_disabled() or (options is None and not _may_be_set_up()):
        return None
    from hyperhttp_otel.plugin import listener_for
    from hyperhttp_otel.settings import Settings

    return listener_for(Settings.of(options or {}), switch, wanted=options is not None)


def _may_be_set_up() -> bool:
    """Providers are set through modules that are imported then, or named in the environment."""
    return any(api in sys.modules for api in _APIS) or any(name in os.environ for name in _PROVIDERS)


def is_disabled() -> bool:
    """By the variables that OpenTelemetry has for it."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return True
    names = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    return any(name.strip() in ("hyperhttp", "*") for name in names)
