"""What `client.websocket` and `WebSocket.connect` take, and what is checked before anything is sent."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from ssl import SSLContext

    from wsproto.extensions import Extension

    from hyperhttp import URL, Auth, Cookies, Headers, Timeout

__all__ = ["ConnectOptions", "WebSocketOptions", "check_names", "check_values"]


class WebSocketOptions(TypedDict, total=False):
    """What `client.websocket` takes besides the URL.

    Attributes:
        headers: fields of the handshake, such as Origin.
        subprotocols: in the order of preference; `subprotocol` says which the server has chosen.
        extensions: what is offered, as wsproto's extensions; permessage-deflate by default, ``[]`` for none.
        timeout: limits of the handshake, `total` too, and `write` of each sending; the client's by default.
        params, cookies, auth, follow_redirects, proxy: of the handshake, as of any request.
        http2: False never uses HTTP/2, True negotiates it, ``"prior-knowledge"`` insists. By default a connection that
            is open already and offers WebSockets is used (RFC 8441), otherwise HTTP/1.1.
        max_message_size: bytes a message may have once it is inflated; 16 MiB by default.
        ping_interval: seconds of silence before a ping; 20 by default, None for none. Of a blocking WebSocket they count
            while somebody receives.
        ping_timeout: seconds the peer has to say anything then; 20 by default, None for ever.
        close_timeout: seconds the peer has to answer a Close frame; 10 by default.
    """

    headers: Headers | Mapping[str, str] | Sequence[tuple[str, str]] | None
    subprotocols: Sequence[str] | None
    extensions: Sequence[Extension] | None
    timeout: float | Timeout | None
    params: Any
    cookies: Cookies | Mapping[str, str] | Sequence[tuple[str, str]] | None
    auth: Auth | tuple[str, str] | None
    follow_redirects: bool
    proxy: str | URL | None
    http2: bool | Literal["prior-knowledge"]
    max_message_size: int
    ping_interval: float | None
    ping_timeout: float | None
    close_timeout: float | None


class ConnectOptions(WebSocketOptions, total=False):
    """What `WebSocket.connect` takes besides the URL: also the TLS options of the client it makes.

    Attributes:
        verify, cert, ssl_context: as of `hyperhttp.Client`.
    """

    verify: bool | str | os.PathLike[str]
    cert: Any
    ssl_context: SSLContext | None


_LIMITS: Final = ("ping_interval", "ping_timeout", "close_timeout")


def check_names(given: Mapping[str, Any], kind: type, what: str) -> None:
    """Refuse an option nobody knows, naming the nearest one.

    Raises:
        TypeError: there is one.
    """
    known = {name for each in kind.__mro__ for name in getattr(each, "__annotations__", ())}
    for name in given:
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            msg = f"{what} has no option {name!r}{hint}"
            raise TypeError(msg)


def check_values(given: Mapping[str, Any]) -> None:
    """Refuse limits that are none.

    Raises:
        ValueError: there is one.
    """
    for name in _LIMITS:
        value = given.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0):
            msg = f"{name}= takes a number of seconds above 0, or None, not {value!r}"
            raise ValueError(msg)
    size = given.get("max_message_size", 1)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        msg = f"max_message_size= takes a number of bytes, not {size!r}"
        raise ValueError(msg)
