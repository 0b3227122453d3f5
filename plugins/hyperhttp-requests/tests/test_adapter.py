"""The adapter over real sockets, by what a session does with it."""

import copy
import datetime as dt
import gc
import io
import pickle
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from requests.adapters import BaseAdapter
from requests.auth import HTTPDigestAuth

import hyperhttp
from hyperhttp.testing import ReadRequest, Reply, Reset, Stall
from hyperhttp_requests import HyperAdapter
from hyperhttp_requests.adapter import MAX_CLIENTS

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_a_response_is_one_of_requests(session, base, origin):
    response = session.get(f"{base}/get", params={"a": "1"})

    assert type(response) is requests.Response
    assert (response.status_code, response.reason, response.url) == (200, "OK", f"{base}/get?a=1")
    assert response.json()["args"] == {"a": "1"}
    assert response.headers["content-type"] == "application/json"
    assert response.raw.version == (20 if base == origin.https_url else 11)
    assert response.raw.version_string == ("HTTP/2" if base == origin.https_url else "HTTP/1.1")
    assert dt.timedelta() < response.elapsed < dt.timedelta(seconds=60)
    assert isinstance(response.connection, BaseAdapter)


def test_raise_for_status_works(session, base):
    with pytest.raises(requests.HTTPError, match="404 Client Error: Not Found"):
        session.get(f"{base}/status/404").raise_for_status()


@pytest.mark.parametrize(
    "kind", ["bytes", "text", "pieces", "texts", "json", "form", "multipart", "file", "text file", "nothing"]
)
def test_content_of_every_kind_arrives(session, base, origin, tmp_path, kind):
    pieces = [bytes([65 + number % 26]) * 10_000 for number in range(30)]
    whole = b"".join(pieces)
    path = tmp_path / "file"
    path.write_bytes(b"skipped" + whole)
    with path.open("rb") as file:
        file.seek(7)
        options = {
            "bytes": {"data": whole},
            "text": {"data": "grün"},
            "pieces": {"data": iter(pieces)},
            "texts": {"data": (piece.decode() for piece in pieces)},
            "json": {"json": {"a": [1, 2]}},
            "form": {"data": {"a": "1"}},
            "multipart": {"data": {"a": "1"}, "files": {"f": ("name.txt", io.BytesIO(b"file"))}},
            "file": {"data": file},
            "text file": {"data": io.StringIO("text")},
            "nothing": {},
        }[kind]
        got = session.post(f"{base}/anything", **options).json()

    if kind in ("bytes", "pieces", "texts", "file"):
        assert got["data"] == whole.decode()
    elif kind in ("text", "text file"):
        assert got["data"] == ("grün" if kind == "text" else "text")
    elif kind == "json":
        assert got["json"] == {"a": [1, 2]}
    else:
        assert got["form"] == ({} if kind == "nothing" else {"a": "1"})
        assert got["files"] == ({"f": "file"} if kind == "multipart" else {})
    is_chunked = kind in ("pieces", "texts")
    assert ("Transfer-Encoding" in got["headers"]) == (is_chunked and base == origin.url)
    assert ("Content-Length" in got["headers"]) == (not is_chunked)


def test_requests_go_out_with_their_fields_in_their_order_and_spelling(session, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([OK])
    session.headers.clear()
    session.get(f"{server.url}/a%2Fb", headers={"X-Zebra": "1", "x-ANT": b"2"})

    lines = server.requests[0].decode().split("\r\n")
    assert lines[:4] == ["GET /a%2Fb HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "X-Zebra: 1", "x-ANT: 2"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "brotli"])
def test_content_is_decoded(session, base, coding):
    assert session.get(f"{base}/{coding}").json()["method"] == "GET"


def test_redirects_are_requests_own_and_their_cookies_are_kept(session, base):
    response = session.get(f"{base}/redirect/3")
    assert [each.status_code for each in response.history] == [302, 302, 302]

    assert session.get(f"{base}/cookies/set?a=1&b=2").json()["cookies"] == {"a": "1", "b": "2"}
    assert {cookie.name: cookie.value for cookie in session.cookies} == {"a": "1", "b": "2"}
    session.cookies.clear()
    assert session.get(f"{base}/cookies").json()["cookies"] == {}


def test_a_redirected_upload_is_sent_again(session, base):
    def answer(data):
        return session.post(f"{base}/redirect-to?url=/anything&status_code=307", data=data).json()["data"]

    assert answer(b"abc") == "abc"
    assert answer(io.BytesIO(b"abc")) == "abc"


def test_authentication_is_requests_own(session, base):
    assert session.get(f"{base}/basic-auth/u/p", auth=("u", "p")).status_code == 200
    assert session.get(f"{base.replace('://', '://u:p@')}/basic-auth/u/p").status_code == 200
    assert session.get(f"{base}/digest-auth/auth/u/p", auth=HTTPDigestAuth("u", "p")).status_code == 200


def test_a_connection_is_used_again(session, base, origin):
    before = origin.connections.opened
    for _ in range(3):
        session.get(f"{base}/get")
        session.get(f"{base}/get", stream=True).close()

    assert origin.connections.opened == before + 1


def test_threads_share_an_adapter(session, base):
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda n: session.get(f"{base}/get?n={n}").json()["args"]["n"], range(40)))

    assert got == [str(n) for n in range(40)]


