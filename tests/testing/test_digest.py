from __future__ import annotations

import hashlib
from typing import Any

import pytest

from hyperhttp.testing.digest import Challenge, NonceBook, Verdict, parse_credentials, verify

# The examples of RFC 7616 sections 3.9.1 and 3.9.2 (the latter with its erratum on the user name's hash).
RFC_NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
RFC_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


class OneNonce(NonceBook):
    """Accepts the nonce of the RFC."""

    def spend(self, nonce: str, count: str) -> bool:
        return nonce == RFC_NONCE


def rfc_challenge(algorithm: str) -> Challenge:
    return Challenge("http-auth@example.org", "Mufasa", "Circle of Life", algorithm, "auth, auth-int")


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616_are_accepted(algorithm: str, response: str) -> None:
    challenge = rfc_challenge(algorithm)
    opaque = challenge.hash()(challenge.realm)
    given = parse_credentials(
        'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", '
        f'algorithm={algorithm}, nonce="{RFC_NONCE}", nc=00000001, cnonce="{RFC_CNONCE}", '
        f'qop=auth, response="{response}", opaque="{opaque}"'
    )
    verdict = verify(challenge, given, method="GET", target="/dir/index.html", body=b"", nonces=OneNonce())
    assert verdict.problem == ""
    assert verdict.info.startswith('rspauth="')
    given["response"] = response[::-1]
    refused = verify(challenge, given, method="GET", target="/dir/index.html", body=b"", nonces=OneNonce())
    assert refused == Verdict("the response does not match")


def h(name: str, text: str | bytes) -> str:
    return hashlib.new(name, text if isinstance(text, bytes) else text.encode()).hexdigest()


def credentials(nonce: str, **changes: Any) -> dict[str, str]:
    """Right credentials for ``SHA-512-256-sess`` and ``auth-int``, computed as the RFC says, step by step."""
    name = "sha512_256"
    body: bytes = changes.pop("body", b"content")
    secret = h(name, f"{h(name, 'user:realm:pässword')}:{nonce}:c-nonce")
    a2 = h(name, f"POST:/path:{h(name, body)}")
    given = {
        "username": "user",
        "realm": "realm",
        "nonce": nonce,
        "uri": "/path",
        "qop": "auth-int",
        "nc": "00000001",
        "cnonce": "c-nonce",
        "algorithm": "SHA-512-256-sess",
        "opaque": h(name, "realm"),
        "response": h(name, f"{secret}:{nonce}:00000001:c-nonce:auth-int:{a2}"),
    }
    return given | changes


CHALLENGE = Challenge("realm", "user", "pässword", "SHA-512-256-sess", "auth, auth-int")


def check(given: dict[str, str], nonces: NonceBook, *, body: bytes = b"content") -> Verdict:
    return verify(CHALLENGE, given, method="POST", target="/path", body=body, nonces=nonces)


def test_session_algorithms_and_auth_int_are_checked() -> None:
    nonces = NonceBook()
    assert check(credentials(nonces.issue()), nonces).problem == ""
    assert "match" in check(credentials(nonces.issue()), nonces, body=b"changed").problem


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"username": "other"}, "user name"),
        ({"realm": "other"}, "realm"),
        ({"uri": "/other"}, "uri"),
        ({"opaque": "other"}, "opaque"),
        ({"qop": "auth-other"}, "qop"),
        ({"nc": "1"}, "nc"),
        ({"algorithm": "MD5"}, "algorithm"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, str], problem: str) -> None:
    nonces = NonceBook()
    verdict = check(credentials(nonces.issue(), **changes), nonces)
    assert problem in verdict.problem
    assert not verdict.is_stale


def test_missing_parameters_are_named() -> None:
    assert check({"username": "user"}, NonceBook()).problem.startswith("missing realm, nonce, uri, response, qop")


def test_a_nonce_is_stale_when_it_is_unknown_used_up_or_repeated() -> None:
    nonces = NonceBook()
    assert check(credentials("unknown"), nonces).is_stale
    nonce = nonces.issue()
    assert not check(credentials(nonce), nonces).problem
    assert check(credentials(nonce), nonces).is_stale
    limited = nonces.issue(uses=1)
    assert nonces.spend(limited, "00000001")
    assert not nonces.spend(limited, "00000002")


def test_old_nonces_are_forgotten() -> None:
    nonces = NonceBook()
    first = nonces.issue()
    for _ in range(1000):
        nonces.issue()
    assert not nonces.spend(first, "00000001")


def test_the_hashed_user_name_is_accepted() -> None:
    nonces = NonceBook()
    hashed = h("sha512_256", "user:realm")
    assert not check(credentials(nonces.issue(), username=hashed, userhash="true"), nonces).problem
    assert check(credentials(nonces.issue(), username=hashed), nonces).problem


def test_without_qop_the_form_of_rfc_2069_is_checked() -> None:
    nonces = NonceBook()
    challenge = Challenge("realm", "user", "password", "MD5", "")
    nonce = nonces.issue()
    response = h("md5", f"{h('md5', 'user:realm:password')}:{nonce}:{h('md5', 'GET:/')}")
    given = {"username": "user", "realm": "realm", "nonce": nonce, "uri": "/", "response": response}
    given["opaque"] = h("md5", "realm")
    assert verify(challenge, given, method="GET", target="/", body=b"", nonces=nonces) == Verdict()


def test_the_challenge_says_everything_a_client_needs() -> None:
    text = Challenge('a "b"', "u", "p", "SHA-256", "auth", userhash=True).header("n0nce", stale=True)
    assert text.startswith('Digest realm="a \\"b\\"", nonce="n0nce", opaque="')
    assert text.endswith('qop="auth", algorithm=SHA-256, stale=true, charset=UTF-8, userhash=true')


def test_credentials_of_another_scheme_are_none() -> None:
    assert parse_credentials("Basic abc") == {}
    assert parse_credentials('digest a="x\\"y",  b=z') == {"a": 'x"y', "b": "z"}
