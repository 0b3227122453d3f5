from __future__ import annotations

import pytest

from hyperhttp._naming import peer_name


@pytest.mark.parametrize(
    ("host", "port", "shown"),
    [("example.com", 443, "example.com:443"), ("::1", 80, "[::1]:80"), ("example.com", None, "example.com")],
)
def test_peer_name(host, port, shown):
    assert peer_name(host, port) == shown
