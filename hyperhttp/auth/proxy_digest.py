"""Credentials for one proxy: Basic unasked, Digest where it asks for that (RFC 9110 section 11.7, RFC 7616 section 3.8).

They belong to the proxy they were given for and to nobody else: what a proxy has asked for is kept here, apart from what
origins have asked for and from every other proxy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hyperhttp.auth.challenge import parse_challenges, parse_parameters
from hyperhttp.auth.digest import MAX_ANSWERS, DigestSession, Nonce, choose_terms, is_refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ProxyCredentials", "ProxySigner"]

#: Nonces of one proxy whose number of uses is remembered.
_MAX_NONCES: Final = 32
_MAX_TEXT: Final = 2048  # the longest nonce


class ProxyCredentials:
    """User and password for a proxy, and what it has asked for. Serves any number of requests at a time.

    Args:
        username: text, or bytes as they are hashed.
        password: likewise.
        basic: the value of Proxy-Authorization to send unasked; None to send nothing before the proxy asks for Digest.
    """

    __slots__ = ("_nonces", "_password", "_username", "basic", "session")

    def __init__(self, username: str | bytes, password: str | bytes, basic: bytes | None = None) -> None:
        self._username = username
        self._password = password
        self.basic = basic
        self.session: DigestSession | None = None
        self._nonces: dict[str, Nonce] = {}

    def begin(self, *, can_sign: bool = True) -> ProxySigner:
        """What signs one request, and answers the challenges it meets.

        Args:
            can_sign: its content can be hashed.
        """
        session = self.session
        if session is not None and session.content_algorithm and not can_sign:
            session = None
        return ProxySigner(self, session)

    def answer(self, terms: Any) -> DigestSession:
        """A session for what the proxy asks for, which later requests begin with."""
        self.session = DigestSession(terms, self._username, self._password, self.nonce(terms.nonce))
        return self.session

    def nonce(self, value: str) -> Nonce:
        """The one record of a nonce, whoever asks for it first."""
        nonce = self._nonces.setdefault(value, Nonce(value))
        for oldest in list(self._nonces)[:-_MAX_NONCES]:
            self._nonces.pop(oldest, None)
        return nonce

    def __repr__(self) -> str:
        return "ProxyCredentials([secret])"

    def __reduce__(self) -> tuple[Any, ...]:
        return ProxyCredentials, (self._username, self._password, self.basic)  # a copy has to be asked itself


class ProxySigner:
    """Signs one request to a proxy, however often it has to be sent.

    Attributes:
        sends_again: the last challenge can be answered, by sending the request once more.
    """

    __slots__ = ("_answers", "_credentials", "_session", "sends_again")

    def __init__(self, credentials: ProxyCredentials, session: DigestSession | None) -> None:
        self._credentials = credentials
        self._session = session
        self._answers = 0
        self.sends_again = False

    @property
    def content_algorithm(self) -> str:
        """What content has to be hashed with for `authorization`, as `hashlib` calls it; empty where it has not."""
        return "" if self._session is None else self._session.content_algorithm

    def authorization(self, method: str, target: str, content: bytes = b"", content_hash: str = "") -> bytes | None:
        """The value of Proxy-Authorization, None where the proxy has not asked for anything yet.

        Args:
            method: of the request.
            target: as it stands in the request line.
            content: what ``auth-int`` covers.
            content_hash: in the place of content that is not in memory.
        """
        self.sends_again = False
        if self._session is None:
            return self._credentials.basic
        return self._session.authorization(method, target, content, content_hash).encode("latin-1")

    def heed(self, fields: Iterable[tuple[bytes, ...]], *, can_sign: bool) -> bool:
        """Look at a 407; gives whether the request shall be sent again, with other credentials.

        Args:
            fields: of the response.
            can_sign: the content can be hashed.
        """
        challenges = parse_challenges(_values(fields, b"proxy-authenticate"))
        terms = choose_terms([each.params for each in challenges if each.scheme == "digest"], can_sign=can_sign)
        if terms is None or self._answers >= MAX_ANSWERS or is_refusal(terms, self._session, self._answers):
            if self._credentials.session is self._session:
                self._credentials.session = None
            return False
        self._answers += 1
        self._session = self._credentials.answer(terms)
        self.sends_again = True
        return True

    def accept(self, fields: Iterable[tuple[bytes, ...]]) -> None:
        """Heed the Proxy-Authentication-Info of any other response (RFC 7616 section 3.5)."""
        session = self._session
        if session is None or self._credentials.session is not session:
            return
        value = parse_parameters(_values(fields, b"proxy-authentication-info")).get("nextnonce", "")
        if 0 < len(value) <= _MAX_TEXT:
            self._credentials.session = session.renewed(self._credentials.nonce(value))


def _values(fields: Iterable[tuple[bytes, ...]], name: bytes) -> list[str]:
    return [field[1].decode("latin-1") for field in fields if field[0].lower() == name]
