from __future__ import annotations

import pytest

from hyperhttp.exceptions import LocalProtocolError
from hyperhttp.message import set_cookie
from hyperhttp.message.set_cookie import (
    MAX_COOKIE_SIZE,
    check_path,
    domain_matches,
    is_ip_address,
    is_public_suffix,
    is_secure,
    make_cookie,
    make_pair,
    parse_set_cookie,
    path_matches,
    restore_cookie,
    text_of,
    wire_of,
)
from hyperhttp.message.url import URL

NOW = 1_700_000_000.0
DAY = 24 * 3600
HTTPS = URL("https://www.example.com/a/b")


def parse(value: str, url: str | URL = HTTPS):
    return parse_set_cookie(value, URL(url) if isinstance(url, str) else url, NOW)


@pytest.mark.parametrize(
    ("value", "name", "content"),
    [
        ("a=b", "a", "b"),
        ("  a\t=  b c ; Path=/", "a", "b c"),
        ("a=", "a", ""),
        ("a=b=c==", "a", "b=c=="),
        ('a="quoted; no"', "a", '"quoted'),
        ("lonely", "", "lonely"),
        ("=value", "", "value"),
        ("a=b\tc", "a", "b\tc"),
        ("a=b, c=d", "a", "b, c=d"),
        ("a=Ã©", "a", "é"),
        ("a=é", "a", "é"),
    ],
)
def test_name_and_value_end_at_the_first_equals_sign_and_semicolon(value, name, content):
    cookie = parse(value)
    assert cookie is not None
    assert (cookie.name, cookie.value) == (name, content)


@pytest.mark.parametrize(
    "value",
    [
        "",
        ";",
        "=",
        " = ; Path=/",
        "a=b\0",
        "a=b\r\nX: y",
        "a\x7f=b",
        "a=b; Path=/\x01",
        "a=b; x=\x0b",
        "a=\x08b",
    ],
)
def test_nothing_and_control_characters_are_ignored(value):
    assert parse(value) is None


def test_a_cookie_may_have_4096_bytes_and_an_attribute_1024():
    assert parse("a=" + "x" * (MAX_COOKIE_SIZE - 1)) is not None
    assert parse("a=" + "x" * MAX_COOKIE_SIZE) is None
    long_path = parse("a=b; Path=/" + "x" * 1023)
    too_long_path = parse("a=b; Path=/" + "x" * 1024)
    assert long_path is not None
    assert too_long_path is not None
    assert (len(long_path.path), too_long_path.path) == (1024, "/a")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("", {}),
        ("Secure", {"secure": True}),
        ("secure=false; HTTPONLY", {"secure": True, "http_only": True}),
        ("SameSite=Lax", {"same_site": "lax"}),
        ("SameSite", {"same_site": None}),
        ("Path=/x", {"path": "/x"}),
        ("Path=/x; Path=/y", {"path": "/y"}),
        ("Path=x", {"path": "/a"}),
        ("Path=", {"path": "/a"}),
        ("Path", {"path": "/a"}),
        ("Domain=example.com", {"domain": "example.com", "host_only": False}),
        ("Domain=.Example.COM", {"domain": "example.com", "host_only": False}),
        ("Domain=www.example.com", {"domain": "www.example.com", "host_only": False}),
        ("Domain=", {"domain": "www.example.com", "host_only": True}),
        ("Domain=.", {"domain": "www.example.com", "host_only": True}),
        ("Domain=x.com; Domain=example.com", {"domain": "example.com", "host_only": False}),
        ("Max-Age=60", {"expires": NOW + 60}),
        ("Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", {"expires": NOW + 60}),
        ("Max-Age=0", {"expires": 0.0}),
        ("Max-Age=-1", {"expires": 0.0}),
        ("Max-Age=60; Max-Age=+5", {"expires": NOW + 60}),
        ("Max-Age=1e3", {"expires": None}),
        ("Max-Age=٣", {"expires": None}),
        ("Max-Age=" + "9" * 1000, {"expires": NOW + 400 * DAY}),
        ("Expires=Fri, 17 Nov 2023 00:00:00 GMT", {"expires": 1_700_179_200.0}),
        ("Expires=Fri, 17 Nov 2123 00:00:00 GMT", {"expires": NOW + 400 * DAY}),
        ("Expires=never", {"expires": None}),
        ("unknown=1;; ;=;", {}),
    ],
)
def test_attributes(attributes, expected):
    cookie = parse(f"a=b; {attributes}")
    assert cookie is not None
    facts = {
        "domain": "www.example.com", "host_only": True, "path": "/a", "secure": False, "http_only": False,
        "same_site": None, "expires": None, "pair": "a=b", **expected,
    }  # fmt: skip
    assert {name: getattr(cookie, name) for name in facts} == facts


