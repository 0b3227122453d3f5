"""Which proxy serves a URL, and what decided it."""

from __future__ import annotations

import base64
import pickle
import warnings
from typing import Any

import pytest

from hyperhttp.exceptions import InvalidURL, ProxyError
from hyperhttp.message.url import URL
from hyperhttp.pool import proxies as module
from hyperhttp.pool.proxies import HostPattern, Proxy, ProxyDecision, ProxyMap

CORP = "http://proxy.corp:3128"


@pytest.fixture(autouse=True)
def no_memory_of_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_warned", set())


def environment(**variables: str) -> ProxyMap:
    return ProxyMap(environ=variables)


def chosen(proxies: ProxyMap, url: str) -> str | None:
    proxy = proxies.for_url(URL(url))
    return None if proxy is None else str(proxy)


# -- one proxy ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port"),
    [
        ("http://proxy.corp:3128", "http", "proxy.corp", 3128),
        ("HTTP://Proxy.Corp:3128/", "http", "proxy.corp", 3128),
        ("https://proxy.corp", "https", "proxy.corp", 443),
        ("http://proxy.corp", "http", "proxy.corp", 80),
        ("proxy.corp:3128", "http", "proxy.corp", 3128),
        ("user:secret@proxy.corp:3128", "http", "proxy.corp", 3128),
        ("  http://proxy.corp:3128\n", "http", "proxy.corp", 3128),
        ("http://[fd00::1]:3128", "http", "fd00::1", 3128),
        ("[::1]:3128", "http", "::1", 3128),
        ("http://10.0.0.1:3128/ignored?as=well", "http", "10.0.0.1", 3128),
        ("http://bücher.example:3128", "http", "xn--bcher-kva.example", 3128),
    ],
)
def test_a_proxy_is_parsed(text: str, scheme: str, host: str, port: int) -> None:
    proxy = Proxy.parse(text)
    assert (proxy.scheme, proxy.host, proxy.port) == (scheme, host, port)


@pytest.mark.parametrize(
    ("userinfo", "pair"),
    [
        ("user:pass", "user:pass"),
        ("user", "user:"),
        ("user:", "user:"),
        (":pass", ":pass"),
        ("us%65r:p%40ss%3Aw%2Frd", "user:p@ss:w/rd"),
        ("j%C3%BCrgen:gr%C3%BCn", "jürgen:grün"),
        ("jürgen:grün", "jürgen:grün"),
        ("user:a:b", "user:a:b"),
    ],
)
def test_credentials_become_basic_authorization(userinfo: str, pair: str) -> None:
    proxy = Proxy.parse(f"http://{userinfo}@proxy.corp:3128")
    assert proxy.authorization == b"Basic " + base64.b64encode(pair.encode())
    assert f"{proxy.username}:{proxy.password}" == pair


def test_a_proxy_without_credentials_has_no_authorization() -> None:
    proxy = Proxy.parse(CORP)
    assert proxy.authorization is None
    assert (proxy.username, proxy.password) == (None, None)


def test_credentials_are_never_shown() -> None:
    proxy = Proxy.parse("http://alice:s3cret@proxy.corp:3128")
    encoded = base64.b64encode(b"alice:s3cret").decode()
    mapping = ProxyMap("http://alice:s3cret@proxy.corp:3128")
    for text in (
        repr(proxy),
        str(proxy),
        proxy.identity,
        repr(mapping),
        repr(mapping.explain(URL("http://a/"))),
    ):
        assert "s3cret" not in text
        assert "alice" not in text
        assert encoded not in text
    assert str(proxy) == "http://proxy.corp:3128"
    assert repr(proxy) == "Proxy('http://proxy.corp:3128', credentials=[secret])"
    assert repr(Proxy.parse(CORP)) == "Proxy('http://proxy.corp:3128')"


