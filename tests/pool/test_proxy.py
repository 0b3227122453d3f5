"""A proxy with its credentials; what its URL means is in `test_proxies.py`."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from hyperhttp import URL, BasicAuth, DigestAuth, InvalidURL, Proxy, ProxyError

AUTH = DigestAuth("alice", "s3cret")


@pytest.mark.parametrize("url", ["http://proxy.corp:3128", "proxy.corp:3128", URL("http://proxy.corp:3128/")])
def test_a_url_is_enough(url: Any) -> None:
    proxy = Proxy(url)
    assert (proxy.scheme, proxy.host, proxy.port, proxy.credentials) == ("http", "proxy.corp", 3128, None)
    assert proxy == Proxy.parse("http://proxy.corp:3128")


def test_a_pair_is_the_same_as_credentials_in_the_url() -> None:
    pair, url = Proxy("http://proxy.corp", auth=("alice", "s3cret")), Proxy("http://alice:s3cret@proxy.corp")
    assert pair == url
    assert (pair.authorization, pair.identity) == (url.authorization, url.identity)
    assert str(pair.url) == "http://alice:s3cret@proxy.corp"
    assert pair.credentials is not None
    assert pair.credentials.begin().authorization("CONNECT", "h:443") == pair.authorization


def test_digest_auth_sends_nothing_unasked() -> None:
    proxy = Proxy("http://proxy.corp", auth=AUTH)
    assert (proxy.authorization, proxy.username, str(proxy.url)) == (None, None, "http://proxy.corp")
    assert proxy.credentials is not None
    assert proxy.credentials.begin().authorization("CONNECT", "h:443") is None


def test_proxies_with_other_credentials_are_others() -> None:
    proxies = [
        Proxy("http://proxy.corp"),
        Proxy("http://proxy.corp", auth=("alice", "s3cret")),
        Proxy("http://proxy.corp", auth=("alice", "other")),
        Proxy("http://proxy.corp", auth=AUTH),
        Proxy("http://proxy.corp", auth=DigestAuth("alice", "s3cret")),
    ]
    assert len(set(proxies)) == len(proxies)
    assert len({proxy.identity for proxy in proxies}) == len(proxies)
    assert Proxy("http://proxy.corp", auth=AUTH) == proxies[3]


def test_each_proxy_remembers_for_itself() -> None:
    one, other = Proxy("http://one.corp", auth=AUTH), Proxy("http://other.corp", auth=AUTH)
    assert one.credentials is not other.credentials


@pytest.mark.parametrize("auth", [BasicAuth("a", "b"), "alice:s3cret", ("alice",), object()])
def test_what_cannot_be_credentials(auth: Any) -> None:
    with pytest.raises(TypeError, match=r"takes \(user, password\) or DigestAuth"):
        Proxy("http://proxy.corp", auth=auth)


@pytest.mark.parametrize("auth", [AUTH, ("alice", "other")])
def test_credentials_are_given_once(auth: Any) -> None:
    with pytest.raises(ValueError, match="given twice") as caught:
        Proxy("http://alice:s3cret@proxy.corp", auth=auth)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("pair", [("a:b", "c"), ("a", "s3cret\r\n"), ("a\0", "b")])
def test_a_pair_that_basic_cannot_carry(pair: Any) -> None:
    with pytest.raises(InvalidURL) as caught:
        Proxy("http://proxy.corp", auth=pair)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("auth", [None, ("u", "p"), AUTH])
def test_the_port_of_a_scheme_of_a_plugin_is_known_to_the_client(auth: Any) -> None:
    proxy = Proxy("socks5://proxy.corp", auth=auth)
    assert proxy.port == 0
    complete = Proxy.parse(proxy, {"socks5": 1080})
    assert (complete.port, complete.username, complete.auth) == (1080, proxy.username, proxy.auth)
    assert Proxy.parse(complete, {"socks5": 9}) is complete
    with pytest.raises(ProxyError, match=r"hyperhttp\[socks\]"):
        Proxy.parse(proxy)


@pytest.mark.parametrize(
    "proxy", [Proxy("http://p"), Proxy("http://p", auth=("u", "s3cret")), Proxy("https://p", auth=AUTH)]
)
def test_a_proxy_is_a_value_that_shows_no_secret(proxy: Proxy) -> None:
    copied = pickle.loads(pickle.dumps(proxy))
    assert (copied.scheme, copied.host, copied.port, copied.username) == (
        proxy.scheme, proxy.host, proxy.port, proxy.username,
    )  # fmt: skip
    assert (copied.credentials is None) == (proxy.credentials is None)
    assert "s3cret" not in f"{proxy!r}{proxy}{proxy.identity}"
    with pytest.raises(AttributeError):
        proxy.port = 1  # type: ignore[misc]