@pytest.mark.parametrize(
    ("domain", "url"),
    [
        ("other.com", "https://www.example.com/"),
        ("sub.www.example.com", "https://www.example.com/"),
        ("xample.com", "https://www.example.com/"),
        ("com", "https://www.example.com/"),
        (".com", "https://www.example.com/"),
        ("COM", "https://www.example.com/"),
        ("com.", "https://www.example.com/"),
        ("example.com.", "https://www.example.com/"),
        ("example.com", "https://www.example.com./"),
        ("co.uk", "https://www.example.co.uk/"),
        ("Co.Uk", "https://www.example.co.uk/"),
        ("co.uk.", "https://www.example.co.uk./"),
        ("github.io", "https://me.github.io/"),
        ("foo.ck", "https://www.foo.ck/"),
        ("xn--55qx5d.cn", "https://www.xn--55qx5d.cn/"),
        ("例え.jp", "https://www.xn--r8jz45g.jp/"),
        ("0.0.1", "https://127.0.0.1/"),
        (".0.0.1", "https://10.0.0.1/"),
        ("1", "https://127.0.0.1/"),
        ("example.com:443", "https://www.example.com/"),
    ],
)
def test_a_cookie_for_a_domain_that_is_not_the_hosts_own_is_ignored(domain, url):
    assert parse(f"a=b; Domain={domain}", url) is None


@pytest.mark.parametrize(
    ("domain", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1/"),
        ("localhost", "http://localhost/"),
        ("github.io", "https://github.io/"),
        ("co.uk", "https://co.uk/"),
    ],
)
def test_an_address_or_public_suffix_sets_cookies_for_itself_alone(domain, url):
    cookie = parse(f"a=b; Domain={domain}", url)
    assert cookie is not None
    assert (cookie.domain, cookie.host_only) == (domain, True)


@pytest.mark.parametrize(
    ("value", "url", "is_kept"),
    [
        ("a=b; Secure", "https://example.com/", True),
        ("a=b; Secure", "wss://example.com/", True),
        ("a=b; Secure", "http://example.com/", False),
        ("a=b; Secure", "http://localhost:8000/", True),
        ("a=b; Secure", "http://[::1]:8000/", True),
        ("__Secure-a=b; Secure", "https://example.com/", True),
        ("__Secure-a=b", "https://example.com/", False),
        ("__SECURE-a=b", "https://example.com/", False),
        ("__Secure-a=b; Secure", "http://example.com/", False),
        ("__Host-a=b; Secure; Path=/", "https://example.com/", True),
        ("__Host-a=b; Secure", "https://example.com/", False),
        ("__Host-a=b; Path=/", "https://example.com/", False),
        ("__hOST-a=b; Secure; Path=/x", "https://example.com/", False),
        ("__Host-a=b; Secure; Path=/; Domain=example.com", "https://www.example.com/", False),
        ("__Host-a=b; Secure; Path=/; Domain=example.com", "https://example.com/", False),
        ("__Host-a=b; Secure; Path=/; Domain=", "https://example.com/", True),
        ("__Host-a", "https://example.com/", False),
        ("=__Secure-a; Secure", "https://example.com/", False),
    ],
)
def test_secure_and_the_prefixes_are_enforced(value, url, is_kept):
    assert (parse(value, url) is not None) is is_kept