def test_the_identity_differs_with_proxy_and_credentials() -> None:
    texts = [
        "http://proxy.corp:3128",
        "https://proxy.corp:3128",
        "http://proxy.corp:3129",
        "http://alice:a@proxy.corp:3128",
        "http://alice:b@proxy.corp:3128",
        "http://bob:a@proxy.corp:3128",
    ]
    assert len({Proxy.parse(text).identity for text in texts}) == len(texts)
    assert Proxy.parse(texts[3]).identity == Proxy.parse(texts[3]).identity


def test_a_proxy_is_a_value() -> None:
    proxy = Proxy.parse("http://alice:s3cret@proxy.corp:3128")
    assert Proxy.parse(proxy) is proxy
    assert Proxy.parse(URL("http://alice:s3cret@proxy.corp:3128")) == proxy
    assert hash(Proxy.parse("http://alice:s3cret@proxy.corp:3128")) == hash(proxy)
    assert pickle.loads(pickle.dumps(proxy)) == proxy
    assert proxy != Proxy.parse("http://alice:other@proxy.corp:3128")
    with pytest.raises(AttributeError):
        proxy.port = 1  # type: ignore[misc]


@pytest.mark.parametrize("text", ["http://j%C3%BCrgen:p%40ss@proxy.corp:3128", "https://[::1]:8443", CORP])
def test_the_url_for_connectors_carries_the_credentials(text: str) -> None:
    assert Proxy.parse(Proxy.parse(text).url) == Proxy.parse(text)


@pytest.mark.parametrize(
    "text", ["", "http://", "http://:3128", "http://proxy.corp:99999", "http://pro xy", "http:///x"]
)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(InvalidURL, match="proxy URL"):
        Proxy.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://alice:s3cret@proxy.corp:99999",
        "http://alice:s3@cret@proxy.corp:3128",
        "http://alice:s3cret/x@proxy.corp:3128",
        "http://alice:s3cret%0d%0a@proxy.corp:3128",
        "http://ali%3Ace:s3cret@proxy.corp:3128",
        "http://alice:s3cret%ff@proxy.corp:3128",
        "http://alice/s3cret@proxy.corp:3128",
        "http://alice?s3cret@proxy.corp:3128",
        "http://alice#s3cret@proxy.corp:3128",
    ],
)
def test_a_refused_url_keeps_its_secret(text: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        Proxy.parse(text)
    assert "s3" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "socks4a"])
def test_a_socks_proxy_without_the_plugin_says_what_to_install(scheme: str) -> None:
    with pytest.raises(ProxyError, match=rf"{scheme}:// .*hyperhttp\[socks\]"):
        Proxy.parse(f"{scheme}://proxy.corp:1080")


def test_an_unknown_scheme_says_which_are_known() -> None:
    with pytest.raises(ProxyError, match="scheme 'ftp'; use http or https"):
        Proxy.parse("ftp://proxy.corp")


def test_a_plugin_adds_schemes_with_their_ports() -> None:
    schemes = {"http": 80, "socks5": 1080, "carrier": 7}
    assert str(Proxy.parse("socks5://u:p@proxy.corp", schemes)) == "socks5://proxy.corp:1080"
    assert str(Proxy.parse("carrier://pigeon", schemes)) == "carrier://pigeon:7"
    with pytest.raises(ProxyError):
        Proxy.parse("https://proxy.corp", schemes)


@pytest.mark.parametrize("value", [8080, b"http://proxy.corp", None, ["http://proxy.corp"]])
def test_a_proxy_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="must be a URL"):
        Proxy.parse(value)


# -- proxies= -----------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://example.com/", "https://example.com/", "ws://example.com/"])
def test_one_proxy_serves_everything(url: str) -> None:
    assert chosen(ProxyMap(CORP, environ={}), url) == CORP


def test_schemes_are_routed_apart() -> None:
    proxies = ProxyMap({"http": "http://one:1", "https": "http://two:2"})
    assert chosen(proxies, "http://example.com/") == "http://one:1"
    assert chosen(proxies, "https://example.com/") == "http://two:2"
    assert chosen(proxies, "ws://example.com/") == "http://one:1"
    assert chosen(proxies, "wss://example.com/") == "http://two:2"


