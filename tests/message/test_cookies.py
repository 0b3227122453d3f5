from __future__ import annotations

import copy
import json
import os
import pickle
import stat
import sys
import threading
import time
from datetime import UTC, datetime

import pytest

from hyperhttp.exceptions import InvalidURL, LocalProtocolError
from hyperhttp.message import cookies as module
from hyperhttp.message.cookies import Cookies, to_header
from hyperhttp.message.headers import Headers
from hyperhttp.message.url import URL

NOW = 1_700_000_000.0
SITE = "https://www.example.com/a/b"


def jar_from(*values: bytes | str, url: str = SITE, now: float | None = None) -> Cookies:
    jar = Cookies()
    jar.extract(url, values, now)
    return jar


@pytest.mark.parametrize(
    "given",
    [{"session": "abc", "x": "1"}, [("session", "abc"), ("x", "1")], Cookies({"session": "abc", "x": "1"})],
)
def test_a_jar_is_made_from_mappings_pairs_and_jars(given):
    jar = Cookies(given)
    assert list(jar.items()) == [("session", "abc"), ("x", "1")]
    assert jar.header_for("http://any.host/") == "session=abc; x=1"


def test_a_jar_is_a_mapping():
    jar = Cookies()
    jar["a"] = "1"
    jar["b"] = "2"
    jar["a"] = "3"
    assert (jar["a"], jar.get("b"), jar.get("c"), jar.get("c", "no")) == ("3", "2", None, "no")
    assert (list(jar), list(jar.values()), len(jar)) == (["a", "b"], ["3", "2"], 2)
    assert dict(jar) == {"a": "3", "b": "2"}
    assert jar == {"b": "2", "a": "3"}
    assert "a" in jar
    assert 1 not in jar
    del jar["a"]
    assert jar.pop("b") == "2"
    assert not jar
    for missing in (lambda: jar["a"], lambda: jar.__delitem__("a")):
        with pytest.raises(KeyError):
            missing()
    assert jar.setdefault("c", "4") == "4"


def test_an_empty_jar_is_false_again_after_the_last_cookie_went():
    jar = Cookies()
    assert not jar
    jar.set("a", "b", domain="example.com")
    assert jar
    jar.delete("a")
    assert not jar
    assert jar.header_for(SITE) is None


def test_cookies_of_one_name_are_never_a_conflict():
    jar = Cookies({"a": "everywhere"})
    jar.set("a", "one", domain="one.com")
    jar.set("a", "two", domain="two.com")
    jar.set("a", "path", domain="one.com", path="/x")
    assert jar["a"] == "path"
    assert list(jar) == ["a"] * 4
    assert [value for _, value in jar.items()] == ["everywhere", "one", "two", "path"]
    assert jar.get("a", domain="one.com", path="/") == "one"
    assert jar.get("a", domain="TWO.com") == "two"
    assert jar.get("a", domain="three.com") is None
    assert [str(cookie.domain) for cookie in jar.all(path="/")] == ["", "one.com", "two.com"]


def test_cookies_can_be_deleted_and_cleared_by_domain_and_path():
    def filled():
        jar = Cookies()
        for domain in ("a.com", "b.com"):
            for path in ("/", "/x"):
                jar.set("n", "v", domain=domain, path=path)
        return jar

    jar = filled()
    jar.delete("n", domain="a.com", path="/x")
    jar.delete("nothing")
    assert len(jar) == 3
    jar.clear(domain="a.com")
    assert [cookie.domain for cookie in jar.all()] == ["b.com", "b.com"]
    jar.clear(path="/x")
    assert len(jar) == 1
    jar.clear()
    assert not jar
    assert filled().header_for("http://a.com/x") == "n=v; n=v"


