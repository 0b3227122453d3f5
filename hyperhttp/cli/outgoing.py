"""From options to what a client is called with: the URL, the client's settings, the request's content."""

from __future__ import annotations

import json
import mimetypes
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.auth.bearer import BearerAuth
from hyperhttp.cli.exits import FILE_NOT_READ, CommandError
from hyperhttp.config import Timeout
from hyperhttp.message.cookies import Cookies
from hyperhttp.message.url import URL

if TYPE_CHECKING:
    from hyperhttp.cli.arguments import Options
    from hyperhttp.client.options import ClientOptions, RequestOptions

__all__ = ["client_options", "method_of", "request_options", "target_of"]

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://").match
#: Where nobody has a certificate: this machine.
_LOCAL: Final = re.compile(r"(?i:localhost|[^/?#]*\.localhost|127\.[0-9.]+|\[::1\])(?:[:/?#]|$)").match
_PAIR: Final = re.compile(r"([^=:{}\[\]\"][^=:]*)(:?=)(.*)", re.DOTALL).fullmatch


def target_of(text: str) -> tuple[URL, str]:
    """The URL that was meant, and the scheme that was added to it, if any.

    ``example.com`` is on https; ``localhost:8000`` and ``127.0.0.1`` are on http, and so is ``:8000/path``,
    which is on localhost.

    Raises:
        InvalidURL: it is none.
    """
    text = text.strip()
    if _SCHEME(text):
        return URL(text), ""
    if re.match(r":[0-9]", text):
        text = f"localhost{text}"
    text = text.removeprefix("//")
    scheme = "http" if _LOCAL(text) else "https"
    return URL(f"{scheme}://{text}"), scheme


def method_of(options: Options) -> str:
    """The method that was given, or the one that fits."""
    if options.method is not None:
        return options.method
    if options.head:
        return "HEAD"
    return "POST" if options.data is not None or options.form or options.json else "GET"


def client_options(options: Options, url: URL) -> ClientOptions:
    """The settings of the client that sends the request.

    Raises:
        CommandError: a password was to be asked for, and nobody is there.
        LocalProtocolError: a cookie may not be sent.
    """
    settings: ClientOptions = {
        "timeout": Timeout(options.timeout, total=options.max_time),
        "follow_redirects": options.follow or options.download,
        "max_redirects": options.max_redirects,
        "http2": _http2(options, url),
        "plugins": options.plugins,
    }
    if options.connect_timeout is not None:
        settings["connect_timeout"] = options.connect_timeout
    if options.bearer is not None:
        settings["auth"] = BearerAuth(options.bearer)
    elif options.auth is not None:
        settings["auth"] = _credentials(options.auth)
    if options.cookie:
        settings["cookies"] = _cookies(options.cookie, url)
    if options.proxy is not None:
        settings["proxies"] = options.proxy
    if not options.verify or options.cacert is not None:
        settings["verify"] = options.cacert if options.verify and options.cacert is not None else False
    if options.cert is not None:
        settings["cert"] = options.cert if options.key is None else (options.cert, options.key)
    return settings


def request_options(options: Options) -> RequestOptions:
    """What the request is made from, besides its method and URL.

    Raises:
        CommandError: a file cannot be read, or a JSON text is none.
    """
    request: RequestOptions = {}
    content_type: str | None = None
    if options.param:
        request["params"] = options.param
    if options.data is not None:
        request["content"], content_type = _raw(options.data)
    elif options.form:
        fields, files = _form(options.form)
        request["data"] = fields
        if files:
            request["files"] = files
    elif options.json:
        text = _json_text(options.json)
        if text is None:
            request["json"] = dict(map(_json_pair, options.json))
        else:
            request["content"], content_type = text, "application/json"
    headers = [(name, value) for name, value in options.header if value is not None]
    if content_type is not None and all(name.lower() != "content-type" for name, _ in headers):
        headers.append(("Content-Type", content_type))
    request["headers"] = headers
    return request


def _http2(options: Options, url: URL) -> Any:
    if options.http2 and url.scheme == "http":
        return "prior-knowledge"
    return not options.http1


def _credentials(text: str) -> tuple[str, str]:
    """User name and password; a password that was left out is asked for."""
    user, colon, password = text.partition(":")
    if colon:
        return user, password
    if not sys.stdin.isatty():
        msg = "-a wants USER:PASSWORD where nobody can be asked for the password"
        raise CommandError(msg)
    from getpass import getpass

    return user, getpass(f"password of {user}: ")


def _cookies(pairs: list[tuple[str, str]], url: URL) -> Cookies:
    """A jar that sends these to the URL's host and nowhere else, not even after a redirect."""
    jar = Cookies()
    for name, value in pairs:
        jar.set(name, value, domain=url.host, host_only=True)
    return jar


# -- content ----------------------------------------------------------------------------------------------


def _raw(text: str) -> tuple[Any, str | None]:
    """Content that is sent as it is, and its media type where a file's name tells it."""
    if not text.startswith("@"):
        return text, None
    return _file(text[1:]), mimetypes.guess_type(text)[0]


def _file(name: str) -> Any:
    """The file of that name, opened when it is sent, or stdin.

    Raises:
        CommandError: it cannot be read.
    """
    if name == "-":
        return sys.stdin.buffer
    path = Path(name)
    if path.is_dir() or not os.access(path, os.R_OK):
        why = "it is a folder" if path.is_dir() else "it may not be read" if path.exists() else "no such file"
        msg = f"cannot read {name}: {why}"
        raise CommandError(msg, FILE_NOT_READ)
    return path


def _form(pairs: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[tuple[str, Any]]]:
    """Plain fields and files."""
    fields = [(name, value) for name, value in pairs if not value.startswith("@")]
    files: list[tuple[str, Any]] = []
    for name, value in pairs:
        if value.startswith("@"):
            file = _file(value[1:])
            files.append((name, file if isinstance(file, Path) else ("stdin", file)))
    return fields, files


def _json_text(texts: list[str]) -> Any:
    """The JSON text as it was typed, or the file it is in; None where pairs were typed.

    It goes out as it is: re-encoding would change numbers and order.

    Raises:
        CommandError: it is not JSON.
    """
    text = texts[0]
    if len(texts) > 1:
        return None
    if text.startswith("@"):
        return _file(text[1:])
    try:
        json.loads(text)
    except ValueError as error:
        if _PAIR(text) is not None:
            return None
        msg = f"-j is neither JSON nor name=value: {error}"
        raise CommandError(msg) from None
    return text.encode()


def _json_pair(text: str) -> tuple[str, Any]:
    match = _PAIR(text)
    if match is None:
        msg = f"{text!r} is neither name=text nor name:=JSON"
        raise CommandError(msg)
    name, joint, value = match.groups()
    if joint == "=":
        return name, value
    try:
        return name, json.loads(value)
    except ValueError as error:
        msg = f"what {name!r} is set to is not JSON: {error}"
        raise CommandError(msg) from None
