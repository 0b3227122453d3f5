"""What a proxy is sent, and what it is answered; no request is made here."""

from __future__ import annotations

import copy
import hashlib
import pickle
from typing import Any

import pytest

from hyperhttp.auth.digest import MAX_ANSWERS
from hyperhttp.auth.proxy_digest import ProxyCredentials
from hyperhttp.testing.digest import Challenge, NonceBook, parse_credentials, verify

TARGET = "example.com:443"


def challenge(nonce: str = "n", **params: str) -> list[tuple[bytes, bytes]]:
    given = {"realm": '"r"', "nonce": f'"{nonce}"', "qop": '"auth"'} | params
    value = "Digest " + ", ".join(f"{name}={text}" for name, text in given.items())
    return [(b"Proxy-Authenticate", value.encode("latin-1"))]


def params(value: bytes | None) -> dict[str, str]:
    return parse_credentials((value or b"").decode())


@pytest.mark.parametrize("basic", [None, b"Basic YTpi"])
def test_before_a_challenge_there_is_basic_or_nothing(basic: bytes | None) -> None:
    assert ProxyCredentials("a", "b", basic).begin().authorization("CONNECT", TARGET) == basic


@pytest.mark.parametrize("qop", ["auth", "auth-int"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256-sess"])
def test_an_answer_is_what_a_server_accepts(algorithm: str, qop: str) -> None:
    server, nonces = Challenge("proxy", "alice", "s3cret", algorithm=algorithm, qop=qop), NonceBook()
    credentials = ProxyCredentials("alice", "s3cret")
    signer = credentials.begin()
    assert signer.heed([(b"proxy-AUTHENTICATE", server.header(nonces.issue()).encode())], can_sign=True)
    for each in (signer, credentials.begin()):
        given = params(each.authorization("CONNECT", TARGET, b"content"))
        verdict = verify(server, given, method="CONNECT", target=TARGET, body=b"content", nonces=nonces)
        assert verdict.problem == ""


def test_a_challenge_is_answered_and_later_requests_begin_with_it() -> None:
    credentials = ProxyCredentials("alice", "s3cret", b"Basic x")
    signer = credentials.begin()
    assert signer.authorization("CONNECT", TARGET) == b"Basic x"
    assert signer.heed(challenge(), can_sign=True)
    assert signer.sends_again
    first = params(signer.authorization("CONNECT", TARGET))
    assert not signer.sends_again
    assert (first["username"], first["uri"], first["nc"]) == ("alice", TARGET, "00000001")
    assert params(credentials.begin().authorization("GET", "http://h/"))["nc"] == "00000002"


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"Proxy-Authenticate", b"Basic realm=x")],
        [(b"WWW-Authenticate", challenge()[0][1])],
        challenge(algorithm="ODD"),
    ],
)
def test_what_cannot_be_answered(fields: Any) -> None:
    signer = ProxyCredentials("alice", "s3cret").begin()
    assert not signer.heed(fields, can_sign=True)
    assert not signer.sends_again
    assert signer.authorization("CONNECT", TARGET) is None


def test_credentials_that_were_refused_are_not_sent_again_nor_begun_with() -> None:
    credentials = ProxyCredentials("alice", "wrong", b"Basic x")
    signer = credentials.begin()
    assert signer.heed(challenge("a"), can_sign=True)
    assert not signer.heed(challenge("b"), can_sign=True)
    assert credentials.begin().authorization("CONNECT", TARGET) == b"Basic x"


def test_a_stale_nonce_is_replaced_a_few_times() -> None:
    signer = ProxyCredentials("alice", "s3cret").begin()
    rounds = 0
    while signer.heed(challenge(str(rounds), stale="true"), can_sign=True):
        rounds += 1
        assert params(signer.authorization("GET", "http://h/"))["nonce"] == str(rounds - 1)
    assert rounds == MAX_ANSWERS


def test_content_that_is_not_at_hand_is_not_signed() -> None:
    signer = ProxyCredentials("alice", "s3cret").begin()
    assert not signer.heed(challenge(qop='"auth-int"'), can_sign=False)
    assert signer.heed(challenge(qop='"auth-int"'), can_sign=True)
    values = [params(signer.authorization("POST", "http://h/", content)) for content in (b"a", b"b")]
    assert values[0]["qop"] == "auth-int"
    assert values[0]["response"] != values[1]["response"]


def test_a_session_that_signs_content_is_not_for_content_that_cannot_be_hashed() -> None:
    credentials = ProxyCredentials("alice", "s3cret", b"Basic x")
    credentials.begin().heed(challenge(qop='"auth-int"'), can_sign=True)
    assert credentials.begin().content_algorithm == "md5"
    signer = credentials.begin(can_sign=False)
    assert (signer.content_algorithm, signer.authorization("POST", "http://h/")) == ("", b"Basic x")
    assert not signer.heed(challenge(qop='"auth-int"'), can_sign=False)
    assert credentials.session is not None, "others can use it still"


def test_the_hash_of_content_stands_for_the_content() -> None:
    server, nonces = Challenge("proxy", "alice", "s3cret", qop="auth-int"), NonceBook()
    signer = ProxyCredentials("alice", "s3cret").begin()
    signer.heed([(b"Proxy-Authenticate", server.header(nonces.issue()).encode())], can_sign=True)
    hashed = hashlib.new(signer.content_algorithm, b"content").hexdigest()
    given = params(signer.authorization("POST", "http://h/", content_hash=hashed))
    verdict = verify(server, given, method="POST", target="http://h/", body=b"content", nonces=nonces)
    assert verdict.problem == ""


@pytest.mark.parametrize(
    ("info", "nonce"), [(b'nextnonce="b"', "b"), (b'nextnonce=""', "a"), (b"qop=auth", "a"), (b"\xff", "a")]
)
def test_the_next_nonce_is_heeded(info: bytes, nonce: str) -> None:
    credentials = ProxyCredentials("alice", "s3cret")
    signer = credentials.begin()
    signer.accept([(b"Proxy-Authentication-Info", b'nextnonce="x"')])  # without credentials it means nothing
    assert credentials.session is None
    signer.heed(challenge("a"), can_sign=True)
    signer.accept([(b"Proxy-Authentication-Info", info)])
    assert params(credentials.begin().authorization("CONNECT", TARGET))["nonce"] == nonce


def test_nonces_that_are_remembered_are_bounded_and_counted_once() -> None:
    credentials = ProxyCredentials("alice", "s3cret")
    assert credentials.nonce("n") is credentials.nonce("n")
    for number in range(100):
        credentials.nonce(str(number))
    assert len(credentials._nonces) == 32


def test_nothing_secret_is_shown_and_a_copy_remembers_nothing() -> None:
    credentials = ProxyCredentials("alice", "s3cret", b"Basic x")
    credentials.begin().heed(challenge(), can_sign=True)
    assert repr(credentials) == "ProxyCredentials([secret])"
    for made in (copy.copy(credentials), pickle.loads(pickle.dumps(credentials))):
        assert made.session is None
        assert made.begin().authorization("CONNECT", TARGET) == b"Basic x"
