"""Digest against the examples of the RFCs, against the server's side written apart from it, and against abuse."""

from __future__ import annotations

import copy
import hashlib
import pickle
import threading
from typing import Any

import pytest

from hyperhttp.auth import digest
from hyperhttp.auth.base import ContentHash
from hyperhttp.auth.challenge import parse_challenges
from hyperhttp.auth.digest import (
    DigestAuth,
    DigestSession,
    DigestTerms,
    Nonce,
    choose_terms,
    is_answerable,
)
from hyperhttp.exceptions import LocalProtocolError, StreamConsumed
from hyperhttp.message.request import Request
from hyperhttp.message.response import Response
from hyperhttp.testing.digest import Challenge, NonceBook, parse_credentials, verify

URL = "http://example.org/dir/index.html"
ALGORITHMS = ["MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess", "SHA-512-256-sess"]


def demand(value: str, *more: str) -> Response:
    """A response that asks for credentials."""
    return Response(401, headers=[("WWW-Authenticate", each) for each in (value, *more)])


def plain(nonce: str = "n", **params: str) -> Response:
    """One with a Digest challenge of these parameters, quoted."""
    params = {"realm": "r", "nonce": nonce, "qop": "auth"} | params
    return demand("Digest " + ", ".join(f'{name}="{value}"' for name, value in params.items() if value))


def given(request: Request) -> dict[str, str]:
    """The credentials of a request as a server reads them; empty when there are none."""
    return parse_credentials(request.headers.get("Authorization", ""))


def begin(auth: DigestAuth, request: Request | str = URL) -> tuple[Any, Request]:
    """The flow of a request, and what it sends first."""
    flow = auth.auth_flow(Request("GET", request) if isinstance(request, str) else request)
    return flow, next(flow)


def end(flow: Any, response: Response | None = None) -> None:
    """Give the flow its last response; it must want nothing more."""
    with pytest.raises(StopIteration):
        flow.send(response or Response(200))


def signed(auth: DigestAuth, response: Response, url: str = URL) -> dict[str, str]:
    """What a first request answers to a challenge that is then content with it."""
    flow, first = begin(auth, url)
    assert given(first) == {}
    credentials = given(flow.send(response))
    end(flow)
    return credentials


# -- examples of the standards ---------------------------------------------------------------------------


