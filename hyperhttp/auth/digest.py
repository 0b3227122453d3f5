"""The Digest scheme (RFC 7616), and its older form without qop (RFC 2069).

`DigestAuth` is the scheme as a flow. Below it, `choose_terms` picks the challenge to answer and `DigestSession` makes
credentials for it; neither knows requests, so they serve a proxy's challenge as well.

Text of a challenge is kept with one character per byte (ISO-8859-1), so that what a server said goes back to it, and
into the hashes, as the bytes it was.
"""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from hyperhttp.auth.base import Auth, ContentHash
from hyperhttp.auth.challenge import parse_challenges, parse_parameters
from hyperhttp.exceptions import InvalidURL, LocalProtocolError, StreamConsumed
from hyperhttp.message.extensions import request_target

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from hyperhttp.message.headers import Headers
    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.message.url import URL

__all__ = [
    "MAX_ANSWERS",
    "DigestAuth",
    "DigestSession",
    "DigestTerms",
    "Nonce",
    "choose_terms",
    "is_answerable",
    "is_refusal",
]

#: RFC 7616 section 6.1: names of algorithms and those hashlib knows them by; the strongest is the last.
_HASHES: Final = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_STRENGTH: Final = tuple(_HASHES)

#: Longest realm, nonce or opaque that is answered; more of a `domain` is not looked at.
_MAX_TEXT: Final = 2048

#: Challenges answered for one request: one is the rule, more come of nonces that other requests used up meanwhile.
MAX_ANSWERS: Final = 3

#: What is remembered: origins of one scheme; realms and nonces of one origin; URIs of one ``domain``.
_MAX_ORIGINS: Final = 256
_MAX_REALMS: Final = 8
_MAX_NONCES: Final = 32
_MAX_DOMAIN: Final = 32

_Made = TypeVar("_Made")

_escape: Final = re.compile(r'(["\\])').sub


class DigestTerms(NamedTuple):
    """What a challenge asks for (RFC 7616 section 3.3), as far as it is going to be answered.

    Attributes:
        realm: the protection space.
        nonce: the server's.
        opaque: to be given back; None where there is none.
        algorithm: as the server spells it; empty where it names none, which means MD5.
        qop: ``"auth"``, ``"auth-int"``, or empty for the form of RFC 2069.
        userhash: the user name is sent hashed.
        is_utf8: the server says that it compares in UTF-8, in Normalization Form C.
        is_stale: only the nonce was bad.
        domain: URIs the credentials are good for, with blanks between; empty for all of the server.
    """

    realm: str
    nonce: str
    opaque: str | None = None
    algorithm: str = ""
    qop: str = ""
    userhash: bool = False
    is_utf8: bool = False
    is_stale: bool = False
    domain: str = ""

    @property
    def family(self) -> str:
        """The hash, by its name in the registry of algorithms."""
        return self.algorithm.upper().removesuffix("-SESS") if self.algorithm else "MD5"

    @property
    def is_session(self) -> bool:
        """Whether the algorithm is one with ``-sess`` (section 3.4.2)."""
        return self.algorithm.upper().endswith("-SESS")


def choose_terms(offers: Iterable[Mapping[str, str]], *, can_sign: bool = True) -> DigestTerms | None:
    """The strongest of a server's Digest challenges; among equals the first.

    Args:
        offers: the parameters of each.
        can_sign: the content is at hand, so that ``auth-int`` is possible. ``auth`` is preferred even so.

    Returns:
        None when none can be answered.

    Raises:
        LocalProtocolError: there is one, but the OpenSSL of this Python lacks its algorithm.
    """
    known = [terms for params in offers if (terms := _terms_of(params, can_sign=can_sign)) is not None]
    usable = [terms for terms in known if _hash_of(terms.family) is not None]
    if known and not usable:
        msg = f"the server asks for Digest with {known[0].family}, which the OpenSSL of this Python does not support"
        raise LocalProtocolError(msg)
    return max(usable, key=lambda terms: (_STRENGTH.index(terms.family), bool(terms.qop)), default=None)


def is_answerable(params: Mapping[str, str]) -> bool:
    """Whether a Digest challenge with these parameters can be answered."""
    terms = _terms_of(params, can_sign=True)
    return terms is not None and _hash_of(terms.family) is not None


