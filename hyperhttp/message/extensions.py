"""What a request's extensions say about the way it is sent: ``"target"`` and ``"sni_hostname"``, as httpx spells them.

Both belong to the origin of the request: a redirect keeps no target, and to another host no name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.exceptions import InvalidURL, LocalProtocolError
from hyperhttp.message.host import bracketed, parse_host

if TYPE_CHECKING:
    from hyperhttp.message.request import Request

__all__ = ["forwarded_target", "http2_path", "redirected", "request_target", "tls_name"]

#: RFC 9112 section 3.2: no blank, no control character, no fragment, nothing beyond ASCII.
_TARGET: Final = re.compile(r"[\x21\x22\x24-\x7e]+")


def request_target(request: Request) -> str:
    """The request target (RFC 9112 section 3.2): what ``extensions["target"]`` says, or the URL's own.

    Raises:
        LocalProtocolError: it is no text or bytes of visible ASCII characters without a fragment.
    """
    given = request.extensions.get("target")
    if given is None:
        return request.url.target
    target = given.decode("latin-1") if isinstance(given, bytes) else given
    if not isinstance(target, str) or _TARGET.fullmatch(target) is None:
        msg = f"extensions['target'] is what stands in the request line, such as '/path' or '*', not {_shown(given)}"
        raise LocalProtocolError(msg)
    return target


def http2_path(request: Request) -> str:
    """The same as a ``:path``, which has two forms only (RFC 9113 section 8.3.1).

    Raises:
        LocalProtocolError: it has another.
    """
    target = request_target(request)
    if not target.startswith("/") and not (target == "*" and request.method == "OPTIONS"):
        msg = f"over HTTP/2 extensions['target'] begins with a slash, or is '*' with OPTIONS; not {_shown(target)}"
        raise LocalProtocolError(msg)
    return target


def forwarded_target(request: Request) -> str:
    """What follows the authority in the target of a request that a proxy forwards (RFC 9112 sections 3.2.2 and 3.2.4).

    Raises:
        LocalProtocolError: the proxy would take it somewhere else.
    """
    target = request_target(request)
    if target == "*" and request.method == "OPTIONS":
        return ""
    if not target.startswith("/"):
        msg = f"through a proxy that forwards requests extensions['target'] begins with a slash; not {_shown(target)}"
        raise LocalProtocolError(msg)
    return target


def tls_name(request: Request) -> str | None:
    """The name to ask for and to verify in the TLS handshake instead of the URL's host; None for none.

    Raises:
        LocalProtocolError: ``extensions["sni_hostname"]`` is no host.
    """
    given = request.extensions.get("sni_hostname")
    if given is None:
        return None
    try:
        return parse_host(bracketed(given) if isinstance(given, str) else "")
    except InvalidURL as error:
        msg = f"extensions['sni_hostname'] is a host name or an IP address, not {_shown(given)}"
        raise LocalProtocolError(msg) from error


def redirected(extensions: dict[str, Any], *, same_host: bool) -> dict[str, Any]:
    """Those that go on with a redirect."""
    kept = dict(extensions)
    kept.pop("target", None)
    if not same_host:
        kept.pop("sni_hostname", None)
    return kept


def _shown(value: object) -> str:
    return repr(value[:64] if isinstance(value, (str, bytes)) else value)
