"""Endpoints behind a user name and a password, or a token (RFC 9110 section 11, 7616, 7617, 6750)."""

from __future__ import annotations

import base64
import binascii

from hyperhttp.testing.digest import ALGORITHMS, Challenge, NonceBook, Verdict, parse_credentials, verify
from hyperhttp.testing.endpoints.responses import sendable_fields
from hyperhttp.testing.endpoints.routing import ALL_METHODS, Routes
from hyperhttp.testing.exchange import BadRequestError, Exchange
from hyperhttp.testing.messages import Reply, json_reply

__all__ = ["routes"]

routes = Routes()
_BASIC = ("WWW-Authenticate", 'Basic realm="Fake Realm", charset="UTF-8"')


def _basic_matches(exchange: Exchange) -> bool:
    """Whether Authorization holds the name and password of the path (RFC 7617)."""
    scheme, _, token = exchange.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(token.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    expected = f"{exchange.parameters['user']}:{exchange.parameters['password']}"
    return scheme.lower() == "basic" and given == expected.encode("utf-8")


def _welcome(exchange: Exchange) -> dict[str, object]:
    return {"authenticated": True, "user": exchange.parameters["user"]}


@routes.add("/basic-auth/{user}/{password}", methods=ALL_METHODS)
def basic_auth(exchange: Exchange) -> Reply:
    """Demands HTTP Basic with the name and password of the path, answers 401 otherwise."""
    if not _basic_matches(exchange):
        return json_reply({"authenticated": False}, status=401, fields=[_BASIC])
    return json_reply(_welcome(exchange))


@routes.add("/hidden-basic-auth/{user}/{password}", methods=ALL_METHODS)
def hidden_basic_auth(exchange: Exchange) -> Reply:
    """Demands HTTP Basic but answers 404 without a challenge."""
    if not _basic_matches(exchange):
        return json_reply({"authenticated": False}, status=404)
    return json_reply(_welcome(exchange))


@routes.add("/bearer", methods=ALL_METHODS)
def bearer(exchange: Exchange) -> Reply:
    """Demands any bearer token, or the one in ?token=."""
    scheme, _, token = exchange.headers.get("authorization", "").partition(" ")
    expected = exchange.arg("token")
    if scheme.lower() != "bearer" or not token or (expected and token != expected):
        return json_reply({"authenticated": False}, status=401, fields=[("WWW-Authenticate", "Bearer")])
    return json_reply({"authenticated": True, "token": token})


@routes.add(
    "/digest-auth/{qop}/{user}/{password}",
    "/digest-auth/{qop}/{user}/{password}/{algorithm}",
    "/digest-auth/{qop}/{user}/{password}/{algorithm}/{stale_after}",
    methods=ALL_METHODS,
)
def digest_auth(exchange: Exchange) -> Reply:
    """Demands HTTP Digest: qop none, auth, auth-int or both; a nonce lasts {stale_after} requests."""
    challenge = _challenge(exchange)
    nonces = exchange.notes.setdefault("digest", NonceBook())
    given = parse_credentials(exchange.headers.get("authorization", ""))
    verdict = Verdict("no credentials")
    if given:
        verdict = verify(
            challenge,
            given,
            method=exchange.request.method,
            target=exchange.request.target,
            body=exchange.body,
            nonces=nonces,
        )
    if verdict.problem:
        header = challenge.header(nonces.issue(uses=_uses(exchange)), stale=verdict.is_stale)
        answer = {"authenticated": False, "problem": verdict.problem}
        return json_reply(answer, status=401, fields=sendable_fields([("WWW-Authenticate", header)]))
    info = [("Authentication-Info", verdict.info)] if verdict.info else []
    return json_reply(_welcome(exchange), fields=info)


def _challenge(exchange: Exchange) -> Challenge:
    qop = exchange.parameters["qop"]
    algorithm = exchange.parameters.get("algorithm", "MD5")
    if algorithm.upper().removesuffix("-SESS") not in ALGORITHMS:
        raise BadRequestError(400, f"unknown algorithm {algorithm!r}")
    if qop not in ("none", "auth", "auth-int", "auth,auth-int"):
        raise BadRequestError(400, f"unknown qop {qop!r}")
    return Challenge(
        realm=exchange.arg("realm", "me@test-origin"),
        user=exchange.parameters["user"],
        password=exchange.parameters["password"],
        algorithm=algorithm,
        qop="" if qop == "none" else qop.replace(",", ", "),
        userhash=bool(exchange.arg("userhash")),
    )


def _uses(exchange: Exchange) -> float:
    text = exchange.parameters.get("stale_after", "never")
    try:
        return float("inf") if text == "never" else float(text)
    except ValueError:
        raise BadRequestError(400, f"stale_after must be a number or 'never', not {text!r}") from None
