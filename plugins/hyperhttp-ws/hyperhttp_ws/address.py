"""Where a WebSocket leads: ``ws`` and ``wss`` URLs (RFC 6455 section 3) as the HTTP URLs their handshake is sent to."""

from __future__ import annotations

from typing import Final

from hyperhttp import URL, InvalidURL, WebSocketProtocolError

__all__ = ["handshake_url"]

_SCHEMES: Final = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


def handshake_url(url: str | URL, base: URL | None = None) -> URL:
    """The absolute ``http`` or ``https`` URL of a handshake.

    Args:
        url: ``ws``, ``wss``, ``http`` or ``https``; relative where there is a base.
        base: what relative URLs extend.

    Raises:
        WebSocketProtocolError: it is none of these, names no host, or has a fragment.
    """
    try:
        parsed = URL(url)
        if parsed.is_relative and base is not None:
            parsed = _extend(base, parsed)
    except InvalidURL as error:
        msg = f"not the URL of a WebSocket: {error}"
        raise WebSocketProtocolError(msg) from error
    if parsed.is_relative:
        msg = f"the URL {parsed.redacted!r} is relative: give the client a base_url, or start it with ws:// or wss://"
        raise WebSocketProtocolError(msg)
    scheme = _SCHEMES.get(parsed.scheme)
    if scheme is None or not parsed.host:
        msg = f"a WebSocket's URL begins with ws:// or wss:// and a host, unlike {parsed.redacted!r}"
        raise WebSocketProtocolError(msg)
    if parsed.fragment:
        msg = f"a WebSocket's URL has no fragment (RFC 6455 section 3): {parsed.redacted!r}"
        raise WebSocketProtocolError(msg)
    return parsed.copy_with(scheme=scheme)


def _extend(base: URL, relative: URL) -> URL:
    """As the client does with relative URLs: they are below the base, with a slash before them or not."""
    text = str(relative)
    if relative.host:
        msg = f"the URL {relative.redacted!r} names a host; below a base_url only paths are relative"
        raise WebSocketProtocolError(msg)
    if not text or text[0] in "?#":
        return base.join(relative)
    return base.join("./" + text.lstrip("/"))
