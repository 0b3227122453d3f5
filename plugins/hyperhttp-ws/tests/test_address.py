import pytest

import hyperhttp
from hyperhttp_ws.address import handshake_url


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("ws://example.com", None, "http://example.com/"),
        ("wss://example.com/chat?a=1", None, "https://example.com/chat?a=1"),
        ("ws://example.com:8080/x", None, "http://example.com:8080/x"),
        ("wss://example.com:443/x", None, "https://example.com/x"),
        ("ws://example.com:443/x", None, "http://example.com:443/x"),
        ("http://example.com/x", None, "http://example.com/x"),
        ("https://example.com/x", None, "https://example.com/x"),
        ("/chat", "wss://example.org", "https://example.org/chat"),
        ("chat?room=1", "wss://example.org/v1/", "https://example.org/v1/chat?room=1"),
        ("/chat", "https://example.org/v1/", "https://example.org/v1/chat"),
        ("?a=1", "ws://example.org/v1/", "http://example.org/v1/?a=1"),
        ("wss://other.example/x", "ws://example.org/", "https://other.example/x"),
    ],
)
def test_a_url_becomes_the_one_of_its_handshake(url, base, expected):
    assert handshake_url(url, hyperhttp.URL(base) if base else None) == hyperhttp.URL(expected)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://example.com/", "ws://"),
        ("/chat", "relative"),
        ("wss://", "not the URL|host"),
        ("wss://example.com/#top", "fragment"),
        ("ws://exa mple.com/", "not the URL"),
        ("ws://example.com\r\nX: y/", "not the URL"),
    ],
)
def test_other_urls_are_refused(url, says):
    with pytest.raises(hyperhttp.WebSocketProtocolError, match=says):
        handshake_url(url)


def test_a_relative_url_must_not_name_a_host():
    with pytest.raises(hyperhttp.WebSocketProtocolError, match="names a host"):
        handshake_url("//evil.example/", hyperhttp.URL("wss://example.org/"))


def test_no_secret_is_shown():
    with pytest.raises(hyperhttp.WebSocketProtocolError) as caught:
        handshake_url("ftp://user:s3same@example.com/")
    assert "s3same" not in str(caught.value)
