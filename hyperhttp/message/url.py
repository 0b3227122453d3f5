"""URLs: parsed once into what a request needs, and written back exactly (RFC 3986; RFC 9110, Section 4).

Input is read as tolerantly as browsers read it where only one reading is possible: blanks and control
characters around the URL are dropped, and characters a URL may not hold are percent-encoded. What is
percent-encoded already stays as it is, byte for byte: signed URLs depend on it. Where two readers might
disagree, the URL is refused (:class:`~hyperhttp.InvalidURL`): control characters inside, backslashes or
several ``@`` in the authority, ``http:`` without ``//``, and the hosts :mod:`hyperhttp.message.host` lists.

Decisions where the standards leave a choice:

- Dot segments written plainly (``/a/../b``) are removed from every URL with an authority, as RFC 3986,
  Section 6.2.2.3, describes and browsers and curl do; ``%2e`` is data and stays.
- A default port is dropped. An empty path is ``/`` in ``path`` and ``target`` and for comparison, while
  ``str()`` gives the URL as it was written.
- ``params`` are encoded as HTML forms are (a blank becomes ``+``) and appended to the query that is there.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple, NoReturn, final

from hyperhttp.exceptions import InvalidURL
from hyperhttp.message.host import bracketed, parse_host, parse_opaque_host, without_zone
from hyperhttp.message.query import (
    ParamTypes,
    encode_params,
    encode_query,
    parse_params,
    percent_decode,
    percent_encode,
    percent_encoder,
    redact_query,
)

__all__ = ["URL"]

_DEFAULT_PORTS: Final = {
    "http": 80, "https": 443, "ws": 80, "wss": 443,
    "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080,
}  # fmt: skip

_LONGEST_URL: Final = 1 << 20
_MEMO_ENTRIES: Final = 1024
_MEMO_URL_LENGTH: Final = 2048
_memo: dict[str, URL] = {}

_AROUND: Final = "".join(map(chr, range(33)))
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]").search
_FORBIDDEN: Final = "[\x00-\x1f\x7f\ud800-\udfff]"  # surrogates take a millisecond to compile, and ASCII has none
# RFC 3986, Appendix B, with the scheme of Section 3.1.
_SPLIT: Final = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL
).fullmatch
_DELIMITERS: Final = frozenset("/?#@:[]\\")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*").fullmatch
_DIGITS: Final = re.compile(r"[0-9]+").fullmatch


# RFC 3986, Section 2.2 (sub-delims) and the sections of the components.
_encode_userinfo: Final = percent_encoder("!$&'()*+,;=:")
_encode_path: Final = percent_encoder("!$&'()*+,;=:@/")


class _Parts(NamedTuple):
    """The components of RFC 3986, Section 3, in their final form; ``None`` where there is none."""

    scheme: str
    userinfo: str | None
    host: str | None
    port: int | None
    path: str
    query: str | None
    fragment: str | None


@final
class URL:
    """An immutable URL, absolute or relative.

    Equal to another ``URL`` or to a string that means the same. ``repr`` and ``redacted`` hide the userinfo
    and well-known secrets in the query; ``str`` does not.

    Args:
        url: Text, or a URL, which is taken as it is.
        params: Parameters to append to the query; see :meth:`merge_params`.

    Attributes:
        scheme: In lower case; empty in a relative reference.
        userinfo: As it stands before the ``@``, percent-encoded; empty if there is none.
        host: Name in A-labels, or address without brackets, perhaps with a zone; empty if there is none.
        port: Port that was given; ``None`` for the scheme's default.
        effective_port: Port to connect to; 0 if the scheme has no default.
        origin: Scheme, host and port, such as ``https://example.com:8443``; empty if there is no host.
        host_header: Value of the Host field (RFC 9110, Section 7.2).
        path: Percent-encoded; ``/`` at least if there is a host.
        query: Percent-encoded, without ``?``.
        fragment: Percent-encoded, without ``#``; never sent.
        target: Request target in origin-form (RFC 9112, Section 3.2.1).

    Raises:
        InvalidURL: The text is not a URL, or can be read in two ways.
        TypeError: ``url`` is neither a string nor a ``URL``.
    """

    __slots__ = (
        "_parts", "_text", "effective_port", "fragment", "host", "host_header", "origin", "path", "port",
        "query", "scheme", "target", "userinfo",
    )  # fmt: skip

    _parts: _Parts
    _text: str
    scheme: str
    userinfo: str
    host: str
    port: int | None
    effective_port: int
    origin: str
    host_header: str
    path: str
    query: str
    fragment: str
    target: str

    # Not Self and not __init__: a URL never changes, so one that exists already can be shared.
    def __new__(cls, url: URL | str, *, params: ParamTypes | None = None) -> URL:  # noqa: D102
        if isinstance(url, URL):
            parsed = url
        else:
            try:
                parsed = _assemble(_parse(url))
            except InvalidURL as error:
                raise InvalidURL(f"{error} ({_shown(url)})") from None
        return parsed if params is None else parsed.merge_params(params)

    @staticmethod
    def parse_cached(text: str) -> URL:
        """The URL of a text, remembered if it is short and holds no password."""
        url = _memo.get(text)
        if url is None:
            url = URL(text)
            if len(text) <= _MEMO_URL_LENGTH and not url.userinfo:
                if len(_memo) >= _MEMO_ENTRIES:
                    _memo.clear()
                _memo[text] = url
        return url

    @property
    def username(self) -> str:
        """User name of the userinfo, decoded."""
        return percent_decode(self.userinfo.partition(":")[0])

    @property
    def password(self) -> str:
        """Password of the userinfo, decoded."""
        return percent_decode(self.userinfo.partition(":")[2])

    @property
    def params(self) -> list[tuple[str, str]]:
        """Names and values of the query, decoded as HTML forms are, in order."""
        return parse_params(self.query)

    @property
    def is_absolute(self) -> bool:
        """Whether the URL has a scheme."""
        return bool(self.scheme)

    @property
    def is_relative(self) -> bool:
        """Whether the URL needs a base to be used."""
        return not self.scheme

    @property
    def redacted(self) -> str:
        """The URL for logs: userinfo and well-known secrets of the query are replaced."""
        parts = self._parts
        query = parts.query and redact_query(parts.query)
        return _unsplit(parts._replace(userinfo=parts.userinfo and "[secret]", query=query))

    def join(self, url: URL | str) -> URL:
        """The URL a reference stands for when it is found in this one (RFC 3986, Section 5.2.2)."""
        other = URL(url)
        base, reference = self._parts, other._parts
        if reference.scheme:
            return other
        if reference.host is not None:
            return _assemble(reference._replace(scheme=base.scheme))
        query, fragment = reference.query, reference.fragment
        if not reference.path:
            query = base.query if query is None else query
            return _assemble(base._replace(query=query, fragment=fragment))
        path = reference.path
        if path[0] != "/":
            # Section 5.2.3: beside the last segment of the base.
            start = "/" if base.host is not None and not base.path else base.path[: base.path.rfind("/") + 1]
            path = start + path
        path = _without_dot_segments(path)
        return _assemble(base._replace(path=path, query=query, fragment=fragment))

    def copy_with(self, **components: Any) -> URL:
        """A URL with some components replaced.

        Args:
            **components: ``scheme``, ``userinfo``, ``username``, ``password``, ``host``, ``port``, ``path``,
                ``query``, ``fragment`` or ``params``, which replace the query. ``None`` removes a component.
                ``username`` and ``password`` are plain text; the others keep what is percent-encoded. No
                component can change another one.

        Raises:
            InvalidURL: A component is not valid.
            TypeError: A component is unknown or has the wrong type.
        """
        unknown = components.keys() - _COMPONENTS
        if unknown:
            message = f"copy_with() got an unknown component: {', '.join(sorted(unknown))}"
            raise TypeError(message)
        parts = self._parts
        scheme = _checked_scheme(components.get("scheme", parts.scheme))
        changed: dict[str, Any] = {"scheme": scheme}
        if "host" in components:
            changed["host"] = _checked_host(scheme, components["host"])
        elif parts.host is not None and scheme != parts.scheme:
            # What one scheme allows as a host, another refuses.
            changed["host"] = _host_of(scheme, bracketed(parts.host))
        if "port" in components:
            changed["port"] = _checked_port(components["port"])
        for name, encode in _ENCODERS.items():
            if name in components:
                value = components[name]
                changed[name] = None if value is None else encode(_checked_text(name, value))
        if "username" in components or "password" in components:
            username = components.get("username", self.username)
            changed["userinfo"] = _join_userinfo(username, components.get("password", self.password))
        if "params" in components:
            changed["query"] = encode_params(components["params"] or ()) or None
        if changed.get("path", "") is None:
            changed["path"] = ""
        return _assemble(parts._replace(**changed))

    def merge_params(self, params: ParamTypes) -> URL:
        """This URL with parameters appended to the query.

        Args:
            params: Names and values as :func:`~hyperhttp.message.query.encode_params` takes them, or a query
                string, of which only what a query may not hold is encoded.

        Raises:
            TypeError: A name or value has a type whose text form is not obvious.
        """
        more = encode_params(params)
        if not more:
            return self
        query = self.query
        joint = "&" if query and query[-1] != "&" else ""
        return _assemble(self._parts._replace(query=f"{query}{joint}{more}"))

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"URL({self.redacted!r})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            try:
                other = URL(other)
            except InvalidURL:
                return False
        if not isinstance(other, URL):
            return NotImplemented
        return self._text == other._text or self._normal() == other._normal()

    def __hash__(self) -> int:
        return hash(self._normal())

    def __setattr__(self, name: str, value: object) -> NoReturn:
        message = f"a URL cannot be changed; use copy_with({name}=...)"
        raise AttributeError(message)

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a URL cannot be changed")

    def __reduce__(self) -> tuple[Any, ...]:
        return URL, (self._text,)

    def _normal(self) -> str:
        """The text with ``/`` for an empty path (RFC 3986, Section 6.2.3)."""
        return _unsplit(self._parts._replace(path=self.path))


def _parse(text: object) -> _Parts:
    if not isinstance(text, str):
        message = f"a URL must be a str or hyperhttp.URL, not {type(text).__name__}; convert it with str()"
        raise TypeError(message)
    text = text.strip(_AROUND)
    _refuse_forbidden("URL", text)
    if len(text) > _LONGEST_URL:
        raise InvalidURL(f"the URL is too long ({len(text)} characters, limit {_LONGEST_URL})")
    # Every text matches: each component may be empty, and the last takes the rest.
    scheme, authority, path, query, fragment = _SPLIT(text).groups()  # type: ignore[union-attr]
    scheme = scheme.lower() if scheme else ""
    userinfo = host = port = None
    if authority is not None:
        userinfo, host, port = _parse_authority(scheme, authority)
    return _Parts(
        scheme, userinfo, host, port, _encode_path(path),
        None if query is None else encode_query(query),
        None if fragment is None else encode_query(fragment),
    )  # fmt: skip


def _parse_authority(scheme: str, authority: str) -> tuple[str, str, int | None]:
    """Userinfo, host and port (RFC 3986, Section 3.2). Messages hold none of the text before the ``@``."""
    if "\\" in authority:
        # Browsers end the authority here, others do not: https://good.example\@evil.example
        raise InvalidURL("the URL has a backslash before the path")
    userinfo, _, hostport = authority.rpartition("@")
    if "@" in userinfo:
        raise InvalidURL("the URL has several '@' before the path; write %40 in a user name or password")
    if "[" in userinfo or "]" in userinfo or not (userinfo.isascii() or _is_plain(userinfo)):
        raise InvalidURL("the user name or password in the URL holds a delimiter; percent-encode it")
    if hostport.startswith("["):
        host, bracket, rest = hostport.partition("]")
        host, colon, port = host + bracket, rest[:1], rest[1:]
        if colon not in {"", ":"}:
            raise InvalidURL("the URL has text between the host in brackets and the port")
    else:
        host, _, port = hostport.partition(":")
    return _encode_userinfo(userinfo), _host_of(scheme, host), _port_of(port)


def _is_plain(userinfo: str) -> bool:
    """Whether no character becomes a delimiter for a reader that normalises first (CVE-2019-9636)."""
    import unicodedata

    return not _DELIMITERS & set(unicodedata.normalize("NFKC", userinfo.replace(":", "")))


def _host_of(scheme: str, text: str) -> str:
    if scheme and scheme not in _DEFAULT_PORTS:
        return parse_opaque_host(text)
    return parse_host(text)


def _port_of(text: str) -> int | None:
    if not text:
        return None
    significant = text.lstrip("0") or "0"
    if _DIGITS(text) is None or len(significant) > 5 or int(significant) > 65535:
        raise InvalidURL("the port in the URL is not a number from 0 to 65535")
    return int(significant)


def _assemble(parts: _Parts) -> URL:
    """Check what concerns several components, and work out what a request needs."""
    scheme, userinfo, host, port, path, _, _ = parts
    default = _DEFAULT_PORTS.get(scheme)
    if host is None:
        _check_without_authority(parts, default)
    else:
        if not host and (default or userinfo or port is not None):
            raise InvalidURL("the URL has no host")
        if path and path[0] != "/":
            raise InvalidURL("the path of a URL with a host must begin with '/'")
        path = _without_dot_segments(path)
        parts = parts._replace(userinfo=userinfo or None, port=None if port == default else port, path=path)
    return _fill(parts, default or 0)


def _check_without_authority(parts: _Parts, default: int | None) -> None:
    if default:
        raise InvalidURL(f"the URL needs '//' and a host after '{parts.scheme}:'")
    if parts.userinfo is not None or parts.port is not None:
        raise InvalidURL("the URL has a user name or port but no host")
    if parts.path.startswith("//"):
        raise InvalidURL("the path of a URL without a host must not begin with '//'")
    if not parts.scheme and ":" in parts.path.partition("/")[0]:
        raise InvalidURL("the URL has a ':' where no scheme ends; did you leave out 'http://' or 'https://'?")


def _fill(parts: _Parts, default_port: int) -> URL:
    url = object.__new__(URL)
    put = object.__setattr__
    host, port = parts.host or "", parts.port
    path = parts.path or ("/" if parts.host is not None else "")
    suffix = "" if port is None else f":{port}"
    put(url, "_parts", parts)
    put(url, "_text", _unsplit(parts))
    put(url, "scheme", parts.scheme)
    put(url, "userinfo", parts.userinfo or "")
    put(url, "host", host)
    put(url, "port", port)
    put(url, "effective_port", default_port if port is None else port)
    put(url, "origin", f"{parts.scheme}://{bracketed(host)}{suffix}" if host and parts.scheme else "")
    put(url, "host_header", bracketed(without_zone(host)) + suffix)
    put(url, "path", path)
    put(url, "query", parts.query or "")
    put(url, "fragment", parts.fragment or "")
    put(url, "target", (path or "/") if parts.query is None else f"{path or '/'}?{parts.query}")
    return url


def _unsplit(parts: _Parts) -> str:
    """RFC 3986, Section 5.3."""
    scheme, userinfo, host, port, path, query, fragment = parts
    text = f"{scheme}:" if scheme else ""
    if host is not None:
        text += "//" if userinfo is None else f"//{userinfo}@"
        text += bracketed(host) if port is None else f"{bracketed(host)}:{port}"
    text += path
    if query is not None:
        text += f"?{query}"
    return text if fragment is None else f"{text}#{fragment}"


def _without_dot_segments(path: str) -> str:
    """RFC 3986, Section 5.2.4, by segments instead of by prefixes."""
    if "./" not in path and not path.endswith("."):
        return path
    root = "/" if path.startswith("/") else ""
    segments = path[len(root) :].split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return root + "/".join(kept)


def _shown(text: str) -> str:
    """Enough of a bad URL to recognise it: nothing before the last ``@``, no query, not too much."""
    _, at, rest = text.rpartition("@")
    return repr(("[...]@" if at else "") + re.split("[?#]", rest, maxsplit=1)[0][:100])


def _refuse_forbidden(what: str, text: str) -> None:
    found = _CONTROL(text) if text.isascii() else re.search(_FORBIDDEN, text)
    if found is not None:
        raise InvalidURL(f"the {what} holds the character U+{ord(found[0]):04X} at position {found.start()}")


def _checked_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        message = f"{name} must be a str, not {type(value).__name__}"
        raise TypeError(message)
    _refuse_forbidden(name, value)
    return value


def _checked_scheme(value: object) -> str:
    if not value:
        return ""
    text = _checked_text("scheme", value)
    if _SCHEME(text) is None:
        raise InvalidURL(f"invalid scheme {text!r}")
    return text.lower()


def _checked_host(scheme: str, value: object) -> str | None:
    if value is None:
        return None
    text = _checked_text("host", value)
    return _host_of(scheme, f"[{text}]" if ":" in text and text[0] != "[" else text)


def _checked_port(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"port must be an int, not {type(value).__name__}"
        raise TypeError(message)
    if not 0 <= value <= 65535:
        raise InvalidURL("the port is not a number from 0 to 65535")
    return value


def _join_userinfo(username: object, password: object) -> str:
    name = percent_encode(_checked_text("username", username or ""))
    return f"{name}:{percent_encode(_checked_text('password', password))}" if password else name


_ENCODERS: Final = {
    "userinfo": _encode_userinfo, "path": _encode_path, "query": encode_query, "fragment": encode_query,
}  # fmt: skip
_COMPONENTS: Final = frozenset({*_ENCODERS, "scheme", "username", "password", "host", "port", "params"})
