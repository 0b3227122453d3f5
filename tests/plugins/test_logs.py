from __future__ import annotations

import logging
import sys
from typing import Any

import pytest

from hyperhttp import ConnectError, Request, Response
from hyperhttp.plugins.compiled import Listeners
from hyperhttp.plugins.logs import LogListener, with_log
from hyperhttp.pool.events import ConnectionEvent

LOGGER = logging.getLogger("hyperhttp")
URL = "http://me:hunter2@a.example/x?token=hunter2&a=1"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.DEBUG, "hyperhttp")
    return caplog


def test_who_wants_no_log_pays_nothing() -> None:
    listeners = Listeners()
    assert with_log(listeners) is listeners


def test_where_logging_was_never_imported_nobody_wants_it(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listeners = Listeners()
    monkeypatch.delitem(sys.modules, "logging")
    assert with_log(listeners) is listeners


def test_the_log_comes_after_the_other_listeners(log: Any) -> None:
    listeners = with_log(Listeners(response=(print,), begin=(print,)))
    assert listeners.response[0] is print
    assert [len(listeners.response), len(listeners.error), len(listeners.connection)] == [2, 1, 1]
    assert listeners.begin == (print,)
    assert listeners.request == listeners.close == ()


def test_every_event_is_one_line_without_secrets(log: Any) -> None:
    listener = LogListener(LOGGER)
    request = Request("GET", URL, headers={"Authorization": "Bearer hunter2"})
    response = Response(302, {"Location": "/y"}, request=request)
    response.elapsed = 0.0125
    listener.response(response)
    listener.error(request, ConnectError("no way there"))
    listener.retry(request, 2, 0.5, ConnectError("x"))
    listener.retry(request, 1, 1.25, Response(503))
    listener.redirect(response, Request("GET", "http://b.example/"))
    listener.connection(ConnectionEvent("opened", "a.example", 80, "HTTP/1.1", 7, "192.0.2.1"))
    listener.connection(ConnectionEvent("reused", "a.example", 80, "HTTP/1.1", 7, "192.0.2.1"))
    listener.connection(ConnectionEvent("closed", "a.example", 80, "HTTP/1.1", 7, "192.0.2.1"))
    where = "GET http://[secret]@a.example/x?token=[secret]&a=1"
    assert log.messages == [
        f"{where}: 302 over HTTP/1.1 in 12.5 ms",
        f"{where}: ConnectError: no way there",
        f"{where}: retry 2 in 0.5 s after ConnectError",
        f"{where}: retry 1 in 1.25 s after 503",
        f"{where}: 302 leads to GET http://b.example/",
        "connection 7 to a.example:80 opened (HTTP/1.1, 192.0.2.1)",
        "connection 7 to a.example:80 closed (HTTP/1.1, 192.0.2.1)",
    ]
    record = log.records[0]
    assert (record.levelname, record.http_event, record.http_status) == ("DEBUG", "response", 302)
    assert (record.http_method, record.http_elapsed) == ("GET", 0.0125)
    assert "hunter2" not in record.http_url
