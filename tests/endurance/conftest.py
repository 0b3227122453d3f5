"""The far side of the short forms of the long runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.endurance.near_side import FarSide, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.endurance.near_side import Wire

WIRES = ("h1", "h1 tls", "h1 tunnel", "h2", "h2 tls", "h2 tunnel")


@pytest.fixture(scope="session")
def far_side() -> Iterator[FarSide]:
    """The servers' process."""
    with FarSide() as far:
        yield far


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest, far_side: FarSide) -> Wire:
    """Each way to the far side."""
    return next(wire for wire in far_side.wires() if wire.name == request.param)


@pytest.fixture
def record() -> Iterator[Record]:
    """What a run notes; a finding fails the test."""
    record = Record()
    yield record
    assert record.findings == []