def test_content_is_there_while_the_rest_is_still_to_come(session, base, origin):
    seen = threading.Event()

    @origin.route("/requests/slowly")
    def slowly(exchange):
        async def produce(write):
            import asyncio

            await write(b"one\n")
            while not seen.is_set():
                await asyncio.sleep(0.005)
            await write(b"two\n")

        return Reply(200, body=produce)

    with session.get(f"{base}/requests/slowly", stream=True) as response:
        lines = response.iter_lines(chunk_size=512)
        assert next(lines) == b"one"
        seen.set()
        assert list(lines) == [b"two"]


# -- limits of time -------------------------------------------------------------------------------------------


def test_waiting_for_a_response_is_limited(session, base):
    with pytest.raises(requests.ReadTimeout) as caught:
        session.get(f"{base}/delay/9", timeout=(30, 0.05))

    assert caught.value.request.url == f"{base}/delay/9"
    assert isinstance(caught.value.__cause__, hyperhttp.ReadTimeout)


def test_waiting_for_content_is_limited_and_named_as_requests_has_it(session, origin):
    with pytest.raises(requests.ConnectionError, match="sent nothing"):
        session.get(f"{origin.url}/bytes/1000?fault=stall-body", timeout=(30, 0.5))


def test_connecting_is_limited(session, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server.by_connection([[Stall()]])
    with pytest.raises(requests.ConnectTimeout):
        session.get(f"https://127.0.0.1:{server.port}/", timeout=(0.05, 30))


# -- failures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([ReadRequest(), Reset()], requests.ConnectionError),
        ([ReadRequest(), b"no HTTP at all\r\n\r\n"], requests.ConnectionError),
        ([ReadRequest()], requests.ConnectionError),
        ([ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"], requests.exceptions.ChunkedEncodingError),
        (
            [ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab"],
            requests.exceptions.ContentDecodingError,
        ),
    ],
    ids=["reset", "garbage", "nothing", "truncated", "undecodable"],
)
def test_failures_are_those_of_requests(session, hyperhttp_scripted_server, script, kind):
    server = hyperhttp_scripted_server.by_connection([script, [ReadRequest(), OK]])
    with pytest.raises(kind):
        session.get(server.url)
    assert session.get(server.url).status_code == 200


def test_what_may_not_be_sent_is_refused(session, origin):
    request = requests.Request("GET", f"{origin.url}/get").prepare()
    request.headers["X-Broken"] = "a\r\nb: c"
    with pytest.raises(requests.exceptions.InvalidHeader):
        session.send(request)

    assert origin.requests == []


# -- trust ----------------------------------------------------------------------------------------------------


def test_a_connection_that_trusted_anybody_serves_nobody_who_does_not(adapter, origin):
    with requests.Session() as session:
        session.mount("https://", adapter)
        assert session.get(f"{origin.https_url}/get", verify=False).status_code == 200
        with pytest.raises(requests.exceptions.SSLError):
            session.get(f"{origin.https_url}/get")
        assert session.get(f"{origin.https_url}/get", verify=origin.ca_pem).status_code == 200


def test_a_client_certificate_is_shown():
    from hyperhttp.testing import Origin

    with Origin(tls=True, verify_client=True) as origin, requests.Session() as session:
        session.mount("https://", HyperAdapter())
        session.verify = origin.ca_pem
        assert session.get(f"{origin.https_url}/get", cert=origin.client_cert).status_code == 200
        with pytest.raises(requests.ConnectionError):
            session.get(f"{origin.https_url}/get")


def test_a_missing_file_is_an_os_error(session, origin):
    with pytest.raises(OSError, match=r"invalid path: /nowhere/ca\.pem"):
        session.get(f"{origin.https_url}/get", verify="/nowhere/ca.pem")
    with pytest.raises(OSError, match=r"TLS key file, invalid path: /nowhere/key\.pem"):
        session.get(f"{origin.https_url}/get", cert=(origin.client_cert, "/nowhere/key.pem"))


def test_clients_are_not_kept_without_end(adapter, origin, tmp_path):
    with requests.Session() as session:
        session.mount("https://", adapter)
        busy = session.get(f"{origin.https_url}/stream-bytes/5000000", verify=origin.ca_pem, stream=True)
        for number in range(MAX_CLIENTS + 3):
            path = tmp_path / f"{number}.pem"
            shutil.copy(origin.ca_pem, path)
            assert session.get(f"{origin.https_url}/get", verify=str(path)).status_code == 200
        assert len(adapter._clients) == MAX_CLIENTS
        assert len(busy.content) == 5_000_000


# -- proxies --------------------------------------------------------------------------------------------------


def test_a_proxy_is_used_with_its_credentials(session, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([OK])
    session.get("http://app.test/x", proxies={"http": server.url.replace("://", "://user:p%40ss@")})

    request = server.requests[0]
    assert request.startswith(b"GET http://app.test/x HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n" in request


def test_proxies_of_the_environment_are_requests_to_choose(session, hyperhttp_scripted_server, origin, monkeypatch):
    server = hyperhttp_scripted_server([OK])
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    session.get("http://app.test/x")
    session.get(f"{origin.url}/get")
    session.trust_env = False
    session.get(f"{origin.url}/get")

    assert len(server.requests) == 1


def test_a_proxy_that_is_not_there_is_the_proxys_failure(session, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([OK])
    server.close()
    with pytest.raises(requests.exceptions.ProxyError, match="refused"):
        session.get("http://app.test/", proxies={"http": server.url})


def test_a_refused_tunnel_and_an_unknown_scheme_are_told_apart(session, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"])
    with pytest.raises(requests.exceptions.ProxyError, match="403"):
        session.get("https://app.test/x", proxies={"https": server.url})
    with pytest.raises(requests.exceptions.InvalidSchema, match="carrier-pigeon"):
        session.get("https://app.test/x", proxies={"https": "carrier-pigeon://127.0.0.1"})


# -- life -----------------------------------------------------------------------------------------------------


def test_leaving_content_unread_frees_the_connection(origin):
    with requests.Session() as session:
        session.mount("http://", HyperAdapter(max_connections=1))
        for _ in range(3):
            with session.get(f"{origin.url}/stream-bytes/5000000", stream=True) as response:
                assert response.status_code == 200
        assert session.get(f"{origin.url}/get", timeout=30).status_code == 200


def test_a_forgotten_response_frees_the_connection(origin):
    with requests.Session() as session:
        session.mount("http://", HyperAdapter(max_connections=1))
        for _ in range(3):
            assert session.get(f"{origin.url}/stream-bytes/5000000", stream=True).status_code == 200
            gc.collect()
        assert session.get(f"{origin.url}/get", timeout=30).status_code == 200


@pytest.mark.parametrize("leave", ["read", "close"])
def test_a_response_outlives_its_session_and_closes_the_connection_at_its_end(origin, leave):
    before = origin.connections.open
    with requests.Session() as session:
        session.mount("http://", HyperAdapter())
        session.get(f"{origin.url}/get")
        response = session.get(f"{origin.url}/stream-bytes/5000000", stream=True)
        held = next(iter(session.adapters["http://"]._clients.values()))
    assert not held.client.is_closed
    if leave == "read":
        assert len(response.content) == 5_000_000
    else:
        response.close()
    assert held.client.is_closed
    deadline = time.monotonic() + 30
    while origin.connections.open > before and time.monotonic() < deadline:
        time.sleep(0.005)
    assert origin.connections.open <= before


def test_closing_closes_and_what_follows_opens_again(session, origin):
    session.get(f"{origin.url}/get")
    session.close()

    assert session.get(f"{origin.url}/get").status_code == 200


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda adapter: pickle.loads(pickle.dumps(adapter))])
def test_an_adapter_can_be_copied(origin, clone):
    with requests.Session() as session:
        session.mount("http://", clone(HyperAdapter(max_connections=3)))
        assert session.get(f"{origin.url}/get").status_code == 200
        assert session.adapters["http://"]._options == {"max_connections": 3}


def test_options_are_checked_when_the_adapter_is_made():
    assert HyperAdapter(http2=False, address_policy=hyperhttp.AddressPolicy.public_only())
    with pytest.raises(TypeError, match="timeout= is not an option of the adapter"):
        HyperAdapter(timeout=3)
    with pytest.raises(TypeError, match="did you mean 'max_connections'"):
        HyperAdapter(max_connection=3)
    with pytest.raises(ValueError, match="max_connections"):
        HyperAdapter(max_connections=-1)


def test_http2_can_be_switched_off(origin):
    with requests.Session() as session:
        session.mount("https://", HyperAdapter(http2=False))
        assert session.get(f"{origin.https_url}/get", verify=origin.ca_pem).raw.version == 11


def test_an_adapter_that_is_closed_while_a_request_fails_leaves_nothing(hyperhttp_scripted_server):
    adapter = HyperAdapter()
    held = []

    def handle(connection, index):
        connection.read_request()
        held.extend(adapter._clients.values())
        adapter.close()

    with requests.Session() as session:
        session.mount("http://", adapter)
        with pytest.raises(requests.ConnectionError):
            session.get(hyperhttp_scripted_server(handle).url)
    assert [each.client.is_closed for each in held] == [True]
