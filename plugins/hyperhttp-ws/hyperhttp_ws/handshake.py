"""The opening handshake (RFC 6455 section 4, RFC 8441 section 5): what is sent, and what must come back."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from typing import TYPE_CHECKING, Any, Final

from wsproto.extensions import PerMessageDeflate as UnboundedDeflate

from hyperhttp import Headers, LocalProtocolError, WebSocketHandshakeError
from hyperhttp_ws.deflate import PerMessageDeflate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsproto.extensions import Extension

    from hyperhttp import Response

__all__ = ["Handshake"]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_OWN: Final = frozenset({"connection", "upgrade", "sec-websocket-accept", "sec-websocket-extensions",
                         "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version"})  # fmt: skip


class Handshake:
    """One handshake.

    Args:
        headers: the caller's own fields.
        subprotocols: in the order of preference.
        extensions: what is offered; None for permessage-deflate.

    Raises:
        LocalProtocolError: a field or subprotocol cannot be sent.
    """

    def __init__(
        self, headers: Any, subprotocols: Sequence[str] | None, extensions: Sequence[Extension] | None
    ) -> None:
        if isinstance(subprotocols, str):
            msg = "subprotocols= takes a sequence of names, not one name"
            raise TypeError(msg)
        self._key = base64.b64encode(os.urandom(16))
        self._subprotocols = tuple(subprotocols or ())
        self._extensions = [
            PerMessageDeflate.bounded(each) if isinstance(each, UnboundedDeflate) else each
            for each in ([PerMessageDeflate()] if extensions is None else extensions)
        ]
        self.headers = self._fields(Headers(headers))

    def _fields(self, headers: Headers) -> Headers:
        taken = [name for name in headers if name.lower() in _OWN]
        if taken:
            msg = f"{taken[0]} belongs to the handshake: use subprotocols= and extensions="
            raise LocalProtocolError(msg)
        for name in self._subprotocols:
            if _TOKEN.fullmatch(name) is None:
                msg = f"a subprotocol is a token (RFC 6455 section 4.1), unlike {name!r}"
                raise LocalProtocolError(msg)
        if len(set(self._subprotocols)) != len(self._subprotocols):
            msg = f"each subprotocol is offered once: {', '.join(self._subprotocols)}"
            raise LocalProtocolError(msg)
        headers["Sec-WebSocket-Key"] = self._key.decode("ascii")
        headers["Sec-WebSocket-Version"] = "13"
        if self._subprotocols:
            headers["Sec-WebSocket-Protocol"] = ", ".join(self._subprotocols)
        offers = [line for each in self._extensions if (line := _offer_of(each))]
        if offers:
            headers["Sec-WebSocket-Extensions"] = ", ".join(offers)
        return headers

    def check(self, response: Response) -> tuple[str | None, list[Extension]]:
        """The subprotocol and the extensions that the server has chosen.

        Raises:
            WebSocketHandshakeError: it has chosen what was not offered, or has not understood the handshake.
        """
        headers = response.headers
        if response.status_code == 101:
            accept = base64.b64encode(hashlib.sha1(self._key + _GUID, usedforsecurity=False).digest()).decode("ascii")
            if headers.get_list("sec-websocket-accept") != [accept]:
                raise _failure(response, "Sec-WebSocket-Accept does not answer the key that was sent")
        return self._subprotocol(response), self._agreed(response)

    def _subprotocol(self, response: Response) -> str | None:
        chosen = response.headers.get_list("sec-websocket-protocol")
        if not chosen:
            return None
        if len(chosen) > 1 or chosen[0] not in self._subprotocols:
            raise _failure(response, f"the subprotocol {', '.join(chosen)[:80]!r} was not offered")
        return chosen[0]

    def _agreed(self, response: Response) -> list[Extension]:
        agreed: list[Extension] = []
        value = ", ".join(response.headers.get_list("sec-websocket-extensions"))
        for chosen in filter(None, (part.strip() for part in value.split(","))):
            name = chosen.partition(";")[0].strip()
            extension = next((each for each in self._extensions if each.name == name), None)
            if extension is None or extension in agreed:
                raise _failure(response, f"the extension {name[:80]!r} was not offered")
            try:
                extension.finalize(chosen)
            except (ValueError, IndexError) as error:
                raise _failure(response, f"{name} with a parameter that was not offered: {error}") from error
            agreed.append(extension)
        return agreed


def _offer_of(extension: Extension) -> str:
    offer = extension.offer()
    if offer is True or offer == "":
        return extension.name
    return f"{extension.name}; {offer}" if offer else ""


def _failure(response: Response, what: str) -> WebSocketHandshakeError:
    url = response.url
    msg = f"the WebSocket handshake with {url.origin.partition('//')[2]} failed: {what}"
    return WebSocketHandshakeError(msg, request=response.request, host=url.host, port=url.effective_port)
