"""HPACK, the sending half (RFC 7541): the fields of a request to a compressed field block.

A client says nearly the same on every request, so each field is checked, lower-cased and encoded once and
then found in a dictionary; a warm request costs about 0.1 µs per field. What decides how a field is written:

- a secret (Authorization, Cookie, anything whose name sounds like one) is "never indexed" (section 7.1.3),
  written plainly and not remembered anywhere;
- `:path`, lengths and conditions differ from request to request and stay out of the dynamic table;
- what every request carries (authority, User-Agent, Accept...) goes into the table at first sight, anything
  else when it comes a second time, so that unique values do not push out the useful ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hyperhttp.exceptions import LocalProtocolError
from hyperhttp.protocol.grammar import FIELD_VALUE, METHOD, REQUEST_TARGET, TOKEN
from hyperhttp.protocol.http2 import huffman
from hyperhttp.protocol.http2.fields import CONNECTION_SPECIFIC, ENTRY_OVERHEAD, is_sensitive
from hyperhttp.protocol.http2.static_table import STATIC_NAMES, STATIC_PAIRS, STATIC_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hyperhttp.protocol.events import Field

__all__ = ["Encoder", "encode_integer", "encode_string"]

#: The table we keep at most, whatever the peer allows; also what HTTP/2 starts with (RFC 9113 section 6.5.2).
TABLE_SIZE: Final = 4096

_INDEXED: Final = 0x80
_INCREMENTAL: Final = 0x40
_TABLE_SIZE_UPDATE: Final = 0x20
_NEVER_INDEXED: Final = 0x10
_PLAIN: Final = 0x00

# How the fields of a name are written.
_SKIP, _SECRET, _CHANGING, _COMMON, _OTHER, _TE = range(6)
_COMMON_NAMES: Final = frozenset({b"user-agent", b"accept", b"accept-encoding", b"accept-language"})
_CHANGING_NAMES: Final = frozenset(
    b"content-length date range referer etag if-match if-none-match if-modified-since if-unmodified-since"
    b" if-range expires age".split()
)

_MAX_FIELDS: Final = 256  # remembered fields per connection
_MAX_VALUE: Final = 1024  # bytes of a value worth remembering
_MAX_PATHS: Final = 256  # remembered paths per connection
_MAX_NAMES: Final = 256  # remembered field names per connection
_MAX_TARGETS: Final = 16  # remembered beginnings: method, scheme, authority


_Pair = tuple[bytes, bytes]


class Encoder:
    """One direction's encoding state."""

    __slots__ = (
        "_fields",
        "_inserted",
        "_max_size",
        "_names",
        "_numbers",
        "_paths",
        "_seen",
        "_size",
        "_targets",
        "_updates",
    )

    def __init__(self) -> None:
        self._max_size = TABLE_SIZE
        self._size = 0
        self._inserted = 0  # entries ever put into the dynamic table
        self._numbers: dict[_Pair, int] = {}  # dynamic entry to its number, counted from 1, the oldest first
        self._updates: list[int] = []  # table sizes the next block has to announce
        self._seen: dict[_Pair, None] = {}  # fields met once
        # What was written, by what was asked for. The first two hold indexes and live until the table
        # changes.
        self._fields: dict[Field, bytes] = {}
        self._targets: dict[tuple[bytes, bytes, bytes, bytes], bytes] = {}
        self._paths: dict[bytes, bytes] = {}
        self._names: dict[bytes, tuple[bytes, int]] = {}

    def encode_request(
        self,
        method: bytes,
        scheme: bytes,
        authority: bytes,
        path: bytes,
        fields: Iterable[Field],
        *,
        protocol: bytes = b"",
    ) -> bytes:
        """The field block of a request.

        Args:
            method: the method.
            scheme: ``b"https"`` or ``b"http"``; empty for CONNECT without `protocol`.
            authority: host and port as in a URL, without userinfo; it stands for Host.
            path: path and query, or ``b"*"``; empty for CONNECT without `protocol`.
            fields: the header fields; the first two items of each are name, in any case, and value. Host and
                the fields that belong to an HTTP/1.1 connection are left out.
            protocol: the ``:protocol`` of an extended CONNECT (RFC 8441).

        Raises:
            LocalProtocolError: something in it must not be sent. The encoder can go on.
        """
        try:
            block = [self._take_updates()] if self._updates else []
            target = (method, scheme, authority, protocol)
            block.append(self._targets.get(target) or self._encode_target(target))
            if path:
                block.append(self._paths.get(path) or self._encode_path(path))
            remembered = self._fields.get
            for field in fields:
                encoded = remembered(field)
                block.append(self._encode_field(field) if encoded is None else encoded)
        except LocalProtocolError:
            self._forget()
            raise
        return b"".join(block)

    def encode_trailers(self, fields: Iterable[Field]) -> bytes:
        """The field block of a trailer section.

        Raises:
            LocalProtocolError: a field must not be sent. The encoder can go on.
        """
        try:
            block = [self._take_updates()] if self._updates else []
            block += [self._encode_field(field) for field in fields]
        except LocalProtocolError:
            self._forget()
            raise
        return b"".join(block)

    def set_table_size(self, size: int) -> None:
        """Obey the peer's SETTINGS_HEADER_TABLE_SIZE; the next block says so (RFC 7541 section 4.2)."""
        size = min(size, TABLE_SIZE)
        if size == self._max_size and not self._updates:
            return
        # The smallest value of several has to be announced too: the peer has evicted down to it.
        smallest = min([size, *self._updates])
        self._updates = [smallest, size] if smallest < size else [size]
        self._max_size = size
        self._evict(smallest)

    def _forget(self) -> None:
        """Give up a block half-way: its insertions never reach the peer, so both tables begin again."""
        self._updates = [0, self._max_size] if self._max_size else [0]
        self._evict(0)

    def _take_updates(self) -> bytes:
        updates = b"".join([encode_integer(_TABLE_SIZE_UPDATE, 0x1F, size) for size in self._updates])
        self._updates.clear()
        return updates

    def _encode_target(self, target: tuple[bytes, bytes, bytes, bytes]) -> bytes:
        method, scheme, authority, protocol = target
        _check_target(method, scheme, authority)
        before = self._inserted
        block = self._encode_pair((b":method", method), indexing=True)
        if scheme:
            block += self._encode_pair((b":scheme", scheme), indexing=True)
        block += self._encode_pair((b":authority", authority), indexing=True)
        if protocol:
            block += self._encode_pair((b":protocol", protocol), indexing=True)
        if self._inserted == before:
            _remember(self._targets, target, block, _MAX_TARGETS)
        return block

    def _encode_path(self, path: bytes) -> bytes:
        if not REQUEST_TARGET.fullmatch(path) or (path[:1] != b"/" and path != b"*"):
            raise LocalProtocolError(
                "the path and query may hold neither blanks nor control characters and start with /"
            )
        block = self._encode_pair((b":path", path), indexing=False)
        if len(path) <= _MAX_VALUE:
            _remember(self._paths, path, block, _MAX_PATHS)
        return block

    def _encode_field(self, field: Field) -> bytes:
        name, kind = self._names.get(field[0]) or self._classify(field[0])
        value: bytes = field[1].strip(b" \t")
        if kind == _SKIP or (kind == _TE and value.lower() != b"trailers"):
            return b""
        if not FIELD_VALUE.fullmatch(value):
            shown = name.decode("ascii")
            raise LocalProtocolError(f"the value of the header {shown!r} holds a control character or line break")
        if kind == _SECRET:
            return _literal_name(_NEVER_INDEXED, 0x0F, name) + encode_integer(0, 0x7F, len(value)) + value
        pair = (name, value)
        if kind == _OTHER and not (pair in self._seen or pair in self._numbers or pair in STATIC_PAIRS):
            _remember(self._seen, pair, None, _MAX_FIELDS)
            return _literal_name(_PLAIN, 0x0F, name) + encode_string(value)
        before = self._inserted
        block = self._encode_pair(pair, indexing=kind != _CHANGING)
        if self._inserted == before and len(value) <= _MAX_VALUE:
            _remember(self._fields, field, block, _MAX_FIELDS)
        return block

    def _classify(self, given: bytes) -> tuple[bytes, int]:
        """A field name in lower case, and how its fields are written."""
        if not TOKEN.fullmatch(given):
            raise LocalProtocolError(f"invalid header name {given[:80].decode('latin-1')!r}")
        name = given.lower()
        kind = _OTHER
        if name in CONNECTION_SPECIFIC or name == b"host":
            kind = _SKIP
        elif name == b"te":
            kind = _TE  # RFC 9113 section 8.2.2: nothing but "trailers"
        elif name in _COMMON_NAMES:
            kind = _COMMON
        elif name in _CHANGING_NAMES:
            kind = _CHANGING
        elif is_sensitive(name):
            kind = _SECRET
        _remember(self._names, given, (name, kind), _MAX_NAMES)
        return name, kind

    def _encode_pair(self, pair: _Pair, *, indexing: bool) -> bytes:
        index = STATIC_PAIRS.get(pair, 0)
        if index:
            return bytes((_INDEXED | index,))
        number = self._numbers.get(pair, 0)
        if number:
            return encode_integer(_INDEXED, 0x7F, len(STATIC_TABLE) + 1 + self._inserted - number)
        name, value = pair
        if indexing and self._insert(pair):
            return _literal_name(_INCREMENTAL, 0x3F, name) + encode_string(value)
        return _literal_name(_PLAIN, 0x0F, name) + encode_string(value)

    def _insert(self, pair: _Pair) -> bool:
        """Put a field into the dynamic table unless it would take more than a quarter of it."""
        size = len(pair[0]) + len(pair[1]) + ENTRY_OVERHEAD
        if size * 4 > self._max_size:
            return False
        self._evict(self._max_size - size)
        self._inserted += 1
        self._numbers[pair] = self._inserted
        self._size += size
        self._seen.pop(pair, None)
        self._fields.clear()
        self._targets.clear()
        return True

    def _evict(self, room: int) -> None:
        while self._size > room:
            name, value = pair = next(iter(self._numbers))
            del self._numbers[pair]
            self._size -= len(name) + len(value) + ENTRY_OVERHEAD
        self._fields.clear()
        self._targets.clear()