@pytest.mark.parametrize(
    ("options", "urls"),
    [
        ({}, {"http://a.com/": True, "https://b.org/x": True, "http://127.0.0.1/": True}),
        ({"domain": "a.com"}, {"http://a.com/": True, "http://x.y.a.com/": True, "http://ba.com/": False}),
        ({"domain": ".A.com"}, {"http://a.com/": True, "http://x.a.com/": True}),
        ({"domain": "a.com", "host_only": True}, {"http://a.com/": True, "http://x.a.com/": False}),
        ({"domain": "127.0.0.1"}, {"http://127.0.0.1:8000/": True, "http://1.127.0.0.1.com/": False}),
        ({"domain": "::1"}, {"http://[::1]:8000/": True, "http://[::2]/": False}),
        ({"domain": "[::1]"}, {"http://[::1]/": True}),
        ({"domain": "bücher.example"}, {"http://xn--bcher-kva.example/": True}),
        ({"path": "/x"}, {"http://a.com/x": True, "http://a.com/x/y": True, "http://a.com/xy": False}),
        ({"secure": True}, {"https://a.com/": True, "http://a.com/": False, "http://localhost/": True}),
        ({"domain": "a.com", "path": "/x"}, {"https://a.com/x": True, "https://a.com/": False}),
        ({"expires": 4e9}, {"http://a.com/": True}),
        ({"expires": 1.0}, {"http://a.com/": False}),
        ({"expires": datetime(2100, 1, 1, tzinfo=UTC)}, {"http://a.com/": True}),
    ],
)  # fmt: skip
def test_a_cookie_goes_where_it_was_set_for(options, urls):
    jar = Cookies()
    jar.set("n", "v", **options)
    for url, is_sent in urls.items():
        assert jar.header_for(url) == ("n=v" if is_sent else None), url
        assert jar.header_for(URL(url)) == ("n=v" if is_sent else None), url


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("a\r\nb", "x"), LocalProtocolError),
        (("a", "x\r\nSet-Cookie: y"), LocalProtocolError),
        (("a", "x;y"), LocalProtocolError),
        (("a", "x", "example.com", "x"), LocalProtocolError),
        (("a", "x", "exa mple.com"), InvalidURL),
        (("a", "x", "a.com/path"), InvalidURL),
        (("a", "x", "a.com/"), InvalidURL),
        (("a", "x", "a.com?q"), InvalidURL),
        (("a", "x", "a.com#f"), InvalidURL),
        (("a", "x", "user@a.com"), InvalidURL),
        (("a", "x", "a.com:80"), InvalidURL),
        (("a", 1), TypeError),
    ],
)
def test_what_may_not_be_sent_is_refused(arguments, error):
    with pytest.raises(error):
        Cookies().set(*arguments)


def test_a_response_sets_cookies_for_its_host():
    jar = jar_from(b"a=1", "b=2; Domain=example.com; Path=/", b"c=3; Path=/a/b; Secure; HttpOnly; SameSite=Strict")
    assert jar.header_for(SITE) == "c=3; a=1; b=2"
    assert jar.header_for("http://www.example.com/a/b") == "a=1; b=2"
    assert jar.header_for("https://www.example.com/a/bc") == "a=1; b=2"
    assert jar.header_for("https://example.com/a/b") == "b=2"
    assert jar.header_for("https://other.example.com/") == "b=2"
    assert jar.header_for("https://example.org/") is None
    strict = jar.all()[2]
    assert (strict.http_only, strict.same_site) == (True, "strict")


def test_what_breaks_a_rule_is_ignored_and_the_rest_is_kept():
    jar = jar_from(b"a=\x01", b"", b"b=1; Domain=com", b"c=1; Domain=evil.com", b"__Host-d=1", b"ok=1")
    assert list(jar) == ["ok"]


def test_longer_paths_come_first_then_older_cookies():
    jar = jar_from(b"one=1; Path=/", b"two=2; Path=/a", b"three=3; Path=/a/b", b"four=4; Path=/")
    jar.extract(SITE, [b"one=again; Path=/"])
    assert jar.header_for(SITE) == "three=3; two=2; one=again; four=4"


