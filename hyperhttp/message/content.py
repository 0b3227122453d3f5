"""Request content: what ``content=``, ``data=``, ``json=`` and ``files=`` become (RFC 9110, Sections 6.4, 8).

Content in memory is one bytes object that can be written together with the head; anything else is a stream of
:mod:`hyperhttp.message.sources`, sent by its length where that is known, else chunked.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from hyperhttp.message.text import decode_json_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.message.progress import ProgressTypes
    from hyperhttp.message.sources import Call, Source

__all__ = [
    "Content",
    "JsonCodec",
    "OrjsonCodec",
    "StandardJsonCodec",
    "default_json_codec",
    "encode_content",
]

_CHUNK_SIZE: Final = 256 * 1024

_JSON: Final = (b"Content-Type", b"application/json")
_FORM: Final = (b"Content-Type", b"application/x-www-form-urlencoded")
_TEXT: Final = (b"Content-Type", b"text/plain; charset=utf-8")


class Content:
    """What a request carries.

    Attributes:
        fields: Content-Type and Content-Length, as far as they follow from the content.
        length: Bytes there will be; None when that is not known, so that it has to be sent chunked.
        data: The whole content, when it is in memory; then there is no `source`.
        source: What produces the content, when it is not in memory.
        sent_at: The moment at which it was sent last, where that took more than one write.
        turn: Counts the times that somebody began to read it.
    """

    __slots__ = ("data", "fields", "length", "sent_at", "source", "turn")

    def __init__(
        self,
        data: bytes | None = None,
        *,
        source: Source | None = None,
        content_type: tuple[bytes, bytes] | None = None,
    ) -> None:
        self.data = data
        self.source = source
        self.sent_at = 0.0
        self.turn = 0
        self.length: int | None = len(data) if data is not None else source.length if source is not None else 0
        self.fields: list[tuple[bytes, bytes]] = [] if content_type is None else [content_type]
        if self.length is not None:
            self.fields.append((b"Content-Length", b"%d" % self.length))

    @property
    def replayable(self) -> bool:
        """Whether it can be sent more than once, after `rewind`."""
        return self.source is None or self.source.replayable

    @property
    def started(self) -> bool:
        """Whether some of it was taken from a source since the beginning or the last `rewind`."""
        return self.source is not None and self.source.started

    @property
    def can_send(self) -> bool:
        """Whether all of it can still be sent, after `rewind`: it is replayable or nobody touched it yet."""
        return self.source is None or self.source.replayable or not self.source.started

    @property
    def needs_async(self) -> bool:
        """Whether it may wait on an event loop, so that a `SyncClient` cannot send it."""
        return self.source is not None and self.source.needs_async

    async def next_chunk(self, call: Call) -> bytes:
        """The next bytes of the source; ``b""`` at the end. Content in memory is in `data` instead.

        Args:
            call: Runs a function that may block: ``await call(function, *args)``.

        Raises:
            LocalProtocolError: there are fewer or more bytes than `length`.
            StreamConsumed: the end was met before; `rewind` comes first.
            TypeError: what is produced is not bytes.
        """
        return b"" if self.source is None else await self.source.next_chunk(call)

    def watch(self, progress: ProgressTypes) -> None:
        """Tell somebody how much was sent: ``progress(done, total)``, plain or ``async``.

        Raises:
            TypeError: that cannot be called.
        """
        from hyperhttp.message.progress import WatchedSource  # rarely asked for

        self.source = WatchedSource(self.source or self.data or b"", progress)
        self.data = None

    def rewind(self) -> None:
        """Go back to the beginning: to be called before each sending. It does not wait.

        Raises:
            StreamConsumed: some was sent already and cannot be produced again.
        """
        self.turn += 1
        if self.source is not None:
            self.source.rewind()

    def close(self, turn: int | None = None) -> None:
        """Free files that are open for sending, without waiting; `rewind` makes it ready again.

        Args:
            turn: the reader's; nothing happens when somebody else has begun to read meanwhile, as one that was cancelled may
                find out late.
        """
        if self.source is not None and turn in (None, self.turn):
            self.source.close()

    def __repr__(self) -> str:
        size = "of unknown length" if self.length is None else f"of {self.length} bytes"
        return f"<Content {size}>"


def encode_content(
    *,
    content: Any = None,
    data: Any = None,
    json: Any = None,
    files: Any = None,
    json_codec: JsonCodec | None = None,
) -> Content | None:
    """The content of a request, or None when it has none.

    Args:
        content: Bytes of any kind; str, sent as UTF-8; a path object; a binary file; an iterable or
            asynchronous iterable of bytes; a `MultipartEncoder`.
        data: Form fields as a mapping or pairs, or anything `content` may be.
        json: A value for the JSON codec.
        files: Files of a form, which makes it multipart/form-data; then `data` holds its other fields.
        json_codec: What `json` is encoded with; by default orjson where it is installed.

    Raises:
        LocalProtocolError: a part of a form holds what may not be sent.
        OSError: there is no file at a path.
        TypeError: two contents were given, or a value is of a type that cannot be sent.
        ValueError: the JSON codec does not take the value.
    """
    if (content is not None) + (json is not None) + (data is not None or files is not None) > 1:
        raise TypeError("a request has one content: give one of content=, json=, and data= with or without files=")
    if json is not None:
        encoded: Any = (json_codec or default_json_codec()).dumps(json)
        return Content(encoded.encode() if isinstance(encoded, str) else encoded, content_type=_JSON)
    if content is not None:
        return _encode_any(content)
    if files is not None:
        from hyperhttp.message.multipart import MultipartEncoder  # for those who send files

        return _encode_source(MultipartEncoder(fields=data, files=files))
    if data is None:
        return None
    if _is_form(data):
        return Content(_form_encoder()(data), content_type=_FORM) if data else None
    return _encode_any(data)


@cache
def _form_encoder() -> Callable[[Any], bytes]:
    from hyperhttp.message.forms import encode_form  # with all that it needs, for those who send forms

    return encode_form


@cache
def _source_maker() -> Callable[[Any, int], bytes | Source]:
    from hyperhttp.message.sources import source_of  # for those who send what is not in memory

    return source_of


def _is_form(data: Any) -> bool:
    """Whether `data` is a mapping or pairs rather than content: pairs are never bytes."""
    if isinstance(data, list | tuple):
        return not data or isinstance(data[0], tuple | list)
    return hasattr(data, "items")


def _encode_any(content: Any) -> Content:
    if type(content) is bytes:
        return Content(content)
    if isinstance(content, str):
        return Content(content.encode(), content_type=_TEXT)
    source = _source_maker()(content, _CHUNK_SIZE)
    return Content(source) if isinstance(source, bytes) else _encode_source(source)


def _encode_source(source: Source) -> Content:
    form: Any = source
    if not hasattr(form, "content_type"):  # only a `MultipartEncoder` has one
        return Content(source=source)
    content_type = (b"Content-Type", form.content_type.encode("ascii"))
    data = form.data
    return Content(data, source=source if data is None else None, content_type=content_type)


class JsonCodec(Protocol):
    """What turns values into JSON and back.

    One that has a method ``loads_as(data: bytes, kind: Any) -> Any`` too makes the values of ``response.json(kind)``; it
    raises ValueError for what is no such value, TypeError for a kind it cannot make.
    """

    @property
    def name(self) -> str:
        """What it is called in settings and messages."""
        ...

    def dumps(self, obj: Any) -> bytes:
        """The value as JSON in UTF-8.

        Raises:
            TypeError: JSON has nothing for the type.
            ValueError: JSON has nothing for the value, such as NaN.
        """
        ...

    def loads(self, data: bytes) -> Any:
        """The value of a JSON text.

        Raises:
            ValueError: it is not JSON.
        """
        ...


class StandardJsonCodec:
    """JSON by the standard library, compact; it takes all that `OrjsonCodec` takes."""

    __slots__ = ("_encode", "_loads")

    name = "json"

    def __init__(self) -> None:
        import json  # takes a millisecond nobody should pay who does not need it

        self._encode = json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain_value
        ).encode
        self._loads = json.loads

    def dumps(self, obj: Any) -> bytes:
        """The value as JSON in UTF-8.

        Raises:
            TypeError: JSON has nothing for the type.
            ValueError: JSON has nothing for the value: NaN, an infinity, a lone surrogate, a circle.
        """
        try:
            return self._encode(obj).encode()
        except RecursionError as error:
            raise ValueError("the value is nested too deeply for JSON") from error

    def loads(self, data: bytes) -> Any:
        """The value of a JSON text in UTF-8, or UTF-16 or UTF-32, with or without a byte order mark.

        Raises:
            ValueError: it is not JSON.
        """
        try:
            return self._loads(decode_json_text(data), parse_constant=_refuse_constant)
        except RecursionError as error:
            raise ValueError("the JSON text is nested too deeply") from error


class OrjsonCodec:
    """JSON by orjson, several times as fast. What orjson refuses, the standard library has a second look at.

    So both codecs take the same values, with two differences of orjson's: an integer of more than 64 bits is
    read as a float, and nesting ends at 1024 levels.
    """

    __slots__ = ("_dumps", "_loads", "_standard")

    name = "orjson"

    def __init__(self) -> None:
        import orjson  # optional

        self._dumps = orjson.dumps
        self._loads = orjson.loads
        self._standard = StandardJsonCodec()

    def dumps(self, obj: Any) -> bytes:
        """The value as JSON in UTF-8; raises as `StandardJsonCodec` does."""
        try:
            encoded = self._dumps(obj)
        except TypeError:  # large integers, keys that are numbers, named tuples
            return self._standard.dumps(obj)
        # orjson writes null for NaN without a word, so each null gets a second look.
        return self._standard.dumps(obj) if b"null" in encoded else encoded

    def loads(self, data: bytes) -> Any:
        """The value of a JSON text; raises as `StandardJsonCodec` does."""
        try:
            return self._loads(data)
        except ValueError:  # UTF-16, a byte order mark, lone surrogates, or not JSON at all
            return self._standard.loads(data)


_default_codec: JsonCodec | None = None


def default_json_codec() -> JsonCodec:
    """The codec for clients that were given none: orjson where it is installed."""
    global _default_codec
    if _default_codec is None:
        try:
            _default_codec = OrjsonCodec()
        except ImportError:
            _default_codec = StandardJsonCodec()
    return _default_codec


def _plain_value(value: Any) -> Any:
    """What stands in JSON for the types orjson knows beyond the standard library's."""
    import dataclasses
    import datetime as dt
    import enum
    import uuid

    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: getattr(value, name) for name in names if not name.startswith("_")}
    raise TypeError(f"{type(value).__name__} cannot be encoded as JSON")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