@pytest.fixture
def cnonce(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what the client draws at random."""
    return lambda value: monkeypatch.setattr(digest, "_new_cnonce", lambda: value)


RFC_7616 = (
    'realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_section_3_9_1(cnonce: Any, algorithm: str, response: str) -> None:
    cnonce("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
    auth = DigestAuth("Mufasa", "Circle of Life")
    assert signed(auth, demand("Digest " + RFC_7616.format(algorithm=algorithm))) == {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "algorithm": algorithm,
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "qop": "auth",
        "response": response,
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    }


def test_rfc_7616_section_3_9_1_takes_the_stronger_of_both_fields(cnonce: Any) -> None:
    cnonce("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
    fields = [f"Digest {RFC_7616.format(algorithm=name)}" for name in ("MD5", "SHA-256")]
    for values in (fields, fields[::-1], [", ".join(fields)]):
        credentials = signed(DigestAuth("Mufasa", "Circle of Life"), demand(*values))
        assert credentials["algorithm"] == "SHA-256"
        assert credentials["response"] == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"


def test_rfc_7616_section_3_9_2_with_its_erratum_4897(cnonce: Any) -> None:
    cnonce("NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v")
    challenge = (
        'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, '
        'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
        'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true'
    )
    for name in ("Jäsøn Doe", "Ja\u0308søn Doe", "Jäsøn Doe".encode()):
        credentials = signed(DigestAuth(name, "Secret, or not?"), demand(challenge), "http://api.example.org/doe.json")
        assert credentials["username"] == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
        assert credentials["response"] == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
        assert credentials["userhash"] == "true"


def test_rfc_2617_section_3_5(cnonce: Any) -> None:
    cnonce("0a4f113b")
    challenge = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    credentials = signed(DigestAuth("Mufasa", "Circle Of Life"), demand(challenge))
    assert credentials["response"] == "6629fae49393a05397450978507c4ef1"
    assert "algorithm" not in credentials


def test_rfc_2069_section_2_4_with_its_erratum_749() -> None:
    challenge = (
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    credentials = signed(DigestAuth("Mufasa", "CircleOfLife"), demand(challenge))
    assert credentials["response"] == "1949323746fe6a43ef61f9606e7febea"
    assert credentials.keys() == {"username", "realm", "nonce", "uri", "response", "opaque"}


# -- every kind, against the server's side ---------------------------------------------------------------


@pytest.mark.parametrize("qop", ["", "auth", "auth-int", "auth-int,auth"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_server_accepts_every_algorithm_and_qop_more_than_once(algorithm: str, qop: str) -> None:
    challenge = Challenge('the "realm" \\ of', 'us"er\\', "pass: wörd", algorithm, qop)
    nonces, auth = NonceBook(), DigestAuth('us"er\\', "pass: wörd")
    target = "/p?q=1,%22b%22"
    for round_ in range(3):
        flow, request = begin(auth, Request("POST", f"http://h{target}", content=b"content"))
        if not round_:
            request = flow.send(demand(challenge.header(nonces.issue())))
        credentials = given(request)
        assert credentials.get("qop", "") == {"": "", "auth-int": "auth-int"}.get(qop, "auth")
        assert credentials.get("nc", "") == (f"0000000{round_ + 1}" if qop else "")
        verdict = verify(challenge, credentials, method="POST", target=target, body=b"content", nonces=nonces)
        assert verdict.problem == ""
        end(flow)


def test_the_key_of_a_session_is_made_once() -> None:
    auth = DigestAuth("u", "p")
    one = signed(auth, plain("n1", algorithm="MD5-sess"))
    flow, request = begin(auth)
    flow2, _ = begin(auth)
    end(flow, Response(200, headers={"Authentication-Info": 'nextnonce="n2"'}))
    two = given(request)
    flow3, request = begin(auth)
    three = given(request)
    end(flow2)
    end(flow3)

    def h(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    key = h(f"{h('u:r:p')}:n1:{one['cnonce']}")  # RFC 7616 section 3.4.2: the first nonce and cnonce
    for credentials, nonce in ((one, "n1"), (two, "n1"), (three, "n2")):
        assert (credentials["nonce"], credentials["cnonce"]) == (nonce, one["cnonce"])
        middle = f"{nonce}:{credentials['nc']}:{credentials['cnonce']}:auth"
        assert credentials["response"] == h(f"{key}:{middle}:{h('GET:/dir/index.html')}")


def test_the_cnonce_is_random_and_new_for_each_request() -> None:
    auth = DigestAuth("u", "p")
    seen = {signed(auth, plain())["cnonce"]}
    for _ in range(10):
        seen.add(given(begin(auth)[1])["cnonce"])
    assert len(seen) == 11
    assert all(len(each) == 32 for each in seen)


def test_sessions_serve_a_proxy_too() -> None:
    [challenge] = parse_challenges(['Digest realm="proxy", nonce="n", qop="auth"'])
    terms = choose_terms([challenge.params])
    assert terms is not None
    session = DigestSession(terms, "u", "p")
    server = Challenge("proxy", "u", "p")
    for _ in range(2):
        credentials = parse_credentials(session.authorization("CONNECT", "example.org:443"))
        credentials["opaque"] = server.hash()("proxy")
        nonces = NonceBook()
        nonces.issue()
        nonces._nonces["n"] = next(iter(nonces._nonces.values()))
        verdict = verify(server, credentials, method="CONNECT", target="example.org:443", body=b"", nonces=nonces)
        assert verdict.problem == ""
    assert credentials["nc"] == "00000002"


# -- which challenge -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        ([{}], ("MD5", "auth")),
        ([{"algorithm": "md5"}], ("md5", "auth")),
        ([{"algorithm": "MD5"}, {"algorithm": "SHA-512-256"}, {"algorithm": "SHA-256"}], ("SHA-512-256", "auth")),
        ([{"algorithm": "SHA-256-sess"}, {"algorithm": "SHA-256"}], ("SHA-256-sess", "auth")),
        ([{"algorithm": "SHA-256"}, {"algorithm": "SHA-256-sess"}], ("SHA-256", "auth")),
        ([{"qop": None}, {}], ("MD5", "auth")),
        ([{"qop": "auth-int"}], ("MD5", "auth-int")),
        ([{"qop": "AUTH-INT , Auth"}], ("MD5", "auth")),
        ([{"qop": "new, auth"}], ("MD5", "auth")),
        ([{"qop": ""}], ("MD5", "")),
        ([{"qop": "new"}], None),
        ([{"algorithm": "SHA-1"}], None),
        ([{"algorithm": "SHA-1"}, {"algorithm": "MD5"}], ("MD5", "auth")),
        ([{"algorithm": "-sess"}], None),
        ([{"algorithm": "MD5-sess-sess"}], None),
        ([{"algorithm": "\u017fHA-256"}], None),
        ([{"realm": None}], None),
        ([{"nonce": None}], None),
        ([{"realm": "x" * 5000}], None),
        ([{"nonce": "x" * 5000}], None),
        ([{"opaque": "x" * 5000}], None),
        ([], None),
    ],
)
def test_the_strongest_challenge_that_can_be_answered_is_chosen(offers: list[Any], chosen: Any) -> None:
    params = [{"realm": "r", "nonce": "n", "qop": "auth"} | offer for offer in offers]
    params = [{name: value for name, value in each.items() if value is not None} for each in params]
    terms = choose_terms(params)
    assert (terms and (terms.algorithm or "MD5", terms.qop)) == chosen
    assert [is_answerable(each) for each in params].count(True) >= (chosen is not None)
    if chosen is None:
        assert not any(is_answerable(each) for each in params)


def test_auth_int_is_for_content_at_hand() -> None:
    params = {"realm": "r", "nonce": "n", "qop": "auth-int"}
    assert choose_terms([params], can_sign=False) is None
    assert choose_terms([params | {"qop": "auth-int,auth"}], can_sign=False) is not None


def test_an_algorithm_that_openssl_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(digest._HASHES, "SHA-512-256", "a-hash-nobody-has")
    strong = {"realm": "r", "nonce": "n", "algorithm": "SHA-512-256"}
    assert choose_terms([strong, strong | {"algorithm": "MD5"}]) == DigestTerms("r", "n", algorithm="MD5")
    assert not is_answerable(strong)
    flow, _ = begin(DigestAuth("u", "p"))
    with pytest.raises(LocalProtocolError, match="SHA-512-256"):
        flow.send(plain(algorithm="SHA-512-256"))
    with pytest.raises(LocalProtocolError, match="SHA-512-256"):
        DigestSession(DigestTerms("r", "n", algorithm="SHA-512-256"), "u", "p")


@pytest.mark.parametrize(
    "value", ['Basic realm="r"', "Digest", "Digest abc=", 'Digest realm="r"', 'X realm="r", nonce=n']
)
def test_a_401_without_a_challenge_for_us_is_the_answer(value: str) -> None:
    end(begin(DigestAuth("u", "p"))[0], demand(value))
    end(begin(DigestAuth("u", "p"))[0], Response(401))
    end(begin(DigestAuth("u", "p"))[0], Response(403, headers={"WWW-Authenticate": "Digest realm=r, nonce=n"}))


# -- nothing breaks out ----------------------------------------------------------------------------------


EVIL = '", username="root", uri="/admin", x="\\'


@pytest.mark.parametrize("name", ["realm", "nonce", "opaque"])
def test_text_of_a_challenge_does_not_leave_its_quotes(name: str) -> None:
    quoted = EVIL.replace("\\", "\\\\").replace('"', '\\"')
    flow, _ = begin(DigestAuth("alice", "p"))
    request = flow.send(plain(**{name: quoted}))
    [challenge] = parse_challenges([request.headers["Authorization"]])
    assert challenge.params[name] == EVIL
    assert challenge.params["username"] == "alice"
    assert challenge.params["uri"] == "/dir/index.html"


def test_a_user_name_does_not_leave_its_quotes() -> None:
    credentials = signed(DigestAuth(EVIL, "p"), plain())
    assert (credentials["username"], credentials["uri"]) == (EVIL, "/dir/index.html")


def test_what_goes_back_unquoted_is_from_a_list_of_ours() -> None:
    assert choose_terms([{"realm": "r", "nonce": "n", "algorithm": "MD5, evil=1"}]) is None
    flow, _ = begin(DigestAuth("u", "p"))
    [challenge] = parse_challenges([flow.send(plain(qop="auth, evil=1")).headers["Authorization"]])
    assert challenge.params["qop"] == "auth"
    assert "evil" not in challenge.params


@pytest.mark.parametrize("text", ["a\r\nb", "a\nb", "a\0b", "a\x7fb", b"a\nb"])
def test_control_characters_are_refused(text: Any) -> None:
    for pair in ((text, "p"), ("u", text)):
        with pytest.raises(ValueError, match="control characters"):
            DigestAuth(*pair)


@pytest.mark.parametrize("charset", ["", "UTF-8"])
def test_a_user_name_beyond_ascii_is_sent_as_utf_8(charset: str) -> None:
    flow, _ = begin(DigestAuth("日本 ü", "p"))
    request = flow.send(plain(charset=charset))
    [value] = [value for name, value in request.headers.raw if name == b"Authorization"]
    assert 'username="日本 ü"'.encode() in value


@pytest.mark.parametrize("octets", ["réalm".encode(), "réalm".encode("latin-1"), "日本".encode()])
def test_a_realm_goes_back_and_into_the_hash_as_the_bytes_it_was(octets: bytes) -> None:
    flow, _ = begin(DigestAuth("u", "p"))
    response = Response(401, headers=[(b"WWW-Authenticate", b'Digest nonce=n, realm="%b"' % octets)])
    request = flow.send(response)
    [value] = [value for name, value in request.headers.raw if name == b"Authorization"]
    assert b'realm="%b"' % octets in value
    key = hashlib.md5(b"u:%b:p" % octets).hexdigest()
    a2 = hashlib.md5(b"GET:/dir/index.html").hexdigest()
    assert given(request)["response"] == hashlib.md5(f"{key}:n:{a2}".encode()).hexdigest()


def test_secrets_are_not_shown() -> None:
    auth = DigestAuth("alice", "hunter2")
    flow, _ = begin(auth)
    flow.send(plain())
    session = DigestSession(DigestTerms("r", "n"), "alice", "hunter2")
    for each in (auth, session):
        assert "hunter2" not in repr(each)
        assert "alice" not in str(each)


# -- reuse -----------------------------------------------------------------------------------------------


def test_the_next_request_needs_no_challenge_and_counts_on() -> None:
    auth = DigestAuth("u", "p")
    assert signed(auth, plain())["nc"] == "00000001"
    for number in range(2, 20):
        flow, request = begin(auth, f"http://example.org/{number}")
        assert given(request)["nc"] == f"{number:08x}"
        assert given(request)["uri"] == f"/{number}"
        end(flow)


@pytest.mark.parametrize(
    "url", ["https://example.org/", "http://example.org:8080/", "http://sub.example.org/", "http://example.com/"]
)
def test_another_origin_is_told_nothing(url: str) -> None:
    auth = DigestAuth("u", "p")
    signed(auth, plain("n1"))
    flow, request = begin(auth, url)
    assert given(request) == {}
    credentials = given(flow.send(plain("n1", realm="another")))
    assert (credentials["realm"], credentials["nc"]) == ("another", "00000001")
    assert given(begin(auth)[1])["realm"] == "r"


def test_a_challenge_of_another_origin_is_not_answered() -> None:
    flow, request = begin(DigestAuth("u", "p"))
    request.url = "http://evil.example/"  # as an event hook may do
    end(flow, plain())


@pytest.mark.parametrize(
    ("domain", "covered", "not_covered"),
    [
        ("", ["/", "/a", "/dir/index.html"], []),
        ("/", ["/", "/a"], []),
        ("/a /b/", ["/a", "/a/x", "/b/", "/b/x", "/dir/index.html"], ["/", "/ab", "/b", "/dir/", "/dir/other"]),
        ("http://example.org/a", ["/a/b"], ["/b"]),
        ("http://EXAMPLE.org:80/a", ["/a/b"], ["/b"]),
        ("http://other.example/a https://example.org/", ["/dir/index.html"], ["/a", "/"]),
        ("http://[ /a", ["/a"], ["/b"]),
    ],
)
def test_credentials_are_given_unasked_within_their_protection_space(
    domain: str, covered: list[str], not_covered: list[str]
) -> None:
    auth = DigestAuth("u", "p")
    signed(auth, plain(domain=domain))
    for path in covered:
        assert given(begin(auth, f"http://example.org{path}")[1]), path
    for path in not_covered:
        assert not given(begin(auth, f"http://example.org{path}")[1]), path
    for path in ("/a", "/"):
        assert not given(begin(auth, f"http://other.example{path}")[1])


def test_of_several_spaces_the_closest_is_used() -> None:
    auth = DigestAuth("u", "p")
    signed(auth, plain("n1", realm="all"), "http://example.org/")
    flow, _ = begin(auth, "http://example.org/inner/a")
    assert given(flow.send(plain("n2", realm="inner", domain="/inner")))["realm"] == "inner"
    end(flow)
    realms = [given(begin(auth, f"http://example.org{path}")[1])["realm"] for path in ("/", "/inner/b", "/innermost")]
    assert realms == ["all", "inner", "all"]


def test_nextnonce_is_used_for_the_next_request() -> None:
    auth = DigestAuth("u", "p")
    flow, _ = begin(auth)
    flow.send(plain("n1"))
    end(flow, Response(404, headers={"Authentication-Info": 'qop=auth, nextnonce="n\\"2"'}))
    credentials = given(begin(auth)[1])
    assert (credentials["nonce"], credentials["nc"]) == ('n"2', "00000001")


def test_two_sessions_that_go_on_with_one_nonce_keep_the_cnonces_their_keys_are_made_of() -> None:
    sessions = [DigestSession(DigestTerms("r", value, algorithm="MD5-sess", qop="auth"), "u", "p") for value in "ab"]
    shared = Nonce("next")
    renewed = [session.renewed(shared) for session in sessions]
    for before, after in zip(sessions, renewed, strict=True):
        cnonces = [parse_credentials(each.authorization("GET", "/"))["cnonce"] for each in (before, after)]
        assert cnonces[0] == cnonces[1]


@pytest.mark.parametrize("info", ["", 'nextnonce=""', 'nextnonce="open', "nextnonce=" + "x" * 5000])
def test_a_nextnonce_that_is_none_is_ignored(info: str) -> None:
    auth = DigestAuth("u", "p")
    flow, _ = begin(auth)
    flow.send(plain("n1"))
    end(flow, Response(200, headers={"Authentication-Info": info}))
    assert given(begin(auth)[1])["nonce"] == "n1"


def test_nextnonce_without_credentials_means_nothing() -> None:
    auth = DigestAuth("u", "p")
    end(begin(auth)[0], Response(200, headers={"Authentication-Info": "nextnonce=n"}))
    assert given(begin(auth)[1]) == {}


# -- refusals --------------------------------------------------------------------------------------------


def test_a_second_401_is_the_answer_and_is_not_tried_again_unasked() -> None:
    auth = DigestAuth("u", "wrong")
    for number in (1, 2):
        flow, first = begin(auth)
        assert given(first) == {}
        assert given(flow.send(plain("n")))["nc"] == f"0000000{number}"  # a nonce is never used twice with one count
        end(flow, plain("n2"))


def test_credentials_refused_with_the_same_challenge_are_not_sent_again() -> None:
    auth = DigestAuth("u", "p")
    signed(auth, plain("n"))
    flow, request = begin(auth)
    assert given(request)["nonce"] == "n"
    end(flow, plain("n"))
    assert given(begin(auth)[1]) == {}


def test_a_new_nonce_is_answered_although_nobody_says_stale() -> None:
    auth = DigestAuth("u", "p")
    signed(auth, plain("n1"))
    flow, _ = begin(auth)
    credentials = given(flow.send(plain("n2")))
    assert (credentials["nonce"], credentials["nc"]) == ("n2", "00000001")
    end(flow)


def test_a_stale_nonce_is_replaced_after_an_answer_too() -> None:
    flow, _ = begin(DigestAuth("u", "p"))
    assert given(flow.send(plain("n1")))["nonce"] == "n1"
    assert given(flow.send(plain("n2", stale="TRUE")))["nonce"] == "n2"
    end(flow)


def test_stale_with_the_same_nonce_counts_on() -> None:
    auth = DigestAuth("u", "p")
    signed(auth, plain("n"))
    flow, _ = begin(auth)
    assert given(flow.send(plain("n", stale="true")))["nc"] == "00000003"
    end(flow)


def test_a_server_that_always_says_stale_gets_its_way_a_few_times_only() -> None:
    flow, _ = begin(DigestAuth("u", "p"))
    for number in range(3):
        assert given(flow.send(plain(f"n{number}", stale="true")))["nonce"] == f"n{number}"
    end(flow, plain("n3", stale="true"))


# -- requests --------------------------------------------------------------------------------------------


def test_the_request_itself_is_not_changed() -> None:
    request = Request("GET", URL, headers={"X-A": "b"})
    request.mark = "kept"  # type: ignore[attr-defined]
    request.extensions["e"] = 1
    flow, first = begin(DigestAuth("u", "p"), request)
    second = flow.send(plain())
    assert "authorization" not in request.headers
    assert "authorization" not in first.headers
    assert second is not first
    for each in (first, second):
        assert (each.method, each.url, each.headers["x-a"], each.mark) == ("GET", request.url, "b", "kept")
        each.headers["X-Hook"] = "c"
        each.extensions["e"] = 2
    assert "x-hook" not in request.headers
    assert request.extensions == {"e": 1}


def test_credentials_of_an_earlier_hop_do_not_go_out_again() -> None:
    auth = DigestAuth("u", "p")
    signed(auth, plain(domain="/dir"))
    request = Request("GET", "http://example.org/elsewhere", headers={"Authorization": "Digest old"})
    assert given(begin(auth, request)[1]) == {}
    assert "authorization" not in begin(auth, request)[1].headers


async def at_once(function: Any, *arguments: Any) -> Any:
    """Runs what may block, as a client would in a thread."""
    return function(*arguments)


def stream(*, started: bool) -> Request:
    request = Request("POST", URL, content=iter([b"a", b"b"]))
    assert request.content is not None
    assert not request.content.replayable
    if started:
        coroutine = request.content.next_chunk(at_once)
        with pytest.raises(StopIteration):
            coroutine.send(None)
    return request


def test_content_that_was_sent_once_cannot_answer_but_the_next_one_can() -> None:
    auth = DigestAuth("u", "p")
    flow, _ = begin(auth, stream(started=True))
    with pytest.raises(StreamConsumed, match="sent twice"):
        flow.send(plain())
    assert given(begin(auth, stream(started=False))[1])["nc"] == "00000001"


def test_content_that_was_not_touched_can_answer() -> None:
    flow, _ = begin(DigestAuth("u", "p"), stream(started=False))
    assert given(flow.send(plain()))["qop"] == "auth"


def test_streamed_content_is_not_hashed() -> None:
    auth = DigestAuth("u", "p")
    flow, _ = begin(auth, stream(started=False))
    end(flow, plain(qop="auth-int"))
    signed(auth, plain(qop="auth-int"))
    assert given(begin(auth)[1])["qop"] == "auth-int"
    assert given(begin(auth, stream(started=False))[1]) == {}


# -- many at a time --------------------------------------------------------------------------------------


def test_flows_that_meet_the_same_nonce_share_its_count() -> None:
    auth = DigestAuth("u", "p")
    flows = [begin(auth)[0] for _ in range(50)]
    counts = [given(flow.send(plain("n", realm=f"r{number % 2}")))["nc"] for number, flow in enumerate(flows)]
    assert counts == [f"{number:08x}" for number in range(1, 51)]
    for flow in flows:
        end(flow)


def test_threads_never_use_a_count_twice() -> None:
    auth = DigestAuth("u", "p")
    used: list[tuple[str, str]] = []
    errors: list[BaseException] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        try:
            barrier.wait(10)
            for number in range(200):
                flow, request = begin(auth)
                if not given(request) or number % 10 == 9:
                    request = flow.send(plain(f"n{number // 50}", stale="true"))
                credentials = given(request)
                used.append((credentials["nonce"], credentials["nc"]))
                end(flow)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert len(used) == len(set(used)) == 1600


def test_what_is_remembered_is_bounded() -> None:
    auth = DigestAuth("u", "p")
    for number in range(400):
        signed(auth, plain(f"n{number}"), f"http://h{number}.example/")
    assert len(auth._spaces) == 256
    assert given(begin(auth, "http://h399.example/")[1])
    for number in range(100):
        flow, _ = begin(auth)
        flow.send(plain(f"n{number}", realm=f"r{number}", stale="true"))
        flow.close()
    space = auth._spaces["http://example.org"]
    assert len(space._nonces) == 32
    assert len(space._realms) == 8
    assert given(begin(auth)[1])["realm"] == "r99"


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda auth: pickle.loads(pickle.dumps(auth))])
def test_a_copy_counts_for_itself(clone: Any) -> None:
    auth = DigestAuth("u", "p")
    expected = signed(auth, plain())
    other = clone(auth)
    assert signed(other, plain())["username"] == expected["username"]
    assert given(begin(auth)[1])["nc"] == given(begin(other)[1])["nc"] == "00000002"


def test_a_nonce_gives_each_number_once() -> None:
    nonce = Nonce("n")
    assert [next(nonce.uses) for _ in range(3)] == [1, 2, 3]
    assert len(nonce.cnonce) == 32


# -- content that is not in memory ------------------------------------------------------------------------


class Twice:
    """Content that can be produced again."""

    def __iter__(self) -> Any:
        yield b"con"
        yield b"tent"


@pytest.mark.parametrize(("algorithm", "name"), [("MD5", "md5"), ("SHA-256", "sha256"), ("SHA-512-256", "sha512_256")])
def test_the_flow_asks_for_the_hash_of_content_that_is_streamed(algorithm: str, name: str) -> None:
    server, nonces = Challenge("realm", "user", "pw", algorithm=algorithm, qop="auth-int"), NonceBook()
    auth = DigestAuth("user", "pw")
    flow = auth.auth_flow(Request("POST", URL, content=Twice()))
    assert isinstance(next(flow), Request)
    wanted = flow.send(Response(401, [("WWW-Authenticate", server.header(nonces.issue()))]))
    assert wanted == ContentHash(name)
    answer: Any = flow.send(hashlib.new(name, b"content").hexdigest())  # type: ignore[arg-type]
    given = parse_credentials(answer.headers["authorization"])
    target = answer.url.target
    assert verify(server, given, method="POST", target=target, body=b"content", nonces=nonces).problem == ""


def test_content_that_serves_once_is_not_asked_for() -> None:
    server = Challenge("realm", "user", "pw", qop="auth-int")
    flow = DigestAuth("user", "pw").auth_flow(Request("POST", URL, content=iter([b"content"])))
    next(flow)
    with pytest.raises(StopIteration):
        flow.send(Response(401, [("WWW-Authenticate", server.header("n"))]))
