"""Digest access authentication on the server's side (RFC 7616).

Written from the RFC alone and shared with nothing, so that a client's digest is checked by somebody else's.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ALGORITHMS", "Challenge", "NonceBook", "Verdict", "parse_credentials", "verify"]

# RFC 7616 section 6.1: algorithm names and the names hashlib knows them by.
ALGORITHMS: Final = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_PARAMETER = re.compile(r'([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,]+)\s*(?:,|\Z)')


def parse_credentials(value: str) -> dict[str, str]:
    """The parameters of ``Authorization: Digest ...``; empty when it is another scheme."""
    scheme, _, rest = value.partition(" ")
    if scheme.lower() != "digest":
        return {}
    found = {}
    for name, text in _PARAMETER.findall(rest):
        found[name.lower()] = re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
    return found


@dataclass(slots=True)
class _Nonce:
    uses_left: float
    counts: set[str] = field(default_factory=set)


class NonceBook:
    """The nonces that were given out, and the counts each was used with (section 3.4.6)."""

    def __init__(self) -> None:
        self._nonces: dict[str, _Nonce] = {}
        self._lock = threading.Lock()

    def issue(self, *, uses: float = float("inf")) -> str:
        """A new nonce, good for so many requests."""
        nonce = secrets.token_hex(16)
        with self._lock:
            self._nonces[nonce] = _Nonce(uses)
            while len(self._nonces) > 1000:  # the oldest are forgotten, and so become stale
                del self._nonces[next(iter(self._nonces))]
        return nonce

    def spend(self, nonce: str, count: str) -> bool:
        """Whether a nonce is still good, and was not used with that count before."""
        with self._lock:
            known = self._nonces.get(nonce)
            if known is None or known.uses_left <= 0 or count in known.counts:
                return False
            known.uses_left -= 1
            if count:
                known.counts.add(count)
            return True


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a resource demands.

    Attributes:
        realm: the protection space.
        user: the user name it accepts.
        password: and the password.
        algorithm: as in :data:`ALGORITHMS`, with or without ``-sess``.
        qop: comma-separated list of ``auth`` and ``auth-int``; empty for the form of RFC 2069.
        userhash: the client may hash the user name.
    """

    realm: str
    user: str
    password: str
    algorithm: str = "MD5"
    qop: str = "auth"
    userhash: bool = False

    def hash(self) -> Callable[[bytes | str], str]:
        """The function H of section 3.4."""
        name = ALGORITHMS[self.algorithm.upper().removesuffix("-SESS")]

        def digest(data: bytes | str) -> str:
            octets = data.encode("utf-8") if isinstance(data, str) else data
            return hashlib.new(name, octets, usedforsecurity=False).hexdigest()

        return digest

    def header(self, nonce: str, *, stale: bool = False) -> str:
        """The value of WWW-Authenticate (section 3.3)."""
        realm = re.sub(r'(["\\])', r"\\\1", self.realm)
        parts = [f'realm="{realm}"', f'nonce="{nonce}"', f'opaque="{self.hash()(self.realm)}"']
        if self.qop:
            parts.append(f'qop="{self.qop}"')
        parts.append(f"algorithm={self.algorithm}")
        parts.append(f"stale={'true' if stale else 'false'}")
        parts.append("charset=UTF-8")
        if self.userhash:
            parts.append("userhash=true")
        return "Digest " + ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check.

    Attributes:
        problem: why the credentials are refused; empty when they are right.
        is_stale: only the nonce was bad, the client may try again at once with a new one.
        info: value of Authentication-Info for an accepted request (section 3.5).
    """

    problem: str = ""
    is_stale: bool = False
    info: str = ""


def verify(
    challenge: Challenge, given: dict[str, str], *, method: str, target: str, body: bytes, nonces: NonceBook
) -> Verdict:
    """Check credentials against a challenge (section 3.4)."""
    digest = challenge.hash()
    problem = _mismatch(challenge, given, digest, target)
    if problem:
        return Verdict(problem)
    qop = given.get("qop", "")
    secret = digest(f"{challenge.user}:{challenge.realm}:{challenge.password}")
    if challenge.algorithm.upper().endswith("-SESS"):
        secret = digest(f"{secret}:{given['nonce']}:{given.get('cnonce', '')}")
    middle = f"{given['nonce']}:"
    if qop:
        middle += f"{given['nc']}:{given['cnonce']}:{qop}:"
    tail = f":{digest(body)}" if qop == "auth-int" else ""
    if not secrets.compare_digest(digest(f"{secret}:{middle}{digest(f'{method}:{target}{tail}')}"), given["response"]):
        return Verdict("the response does not match")
    if not nonces.spend(given["nonce"], given.get("nc", "")):
        return Verdict("the nonce is stale", is_stale=True)
    if not qop:
        return Verdict()
    empty = f":{digest(b'')}" if qop == "auth-int" else ""
    proof = digest(f"{secret}:{middle}{digest(f':{target}{empty}')}")
    return Verdict(info=f'rspauth="{proof}", qop={qop}, nc={given["nc"]}, cnonce="{given["cnonce"]}"')


def _mismatch(challenge: Challenge, given: dict[str, str], digest: Callable[[bytes | str], str], target: str) -> str:
    """What is wrong with credentials before anything is computed; empty when nothing is."""
    needed = ["username", "realm", "nonce", "uri", "response"]
    offered = [part.strip() for part in challenge.qop.split(",") if part.strip()]
    if offered:
        needed += ["qop", "nc", "cnonce"]
    missing = [name for name in needed if name not in given]
    user = challenge.user
    if given.get("userhash", "").lower() == "true":
        user = digest(f"{challenge.user}:{challenge.realm}")
    checks = {
        f"missing {', '.join(missing)}": not missing,
        "wrong user name": _text(given.get("username", "")) == user,
        "wrong realm": given.get("realm") == challenge.realm,
        f"uri does not match the request target {target!r}": given.get("uri") == target,
        "wrong opaque": given.get("opaque") == digest(challenge.realm),
        "qop was not offered": given.get("qop", "") in (offered or [""]),
        "nc is not eight hexadecimal digits": not offered or bool(re.fullmatch("[0-9a-f]{8}", given.get("nc", ""))),
        "wrong algorithm": given.get("algorithm", "MD5").upper() == challenge.algorithm.upper(),
    }
    return next((problem for problem, is_right in checks.items() if not is_right), "")


def _text(value: str) -> str:
    """A quoted user name is UTF-8 (section 4), but fields are read one character per byte."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value
