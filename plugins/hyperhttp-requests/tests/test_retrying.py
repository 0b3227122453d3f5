"""``max_retries=``, held against what requests' own adapter does with the same servers."""

import io
import pickle
import socket
from types import SimpleNamespace

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry
from urllib3.util import retry as retry_module

import hyperhttp
from hyperhttp.plugins import Address
from hyperhttp.testing import Close, Stall
from hyperhttp_requests import HyperAdapter
from hyperhttp_requests.retrying import retries_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
#: What is sent next has a connection of its own: on one that has served before, hyperhttp itself sends again.
BUSY_LAST = b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy"
LATER = b"HTTP/1.1 429 Later\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
NEVER = b"HTTP/1.1 503 Busy\r\nRetry-After: never\r\nContent-Length: 0\r\n\r\n"
LOST = [Close()]


@pytest.fixture
def waits(monkeypatch):
    """The seconds that were waited, without waiting."""
    seconds = []
    clock = SimpleNamespace(time=retry_module.time.time, sleep=seconds.append)
    monkeypatch.setattr(retry_module, "time", clock)
    return seconds


@pytest.fixture(params=[HTTPAdapter, HyperAdapter], ids=["requests", "hyperhttp"])
def mounted(request):
    """A session whose adapter was made with the given retries: requests' own first, then ours."""
    sessions = []

    def mount(**options):
        session = requests.Session()
        session.mount("http://", request.param(**options))
        session.trust_env = False
        sessions.append(session)
        return session

    yield mount
    for session in sessions:
        session.close()


@pytest.mark.parametrize(
    ("retries", "method", "script", "sent", "outcome"),
    [
        (Retry(3, status_forcelist=[503]), "GET", [BUSY, BUSY, OK], 3, 200),
        (Retry(2, status_forcelist=[503]), "GET", [BUSY] * 5, 3, requests.exceptions.RetryError),
        (Retry(2, status_forcelist=[503], raise_on_status=False), "GET", [BUSY] * 5, 3, 503),
        (Retry(9, status=1, status_forcelist=[503]), "GET", [BUSY] * 5, 2, requests.exceptions.RetryError),
        (Retry(2, status_forcelist=[500]), "GET", [BUSY, OK], 1, 503),
        (Retry(2, status_forcelist=[503]), "POST", [BUSY, OK], 1, 503),
        (Retry(2, status_forcelist=[503], allowed_methods=None), "POST", [BUSY, OK], 2, 200),
        (Retry(2, status_forcelist=[503], allowed_methods=["PUT"]), "GET", [BUSY, OK], 1, 503),
        (Retry(2), "GET", [LATER, OK], 2, 200),
        (Retry(2, respect_retry_after_header=False), "GET", [LATER, OK], 1, 429),
        (Retry(2), "GET", [NEVER, OK], 1, requests.exceptions.InvalidHeader),
        (Retry(2), "GET", [LOST, LOST, OK], 3, 200),
        (Retry(1), "GET", [LOST, LOST, OK], 2, requests.ConnectionError),
        (Retry(9, read=1), "GET", [LOST, LOST, OK], 2, requests.ConnectionError),
        (Retry(9, read=False), "GET", [LOST, OK], 1, requests.ConnectionError),
        (Retry(9, connect=0), "GET", [LOST, OK], 2, 200),
        (Retry(9), "POST", [LOST, OK], 1, requests.ConnectionError),
        (Retry(9, allowed_methods=None), "POST", [LOST, OK], 2, 200),
        (Retry(9, status_forcelist=[503]), "GET", [LOST, BUSY, OK], 3, 200),
        (Retry(False, status_forcelist=[503]), "GET", [LOST, OK], 1, requests.ConnectionError),
        (0, "GET", [LOST, OK], 1, requests.ConnectionError),
        (0, "GET", [BUSY, OK], 1, 503),
        (3, "GET", [BUSY, OK], 1, 503),
    ],
)
def test_the_same_is_tried_again_as_by_requests(
    mounted, waits, hyperhttp_scripted_server, retries, method, script, sent, outcome
):
    server = hyperhttp_scripted_server(script)
    session = mounted(max_retries=retries)
    if isinstance(outcome, int):
        assert session.request(method, server.url, data=b"abc" if method == "POST" else None).status_code == outcome
    else:
        with pytest.raises(outcome):
            session.request(method, server.url, data=b"abc" if method == "POST" else None)

    assert len(server.requests) == sent