def _terms_of(params: Mapping[str, str], *, can_sign: bool) -> DigestTerms | None:
    realm, nonce, opaque = params.get("realm"), params.get("nonce"), params.get("opaque")
    if realm is None or nonce is None or max(len(realm), len(nonce), len(opaque or "")) > _MAX_TEXT:
        return None
    offered = [name.strip(" \t").lower() for name in params.get("qop", "").split(",")]
    wanted = ("auth", "auth-int") if can_sign else ("auth",)
    qop = next((name for name in wanted if name in offered), "")
    terms = DigestTerms(
        realm,
        nonce,
        opaque,
        algorithm=params.get("algorithm", ""),
        qop=qop,
        userhash=params.get("userhash", "").lower() == "true",
        is_utf8=params.get("charset", "").lower() == "utf-8",
        is_stale=params.get("stale", "").lower() == "true",
        domain=params.get("domain", "")[:_MAX_TEXT],
    )
    is_known = terms.algorithm.isascii() and terms.family in _HASHES
    return terms if is_known and (qop or not any(offered)) else None


def _hash_of(family: str) -> Callable[[bytes], str] | None:
    """The function H of RFC 7616 section 3.3, or None where OpenSSL has no such hash."""
    import hashlib  # loads OpenSSL, which most requests over http do without

    name = _HASHES[family]
    try:
        hashlib.new(name, usedforsecurity=False)
    except ValueError:
        return None
    return lambda data: hashlib.new(name, data, usedforsecurity=False).hexdigest()


def _new_cnonce() -> str:
    from secrets import token_hex  # takes its time to load, and is for those who meet a challenge

    return token_hex(16)


class Nonce:
    """A server's nonce and how often it was used (RFC 7616 section 3.4).

    Attributes:
        value: the nonce itself.
        cnonce: the client's, for all uses of this nonce where the algorithm has ``-sess``.
        uses: gives the numbers for ``nc``. Taking one is a single step, in threads too, so none is given twice.
    """

    __slots__ = ("cnonce", "uses", "value")

    def __init__(self, value: str, cnonce: str | None = None) -> None:
        self.value = value
        self.cnonce = cnonce or _new_cnonce()
        self.uses: Iterator[int] = count(1)


class DigestSession:
    """Makes the credentials for one protection space after another request (RFC 7616 sections 3.4 and 3.6).

    Args:
        terms: from `choose_terms`.
        username: text, or bytes as they shall be hashed.
        password: likewise.
        nonce: that of the terms, when it has been in use already.

    Raises:
        LocalProtocolError: the OpenSSL of this Python lacks the algorithm.
    """

    __slots__ = ("_cnonce", "_hash", "_key", "nonce", "terms", "user")

    def __init__(
        self, terms: DigestTerms, username: str | bytes, password: str | bytes, nonce: Nonce | None = None
    ) -> None:
        digest = _hash_of(terms.family)
        if digest is None:
            msg = f"the OpenSSL of this Python does not support {terms.family}"
            raise LocalProtocolError(msg)
        realm = terms.realm.encode("latin-1", "replace")
        user = _encode(username, is_utf8=terms.is_utf8)
        key = digest(b"%b:%b:%b" % (user, realm, _encode(password, is_utf8=terms.is_utf8)))
        self.terms = terms
        self.nonce = nonce or Nonce(terms.nonce)
        # A quoted-string may carry UTF-8 (RFC 9110 section 5.6.4). `username*` is for names that may not stand in one,
        # which `DigestAuth` does not take, and few servers know it.
        self.user = digest(b"%b:%b" % (user, realm)) if terms.userhash else user.decode("latin-1")
        self._hash = digest
        # Section 3.4.2: the first nonce and cnonce of a session stay in its key when the server gives out others.
        self._cnonce = self.nonce.cnonce
        self._key = digest(_join(key, self.nonce.value, self._cnonce)) if terms.is_session else key

    @property
    def content_algorithm(self) -> str:
        """What content is hashed with, as `hashlib` calls it; empty where it is not."""
        return _HASHES[self.terms.family] if self.terms.qop == "auth-int" else ""

    def authorization(self, method: str, target: str, content: bytes = b"", content_hash: str = "") -> str:
        """Credentials for one request: the value of Authorization or Proxy-Authorization.

        Args:
            method: of the request.
            target: as it stands in the request (the ``uri`` of RFC 7616 section 3.4).
            content: of the request, which ``auth-int`` covers.
            content_hash: in the place of content that is not in memory.
        """
        terms, nonce, digest = self.terms, self.nonce, self._hash
        # A nonce of the client's own per request keeps a server from choosing what is hashed; a session has just one.
        cnonce = self._cnonce if terms.is_session else _new_cnonce()
        uses = f"{next(nonce.uses):08x}"
        middle = (nonce.value, uses, cnonce, terms.qop) if terms.qop else (nonce.value,)
        subject = (method, target, content_hash or digest(content)) if terms.qop == "auth-int" else (method, target)
        parts = [
            f'username="{_quote(self.user)}"',
            f'realm="{_quote(terms.realm)}"',
            f'uri="{_quote(target)}"',
            f'nonce="{_quote(nonce.value)}"',
            f'response="{digest(_join(self._key, *middle, digest(_join(*subject))))}"',
        ]
        if terms.algorithm:
            parts.append(f"algorithm={terms.algorithm}")
        if terms.qop:
            parts.append(f"qop={terms.qop}, nc={uses}")
        if terms.qop or terms.is_session:
            parts.append(f'cnonce="{cnonce}"')
        if terms.opaque is not None:
            parts.append(f'opaque="{_quote(terms.opaque)}"')
        if terms.userhash:
            parts.append("userhash=true")
        return f"Digest {', '.join(parts)}"

    def renewed(self, nonce: Nonce) -> DigestSession:
        """This session with the ``nextnonce`` of a server (RFC 7616 section 3.5)."""
        session = DigestSession.__new__(DigestSession)
        session.terms = self.terms._replace(nonce=nonce.value)
        session.nonce, session.user = nonce, self.user
        session._hash, session._key = self._hash, self._key
        session._cnonce = self._cnonce  # some servers take it from the request, not from the session's first
        return session

    def __repr__(self) -> str:
        return "DigestSession([secret])"


