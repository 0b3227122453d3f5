from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def test_the_origin_of_the_run_is_ready(hyperhttp_origin: Any) -> None:
    with urllib.request.urlopen(hyperhttp_origin.url + "/get", timeout=10) as response:
        assert response.status == 200
    assert not hyperhttp_origin.http2


def test_the_http2_origin_speaks_it(hyperhttp_http2_origin: Any) -> None:
    assert hyperhttp_http2_origin.http2
    context = hyperhttp_http2_origin.ssl_context(alpn=["h2"])
    plain = socket.create_connection(("127.0.0.1", hyperhttp_http2_origin.https_port), timeout=10)
    with context.wrap_socket(plain, server_hostname="localhost") as sock:
        assert sock.selected_alpn_protocol() == "h2"


def test_scripted_servers_are_made_by_the_dozen(hyperhttp_scripted_server: Any) -> None:
    for content in (b"a", b"b"):
        server = hyperhttp_scripted_server([b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + content])
        with urllib.request.urlopen(server.url, timeout=10) as response:
            assert response.read() == content


def test_origins_last_for_the_run_and_servers_for_a_test(pytestconfig: pytest.Config, request: Any) -> None:
    manager = request.session._fixturemanager
    scopes = {
        name: manager.getfixturedefs(name, request.node)[0].scope
        for name in ("hyperhttp_origin", "hyperhttp_http2_origin", "hyperhttp_scripted_server")
    }
    assert list(scopes.values()) == ["session", "session", "function"]


def test_loading_the_plugin_imports_next_to_nothing() -> None:
    """It is loaded in every pytest run of everybody who has hyperhttp installed."""
    code = (
        "import sys, hyperhttp, pytest; before = set(sys.modules)\n"
        "import hyperhttp.testing.pytest_plugin\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["hyperhttp.testing", "hyperhttp.testing.pytest_plugin"]