def test_none_means_direct() -> None:
    proxies = ProxyMap({"http": CORP, "https": None})
    assert chosen(proxies, "http://example.com/") == CORP
    assert chosen(proxies, "https://example.com/") is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.corp:8443/", "http://port:1"),
        ("https://api.corp/", "http://host:1"),
        ("https://www.corp/", "http://suffix:1"),
        ("https://a.deep.corp/", "http://deep:1"),
        ("https://10.1.2.3/", "http://net:1"),
        ("https://example.com/", "http://https:1"),
        ("http://api.corp/", "http://all-host:1"),
        ("http://example.com/", "http://all:1"),
        ("wss://example.com/", "http://wss:1"),
    ],
)
def test_the_most_specific_key_decides(url: str, expected: str) -> None:
    proxies = ProxyMap(
        {
            "all": "http://all:1",
            "https": "http://https:1",
            "wss": "http://wss:1",
            "all://*.corp": "http://suffix:1",
            "all://.deep.corp": "http://deep:1",
            "all://api.corp": "http://all-host:1",
            "https://api.corp": "http://host:1",
            "https://api.corp:8443": "http://port:1",
            "all://10.0.0.0/8": "http://net:1",
        }
    )
    assert chosen(proxies, url) == expected


def test_keys_may_end_like_urls() -> None:
    proxies = ProxyMap({"HTTP://": "http://one:1", "all://*": "http://two:2"})
    assert chosen(proxies, "http://example.com/") == "http://one:1"
    assert chosen(proxies, "https://example.com/") == "http://two:2"


@pytest.mark.parametrize("key", ["htpp", "", "ftp", "http:", "http://a b", "http://a/b", "example.com", 1, None])
def test_a_key_that_means_nothing_is_refused(key: Any) -> None:
    with pytest.raises(ValueError, match="not a key of proxies="):
        ProxyMap({key: CORP})


def test_a_wrong_url_in_proxies_is_refused_when_the_map_is_made() -> None:
    with pytest.raises(InvalidURL):
        ProxyMap({"http": "http://"})
    with pytest.raises(ProxyError, match=r"hyperhttp\[socks\]"):
        ProxyMap("socks5://proxy.corp")
    with pytest.raises(TypeError):
        ProxyMap(42)  # type: ignore[arg-type]


@pytest.mark.parametrize("proxies", [CORP, {"https": CORP}, {}])
def test_explicit_proxies_leave_the_environment_out(proxies: Any) -> None:
    environ = {
        "HTTP_PROXY": "http://env:1",
        "HTTPS_PROXY": "http://env:1",
        "ALL_PROXY": "http://env:1",
        "NO_PROXY": "*",
    }
    found = ProxyMap(proxies, environ=environ)
    assert chosen(found, "https://example.com/") == (CORP if proxies else None)
    assert chosen(found, "http://example.com/") == (CORP if proxies == CORP else None)


# -- environment --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "http", "https"),
    [
        ({}, None, None),
        ({"HTTP_PROXY": CORP}, CORP, None),
        ({"http_proxy": CORP}, CORP, None),
        ({"HTTPS_PROXY": CORP}, None, CORP),
        ({"https_proxy": CORP}, None, CORP),
        ({"ALL_PROXY": CORP}, CORP, CORP),
        ({"all_proxy": CORP}, CORP, CORP),
        ({"ALL_PROXY": "http://all:1", "HTTP_PROXY": CORP}, CORP, "http://all:1"),
        ({"HTTP_PROXY": "http://upper:1", "http_proxy": CORP}, CORP, None),
        ({"HTTPS_PROXY": "http://upper:1", "https_proxy": CORP}, None, CORP),
        ({"HTTP_PROXY": "http://upper:1", "http_proxy": ""}, None, None),
        ({"HTTP_PROXY": "", "ALL_PROXY": CORP}, CORP, CORP),
        ({"HTTP_PROXY": "proxy.corp:3128"}, CORP, None),
        ({"HTTP_PROXY": f" {CORP} "}, CORP, None),
        ({"Http_Proxy": CORP}, None, None),
        ({"HTTP_PROXY": CORP, "REQUEST_METHOD": "GET"}, None, None),
        ({"http_proxy": CORP, "REQUEST_METHOD": "GET"}, CORP, None),
        ({"HTTPS_PROXY": CORP, "REQUEST_METHOD": "GET"}, None, CORP),
    ],
)
def test_the_environment_chooses_the_proxy(environ: dict[str, str], http: str | None, https: str | None) -> None:
    proxies = ProxyMap(environ=environ)
    assert chosen(proxies, "http://example.com/") == http
    assert chosen(proxies, "https://example.com/") == https
    assert proxies.is_direct is (http is https is None)


