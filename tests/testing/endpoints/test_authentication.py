from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_basic_auth_challenges_and_welcomes(fetch: Any) -> None:
    refused = fetch("/basic-auth/u/p%3Aw")
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"].startswith('Basic realm="')
    welcome = fetch("/basic-auth/u/p%3Aw", headers=basic("u", "p:w"))
    assert (welcome.status, welcome.json()) == (200, {"authenticated": True, "user": "u"})


@pytest.mark.parametrize(
    "headers",
    [basic("u", "wrong"), basic("u", ""), {"Authorization": "Basic !!!"}, {"Authorization": "Bearer dTpw"}],
)
def test_basic_auth_refuses_anything_else(fetch: Any, headers: dict[str, str]) -> None:
    assert fetch("/basic-auth/u/p", headers=headers).status == 401


def test_user_names_and_passwords_are_utf_8(fetch: Any) -> None:
    assert fetch("/basic-auth/%C3%BC/%E2%82%AC", headers=basic("ü", "€")).status == 200


def test_hidden_basic_auth_does_not_challenge(fetch: Any) -> None:
    refused = fetch("/hidden-basic-auth/u/p")
    assert refused.status == 404
    assert "WWW-Authenticate" not in refused.headers
    assert fetch("/hidden-basic-auth/u/p", headers=basic("u", "p")).status == 200


def test_bearer(fetch: Any) -> None:
    assert fetch("/bearer").headers["WWW-Authenticate"] == "Bearer"
    assert fetch("/bearer", headers={"Authorization": "Bearer t0k"}).json()["token"] == "t0k"
    assert fetch("/bearer?token=other", headers={"Authorization": "Bearer t0k"}).status == 401


def digest_answer(challenge: str, target: str, *, name: str = "md5", nc: str = "00000001") -> dict[str, str]:
    """Credentials for user u and password p, computed here."""

    def h(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    given = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    algorithm = re.search(r"algorithm=([\w-]+)", challenge)
    assert algorithm
    secret, tail = h(f"u:{given['realm']}:p"), h(f"GET:{target}")
    response = h(f"{secret}:{given['nonce']}:{nc}:cn:auth:{tail}")
    return {
        "Authorization": f'Digest username="u", realm="{given["realm"]}", nonce="{given["nonce"]}", '
        f'uri="{target}", qop=auth, nc={nc}, cnonce="cn", response="{response}", opaque="{given["opaque"]}", '
        f"algorithm={algorithm[1]}"
    }


@pytest.mark.parametrize(("algorithm", "name"), [("MD5", "md5"), ("SHA-256", "sha256"), ("SHA-512-256", "sha512_256")])
def test_digest_auth(fetch: Any, algorithm: str, name: str) -> None:
    target = f"/digest-auth/auth/u/p/{algorithm}?x=1"
    refused = fetch(target)
    assert refused.status == 401
    headers = digest_answer(refused.headers["WWW-Authenticate"], target, name=name)
    welcome = fetch(target, headers=headers)
    assert (welcome.status, welcome.json()) == (200, {"authenticated": True, "user": "u"})
    assert "rspauth=" in welcome.headers["Authentication-Info"]


def test_a_digest_nonce_goes_stale(fetch: Any) -> None:
    target = "/digest-auth/auth/u/p/MD5/2"
    challenge = fetch(target).headers["WWW-Authenticate"]
    statuses = [fetch(target, headers=digest_answer(challenge, target, nc=f"0000000{n}")) for n in (1, 2, 3)]
    assert [answer.status for answer in statuses] == [200, 200, 401]
    assert "stale=true" in statuses[-1].headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "path", ["/digest-auth/other/u/p", "/digest-auth/auth/u/p/SHA-1", "/digest-auth/auth/u/p/MD5/x"]
)
def test_nonsense_is_refused(fetch: Any, path: str) -> None:
    assert fetch(path).status == 400


def test_the_offer_can_be_chosen(fetch: Any) -> None:
    none = fetch("/digest-auth/none/u/p").headers["WWW-Authenticate"]
    assert "qop" not in none
    both = fetch("/digest-auth/auth,auth-int/u/p?userhash=1&realm=r").headers["WWW-Authenticate"]
    assert 'qop="auth, auth-int"' in both
    assert "userhash=true" in both
    assert both.startswith('Digest realm="r"')
