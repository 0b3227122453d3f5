"""All cases, in the order of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cases import codings, connections, elsewhere, framing, heads, messages, streams, tls

if TYPE_CHECKING:
    from case import Case

CASES: tuple[Case, ...] = (
    framing.CASES
    + heads.CASES
    + connections.CASES
    + codings.CASES
    + elsewhere.CASES
    + tls.CASES
    + messages.CASES
    + streams.CASES
)
NAMES = tuple(case.name for case in CASES)
if len(set(NAMES)) != len(NAMES):
    raise ValueError("two cases have the same name")
