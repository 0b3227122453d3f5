"""What the pool needs of a connection, whichever version of HTTP it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from hyperhttp.message.timing import ConnectionInfo
    from hyperhttp.network.base import Channel

__all__ = ["GONE", "IDLE", "IN_USE", "NEW", "Connection", "give_up_unowned"]

# Where the pool has put a connection.
IN_USE: Final = 0
IDLE: Final = 1
GONE: Final = 2
NEW: Final = 3  # opened, and not yet in its books


class Connection(Protocol):
    """A connection in a pool.

    Attributes:
        channel: what it runs on.
        lane: the pool's place for it.
        http_version: what it speaks.
        place: `NEW`, `IN_USE`, `IDLE` or `GONE`; the pool's own.
        reusable: it can serve another request.
        multiplexed: it serves many at once; then `in_use` says how many, and `has_room` whether one more.
        uses: requests begun on it.
        made_at, read_at: moments of its opening and of its last bytes.
        expires_at: moment after which it is not taken out of the idle ones.
        retire_at: moment at which it is too old for another request.
        info: what is known of it since it was opened; None for one that no dialer has opened.
        opener: who asked for it to be opened, until that one has it.
        owner: the call that has it, on a connection that serves one at a time.
        began: some of the response to the present request has arrived.
    """

    channel: Channel
    http_version: str
    lane: Any
    place: int
    uses: int
    in_use: int
    made_at: float
    read_at: float
    expires_at: float
    retire_at: float
    info: ConnectionInfo | None
    opener: object
    owner: object | None
    began: bool

    @property
    def reusable(self) -> bool:
        """It can serve another request."""

    @property
    def is_settled(self) -> bool:
        """It is known how many requests it serves at once."""

    @property
    def multiplexed(self) -> bool:
        """It serves many requests at once."""

    def has_room(self) -> bool:
        """One more request can begin."""

    def close(self) -> None:
        """Close in order."""

    def abort(self, error: Exception | None = None) -> None:
        """Close at once."""


def give_up_unowned(connection: Connection) -> None:
    """Ctrl-C came when a connection was given back, perhaps before the pool had written a word of it down.

    Then it is in nobody's hands: its owner has let go of it, and the pool believes that it is in use.
    """
    if connection.place == IN_USE and connection.owner is None:
        connection.abort()