def test_without_trust_the_environment_is_not_asked() -> None:
    proxies = ProxyMap(trust_env=False, environ={"ALL_PROXY": CORP})
    assert proxies.is_direct
    assert chosen(proxies, "http://example.com/") is None


def test_the_real_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", CORP)
    proxies = ProxyMap()
    monkeypatch.delenv("HTTP_PROXY")
    assert chosen(proxies, "http://example.com/") == CORP
    assert chosen(ProxyMap(), "http://example.com/") is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("socks5://localhost:1080", r"hyperhttp\[socks\]"),
        ("ftp://proxy.corp", "scheme 'ftp'"),
        ("http://alice:s3cret@proxy.corp:x", "percent-encoded"),
    ],
)
def test_a_wrong_variable_is_an_error_when_it_is_used_and_not_before(value: str, reason: str) -> None:
    proxies = environment(ALL_PROXY=value, NO_PROXY="localhost")
    assert chosen(proxies, "http://localhost/") is None
    with pytest.raises(ProxyError, match=f"environment variable ALL_PROXY .*{reason}") as caught:
        proxies.for_url(URL("https://example.com/"))
    assert "s3cret" not in str(caught.value)
    assert (caught.value.host, caught.value.port) == ("example.com", 443)
    assert proxies.explain(URL("https://example.com/")).error == str(caught.value)