def _encode(text: str | bytes, *, is_utf8: bool) -> bytes:
    """A user name or password as it is hashed (RFC 7616 section 4): UTF-8, also where the server does not say so."""
    if isinstance(text, bytes):
        return text
    if is_utf8 and not text.isascii():
        from unicodedata import normalize  # large, and for few names

        text = normalize("NFC", text)
    return text.encode()


def _join(*parts: str) -> bytes:
    return ":".join(parts).encode("latin-1", "replace")


def _quote(text: str) -> str:
    """The inside of a quoted-string (RFC 9110 section 5.6.4): nothing in `text` ends it."""
    return _escape(r"\\\1", text)


class _Space:
    """What an origin has asked for: its nonces, and for each realm the latest session and the paths it is good for.

    Nothing here is locked. Nonces are counted in one place each; of two sessions for a realm the later one stays,
    and either would do.
    """

    __slots__ = ("_nonces", "_realms")

    def __init__(self) -> None:
        self._nonces: dict[str, Nonce] = {}
        self._realms: dict[str, tuple[DigestSession, tuple[str, ...]]] = {}

    def nonce(self, value: str) -> Nonce:
        """The one record of a nonce, whoever asks for it first."""
        nonce = self._nonces.setdefault(value, Nonce(value))
        _drop_oldest(self._nonces, _MAX_NONCES)
        return nonce

    def find(self, path: str, *, can_sign: bool) -> DigestSession | None:
        """The session to begin with: that with the longest path above this one, the latest of several."""
        best, longest = None, 0
        for session, paths in reversed(list(self._realms.values())):
            length = max((len(each) for each in paths if _is_below(path, each)), default=0)
            if length > longest and (can_sign or session.terms.qop != "auth-int"):
                best, longest = session, length
        return best

    def keep(self, session: DigestSession, paths: tuple[str, ...]) -> None:
        """Begin with this session from now on."""
        self._realms.pop(session.terms.realm, None)
        self._realms[session.terms.realm] = (session, paths)
        _drop_oldest(self._realms, _MAX_REALMS)

    def renew(self, session: DigestSession, value: str) -> None:
        """Take the next nonce the server wants to see."""
        known = self._realms.get(session.terms.realm)
        if known is not None and 0 < len(value) <= _MAX_TEXT:
            self.keep(session.renewed(self.nonce(value)), known[1])

    def forget(self, session: DigestSession) -> None:
        """Begin without credentials that were refused; how often their nonce was used is still known."""
        known = self._realms.get(session.terms.realm)
        if known is not None and known[0] is session:
            self._realms.pop(session.terms.realm, None)


def _drop_oldest(table: dict[str, Any], limit: int) -> None:
    if len(table) > limit:
        for key in list(table)[:-limit]:
            table.pop(key, None)


def _is_below(path: str, above: str) -> bool:
    return path == above or path.startswith(above if above.endswith("/") else f"{above}/")


def _protected_paths(url: URL, domain: str) -> tuple[str, ...]:
    """Where a challenge's credentials are good (RFC 7616 section 3.3): everywhere, or below the URIs of `domain`.

    The URI that was asked for is one of them, whatever the server says; those of other origins are not.
    """
    paths = []
    for reference in domain.split(maxsplit=_MAX_DOMAIN)[:_MAX_DOMAIN]:
        try:
            target = url.join(reference)
        except InvalidURL:
            continue
        if target.origin == url.origin:
            paths.append(target.path)
    return (*paths, url.path) if domain.strip() else ("/",)


