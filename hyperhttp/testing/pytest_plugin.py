"""Fixtures for tests that need a real server; pytest finds them when hyperhttp is installed.

- ``hyperhttp_origin``: one :class:`~hyperhttp.testing.Origin` for the whole run (HTTP/1.1; TLS on first use);
- ``hyperhttp_http2_origin``: the same with HTTP/2, by ALPN and by prior knowledge;
- ``hyperhttp_mock``: a :class:`~hyperhttp.testing.MockTransport`, every route of which must have been used at the end;
- ``hyperhttp_scripted_server``: makes :class:`~hyperhttp.testing.ScriptedServer` objects and closes them.

This module is imported in every pytest run, so it imports nothing else until a fixture is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory
    from hyperhttp.transports.mock import MockTransport

__all__ = ["hyperhttp_http2_origin", "hyperhttp_mock", "hyperhttp_origin", "hyperhttp_scripted_server"]


@pytest.fixture(scope="session")
def hyperhttp_origin() -> Iterator[Origin]:
    """An origin shared by all tests of the run; ``clear()`` forgets what earlier tests left."""
    from hyperhttp.testing.origin import Origin

    with Origin() as origin:
        yield origin


@pytest.fixture(scope="session")
def hyperhttp_http2_origin() -> Iterator[Origin]:
    """As ``hyperhttp_origin``, and speaking HTTP/2; the test is skipped where ``h2`` is not installed."""
    pytest.importorskip("h2", reason="an HTTP/2 origin needs h2")
    # Not by the origin's thread, while the client loads its own half in another: pytest parses what it imports, and Python
    # 3.11 cannot do that in two threads at a time.
    import hyperhttp.testing.http2  # noqa: F401
    from hyperhttp.testing.origin import Origin

    with Origin(http2=True) as origin:
        yield origin


@pytest.fixture
def hyperhttp_mock() -> Iterator[MockTransport]:
    """Answers without a server: ``Client(transport=hyperhttp_mock)``. A route that no request came for fails the test."""
    from hyperhttp.transports.mock import MockTransport

    mock = MockTransport()
    yield mock
    mock.assert_all_called()


@pytest.fixture
def hyperhttp_scripted_server() -> Iterator[ScriptedServerFactory]:
    """A function with the parameters of ``ScriptedServer``; its servers run until the test is over."""
    from hyperhttp.testing.scripted import ScriptedServerFactory

    factory = ScriptedServerFactory()
    yield factory
    factory.close()