# -- NO_PROXY -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "url", "direct"),
    [
        # exact host
        ("api.internal", "http://api.internal/", True),
        ("api.internal", "http://API.internal/", True),
        ("API.Internal", "http://api.internal/", True),
        ("api.internal", "http://api.internal./", True),
        ("api.internal.", "http://api.internal/", True),
        ("api.internal", "http://api.internal:8080/", True),
        ("api.internal", "http://v2.api.internal/", False),
        ("api.internal", "http://myapi.internal/", False),
        ("api.internal", "http://api.internal.evil.example/", False),
        ("localhost", "http://localhost:3000/", True),
        ("corp", "http://svc.corp/", False),
        ("bücher.example", "http://xn--bcher-kva.example/", True),
        ("xn--bcher-kva.example", "http://bücher.example/", True),
        # suffix
        (".corp", "http://svc.corp/", True),
        (".corp", "http://a.b.corp/", True),
        (".corp", "http://svc.corp./", True),
        (".corp", "http://corp/", False),
        (".corp", "http://evilcorp/", False),
        (".corp", "http://svc.corp.example/", False),
        ("*.corp", "http://svc.corp/", True),
        ("*.corp", "http://a.b.corp/", True),
        ("*.CORP", "http://svc.corp/", True),
        ("*.corp", "http://corp/", False),
        ("*.corp", "http://evilcorp/", False),
        (".bücher.example", "http://www.bücher.example/", True),
        # addresses
        ("10.0.0.1", "http://10.0.0.1/", True),
        ("10.0.0.1", "http://10.0.0.10/", False),
        ("10.0.0.1", "http://[::ffff:10.0.0.1]/", True),
        ("::1", "http://[::1]/", True),
        ("[::1]", "http://[::1]/", True),
        ("[::1]", "http://[::1]:8080/", True),
        ("::1", "http://[::2]/", False),
        ("0:0:0:0:0:0:0:1", "http://[::1]/", True),
        ("fe80::1", "http://[fe80::1%25eth0]/", True),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]/", True),
        ("[fe80::1%25eth0]", "http://[fe80::1]/", True),
        # ranges
        ("10.0.0.0/8", "http://10.255.1.2/", True),
        ("10.0.0.0/8", "http://11.0.0.1/", False),
        ("10.1.2.3/8", "http://10.9.9.9/", True),
        ("192.168.0.0/255.255.0.0", "http://192.168.4.4/", True),
        ("0.0.0.0/0", "http://1.2.3.4/", True),
        ("0.0.0.0/0", "http://example.com/", False),
        ("fd00::/8", "http://[fd12::1]/", True),
        ("[fd00::]/8", "http://[fd12::1]/", True),
        ("fd00::/8", "http://[fe00::1]/", False),
        ("::/0", "http://1.2.3.4/", False),
        # ports
        ("host.local:8080", "http://host.local:8080/", True),
        ("host.local:8080", "http://host.local/", False),
        ("host.local:80", "http://host.local/", True),
        ("host.local:443", "https://host.local/", True),
        ("host.local:443", "http://host.local/", False),
        (".corp:8080", "http://svc.corp:8080/", True),
        (".corp:8080", "http://svc.corp/", False),
        ("*.corp:8080", "http://svc.corp:8080/", True),
        ("10.0.0.1:8080", "http://10.0.0.1:8080/", True),
        ("10.0.0.1:8080", "http://10.0.0.1/", False),
        ("10.0.0.0/8:8080", "http://10.1.1.1:8080/", True),
        ("[::1]:8080", "http://[::1]:8080/", True),
        ("[::1]:8080", "http://[::1]/", False),
        ("[fd00::]/8:8080", "http://[fd00::9]:8080/", True),
        ("*:8080", "http://example.com:8080/", True),
        ("*:8080", "http://example.com/", False),
        # everything
        ("*", "http://example.com/", True),
        ("*", "https://[::1]:8080/", True),
        # names and addresses never match each other, whatever a zone spells
        (".example.com", "http://[::1%25.example.com]/", False),
        ("*.example.com", "http://[fe80::1%25www.example.com]/", False),
        (".1", "http://10.0.0.1/", None),
        ("1", "http://10.0.0.1/", None),
    ],
)
@pytest.mark.filterwarnings("ignore:NO_PROXY")
def test_no_proxy(entry: str, url: str, direct: bool | None) -> None:
    expected = None if direct else CORP
    assert chosen(environment(ALL_PROXY=CORP, NO_PROXY=entry), url) == expected
    assert chosen(environment(ALL_PROXY=CORP, no_proxy=f"other.example, {entry} ,"), url) == expected


def test_no_proxy_is_a_list_of_commas_or_blanks() -> None:
    proxies = environment(ALL_PROXY=CORP, NO_PROXY="a.example , b.example,,c.example\td.example  *.e.example,")
    for host in ("a.example", "b.example", "c.example", "d.example", "x.e.example"):
        assert chosen(proxies, f"http://{host}/") is None
    assert chosen(proxies, "http://f.example/") == CORP


@pytest.mark.parametrize("value", ["", " ", ",", " , ,"])
def test_an_empty_no_proxy_excepts_nothing(value: str) -> None:
    assert chosen(environment(ALL_PROXY=CORP, NO_PROXY=value), "http://example.com/") == CORP


def test_no_proxy_in_lower_case_hides_the_one_in_upper_case() -> None:
    proxies = environment(ALL_PROXY=CORP, NO_PROXY="*", no_proxy="a.example")
    assert chosen(proxies, "http://b.example/") == CORP
    assert chosen(proxies, "http://a.example/") is None


