"""Schemes by name, and by what a server asks for (RFC 9110 sections 11.1 and 11.6.1).

``auth="digest alice:s3cret"`` is a scheme's name and the credentials for it, as in an Authorization field. With the name
``any`` the server's challenge chooses: the strongest scheme that can answer it with these credentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from hyperhttp.auth.base import ANY, Auth
from hyperhttp.auth.challenge import parse_challenges
from hyperhttp.exceptions import StreamConsumed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from hyperhttp.auth.challenge import Challenge
    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response

__all__ = ["AnyAuth", "Scheme", "auth_by_name"]

#: Origins whose scheme is remembered.
_MAX_ORIGINS: Final = 256


class Scheme(Protocol):
    """A scheme as plugins register it; see `hyperhttp.plugins.AuthScheme`."""

    @property
    def name(self) -> str:
        """The auth-scheme, in lower case."""

    @property
    def factory(self) -> Callable[[str], Auth]:
        """Makes an `Auth` from credentials."""

    @property
    def answer(self) -> Callable[[Challenge, str], Auth | None] | None:
        """Makes an `Auth` that answers a challenge."""

    @property
    def strength(self) -> int:
        """Orders the schemes a server offers."""


def auth_by_name(text: str, schemes: Mapping[str, Scheme]) -> Auth:
    """The scheme that a text such as ``"digest alice:s3cret"`` stands for.

    Args:
        text: the name of a scheme, or ``any``; a blank; the credentials.
        schemes: those there are, by name in lower case.

    Raises:
        ValueError: there is no such scheme, or the credentials do not have the form it needs. The message does not show
            the text, all of which may be secret.
    """
    name, credentials = [*text.split(maxsplit=1), "", ""][:2]
    if credentials and name.lower() == ANY:
        return AnyAuth(credentials, schemes)
    scheme = schemes.get(name.lower())
    if scheme is None or not credentials:
        names = ", ".join(sorted({ANY, *schemes}))
        raise ValueError(f"auth= as text is the name of a scheme, a blank and the credentials; the names are {names}")
    return _checked(scheme.factory(credentials), scheme)


class AnyAuth(Auth):
    """Answers a challenge with the strongest scheme that can; what was chosen for an origin is remembered.

    The first request to an origin goes without credentials, so that the server says what it wants. A server that asks for
    Basic gets the password itself: use it with ``https``, or name the scheme.

    Args:
        credentials: as all schemes understand them that shall be able to answer: ``user:password``, or a token.
        schemes: those there are, by name in lower case.
    """

    requires_response = True

    def __init__(self, credentials: str, schemes: Mapping[str, Scheme]) -> None:
        self._credentials = credentials
        self._schemes = schemes
        self._chosen: dict[str, Auth] = {}

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Sign as the origin has asked for before; else let it ask, and answer.

        Raises:
            StreamConsumed: the content has to be sent again and cannot be; which scheme to use is remembered.
        """
        origin = request.url.origin
        auth = self._chosen.get(origin)
        if auth is not None:
            flow = auth.auth_flow(request)
            response = yield from _play(flow, next(flow, None))
            if response is not None and response.status_code == 401:
                self._chosen.pop(origin, None)  # it may want another scheme next time
            return
        response = yield request
        if response.status_code != 401 or request.url.origin != origin:
            return  # with another origin an event hook has sent it elsewhere, where nobody may ask for these credentials
        auth = self._answer(response)
        if auth is None:
            return
        self._remember(origin, auth)
        if request.content is not None and not request.content.can_send:
            msg = f"{request.url.redacted} asks for credentials, and the content cannot be sent twice to give them"
            raise StreamConsumed(msg, request=request)
        flow = auth.auth_flow(request)
        first = next(flow, None)
        if first is not None and getattr(auth, "requires_response", False) and "authorization" not in first.headers:
            first = _send(flow, response)  # it waits for the challenge, which is here already
        yield from _play(flow, first)

    def _answer(self, response: Response) -> Auth | None:
        """The strongest scheme for the server's challenges; among equals the first."""
        values = [value for name, value in response.headers.multi_items() if name.lower() == "www-authenticate"]
        offers = [(self._schemes.get(challenge.scheme), challenge) for challenge in parse_challenges(values)]
        known = [
            (scheme, challenge) for scheme, challenge in offers if scheme is not None and scheme.answer is not None
        ]
        for scheme, challenge in sorted(known, key=lambda offer: -offer[0].strength):
            auth = scheme.answer(challenge, self._credentials) if scheme.answer is not None else None
            if auth is not None:
                return _checked(auth, scheme)
        return None

    def _remember(self, origin: str, auth: Auth) -> None:
        self._chosen[origin] = auth
        for oldest in list(self._chosen)[:-_MAX_ORIGINS]:
            self._chosen.pop(oldest, None)

    def __repr__(self) -> str:
        return "AnyAuth([secret])"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_chosen": {}}


def _play(
    flow: Generator[Request, Response, None], request: Request | None
) -> Generator[Request, Response, Response | None]:
    """Let a scheme's flow go on with this request; gives the last response."""
    response = None
    try:
        while request is not None:
            response = yield request
            request = _send(flow, response)
    finally:
        flow.close()
    return response


def _send(flow: Generator[Request, Response, None], response: Response) -> Request | None:
    """What a flow wants to send after a response; None when it is content with it."""
    try:
        return flow.send(response)
    except StopIteration:
        return None


def _checked(auth: Auth, scheme: Scheme) -> Auth:
    if not hasattr(auth, "auth_flow"):
        raise TypeError(
            f"the authentication scheme {scheme.name!r} made a {type(auth).__name__}, which has no auth_flow"
        )
    return auth