@pytest.mark.parametrize(
    ("path", "default"),
    [("/", "/"), ("/a", "/"), ("/a/", "/a"), ("/a/b", "/a"), ("/a/b/c?x=/y", "/a/b"), ("", "/")],
)
def test_the_default_path_is_the_directory(path, default):
    cookie = parse("a=b", f"https://example.com{path}")
    assert cookie is not None
    assert cookie.path == default


@pytest.mark.parametrize(
    "value",
    ["a=b" + ";" * 500_000, "a=b; expires=" + "1:" * 500, "a" * 1_000_000, "a=b;" + " " * 500_000 + "x"],
)
def test_hostile_values_do_not_take_quadratic_time(value):
    parse(value)  # or the test's time limit passes


@pytest.mark.parametrize(
    ("host", "domain", "matches"),
    [
        ("example.com", "example.com", True),
        ("www.example.com", "example.com", True),
        ("wwwexample.com", "example.com", False),
        ("example.com", "www.example.com", False),
        ("127.0.0.1", "0.0.1", False),
        ("::1", "::1", True),
    ],
)
def test_a_domain_matches_itself_and_the_names_below(host, domain, matches):
    assert domain_matches(host, domain) is matches


@pytest.mark.parametrize(
    ("path", "cookie_path", "matches"),
    [
        ("/", "/", True), ("/a", "/", True), ("/a", "/a", True), ("/a/", "/a", True), ("/a/b", "/a", True),
        ("/ab", "/a", False), ("/a", "/a/", False), ("/a/b", "/a/", True), ("/", "/a", False),
    ],
)  # fmt: skip
def test_a_path_matches_itself_and_everything_below(path, cookie_path, matches):
    assert path_matches(path, cookie_path) is matches


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("1.2.3.example", False),
        ("a", False),
        ("", False),
    ],
)
def test_addresses_are_told_from_names(host, expected):
    assert is_ip_address(host) is expected


SUFFIXES = [
    ("com", True), ("localhost", True), ("co.uk", True), ("example.co.uk", False), ("example.com", False),
    ("github.io", True), ("me.github.io", False), ("ck", True), ("foo.ck", True), ("www.ck", False),
    ("city.kobe.jp", False), ("other.kobe.jp", True), ("kobe.jp", True), ("com.", True),
    ("xn--55qx5d.cn", True), ("xn--85x722f.xn--55qx5d.cn", False), ("xn--fiqs8s", True), ("", True),
    ("xn--" + "a" * 70 + ".com", False), ("xn--\x7f.com", False),
]  # fmt: skip


@pytest.mark.parametrize(("domain", "expected"), SUFFIXES)
def test_public_suffixes(domain, expected):
    assert is_public_suffix(domain) is expected


def test_the_whole_list_is_understood():
    publicsuffixlist = pytest.importorskip("publicsuffixlist")
    reference = publicsuffixlist.PublicSuffixList()
    lines = set_cookie._suffix_lines().decode().splitlines()
    rules = [line for line in lines if line and not line.startswith("//")]
    assert len(rules) > 5000
    for rule in rules[::50]:
        domain = rule.removeprefix("!").replace("*", "any").encode("idna").decode()
        for name in (domain, f"below.{domain}", domain.partition(".")[2]):
            assert not name or is_public_suffix(name) is reference.is_public(name), name


def test_without_the_list_the_usual_suffixes_are_refused(monkeypatch):
    monkeypatch.setattr(set_cookie, "_suffix_list", b"")
    monkeypatch.setattr(set_cookie, "_suffixes", {})
    names = ("com", "co.uk", "example.com", "com.au", "example.de")
    assert [name for name in names if is_public_suffix(name)] == ["com", "co.uk", "com.au"]


