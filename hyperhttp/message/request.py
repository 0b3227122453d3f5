"""A request as its sender sees it: method, target URI, header fields, content (RFC 9110 sections 6 and 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp.config import UNSET, UnsetType
from hyperhttp.message.content import Content, encode_content
from hyperhttp.message.cookies import Cookies
from hyperhttp.message.headers import Headers
from hyperhttp.message.url import URL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hyperhttp.message.content import JsonCodec
    from hyperhttp.message.headers import HeaderTypes
    from hyperhttp.message.progress import ProgressTypes

__all__ = ["EXPECTING_CONTENT", "IDEMPOTENT_METHODS", "Request"]

#: RFC 9110 section 9.2.2, and QUERY by its own definition.
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY"})

#: RFC 9110 section 8.6: methods that give meaning to content say so even when there is none.
EXPECTING_CONTENT = frozenset({"POST", "PUT", "PATCH"})


class Request:
    """A request, to look at and to change until it is sent. Hooks may hang attributes of their own on it.

    Args:
        method: a token; sent as given, methods are case-sensitive.
        url: absolute, unless the client that sends it has a `base_url`.
        params: added to the query.
        headers: header fields; they win over those that follow from the content.
        cookies: sent with this request, on top of the client's.
        content: bytes, text, an iterable or async iterable of bytes, a file, or a `MultipartEncoder`.
        data: form fields, or bytes.
        json: any value the JSON codec takes.
        files: parts of a multipart form.
        extensions: values for transports and plugins; ``"target"`` stands in the request line instead of the URL's path and
            query, ``"sni_hostname"`` is what the server is asked for and verified by in the TLS handshake.
        progress: ``progress(done, total)`` is told how much of the content was sent; plain or ``async``.

    Attributes:
        url: where it goes; an `URL`, assignable as text too.
        content: what it carries, or None.
        extensions: a dict for transports and plugins.

    Raises:
        InvalidURL: `url` cannot be sent.
        LocalProtocolError: a name, a value or the method holds what may not be sent.
        TypeError: two kinds of content were given.
    """

    _headers: Headers | None = None
    _fields: Sequence[tuple[bytes, bytes]] = ()
    _extensions: dict[str, Any] | None = None
    _content: Content | None = None
    _own_cookie: bytes | UnsetType | None = UNSET  # what the caller put into Cookie, before any jar did

    def __init__(
        self,
        method: str,
        url: str | URL,
        *,
        params: Any = None,
        headers: HeaderTypes | None = None,
        cookies: Cookies | Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        content: Any = None,
        data: Any = None,
        json: Any = None,
        files: Any = None,
        extensions: Mapping[str, Any] | None = None,
        json_codec: JsonCodec | None = None,
        progress: ProgressTypes | None = None,
    ) -> None:
        self.method = method
        self._url = (
            URL(url, params=params) if params is not None else URL.parse_cached(url) if type(url) is str else URL(url)
        )
        self._headers = Headers(headers)
        if content is not None or data is not None or json is not None or files is not None:
            self._set_content(encode_content(content=content, data=data, json=json, files=files, json_codec=json_codec))
            if progress is not None and self._content is not None:
                self._content.watch(progress)
        elif method in EXPECTING_CONTENT:
            self._headers.setdefault("Content-Length", "0")
        if cookies:
            self._add_cookies(cookies)
        if extensions:
            self._extensions = dict(extensions)

    @classmethod
    def lazy(cls, method: str, url: URL, fields: Sequence[tuple[bytes, bytes]]) -> Request:
        """A request whose header fields are known and become `Headers` when somebody looks."""
        self = cls.__new__(cls)
        self.method = method
        self._url = url
        self._fields = fields
        return self

    @property
    def url(self) -> URL:
        """The target URI."""
        return self._url

    @url.setter
    def url(self, value: str | URL) -> None:
        old, self._url = self._url, URL(value)
        if old.host_header != self._url.host_header and self.headers.get("host") == old.host_header:
            del self.headers["host"]  # it followed from the URL; one that was set on purpose stays

    @property
    def headers(self) -> Headers:
        """The header fields; changes are sent."""
        headers = self._headers
        if headers is None:
            headers = self._headers = Headers.from_fields(list(self._fields))
        return headers

    @headers.setter
    def headers(self, value: HeaderTypes) -> None:
        self._headers = Headers(value)

    @property
    def content(self) -> Content | None:
        """What it carries; assign what ``content=`` takes to carry something else."""
        return self._content

    @content.setter
    def content(self, value: Any) -> None:
        old = self._content
        if old is not None or value is not None:
            dropped = {b"content-length", b"transfer-encoding"}
            implied = set(old.fields) if old is not None else set()
            self._headers = Headers.from_fields(
                [field for field in self.headers.raw if field[0].lower() not in dropped and field not in implied]
            )
        self._set_content(value if value is None or isinstance(value, Content) else encode_content(content=value))

    @property
    def extensions(self) -> dict[str, Any]:
        """Values for transports and plugins."""
        if self._extensions is None:
            self._extensions = {}
        return self._extensions

    @property
    def is_idempotent(self) -> bool:
        """Sending it twice does what sending it once does (RFC 9110 section 9.2.2)."""
        return self.method in IDEMPOTENT_METHODS

    def as_curl(self, *, secrets: bool = False) -> str:
        """The request as a command line of curl, quoted for a POSIX shell.

        Content that is not in memory, or too large for a command line, is taken from its standard input.

        Args:
            secrets: leave credentials, cookies and the like in; without them, ``[secret]`` stands in their place.
        """
        from hyperhttp.message.curl import curl_command  # for those who want to see it

        return curl_command(self, secrets=secrets)

    def _set_content(self, content: Content | None) -> None:
        """Carry `content` and say so in the header fields, unless they already speak of it."""
        self._content = content
        if content is None:
            return
        headers = self.headers
        for name, value in content.fields:
            if name == b"Content-Length" and "transfer-encoding" in headers:
                continue
            text = name.decode("ascii")
            if text not in headers:
                headers.add(text, value)  # type: ignore[arg-type]  # bytes are checked and taken as they are
        if content.length is None and "transfer-encoding" not in headers and "content-length" not in headers:
            headers["Transfer-Encoding"] = "chunked"

    def _add_cookies(self, cookies: Cookies | Mapping[str, str] | Sequence[tuple[str, str]]) -> None:
        jar = cookies if isinstance(cookies, Cookies) else Cookies(cookies)
        own = [field[1] for field in self.headers.raw if field[0].lower() == b"cookie"]
        line = jar.header_for(self._url, own=b"; ".join(own) if own else None)
        if line is not None:
            self.headers["Cookie"] = line

    def __repr__(self) -> str:
        return f"<Request {self.method} {self._url.redacted}>"

    def __copy__(self) -> Request:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._headers = self.headers.copy()
        if self._extensions is not None:
            twin._extensions = dict(self._extensions)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        content = state.pop("_content", None)
        if content is not None and content.data is not None:
            state["_content"] = content
        state["_headers"] = self.headers
        state["_fields"] = ()
        return state