def encode_integer(bits: int, prefix: int, value: int) -> bytes:
    """An integer (RFC 7541 section 5.1); its first byte carries `bits` as well; `prefix` masks its own."""
    if value < prefix:
        return bytes((bits | value,))
    encoded = bytearray((bits | prefix,))
    value -= prefix
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_string(data: bytes) -> bytes:
    """A string literal (RFC 7541 section 5.2), in the Huffman code where that is shorter."""
    compressed = huffman.encode(data)
    if len(compressed) < len(data):
        return encode_integer(0x80, 0x7F, len(compressed)) + compressed
    return encode_integer(0, 0x7F, len(data)) + data


def _literal_name(bits: int, prefix: int, name: bytes) -> bytes:
    """The first part of a literal field: how it is to be treated, and its name."""
    index = STATIC_NAMES.get(name, 0)
    return encode_integer(bits, prefix, index) if index else bytes((bits,)) + encode_string(name)


def _check_target(method: bytes, scheme: bytes, authority: bytes) -> None:
    if not METHOD.fullmatch(method):
        raise LocalProtocolError(f"invalid method {method[:80].decode('latin-1')!r}")
    if scheme and not TOKEN.fullmatch(scheme):
        raise LocalProtocolError("invalid scheme")
    if not REQUEST_TARGET.fullmatch(authority) or b"@" in authority:
        raise LocalProtocolError("the authority must be a host with an optional port")


def _remember(memo: dict[Any, Any], key: object, value: object, limit: int) -> None:
    """Keep `value` in a memo that starts again when it is full."""
    if len(memo) >= limit:
        memo.clear()
    memo[key] = value
