"""Which credentials a request goes with: those of the call, of the URL, of the client, of a netrc file; in this order."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from hyperhttp.auth.base import Auth
from hyperhttp.auth.basic import BasicAuth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hyperhttp.auth.named import Scheme
    from hyperhttp.auth.netrc import NetrcFile
    from hyperhttp.message.headers import Headers
    from hyperhttp.message.request import Request

__all__ = ["auth_of", "credentials_for", "netrc_of", "without_proxy_credentials"]


def auth_of(value: Any, schemes: Mapping[str, Scheme]) -> Auth | None:
    """The scheme an ``auth=`` argument stands for: a pair is Basic, a text names a scheme.

    Args:
        value: the argument.
        schemes: those of the client's plugins and of the core, by name.

    Raises:
        TypeError: it is none.
        ValueError: there is no scheme of that name, or it cannot use these credentials.
    """
    if value is None or isinstance(value, Auth):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        return BasicAuth(*value)
    if isinstance(value, str):
        from hyperhttp.auth.named import auth_by_name  # most schemes are objects

        return auth_by_name(value, schemes)
    if hasattr(value, "auth_flow"):
        return value  # type: ignore[no-any-return]  # a plugin's scheme fits by its shape
    msg = f"auth= takes an Auth, (user, password) or 'scheme credentials', not {type(value).__name__}"
    raise TypeError(msg)


def netrc_of(*, trust_env: bool) -> NetrcFile | None:
    """The netrc file of the environment, where it may be asked and has one."""
    if not trust_env:
        return None
    from hyperhttp.auth.netrc import find_netrc  # for those who make a client

    return find_netrc()


def credentials_for(request: Request, own: Auth | None, netrc: NetrcFile | None) -> Auth | None:
    """The scheme for a request whose call names none; an Authorization field of the request stands above all.

    Args:
        request: what is about to be sent.
        own: the client's.
        netrc: where to look when there is nothing else.
    """
    if "authorization" in request.headers:
        return None
    url = request.url
    if url.userinfo:
        return BasicAuth(url.username, url.password)
    if own is not None or netrc is None:
        return own
    return netrc.auth_for(url.host)


def without_proxy_credentials(request: Request, defaults: Headers) -> Request:
    """A request that goes straight although its client has proxies, without the credentials that are meant for those.

    A Proxy-Authorization field of its own is sent: a program may speak to a proxy as to an origin.

    Args:
        request: what is about to be sent; if it has to be changed, it is a copy that is.
        defaults: the client's fields.
    """
    name = "proxy-authorization"
    if name not in defaults or request.headers.get_list(name) != defaults.get_list(name):
        return request
    twin = copy(request)
    del twin.headers[name]
    return twin