@pytest.mark.parametrize(
    "entry",
    [
        "http://a.example",
        "a.example/path",
        "10.0.0.0/99",
        "fd00::/129",
        "a.example:port",
        "a.example:0",
        "a.example:65536",
        "a*.example",
        "**.example",
        "*example",
        ".",
        "*.",
        ":8080",
        "[::1",
        "::1]",
        "[10.0.0.1]",
        "[corp]",
        "user@a.example",
        "2130706433",
        "0x7f.1",
        "1.2.3",
        ".10.0.0.1",
        "a..example",
        "-\x00",
        "a:b:c",
        "xn--\ud800",
    ],
)
def test_an_entry_that_cannot_be_understood_warns_and_is_left_out(entry: str) -> None:
    with pytest.warns(UserWarning, match="NO_PROXY: the entry .* cannot be understood") as caught:
        proxies = environment(ALL_PROXY=CORP, NO_PROXY=f"a.example,{entry},b.example")
    assert len(caught) == 1
    assert chosen(proxies, "http://a.example/") is None
    assert chosen(proxies, "http://b.example/") is None
    assert chosen(proxies, "http://c.example/") == CORP


def test_an_entry_warns_once_in_a_process() -> None:
    with pytest.warns(UserWarning, match=r"10\.0\.0\.0/99"):
        environment(ALL_PROXY=CORP, NO_PROXY="10.0.0.0/99")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        environment(ALL_PROXY=CORP, NO_PROXY="10.0.0.0/99")


def test_no_proxy_is_not_read_where_there_is_no_proxy() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert environment(NO_PROXY="10.0.0.0/99").is_direct


def test_patterns_know_which_means_fewer_hosts() -> None:
    texts = ["a.b:1", "a.b", "10.0.0.0/16", "10.0.0.0/8", ".a.b", ".b", "*:1", "*"]
    patterns = [HostPattern.parse(text) for text in texts]
    assert None not in patterns
    assert sorted(patterns, key=lambda pattern: pattern.precedence) == patterns  # type: ignore[union-attr]


# -- explain ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxies", "url", "rule"),
    [
        (environment(), "http://a.example/", "no proxy is configured"),
        (environment(HTTP_PROXY=CORP), "http://a.example/", "HTTP_PROXY"),
        (environment(http_proxy=CORP), "http://a.example/", "http_proxy"),
        (environment(HTTP_PROXY=CORP), "https://a.example/", "no proxy is configured"),
        (environment(ALL_PROXY=CORP, NO_PROXY="b,*.example"), "http://a.example/", "NO_PROXY: *.example"),
        (environment(ALL_PROXY=CORP, no_proxy="*"), "http://a.example/", "no_proxy: *"),
        (ProxyMap(trust_env=False), "http://a.example/", "no proxies=, and trust_env=False"),
        (ProxyMap(CORP), "http://a.example/", "proxies="),
        (ProxyMap({"https": None}), "https://a.example/", "proxies['https']"),
        (ProxyMap({"https": CORP}), "http://a.example/", "proxies= has no entry for this URL"),
    ],
)
def test_explain_names_the_rule_that_decided(proxies: ProxyMap, url: str, rule: str) -> None:
    decision = proxies.explain(URL(url))
    assert decision.rule == rule
    assert decision.error is None
    assert decision.proxy == proxies.for_url(URL(url))


def test_answers_are_remembered_per_origin_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    decide = ProxyMap._decide

    def counting(self: ProxyMap, url: URL) -> ProxyDecision:
        asked.append(url.origin)
        return decide(self, url)

    monkeypatch.setattr(ProxyMap, "_decide", counting)
    monkeypatch.setattr(module, "_MAX_REMEMBERED", 3)
    proxies = ProxyMap(CORP)
    for path in ("/a", "/b"):
        proxies.for_url(URL(f"http://example.com{path}"))
    assert asked == ["http://example.com"]
    for number in range(10):
        proxies.for_url(URL(f"http://host{number}/"))
    assert len(proxies._memo) <= 3


def test_a_map_without_rules_remembers_nothing() -> None:
    proxies = ProxyMap(environ={})
    assert proxies.for_url(URL("http://example.com/")) is None
    assert proxies._memo == {}
    assert repr(proxies) == "ProxyMap()"


def test_the_repr_lists_the_rules() -> None:
    proxies = ProxyMap({"http": CORP, "https": None})
    assert repr(proxies) == f"ProxyMap(proxies['http'] -> {CORP}, proxies['https'] -> direct)"