def test_answers_are_remembered_up_to_a_limit(monkeypatch):
    known: dict[str, bool] = {}
    monkeypatch.setattr(set_cookie, "_suffixes", known)
    monkeypatch.setattr(set_cookie, "_MAX_SUFFIXES", 3)
    for number in range(10):
        is_public_suffix(f"{number}.com")
    assert len(known) <= 3


@pytest.mark.parametrize(
    ("url", "expected"),
    [("https://a/", True), ("wss://a/", True), ("http://a/", False), ("http://localhost/", True)],
)
def test_which_urls_are_secure(url, expected):
    assert is_secure(URL(url)) is expected


@pytest.mark.parametrize("raw", [b"plain", "é€".encode(), b"\xe9", b"\xff\xfe\x80"])
def test_bytes_survive_as_text_from_the_wire(raw):
    wire = raw.decode("latin-1")
    assert wire.encode("latin-1") == raw
    assert text_of(wire) == (raw.decode() if raw != b"\xe9" and raw[0] < 0xF8 else wire)
    assert wire_of("é€") == "é€".encode().decode("latin-1")


@pytest.mark.parametrize(
    ("name", "value", "pair"),
    [("a", "b", "a=b"), ("a b", "", "a b="), ("é", "€", "Ã©=â\x82¬"), ("a", 'x="y" z', 'a=x="y" z')],
)
def test_pairs_are_written_in_utf_8(name, value, pair):
    assert make_pair(name, value) == pair


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"), (" a", "x"), ("a ", "x"), ("a=b", "x"), ("a;b", "x"), ("a\n", "x"), ("a\0", "x"),
        ("a", "x;y"),
        ("a", "x\r\nSet: y"), ("a", "\0"), ("a", "\x7f"), ("a", "\t"), ("a", "x" * MAX_COOKIE_SIZE),
    ],
)  # fmt: skip
def test_pairs_that_may_not_be_sent_are_refused(name, value):
    with pytest.raises(LocalProtocolError) as caught:
        make_pair(name, value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("name", "value"), [(1, "a"), ("a", 1), ("a", None), (b"a", "b")])
def test_pairs_of_something_else_are_a_type_error(name, value):
    with pytest.raises(TypeError, match="must be str"):
        make_pair(name, value)


@pytest.mark.parametrize("path", ["", "a", "/a;b", "/a\n"])
def test_paths_that_cannot_be_are_refused(path):
    with pytest.raises(LocalProtocolError):
        check_path(path)


ENTRY = {
    "pair": "a=b", "domain": "example.com", "path": "/", "host_only": True, "secure": False,
    "http_only": False, "same_site": None, "expires": None,
}  # fmt: skip


def test_a_cookie_from_a_file_is_what_it_was():
    cookie = restore_cookie(**ENTRY)
    assert {name: getattr(cookie, name) for name in ENTRY} == ENTRY
    assert (cookie.name, cookie.value) == ("a", "b")
    assert restore_cookie(**{**ENTRY, "pair": "a=b\tc", "expires": 5}).expires == 5.0


@pytest.mark.parametrize(
    "changes",
    [
        {"pair": "a=b\r\n"}, {"pair": "a=b; c=d"}, {"pair": ""}, {"pair": "a=" + "x" * 5000}, {"pair": "a=€"},
        {"pair": 1}, {"path": "x"}, {"path": "/\n"}, {"domain": "a;b"}, {"domain": None}, {"secure": 1},
        {"host_only": "no"}, {"expires": "soon"}, {"expires": []}, {"same_site": "\0"}, {"more": True},
    ],
)  # fmt: skip
def test_a_cookie_from_a_file_that_breaks_a_rule_is_refused(changes):
    with pytest.raises((TypeError, ValueError)):
        restore_cookie(**{**ENTRY, **changes})


def test_a_repr_does_not_show_the_value():
    assert repr(make_cookie("session=secret", domain="example.com")) == "<Cookie session for example.com/>"
    assert repr(make_cookie("session=secret")) == "<Cookie session for every host/>"