@pytest.mark.parametrize(
    ("options", "script", "seconds"),
    [
        ({"backoff_factor": 0.5}, [BUSY] * 4 + [OK], [1.0, 2.0, 4.0]),
        ({"backoff_factor": 0.5, "backoff_max": 1.5}, [BUSY_LAST, LOST, BUSY, BUSY, OK], [1.0, 1.5, 1.5]),
        ({"backoff_factor": 9}, [LATER, OK], [7]),
        ({"retry_after_max": 5}, [LATER, OK], [5]),
        ({"respect_retry_after_header": False, "backoff_factor": 1}, [LATER, LATER, OK], [2.0]),
        ({}, [BUSY, BUSY, OK], []),
    ],
)
def test_the_waits_are_those_of_requests(mounted, waits, hyperhttp_scripted_server, options, script, seconds):
    server = hyperhttp_scripted_server(script)
    session = mounted(max_retries=Retry(9, status_forcelist=[429, 503], **options))

    assert session.get(server.url).status_code == 200
    assert waits == seconds


def test_the_history_is_that_of_requests(mounted, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([BUSY_LAST, LOST, OK])
    response = mounted(max_retries=Retry(3, status_forcelist=[503])).get(f"{server.url}/a?b")

    first, second = response.raw.retries.history
    assert (first.method, first.url, first.error, first.status) == ("GET", "/a?b", None, 503)
    assert (second.status, type(second.error).__name__) == (None, "ProtocolError")
    assert response.raw.retries.total == 1


def test_a_retry_of_ones_own_is_asked(mounted, hyperhttp_scripted_server):
    class Own(Retry):
        def is_retry(self, method, status_code, has_retry_after=False):
            return status_code == 200 and self.total > 0

    server = hyperhttp_scripted_server([OK, OK, BUSY])
    assert mounted(max_retries=Own(2)).get(server.url).status_code == 503


def test_files_are_sent_again_from_where_they_were(mounted, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([BUSY_LAST, LOST, OK])
    file = io.BytesIO(b"skipped" + b"content")
    file.seek(7)
    session = mounted(max_retries=Retry(3, status_forcelist=[503]))

    assert session.put(server.url, data=file).status_code == 200
    assert [request.rpartition(b"\r\n\r\n")[2] for request in server.requests] == [b"content"] * 3


def adapter_session(**options):
    session = requests.Session()
    session.mount("http://", HyperAdapter(**options))
    session.mount("https://", HyperAdapter(**options))
    session.trust_env = False
    return session


def test_content_that_can_be_had_once_is_sent_once(hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([BUSY, OK])
    with adapter_session(max_retries=Retry(3, status_forcelist=[503])) as session:
        assert session.put(server.url, data=iter([b"a", b"b"])).status_code == 503

    assert len(server.requests) == 1


class Flaky:
    """Finds no address for a number of times."""

    def __init__(self, failures):
        self.left = failures
        self.asked = 0

    async def resolve(self, host, port):
        self.asked += 1
        if self.asked <= self.left:
            raise OSError("the name service is having a nap")
        return [Address(socket.AF_INET, "127.0.0.1", port)]


@pytest.mark.parametrize("content", [None, b"abc", "once"])
def test_a_number_is_how_often_connecting_is_tried_again(hyperhttp_scripted_server, content):
    server = hyperhttp_scripted_server([OK])
    resolver = Flaky(2)
    with adapter_session(max_retries=2, resolver=resolver) as session:
        data = iter([b"a", b"b"]) if content == "once" else content
        response = session.post(f"http://app.example:{server.port}/", data=data)

    assert response.status_code == 200
    assert resolver.asked == 3
    assert len(server.requests) == 1


def test_when_the_number_is_used_up_the_failure_is_the_one_without_retries():
    resolver = Flaky(9)
    with (
        adapter_session(max_retries=2, resolver=resolver) as session,
        pytest.raises(requests.ConnectionError) as caught,
    ):
        session.get("http://app.example/")

    assert resolver.asked == 3
    assert isinstance(caught.value.__cause__, hyperhttp.DNSError)


def noting(asked):
    class Noting(Retry):
        def increment(self, *arguments, error=None, **options):
            asked.append(type(error).__name__)
            return super().increment(*arguments, error=error, **options)

    return Noting


def test_connecting_to_a_proxy_is_connecting():
    asked = []
    with (
        adapter_session(max_retries=noting(asked)(9, connect=2)) as session,
        pytest.raises(requests.exceptions.ProxyError),
    ):
        session.get("http://app.example/", proxies={"http": "http://127.0.0.1:9"})

    assert asked == ["ProxyError"] * 3


@pytest.mark.parametrize(
    ("options", "request_options", "url", "error"),
    [
        ({}, {"proxies": {"http": "gopher://127.0.0.1:9"}}, "http://app.example/", requests.exceptions.InvalidSchema),
        ({"address_policy": hyperhttp.AddressPolicy(public=True)}, {}, "http://127.0.0.1:9/", requests.ConnectionError),
        ({}, {"headers": {"X-Broken": b"a\x00b"}}, "http://127.0.0.1:9/", requests.exceptions.InvalidHeader),
    ],
)
def test_what_would_fail_again_is_not_tried_again(options, request_options, url, error):
    asked = []
    with adapter_session(max_retries=noting(asked)(9), **options) as session, pytest.raises(error):
        session.get(url, **request_options)

    assert asked == []


@pytest.mark.parametrize(("retries", "attempts"), [(3, 1), (Retry(2), 3), (Retry(9, other=1), 2)])
def test_a_handshake_that_fails_counts_as_other(origin, retries, attempts):
    asked = []
    given = retries if isinstance(retries, int) else noting(asked)(retries.total, other=retries.other)
    with adapter_session(max_retries=given) as session:
        before = origin.connections.opened
        with pytest.raises(requests.exceptions.SSLError):
            session.get(f"{origin.https_url}/get")

    assert asked in ([], ["SSLError"] * attempts)
    assert origin.connections.opened - before <= attempts


def test_a_read_that_takes_too_long_is_a_read(hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([[Stall()], OK])
    with adapter_session(max_retries=Retry(1)) as session:
        assert session.get(server.url, timeout=(10, 0.1)).status_code == 200

    server = hyperhttp_scripted_server([[Stall()], OK])
    with adapter_session(max_retries=1) as session, pytest.raises(requests.ReadTimeout):
        session.get(server.url, timeout=(10, 0.1))


def test_a_response_that_is_tried_again_leaves_its_connection(origin):
    with adapter_session(max_retries=Retry(2, status_forcelist=[503], raise_on_status=False)) as session:
        before = origin.connections.opened
        session.get(f"{origin.url}/status/503")

    assert origin.connections.opened == before + 1


def test_max_retries_can_be_read_set_and_copied():
    adapter = HyperAdapter(max_retries=Retry(5, backoff_factor=1))
    assert isinstance(adapter, requests.adapters.BaseAdapter)
    assert adapter.max_retries.total == 5
    assert pickle.loads(pickle.dumps(adapter)).max_retries.backoff_factor == 1
    assert HyperAdapter().max_retries.total == 0
    adapter.max_retries = 4
    assert retries_of(adapter.max_retries).total == 4


@pytest.mark.parametrize("value", [None, True, 1.5, "3", object()])
def test_what_is_no_number_and_no_retry_is_refused(value):
    with pytest.raises(TypeError, match="max_retries="):
        HyperAdapter(max_retries=value)


def test_numbers_are_not_negative_and_policies_not_two():
    with pytest.raises(ValueError, match="negative"):
        HyperAdapter(max_retries=-1)
    with pytest.raises(TypeError, match="multiply"):
        HyperAdapter(max_retries=2, retry=2)
    HyperAdapter(retry=2).close()
