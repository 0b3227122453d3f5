import ssl

import pytest

import hyperhttp
from hyperhttp_httpx import HyperTransport, SyncHyperTransport
from hyperhttp_httpx.options import NoCookies, client_options, sending_extensions, timeout_of

DEFAULTS = {
    "verify": True,
    "cert": None,
    "trust_env": True,
    "http1": True,
    "http2": True,
    "limits": None,
    "proxy": None,
    "uds": None,
    "local_address": None,
}


def options_of(**given):
    options = {name: given.pop(name) for name in tuple(given) if name not in DEFAULTS}
    return client_options(**{**DEFAULTS, **given}, options=options)


def test_by_default_little_is_said():
    options = options_of()

    assert isinstance(options.pop("cookies"), NoCookies)
    assert options == {"http2": True, "trust_env": True, "verify": True}


def test_limits_are_taken_over(peer):
    options = options_of(limits=peer.Limits(max_connections=7, max_keepalive_connections=3, keepalive_expiry=None))

    assert (options["max_connections"], options["max_keepalive_connections"]) == (7, 3)
    assert options["keepalive_expiry"] is None


def test_trust_is_a_context_or_what_one_is_made_of():
    context = ssl.create_default_context()

    assert options_of(verify=context)["ssl_context"] is context
    assert options_of(verify=False)["verify"] is False
    assert options_of(cert=("a", "b"))["cert"] == ("a", "b")


@pytest.mark.parametrize(
    ("http1", "http2", "expected"), [(True, True, True), (True, False, False), (False, True, "prior-knowledge")]
)
def test_protocols_are_chosen(http1, http2, expected):
    assert options_of(http1=http1, http2=http2)["http2"] == expected


def test_no_protocol_at_all_is_refused():
    with pytest.raises(ValueError, match="nothing to speak"):
        options_of(http1=False, http2=False)


def test_proxies_come_in_every_form(peer):
    assert options_of(proxy="http://proxy.test:1")["proxies"] == "http://proxy.test:1"
    assert options_of(proxy=peer.URL("http://a:b@proxy.test:1"))["proxies"] == "http://a:b@proxy.test:1"
    assert options_of(proxy=peer.Proxy("http://a:b%40@proxy.test:1"))["proxies"] == "http://a:b%40@proxy.test:1"


def test_what_a_proxy_cannot_have_is_refused(peer):
    with pytest.raises(ValueError, match="headers"):
        options_of(proxy=peer.Proxy("http://proxy.test", headers={"a": "b"}))
    with pytest.raises(ValueError, match="TLS context"):
        options_of(proxy=peer.Proxy("https://proxy.test", ssl_context=ssl.create_default_context()))


@pytest.mark.parametrize("kind", [HyperTransport, SyncHyperTransport])
def test_options_of_the_client_are_taken_and_others_refused(kind):
    policy = hyperhttp.AddressPolicy.public_only()

    assert kind(address_policy=policy, uds="/tmp/socket", max_connections_per_host=2)._client is not None
    with pytest.raises(TypeError, match="follow_redirects= is not an option of the transport"):
        kind(follow_redirects=True)
    with pytest.raises(TypeError, match="did you mean 'local_address'"):
        kind(local_adress="127.0.0.1")


def test_limits_of_time_are_those_of_the_request(peer):
    request = peer.Request("GET", "http://a/", extensions={"timeout": peer.Timeout(5, read=None).as_dict()})

    assert timeout_of(request.extensions) == hyperhttp.Timeout(connect=5, write=5, pool=5)
    assert timeout_of({}) == hyperhttp.Timeout(None)
    assert timeout_of({"timeout": {"total": 3}}) == hyperhttp.Timeout(total=3)
    assert 0 < timeout_of({"timeout": {"read": 0}}).read < 0.001


def test_the_jar_stays_empty():
    jar = NoCookies()
    jar.extract(hyperhttp.URL("https://example.com/"), [b"a=1"])

    assert not jar


def test_what_is_said_of_target_and_name_is_taken_over():
    given = {"target": b"*", "sni_hostname": b"a.example", "timeout": {}, "trace": print}

    assert sending_extensions(given) == {"target": b"*", "sni_hostname": "a.example"}
    assert sending_extensions({"sni_hostname": ""}) == {}
    assert sending_extensions({}) == {}
