import pytest
import requests
from requests.exceptions import InvalidProxyURL
from urllib3.util import SKIP_HEADER, Timeout

import hyperhttp
from hyperhttp_requests.outgoing import proxy_of, request_from, timeout_of


def prepared(method="GET", url="https://example.com/", **options):
    return requests.Request(method, url, **options).prepare()


def test_fields_keep_their_order_and_spelling_and_marked_ones_are_left_out():
    request = prepared(headers={"X-B": "1", "x-a": "2"})
    request.headers["User-Agent"] = SKIP_HEADER

    assert request_from(request).headers.raw == [(b"X-B", b"1"), (b"x-a", b"2")]


@pytest.mark.parametrize(("data", "length"), [(b"abc", 3), ("grün", 5), (None, None), (b"", None)])
def test_content_in_memory_is_sent_whole(data, length):
    content = request_from(prepared(data=data)).content

    assert (content.length if content is not None else None) == length


def test_pieces_are_sent_once_and_chunked():
    request = request_from(prepared("POST", data=iter([b"a", "ü"])))

    assert request.headers["transfer-encoding"] == "chunked"
    assert request.content.length is None
    assert not request.content.replayable


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {}),
        (3, {"connect": 3, "read": 3, "write": 3}),
        ((1, 2.5), {"connect": 1, "read": 2.5, "write": 2.5}),
        ((1, None), {"connect": 1}),
        (Timeout(connect=1, read=2), {"connect": 1, "read": 2, "write": 2}),
        (Timeout(connect=1), {"connect": 1}),
        (Timeout(4), {"connect": 4, "read": 4, "write": 4, "total": 4}),
    ],
    ids=str,
)
def test_timeouts_come_in_every_form(given, expected):
    got = timeout_of(given)

    assert (got.connect, got.total, got.pool) == (expected.get("connect"), expected.get("total"), None)
    assert got.read == got.write
    assert got.read == (pytest.approx(expected["read"], abs=0.5) if "read" in expected else None)


@pytest.mark.parametrize(
    ("given", "kind"), [((1, 2, 3), ValueError), (0, ValueError), (-1, ValueError), ("1", ValueError)]
)
def test_what_is_no_timeout_is_refused(given, kind):
    with pytest.raises(kind):
        timeout_of(given)


@pytest.mark.parametrize(
    ("proxies", "expected"),
    [
        (None, None),
        ({}, None),
        ({"http": "http://proxy.test"}, None),
        ({"https": "proxy.test:3128"}, "http://proxy.test:3128"),
        ({"all": "http://other.test", "https://example.com": "http://proxy.test"}, "http://proxy.test"),
        ({"all": "socks5h://u:p@proxy.test"}, "socks5h://u:p@proxy.test"),
    ],
)
def test_a_proxy_is_chosen_as_requests_does(proxies, expected):
    assert proxy_of(prepared(), proxies) == expected


@pytest.mark.parametrize("proxy", ["http:///nowhere", "http://:1"])
def test_a_proxy_without_host_is_refused(proxy):
    with pytest.raises(InvalidProxyURL):
        proxy_of(prepared(), {"https": proxy})


def test_what_cannot_be_sent_is_ours_to_refuse():
    request = prepared()
    request.method = "G T"

    with pytest.raises(hyperhttp.HyperHTTPError), hyperhttp.SyncClient() as client:
        client.send(request_from(request))
