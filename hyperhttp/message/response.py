"""A response as its receiver sees it: status, header fields, and content that is read when it is wanted.

The content is either in hand, because it arrived with the head, or still on its way in a stream. Reading it means the
same in both cases. Asynchronous methods serve `Client`, their twins without the ``a`` serve `SyncClient`; each refuses
the other's responses with a sentence that says what to call.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, overload

from hyperhttp.exceptions import DecodingError, HyperHTTPError, StreamConsumed
from hyperhttp.message.coding import CodingChain
from hyperhttp.message.content import default_json_codec
from hyperhttp.message.cookies import Cookies
from hyperhttp.message.decoding import decode_all
from hyperhttp.message.headers import Headers
from hyperhttp.message.pieces import Bytes, Lines, Text, drive_ready
from hyperhttp.message.reading import ReadOptions
from hyperhttp.message.refusing import Refusing
from hyperhttp.message.status import Status
from hyperhttp.message.text import charset_of, decode_text
from hyperhttp.message.timing import work_out
from hyperhttp.message.typed_json import load_as

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from hyperhttp.message.attempt import Attempt
    from hyperhttp.message.headers import HeaderTypes
    from hyperhttp.message.pieces import Pieces
    from hyperhttp.message.reading import Stream, StreamGuard
    from hyperhttp.message.request import Request
    from hyperhttp.message.sse import Events, ServerSentEvent
    from hyperhttp.message.timing import ConnectionInfo, Timing
    from hyperhttp.message.url import URL

__all__ = ["Response"]


_PLAIN = ReadOptions({}, None, None)

P = TypeVar("P", bound="Pieces")
T = TypeVar("T")


class Response(Status, Refusing):
    """What came back. Hooks may hang attributes of their own on it.

    Args:
        status_code: three digits.
        headers: header fields.
        content: the whole content, already decoded.
        reason: the reason phrase.
        request: what it answers.

    Attributes:
        status_code: three digits (RFC 9110 section 15).
        reason: the reason phrase; empty on HTTP/2.
        http_version: ``"HTTP/1.1"``, ``"HTTP/2"`` or ``"HTTP/1.0"``.
        history: the redirect responses that led here, oldest first.
        attempts: what was sent for this request and did not give its response, oldest first: retries, replays on a
            fresh connection, rounds of authentication.
        elapsed: seconds from the request sent to the head received.
    """

    reason: str = ""
    http_version: str = "HTTP/1.1"
    history: Sequence[Response] = ()
    attempts: Sequence[Attempt] = ()
    elapsed: float = 0.0
    _request: Request | None = None
    _fields: Sequence[Any] = ()
    _headers: Headers | None = None
    _cookies: Cookies | None = None
    _extensions: dict[str, Any] | None = None
    _encoded: bytes | None = None  # in hand, not yet decoded
    _stream: Stream | None = None
    _guard: StreamGuard | None = None
    _plain: bool = False  # all of it in hand, nothing to decode, untouched: the shortest way, and the most frequent
    _coded: bool = False
    _content: bytes | None = None
    _text: str | None = None
    _encoding: str | None = None
    _size: int = 0  # of what was in hand before it was read
    _consumed: bool = False
    _closed: bool = False
    _options: ReadOptions = _PLAIN
    _connection: ConnectionInfo | None = None
    _phases: tuple[float, bool, float] | None = None
    _head_at: float = 0.0
    _timing: Timing | None = None

    def __init__(
        self,
        status_code: int = 200,
        headers: HeaderTypes | None = None,
        content: bytes | str | None = None,
        reason: str = "",
        request: Request | None = None,
    ) -> None:
        self.status_code = status_code
        self.reason = reason
        self._headers = Headers(headers)
        self._request = request
        self._content = content.encode() if isinstance(content, str) else bytes(content or b"")

    # -- what it says ------------------------------------------------------------------------------------------------

    @property
    def request(self) -> Request:
        """The request this answers, as it was sent.

        Raises:
            RuntimeError: the response was made by hand without one.
        """
        if self._request is None:
            msg = "this response was made without a request: pass request= to Response()"
            raise RuntimeError(msg)
        return self._request

    @request.setter
    def request(self, value: Request) -> None:
        self._request = value

    @property
    def url(self) -> URL:
        """The final URL."""
        return self.request.url

    @property
    def headers(self) -> Headers:
        """The header fields."""
        headers = self._headers
        if headers is None:
            headers = self._headers = Headers.from_fields(list(self._fields))
        return headers

    @property
    def cookies(self) -> Cookies:
        """The cookies this response sets."""
        if self._cookies is None:
            self._cookies = Cookies()
            values = [value for name, value in self.headers.raw if name.lower() == b"set-cookie"]
            if values and self._request is not None:
                self._cookies.extract(self._request.url, values)
        return self._cookies

    @property
    def connection(self) -> ConnectionInfo | None:
        """What is known of the connection it came over: peer, proxy, TLS; None for one that came over no network."""
        return self._connection

    @property
    def timing(self) -> Timing:
        """Where the time of this attempt went, in seconds."""
        if self._timing is not None:
            return self._timing
        ended = 0.0 if self._stream is None else self._stream.ended_at
        receive = max(ended - self._head_at, 0.0) if ended else 0.0
        return work_out(self._connection, self._phases, self.elapsed, receive)

    @property
    def extensions(self) -> dict[str, Any]:
        """Values from transports and plugins."""
        if self._extensions is None:
            self._extensions = {}
        return self._extensions

    @property
    def links(self) -> dict[str, dict[str, str]]:
        """The Link fields by relation, or by target where they name none (RFC 8288)."""
        from hyperhttp.message.links import parse_links  # few look at them

        return parse_links(self.headers.get_list("link"))

    @property
    def trailers(self) -> Headers:
        """Fields that came after the content; empty before its end."""
        return Headers.from_fields(list(self._stream.trailers)) if self._stream is not None else Headers()

    @property
    def num_bytes_downloaded(self) -> int:
        """Bytes of content received so far, before decoding."""
        if self._stream is not None:
            return self._stream.received
        return len(self._encoded) if self._encoded is not None else self._size

    # -- content in hand ---------------------------------------------------------------------------------------------

    @property
    def content(self) -> bytes:
        """The decoded content.

        Raises:
            ResponseNotRead: it has not been read yet.
        """
        if self._content is None:
            self._not_read("content")
        return self._content

    @property
    def text(self) -> str:
        """The content as text, by the charset of Content-Type, else UTF-8 with replacement characters."""
        if self._text is None:
            if self._content is None:
                self._not_read("text")
            self._text = decode_text(self._content, self.encoding)
        return self._text

    @property
    def encoding(self) -> str:
        """The charset `text` uses; assign to overrule what the response says."""
        if self._encoding is None:
            self._encoding = charset_of(self.headers.get("content-type"))
        return self._encoding

    @encoding.setter
    def encoding(self, value: str) -> None:
        self._encoding = value
        self._text = None

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, kind: type[T]) -> T: ...
    @overload
    def json(self, kind: Any) -> Any: ...
    def json(self, kind: Any = None) -> Any:
        """The content as JSON; as a `kind` where one is named: a struct, a model, a dataclass, a list of them.

        Raises:
            ResponseNotRead: it has not been read yet.
            ValueError: it is not JSON, or JSON of something else than `kind`.
            TypeError: no package that makes values of `kind` is installed (msgspec or pydantic).
        """
        if self._content is None:
            self._not_read("json()")
        if kind is not None:
            return load_as(self._content, kind, self._options.json_as)
        load = self._options.json or default_json_codec().loads
        return load(self._content)

    # -- reading, asyncio --------------------------------------------------------------------------------------------

    async def aread(self) -> bytes:
        """Read the rest of the content and keep it.

        Returns:
            The decoded content; the same bytes on later calls.

        Raises:
            DecodingError: the content does not follow its coding, or is larger than allowed.
            StreamConsumed: it was iterated over.
            TransportError: the connection failed before its end.
        """
        if self._plain and self._options.drive is None and self._take_plain():
            return self._content  # type: ignore[return-value]  # set by now
        if self._content is None:
            if self._options.drive is not None:
                self._wrong_face("aread()", "read()")
            await self._load()
        return self._content  # type: ignore[return-value]  # set by now

    async def atext(self) -> str:
        """Read the content and give it as text."""
        await self.aread()
        return self.text

    @overload
    async def ajson(self) -> Any: ...
    @overload
    async def ajson(self, kind: type[T]) -> T: ...
    @overload
    async def ajson(self, kind: Any) -> Any: ...
    async def ajson(self, kind: Any = None) -> Any:
        """Read the content and give it as JSON; see `json`."""
        await self.aread()
        return self.json(kind)

    def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The decoded content piece by piece; `chunk_size` bytes each, or as they come."""
        return self._async_pieces("aiter_bytes()", Bytes(self, chunk_size))

    def aiter_raw(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The content as it was sent, before decoding."""
        return self._async_pieces("aiter_raw()", Bytes(self, chunk_size, raw=True))

    def aiter_text(self, chunk_size: int | None = None) -> AsyncIterator[str]:
        """The content as text, piece by piece."""
        return self._async_pieces("aiter_text()", Text(self, chunk_size))

    def aiter_lines(self) -> AsyncIterator[str]:
        """The content line by line, without line ends."""
        return self._async_pieces("aiter_lines()", Lines(self))

    def aiter_sse(self, *, max_event_size: int | None = 1_048_576) -> AsyncIterator[ServerSentEvent]:
        """The content as server-sent events (HTML standard, section 9.2.6), of at most `max_event_size` bytes each.

        Raises:
            RemoteProtocolError: the content is no event stream.
        """
        return self._async_pieces("aiter_sse()", _new_events(self, max_event_size))

    async def aclose(self) -> None:
        """Give up what has not been read; the connection is free again."""
        if self._options.drive is not None:
            self._wrong_face("aclose()", "close()")
        self.give_up()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_up()

    # -- reading, blocking -------------------------------------------------------------------------------------------

    def read(self) -> bytes:
        """Read the rest of the content and keep it; see `aread`."""
        if self._content is None:
            drive = self._options.drive
            if drive is None:
                self._wrong_face("read()", "await aread()")
            drive(self._load())
        return self._content  # type: ignore[return-value]  # set by now

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The decoded content piece by piece; `chunk_size` bytes each, or as they come."""
        return self._sync_pieces("iter_bytes()", Bytes(self, chunk_size))

    def iter_raw(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The content as it was sent, before decoding."""
        return self._sync_pieces("iter_raw()", Bytes(self, chunk_size, raw=True))

    def iter_text(self, chunk_size: int | None = None) -> Iterator[str]:
        """The content as text, piece by piece."""
        return self._sync_pieces("iter_text()", Text(self, chunk_size))

    def iter_lines(self) -> Iterator[str]:
        """The content line by line, without line ends."""
        return self._sync_pieces("iter_lines()", Lines(self))

    def iter_sse(self, *, max_event_size: int | None = 1_048_576) -> Iterator[ServerSentEvent]:
        """The content as server-sent events; see `aiter_sse`."""
        return self._sync_pieces("iter_sse()", _new_events(self, max_event_size))

    def close(self) -> None:
        """Give up what has not been read; the connection is free again."""
        if self._options.drive is None and self._stream is not None:
            self._wrong_face("close()", "await aclose()")
        self.give_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- how it is read ----------------------------------------------------------------------------------------------

    def _take_plain(self) -> bool:
        """Take what is in hand as it is, where it is `_plain` and not too large."""
        encoded = self._encoded
        limit = self._options.max_size
        if not self._plain or encoded is None or (limit is not None and len(encoded) > limit):
            return False
        self._plain = False
        self._size = len(encoded)
        self._content = encoded
        self._encoded = None
        return True

    async def _load(self) -> None:
        """Read and decode everything into `_content`."""
        if self._content is not None:
            return
        encoded = self._encoded
        if encoded is not None and (self._closed or self._consumed):
            self._refuse()
        try:
            if encoded is None:
                encoded = await self._rest()
            self._content = self._decoded(encoded)
        except HyperHTTPError as error:
            self.blame(error)
            raise
        self._size = len(encoded)
        self._encoded = None

    async def _rest(self) -> bytes:
        if self._stream is None or self._closed or self._consumed:
            self._refuse()
        self._consumed = True
        return await self._stream.receive_all(self._options.max_size)

    def _decoded(self, encoded: bytes) -> bytes:
        options = self._options
        if not self._coded:
            if options.max_size is not None and len(encoded) > options.max_size:
                msg = f"the content has more than the {options.max_size} bytes allowed by max_response_size"
                raise DecodingError(msg, request=self._request, limit=options.max_size)
            return encoded
        return decode_all(self.new_chain(), encoded, options.max_size)

    def new_chain(self) -> CodingChain | None:
        """What decodes the content; None where nothing is to be decoded."""
        if not self._coded:
            return None
        options = self._options
        return CodingChain.for_response(
            self.headers.get_list("content-encoding"), options.codings, max_ratio=options.max_ratio
        )

    def blame(self, error: HyperHTTPError) -> None:
        """Say in an error which request it is about, and which host."""
        request = self._request
        if error.request is None and request is not None:
            error.request = request
            if isinstance(error, DecodingError):
                error.host, error.port = request.url.host, request.url.effective_port
                error.args = (f"{request.url.origin.partition('//')[2]}: {error}",)

    async def next_piece(self) -> bytes:
        """The next encoded bytes; empty at the end."""
        encoded, self._encoded = self._encoded, None
        if encoded is not None:
            self._size = len(encoded)
            return encoded
        return await self._stream.receive() if self._stream is not None else b""

    def start_iteration(self, *, raw: bool = False) -> bytes | None:
        """Begin to iterate: the content where it has been read, None where it comes piece by piece."""
        if self._content is None and (self._closed or self._consumed):
            self._refuse()
        if raw and self._coded and self._content is not None:
            msg = "the content was read and decoded; what was sent is not kept: iterate over the raw bytes instead of reading"
            raise StreamConsumed(msg)
        self._plain = False
        self._consumed = True
        return self._content

    def give_up(self) -> None:
        """The rest of the content is not wanted; its connection is free again, or closed."""
        self._closed = True
        self._plain, self._encoded = False, None
        if self._stream is not None and self._stream.is_open:
            self._stream.close()
        if self._extensions and "upgraded" in self._extensions:
            self._extensions["upgraded"].abort()

    def _async_pieces(self, name: str, pieces: P) -> P:
        if self._options.drive is not None:
            self._wrong_face(name, name[1:])
        return pieces

    def _sync_pieces(self, name: str, pieces: P) -> P:
        if self._options.drive is None:
            if self._content is None:
                self._wrong_face(name, f"a{name}")
            pieces.drive = drive_ready
        else:
            pieces.drive = self._options.drive
        return pieces

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}{' ' + self.reason if self.reason else ''}]>"

    def __getstate__(self) -> dict[str, Any]:
        if self._content is None and not self._closed:
            self._not_read("a response that can be pickled")
        state = {name: value for name, value in vars(self).items() if name not in ("_stream", "_guard", "_options")}
        history = [each._shelved() for each in self.history]
        return {**state, "_timing": self.timing, "_headers": self.headers, "_fields": (), "history": history}

    def _shelved(self) -> Response:
        """As it stands in the history of one that is pickled: with its content where that is in hand, else given up."""
        twin: Response = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        if self._content is None:
            with suppress(DecodingError):
                twin._content = None if self._encoded is None else self._decoded(self._encoded)  # codings do not travel
            twin._encoded, twin._closed = None, twin._content is None
        return twin


def _new_events(response: Response, limit: int | None) -> Events:
    from hyperhttp.message.sse import Events  # for those who read them

    return Events(response, limit)