def test_a_cookie_that_is_set_again_or_has_ended_replaces_the_old_one():
    jar = jar_from(b"a=1", b"b=1; Max-Age=10", now=NOW)
    jar.extract(SITE, [b"a=2; Expires=Thu, 01 Jan 2099 00:00:00 GMT"], NOW)
    assert jar.header_for(SITE, NOW) == "a=2; b=1"
    assert jar.header_for(SITE, NOW + 9.9) == "a=2; b=1"
    assert jar.header_for(SITE, NOW + 10) == "a=2"
    jar.extract(SITE, [b"a=; Max-Age=0", b"c=; Max-Age=0"], NOW)
    assert jar.header_for(SITE, NOW + 11) is None


def test_time_may_go_back_without_bringing_anything_out_of_step():
    jar = jar_from(b"a=1; Max-Age=10", now=NOW)
    assert jar.header_for(SITE, NOW + 20) is None
    assert jar.header_for(SITE, NOW) in ("a=1", None)


def test_an_expired_cookie_is_not_seen_in_the_mapping():
    jar = Cookies({"b": "2"})
    jar.extract(SITE, [b"a=1; Max-Age=10"], time.time() - 20)
    assert (list(jar), len(jar), "a" in jar, jar.get("a")) == (["b"], 1, False, None)


def test_what_the_host_has_set_hides_what_was_meant_for_every_host():
    jar = Cookies({"session": "default", "other": "x"})
    jar.extract("https://example.com/", [b"session=mine; Path=/"])
    assert (
        jar.header_for("https://example.com/") == "session=mine; other=x"
        or jar.header_for("https://example.com/") == "other=x; session=mine"
    )
    assert jar.header_for("https://example.org/") == "session=default; other=x"
    jar.extract("https://example.com/", [b"other=deep; Path=/deep"])
    assert "other=x" in str(jar.header_for("https://example.com/"))
    assert "other=x" not in str(jar.header_for("https://example.com/deep"))


def test_cookies_the_request_has_already_come_first_and_hide_those_of_the_jar():
    jar = Cookies({"a": "jar", "b": "jar"})
    assert jar.header_for(SITE, own="a=own; c=own") == "a=own; c=own; b=jar"
    assert jar.header_for(SITE, own=b"a=own; b=own") == "a=own; b=own"
    assert Cookies().header_for(SITE, own="a=own") == "a=own"
    assert jar.header_for(SITE, own="") == "a=jar; b=jar"


def test_a_clear_response_cannot_cover_a_secure_cookie():
    jar = jar_from(b"id=good; Secure; Path=/; Domain=example.com", b"deep=good; Secure; Path=/login")
    for url in ("http://www.example.com/", "http://example.com/", "http://sub.www.example.com/"):
        jar.extract(url, [b"id=evil; Path=/", b"id=evil; Path=/x; Domain=example.com"])
    assert [cookie.value for cookie in jar.all() if cookie.name == "id"] == ["good"]
    jar.extract("http://www.example.com/", [b"deep=fine; Path=/other", b"deep=evil; Path=/login/x"])
    assert {cookie.value for cookie in jar.all() if cookie.name == "deep"} == {"good", "fine"}
    jar.extract("http://unrelated.org/", [b"id=theirs"])
    jar.extract("https://www.example.com/", [b"id=new; Path=/; Domain=example.com"])
    assert jar.get("id", domain="example.com") == "new"


@pytest.mark.parametrize("raw", ["naïve €".encode(), b"na\xefve", b"\xff\xfe", b'"quo ted, \t"', b"a=b=c"])
def test_every_byte_of_a_value_goes_back_to_the_server(raw):
    jar = jar_from(b"n=" + raw + b"; Path=/")
    line = jar.header_for(SITE)
    assert line is not None
    headers = Headers({"Cookie": line})
    assert headers.raw == [(b"Cookie", b"n=" + raw)]


def test_a_value_set_as_text_is_sent_as_utf_8_and_read_as_text():
    jar = Cookies({"größe": "naïve €"})
    assert jar["größe"] == "naïve €"
    line = jar.header_for(SITE)
    assert line is not None
    assert line.encode("latin-1") == "größe=naïve €".encode()
    assert jar_from("n=naïve €")["n"] == "naïve €"


def test_pairs_become_a_header():
    assert to_header([("a", "1"), ("b", "é")]) == "a=1; b=Ã©"
    assert to_header([]) == ""
    with pytest.raises(LocalProtocolError):
        to_header([("a", "1;b=2")])