class DigestAuth(Auth):
    """Answers Digest challenges with user and password, which themselves are never sent (RFC 7616).

    MD5, SHA-256 and SHA-512-256 with and without ``-sess``; of several challenges the strongest. What a server has
    asked for is remembered for its origin alone, so that requests after the first need no challenge. One object
    serves any number of requests at a time.

    Protection of the content (``qop=auth-int``) is given where a server accepts nothing less and the content is in
    memory or can be read twice, as files can. Set `requires_request_body` on an object to have any other loaded.

    Args:
        username: text, or bytes as the server hashes them.
        password: likewise.

    Raises:
        ValueError: one of them holds a control character.
    """

    requires_response = True

    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        for text in (username, password):
            octets = text.encode() if isinstance(text, str) else text
            if any(octet < 32 or octet == 127 for octet in octets):
                msg = "user name and password for Digest authentication cannot contain control characters"
                raise ValueError(msg)
        self._username = username
        self._password = password
        self._spaces: dict[str, _Space] = {}

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Sign with what is known of the origin; answer its challenge, and those that only want another nonce.

        What is yielded are copies, so each response keeps the request it answers, and `request` can be sent again.

        Raises:
            StreamConsumed: the content has to be sent again and cannot be; what the challenge said is remembered.
            LocalProtocolError: the OpenSSL of this Python lacks the algorithm.
        """
        url = request.url
        can_sign = request.content is None or request.content.replayable
        space = self._space(url.origin)
        session = space.find(url.path, can_sign=can_sign)
        for answers in range(MAX_ANSWERS + 1):
            signed = _sign(request, session, (yield from _hash_content(request, session)))
            response = yield signed
            if signed.url.origin != url.origin:
                return  # an event hook sent it elsewhere, where nobody may ask for credentials of this origin
            if response.status_code != 401:
                _take_next_nonce(space, session, response)
                return
            terms = choose_terms(_offers(response), can_sign=can_sign)
            if terms is None or is_refusal(terms, session, answers):
                if session is not None:
                    space.forget(session)
                return
            session = DigestSession(terms, self._username, self._password, space.nonce(terms.nonce))
            space.keep(session, _protected_paths(url, terms.domain))
            if request.content is not None and not request.content.can_send:
                msg = f"{url.redacted} asks for Digest credentials, and the content cannot be sent twice to give them"
                raise StreamConsumed(msg, request=request)

    def lend_to(self, make: Callable[[str | bytes, str | bytes], _Made]) -> _Made:
        """What `make` makes of user and password: credentials for a proxy, which asks and is remembered on its own."""
        return make(self._username, self._password)

    def _space(self, origin: str) -> _Space:
        space = self._spaces.setdefault(origin, _Space())
        _drop_oldest(self._spaces, _MAX_ORIGINS)
        return space

    def __repr__(self) -> str:
        return "DigestAuth([secret])"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_spaces": {}}  # a copy counts its own nonces, so it has to be given some


def _hash_content(request: Request, session: DigestSession | None) -> Generator[Any, Any, str]:
    """The hash of streamed content, by whoever drives the flow; empty where none is needed."""
    algorithm = session.content_algorithm if session is not None else ""
    if not algorithm or request.content is None or request.content.data is not None:
        return ""
    hashed: str = yield ContentHash(algorithm)
    return hashed


def _sign(request: Request, session: DigestSession | None, content_hash: str) -> Request:
    """A copy of the request with credentials of the session, or with none."""
    signed = object.__new__(type(request))
    signed.__dict__.update(request.__dict__)
    signed.headers = request.headers
    signed._extensions = dict(request._extensions) if request._extensions else None
    signed.headers.pop("Authorization", None)  # what an earlier hop left would be a use of its nonce again
    if session is not None:
        content = b"" if request.content is None else request.content.data or b""
        target = request_target(request) if request._extensions else request.url.target
        signed.headers["Authorization"] = session.authorization(request.method, target, content, content_hash)
    return signed


def is_refusal(terms: DigestTerms, session: DigestSession | None, answers: int) -> bool:
    """Whether credentials were looked at and found wrong: an answer was, or the very same is asked for again."""
    if session is None or terms.is_stale:
        return False
    return answers > 0 or terms == session.terms._replace(is_stale=False)


def _offers(response: Response) -> list[Mapping[str, str]]:
    challenges = parse_challenges(_values(response.headers, b"www-authenticate"))
    return [challenge.params for challenge in challenges if challenge.scheme == "digest"]


def _take_next_nonce(space: _Space, session: DigestSession | None, response: Response) -> None:
    """Heed Authentication-Info (RFC 7616 section 3.5)."""
    if session is not None and "authentication-info" in response.headers:
        info = parse_parameters(_values(response.headers, b"authentication-info"))
        space.renew(session, info.get("nextnonce", ""))


def _values(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for field, value in headers.raw if field.lower() == name]
