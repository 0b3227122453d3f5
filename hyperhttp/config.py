"""Option values of a client: frozen, checked once, all times in seconds.

``Timeout`` bounds how long things may take, ``Limits`` how many connections there may be. ``UNSET`` tells
"not given" from ``None``, which switches something off.
"""

from __future__ import annotations

import enum
import functools
import math
from typing import Final, Literal, TypeAlias

from hyperhttp._records import Record

__all__ = ["UNSET", "Limits", "Timeout", "Unset", "UnsetType"]


class Unset(enum.Enum):
    """Type of ``UNSET``; an enumeration of one: ``is UNSET`` narrows types, copies stay identical."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"

    __str__ = __repr__


UnsetType: TypeAlias = Literal[Unset.UNSET]
"""For annotations: ``timeout: float | None | UnsetType = UNSET``."""

UNSET: Final = Unset.UNSET
"""Marks an option that was not given, where ``None`` has a meaning of its own."""


class Timeout(Record):
    """How long each phase of a call may take, in seconds; ``None`` means as long as it takes.

    ``Timeout(5.0)`` sets the four phases, ``Timeout(connect=5.0)`` sets one and leaves the others without a
    limit, ``Timeout(5.0, read=None)`` makes an exception, and ``Timeout(other, total=60.0)`` changes a copy.

    Args:
        timeout: Default of the four phases, or another ``Timeout`` to start from.
        connect: Resolving the name, opening the connection and the TLS handshake.
        read: Each wait for bytes from the peer.
        write: Each wait for the peer to take bytes.
        pool: The wait for a free connection.
        total: The whole call from start to the last byte of content, redirects and retries included.

    Raises:
        TypeError: A value is not a number.
        ValueError: A value is zero, negative or not a number of seconds.
    """

    __slots__ = ("connect", "pool", "read", "total", "write")

    connect: float | None
    read: float | None
    write: float | None
    pool: float | None
    total: float | None

    def __init__(
        self,
        timeout: float | Timeout | UnsetType | None = UNSET,
        *,
        connect: float | UnsetType | None = UNSET,
        read: float | UnsetType | None = UNSET,
        write: float | UnsetType | None = UNSET,
        pool: float | UnsetType | None = UNSET,
        total: float | UnsetType | None = UNSET,
    ) -> None:
        given = {"connect": connect, "read": read, "write": write, "pool": pool, "total": total}
        default = None if timeout is UNSET or isinstance(timeout, Timeout) else _seconds("timeout", timeout)
        for name, value in given.items():
            if value is not UNSET:
                seconds = _seconds(name, value)
            elif isinstance(timeout, Timeout):
                seconds = getattr(timeout, name)
            else:
                seconds = None if name == "total" else default
            object.__setattr__(self, name, seconds)

    @staticmethod
    def of(value: float | Timeout | None) -> Timeout:
        """The timeout a value stands for: a number sets the four phases, ``None`` removes all limits."""
        if isinstance(value, Timeout):
            return value
        # The memo needs a key that can be hashed; Timeout() says what is wrong with anything else.
        return _timeout_of_number(value) if isinstance(value, float | int) else Timeout(value)

    def __repr__(self) -> str:
        phases = (self.connect, self.read, self.write, self.pool)
        if phases[0] is not None and len(set(phases)) == 1:
            total = "" if self.total is None else f", total={self.total}"
            return f"Timeout({phases[0]}{total})"
        names = ("connect", "read", "write", "pool", "total")
        given = [f"{name}={getattr(self, name)}" for name in names if getattr(self, name) is not None]
        return f"Timeout({', '.join(given)})"


class Limits(Record):
    """How many connections a client keeps, and for how long; ``None`` removes a limit.

    Attributes:
        max_connections: Connections open at one time, over all hosts.
        max_connections_per_host: Connections open at one time to one host and port.
        max_keepalive_connections: Idle connections kept per host and port; 0 keeps none.
        keepalive_expiry: Seconds an idle connection is kept; 0 keeps none.
        max_connection_age: Seconds after which a connection takes no further request.

    Raises:
        TypeError: A value has the wrong type.
        ValueError: A value is out of range.
    """

    __slots__ = (
        "keepalive_expiry",
        "max_connection_age",
        "max_connections",
        "max_connections_per_host",
        "max_keepalive_connections",
    )

    max_connections: int | None
    max_connections_per_host: int | None
    max_keepalive_connections: int | None
    keepalive_expiry: float | None
    max_connection_age: float | None

    def __init__(
        self,
        max_connections: int | None = 100,
        max_connections_per_host: int | None = None,
        max_keepalive_connections: int | None = 20,
        keepalive_expiry: float | None = 120.0,
        max_connection_age: float | None = None,
    ) -> None:
        _check_count("max_connections", max_connections, minimum=1)
        _check_count("max_connections_per_host", max_connections_per_host, minimum=1)
        _check_count("max_keepalive_connections", max_keepalive_connections, minimum=0)
        counts = (max_connections, max_connections_per_host, max_keepalive_connections)
        if keepalive_expiry != 0 or isinstance(keepalive_expiry, bool):
            keepalive_expiry = _seconds("keepalive_expiry", keepalive_expiry)
        self._fill(*counts, keepalive_expiry, _seconds("max_connection_age", max_connection_age))


@functools.lru_cache(maxsize=256, typed=True)  # typed: True must not find what 1 left behind
def _timeout_of_number(value: float) -> Timeout:
    return Timeout(value)


def _seconds(name: str, value: object) -> float | None:
    """Check a number of seconds; infinity is the same as no limit."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"{name} must be a number of seconds or None, not {type(value).__name__}"
        raise TypeError(message)
    if not value > 0:
        message = f"{name} must be more than 0 seconds, not {value!r}; None switches the limit off"
        raise ValueError(message)
    return None if value == math.inf else float(value)


def _check_count(name: str, value: object, *, minimum: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"{name} must be a whole number or None, not {type(value).__name__}"
        raise TypeError(message)
    if value < minimum:
        message = f"{name} must be at least {minimum}, not {value}; None switches the limit off"
        raise ValueError(message)