def test_a_domain_keeps_180_cookies_and_loses_those_not_used_for_long():
    jar = Cookies({"mine": "x"})
    jar.extract("https://victim.com/", [b"victim=1; Path=/"])
    jar.extract("https://flood.com/", [b"kept=1; Path=/kept"])
    for start in range(0, 1000, 100):
        jar.header_for("https://flood.com/kept")
        jar.extract("https://flood.com/", [b"n%d=1; Path=/x" % number for number in range(start, start + 100)])
        assert len(jar.all(domain="flood.com")) <= 180
    assert len(jar.all(domain="flood.com")) >= 150
    assert jar.get("kept") == "1"
    assert jar.get("n999") == "1"
    assert jar.get("n0") is None
    assert (jar["victim"], jar["mine"]) == ("1", "x")


def test_insecure_cookies_are_dropped_before_secure_ones():
    jar = Cookies()
    jar.extract("https://a.com/", [b"old=1; Secure"])
    jar.extract("https://a.com/", [b"n%d=1" % number for number in range(300)])
    assert jar.get("old") == "1"


def test_a_jar_keeps_3000_cookies_in_all_and_what_the_user_set_for_every_host():
    jar = Cookies({f"mine{number}": "x" for number in range(200)})
    for number in range(4000):
        jar.extract(f"https://{number}.com/", [b"a=1"])
    assert 2700 <= len(jar) <= 3200
    assert jar["mine0"] == "x"
    assert jar.get("a", domain="3999.com") == "1"
    assert jar.get("a", domain="0.com") is None


def test_a_full_jar_does_not_make_requests_too_large():
    jar = jar_from(*[b"n%03d=%s" % (number, b"x" * 4000) for number in range(100)])
    line = jar.header_for(SITE)
    assert line is not None
    assert 12_000 < len(line) <= 16 * 1024
    assert line.startswith("n000=")
    assert all(part.startswith("n") for part in line.split("; "))


def test_plans_are_kept_for_a_bounded_number_of_hosts(monkeypatch):
    monkeypatch.setattr(module, "_MAX_PLANS", 10)
    jar = Cookies({"a": "b"})
    for number in range(100):
        assert jar.header_for(f"http://{number}.com/") == "a=b"
    assert len(jar._plans) <= 10


def test_every_change_is_seen_by_the_next_request():
    jar = Cookies()
    url = URL(SITE)
    assert jar.header_for(url) is None
    jar["a"] = "1"
    assert jar.header_for(url) == "a=1"
    jar.extract(url, [b"b=2"])
    assert jar.header_for(url) == "a=1; b=2" or jar.header_for(url) == "b=2; a=1"
    jar.delete("a")
    assert jar.header_for(url) == "b=2"
    jar.clear(domain="www.example.com")
    assert jar.header_for(url) is None


def test_a_copy_has_the_same_cookies_and_a_life_of_its_own():
    jar = jar_from(b"a=1; Secure; Path=/x; Max-Age=1000", b"b=2; Domain=example.com")
    for twin in (
        jar.copy(),
        Cookies(jar),
        copy.copy(jar),
        copy.deepcopy(jar),
        pickle.loads(pickle.dumps(jar)),
    ):
        assert twin == jar
        twin.extract(SITE, [b"a=changed; Path=/x"])
        twin["c"] = "3"
        assert twin != jar
    assert len(jar) == 2
    assert jar["a"] == "1"


def test_update_takes_mappings_pairs_jars_and_names():
    jar = Cookies()
    jar.update({"a": "1"}, b="2")
    jar.update([("c", "3")])
    jar.update(jar_from(b"d=4; Secure"))
    jar.update()
    assert dict(jar) == {"a": "1", "b": "2", "c": "3", "d": "4"}
    assert jar.all()[-1].secure


def test_equality_looks_at_attributes():
    assert jar_from(b"a=1") != jar_from(b"a=1; Secure")
    assert jar_from(b"a=1") == {"a": "1"}
    assert Cookies() != []
    with pytest.raises(TypeError):
        hash(Cookies())


