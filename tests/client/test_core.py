"""What both faces share: where a request goes, what it carries, and what is remembered."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp import URL, BasicAuth, BearerAuth
from hyperhttp.client.core import ClientCore
from hyperhttp.exceptions import InvalidURL, LocalProtocolError, ProxyError
from hyperhttp.message.request import Request
from hyperhttp.pool.pool import ConnectionPool
from tests.memory import HandDialer, MemoryNetwork

HERE = "http://a.example/"


def core(**options: Any) -> Any:
    return ClientCore(options, stream=True)  # type: ignore[arg-type]


# -- URLs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("users", "http://a.example/v1/users"),
        ("/users", "http://a.example/v1/users"),
        ("users/", "http://a.example/v1/users/"),
        ("", "http://a.example/v1/"),
        ("/", "http://a.example/v1/"),
        ("?q=1", "http://a.example/v1/?q=1"),
        ("/items:batchGet", "http://a.example/v1/items:batchGet"),
        ("/a%2Fb?c=%20#d", "http://a.example/v1/a%2Fb?c=%20#d"),
        ("https://b.example/x", "https://b.example/x"),
    ],
)
def test_a_relative_url_extends_the_base(url: str, resolved: str) -> None:
    made = core(base_url="http://a.example/v1")
    assert str(made.resolve(url)) == resolved
    assert str(made.resolve(URL(url))) == resolved


@pytest.mark.parametrize(
    "url",
    ["//evil.example/x", "///evil.example", "/http://evil.example/", "\\\\evil.example", "/\\evil.example"],
)
def test_a_relative_url_never_leaves_the_host_of_the_base(url: str) -> None:
    try:
        resolved = core(base_url="http://a.example/v1").resolve(url)
    except InvalidURL:
        return
    assert resolved.host == "a.example"


@pytest.mark.parametrize(
    "url", ["/path", "a.example/path", "", "ftp://a.example/", "file:///etc/passwd", "ws://a.example/"]
)
def test_what_cannot_be_requested_is_refused(url: str) -> None:
    with pytest.raises(InvalidURL, match=r"base_url|no transport"):
        core().resolve(url)


# -- requests ------------------------------------------------------------------------------------------------------------


def test_a_request_carries_the_defaults_and_its_own_above_them() -> None:
    made = core(headers={"X-A": "client", "X-B": "client"}, params={"p": "1"})
    request = made.build_request("GET", "http://a.example/?z=0", {"headers": {"x-b": "own"}, "params": {"q": "2"}})
    assert (request.headers["X-A"], request.headers.get_list("X-B")) == ("client", ["own"])
    assert request.url.query == "z=0&p=1&q=2"
    request.headers["X-A"] = "changed"
    assert made.headers["X-A"] == "client"


@pytest.mark.parametrize("method", [None, 1, b"GET"])
def test_a_method_is_text(method: Any) -> None:
    with pytest.raises(TypeError, match="method"):
        core().build_request(method, HERE, {})


def test_a_request_made_by_hand_is_completed_with_the_base_and_nothing_else() -> None:
    made = core(base_url="http://a.example/v1", headers={"X": "1"})
    request = made.adopt(Request("GET", "users"), {})
    assert str(request.url) == "http://a.example/v1/users"
    assert "x" not in request.headers
    with pytest.raises(TypeError, match=r"send\(\) has no option 'json'"):
        made.adopt(request, {"json": {}})


def start(made: Any, method: str = "GET", url: Any = HERE, **options: Any) -> Any:
    """The call that `start` makes, taken out of its coroutine."""
    pool = ConnectionPool(MemoryNetwork(), HandDialer(), made.settings.limits)
    coroutine = made.start(pool, method, url, options)
    while True:
        frame = coroutine.cr_frame.f_locals
        coroutine.close()
        return frame["call"]


def test_a_plain_call_is_rendered_once_and_remembered() -> None:
    made = core(headers={"X": "1"})
    first, second = start(made), start(made)
    assert first.head is second.head
    assert first.head.startswith(b"GET / HTTP/1.1\r\nHost: a.example\r\n")
    assert first.request is not second.request
    assert first.route is second.route
    assert start(made, "POST").head.endswith(b"Content-Length: 0\r\n\r\n")


def test_a_default_that_changes_counts_from_the_next_call() -> None:
    made = core()
    start(made)
    made.headers["X-New"] = "1"
    call = start(made)
    assert "X-New" in call.request.headers
    assert b"X-New: 1" in start(made).head
    made.headers["X-New"] = "2"
    start(made)
    assert b"X-New: 2" in start(made).head
    assert b"X-New: 1" not in start(made).head


def test_a_connection_field_of_the_client_is_heeded_by_the_last_stage() -> None:
    assert start(core(headers={"Connection": "close"})).head is None
    made = core()
    start(made)
    made.headers["Connection"] = "close"
    start(made)
    assert start(made).head is None


def test_header_fields_of_a_remembered_request_are_its_own() -> None:
    made = core()
    start(made).request.headers["X"] = "1"
    assert "X" not in start(made).request.headers
    assert "X" not in made.headers


def test_credentials_in_a_url_are_used_and_never_remembered() -> None:
    made = core()
    call = start(made, url="http://user:pw@a.example/")
    assert isinstance(call.auth, BasicAuth)
    assert made._targets == {}


@pytest.mark.parametrize(
    ("client", "options", "kind"),
    [
        (None, {}, None),
        (("u", "p"), {}, BasicAuth),
        (("u", "p"), {"auth": None}, None),
        (("u", "p"), {"auth": BearerAuth("t")}, BearerAuth),
        (("u", "p"), {"headers": {"authorization": "own"}}, None),
        (("u", "p"), {"headers": {"authorization": "own"}, "auth": BearerAuth("t")}, BearerAuth),
    ],
)
def test_which_credentials_count(client: Any, options: Any, kind: Any) -> None:
    call = start(core(auth=client), **options, **({} if options else {"stream": True}))
    assert type(call.auth) is (kind or type(None))


def test_credentials_in_the_url_stand_above_those_of_the_client() -> None:
    call = start(core(auth=BearerAuth("t")), url="http://u:p@a.example/")
    assert isinstance(call.auth, BasicAuth)


def test_hooks_of_a_call_come_after_those_of_the_client() -> None:
    made = core(event_hooks={"request": [print]})
    call = start(made, event_hooks={"request": [repr], "response": [str]})
    assert {event: functions for event, functions in call.hooks.items() if functions} == {
        "request": [print, repr],
        "response": [str],
    }
    assert (made.event_hooks["request"], made.event_hooks["response"]) == ([print], [])


def test_settings_that_change_count_for_the_next_call() -> None:
    made = core()
    made.auth = ("u", "p")
    assert isinstance(start(made).auth, BasicAuth)
    made.auth = None
    made.timeout = 3.0
    assert start(made).timeout.read == 3.0
    made.event_hooks["request"].append(print)
    assert start(made).hooks["request"] == [print]


def test_total_begins_with_the_call() -> None:
    import time

    from hyperhttp import Timeout

    call = start(core(timeout=Timeout(total=5.0)))
    assert 4.9 < call.total_at - time.monotonic() <= 5.0
    call = start(core(), timeout=Timeout(total=2.0))
    assert 1.9 < call.total_at - time.monotonic() <= 2.0


# -- routes ----------------------------------------------------------------------------------------------------------------


def test_requests_share_a_route_only_when_all_that_decides_is_the_same() -> None:
    made = core()
    urls = ["http://a.example/", "http://a.example:80/x", "http://A.EXAMPLE/?q"]
    assert len({made.find_route(URL(url)) for url in urls}) == 1
    others = ["http://a.example:81/", "https://a.example/", "http://b.example/"]
    assert len({made.find_route(URL(url)) for url in [HERE, *others]}) == 4
    one, two = (made._find_route({"http2": http2})(URL("https://a.example/")) for http2 in (True, False))
    assert one is not two
    assert (one.http2, two.http2) == (True, False)


def test_a_proxy_per_call_stands_above_that_of_the_client() -> None:
    made = core(proxies="http://one.example")
    assert made.find_route(URL(HERE)).proxy.host == "one.example"
    assert made._find_route({"proxy": "http://two.example"})(URL(HERE)).proxy.host == "two.example"
    assert made._find_route({"proxy": None})(URL(HERE)).proxy is None


@pytest.mark.parametrize(("url", "tunnel"), [("http://a.example/", False), ("https://a.example/", True)])
def test_https_goes_through_a_tunnel_and_http_does_not(url: str, tunnel: bool) -> None:
    route = core(proxies="http://proxy.example").find_route(URL(url))
    assert route.tunnel is tunnel
    assert (route.tls is not None) is tunnel


def test_a_proxy_nobody_speaks_to_is_an_error() -> None:
    with pytest.raises(ProxyError):
        core()._find_route({"proxy": "socks9://proxy.example"})


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_http2_of_a_call_is_checked(value: Any) -> None:
    with pytest.raises(ValueError, match="http2"):
        core()._find_route({"http2": value})


def test_what_is_remembered_is_bounded() -> None:
    made = core()
    made._targets.update(dict.fromkeys(map(str, range(4096))))
    start(made)
    assert len(made._targets) == 1
    made._routes.update(dict.fromkeys((number,) for number in range(4096)))
    made.find_route(URL("http://b.example/"))
    assert len(made._routes) == 1


def test_a_method_that_cannot_be_sent_is_refused_and_not_remembered() -> None:
    made = core()
    for method in ("GE T", "GET\r\nX: y", ""):
        with pytest.raises(LocalProtocolError):
            start(made, method)


# -- pools -----------------------------------------------------------------------------------------------------------------


class Counts:
    closed = False

    def __init__(self, stats: Any) -> None:
        self._stats = stats
        self.network = MemoryNetwork()

    def stats(self) -> Any:
        return self._stats


def test_statistics_are_summed_over_all_networks() -> None:
    made = core()
    plain = {"idle": 1, "in_use": 2, "total": 3}
    made.pools += [Counts({"a:1": plain}), Counts({"a:1": {**plain, "streams": 4}, "b:2": plain})]
    assert made.stats() == {"a:1": {"idle": 2, "in_use": 4, "total": 6, "streams": 4}, "b:2": plain}
    made.pools.clear()


def test_a_resolver_nobody_knows_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no resolver 'dohh'; there are: .*system"):
        core(resolver="dohh").new_pool(MemoryNetwork(), ConnectionPool)


def test_after_a_fork_nothing_is_shared() -> None:
    made = core()
    pool = made.new_pool(MemoryNetwork(), ConnectionPool)
    made.forget()
    assert (made.pools, pool.closed, pool.network.is_closed) == ([], True, True)