def test_a_repr_shows_names_and_no_values():
    assert repr(jar_from(b"session=secret")) == "<Cookies [<Cookie session for www.example.com/a>]>"


def test_a_jar_survives_a_file_with_every_attribute(tmp_path):
    jar = jar_from(
        b"host=1", b"domain=2; Domain=example.com; Path=/",
        b"s=3; Secure; HttpOnly; SameSite=None; Max-Age=99",
        "u=naïve €".encode(), b"l=na\xefve", b"lonely", b"t=a\tb",
    )  # fmt: skip
    jar["everywhere"] = "x"
    file = tmp_path / "jar.json"
    jar.save(file)
    loaded = Cookies.load(str(file))
    assert loaded == jar
    assert [cookie.name for cookie in loaded.all()] == [cookie.name for cookie in jar.all()]
    assert loaded.header_for("https://sub.example.com/") == jar.header_for("https://sub.example.com/")
    assert "host=1" not in str(loaded.header_for("https://sub.www.example.com/a/b"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["jar.json"]


def test_session_cookies_can_be_left_out_of_the_file(tmp_path):
    jar_from(b"session=1", b"long=2; Max-Age=1000").save(tmp_path / "jar", session=False)
    assert list(Cookies.load(tmp_path / "jar")) == ["long"]


def test_cookies_that_ended_meanwhile_are_not_loaded(tmp_path):
    Cookies({"a": "1"}).save(tmp_path / "jar")
    saved = json.loads((tmp_path / "jar").read_text())
    saved["cookies"][0]["expires"] = 5.0
    (tmp_path / "jar").write_text(json.dumps(saved))
    assert not Cookies.load(tmp_path / "jar")


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_the_file_is_for_its_owner_alone(tmp_path):
    file = tmp_path / "jar"
    file.write_text("something that others may read")
    file.chmod(0o644)
    old = os.umask(0)
    try:
        Cookies({"a": "b"}).save(file)
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "jar").mkdir()
    with pytest.raises(OSError, match="jar"):
        Cookies({"a": "b"}).save(tmp_path / "jar")
    assert [entry.name for entry in tmp_path.iterdir()] == ["jar"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"null", b"[]", b"{}", b'{"version": 2, "cookies": []}', b'{"version": 1}', b"\x80\x04",
        b'{"version": 1, "cookies": [1]}', b'{"version": 1, "cookies": [{}]}',
        b'{"version": 1, "cookies": 1}',
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_file_of_something_else_is_a_value_error(tmp_path, content):
    (tmp_path / "jar").write_bytes(content)
    with pytest.raises(ValueError, match="not a file of cookies"):
        Cookies.load(tmp_path / "jar")


def test_a_file_with_a_cookie_that_breaks_a_rule_is_a_value_error(tmp_path):
    Cookies({"a": "b"}).save(tmp_path / "jar")
    saved = json.loads((tmp_path / "jar").read_text())
    saved["cookies"][0]["pair"] = "a=b\r\nX: y"
    (tmp_path / "jar").write_text(json.dumps(saved))
    with pytest.raises(ValueError, match="control character"):
        Cookies.load(tmp_path / "jar")


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Cookies.load(tmp_path / "nothing")


def test_threads_may_share_a_jar():
    jar = Cookies()
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def work(number: int) -> None:
        try:
            start.wait(10)
            for turn in range(300):
                jar.extract(f"https://{turn % 3}.com/", [b"t%d=%d; Path=/" % (number, turn)])
                jar.header_for(f"https://{turn % 3}.com/")
                list(jar.items())
                jar.delete(f"t{number}", domain=f"{turn % 3}.com")
            for host in range(3):
                jar.extract(f"https://{host}.com/", [b"t%d=last; Path=/" % number])
        except BaseException as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
    assert len(jar) == 12
    for host in range(3):
        line = jar.header_for(f"https://{host}.com/")
        assert line is not None
        assert sorted(line.split("; ")) == ["t0=last", "t1=last", "t2=last", "t3=last"]
